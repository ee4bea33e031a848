import { formatInstant, type Instant } from "../../kernel/index.ts";
import type { Moment } from "./domain/moment.ts";
import { alarmsOf, type Summary } from "./domain/record.ts";
import type { Receiver } from "./receiver.ts";
import type { SyncStatus } from "./wire.ts";

/** How it stands with a receiver at an instant, as clients see it; `moment` is the same by the time that is waited by. */
export function statusOf(receiver: Receiver, now: Instant, moment: Moment): SyncStatus {
  const { backlog, record, location, circuit } = receiver;
  const summary = record.summary(moment);
  const { sweep } = backlog;
  return {
    location,
    waiting: backlog.size,
    oldestWaitingSeconds: inSeconds(oldestMs(receiver, now)),
    fullPush: sweep === undefined ? null : { lookedAt: sweep.lookedAt, of: sweep.of },
    lastSuccessAt: record.lastSuccessAt === undefined ? null : formatInstant(record.lastSuccessAt),
    latencySeconds: { p50: inSeconds(summary.p50), p95: inSeconds(summary.p95), max: inSeconds(summary.max) },
    errorRate: summary.errorRate,
    circuit,
    completesInSeconds: completion(receiver, summary),
    lastError: record.lastError ?? null,
    alarms: [...alarmsOf(summary, oldestMs(receiver, now) ?? 0)],
  };
}

function oldestMs({ backlog }: Receiver, now: Instant): number | null {
  const oldest = backlog.oldestChange();
  return oldest === undefined ? null : Math.max(0, now - oldest);
}

function completion({ backlog, circuit }: Receiver, { recordsPerSecond }: Summary): number | null {
  const { size, sweep } = backlog;
  // Of what has not been looked at, all may be lacking.
  const left = size + (sweep === undefined ? 0 : sweep.of - sweep.lookedAt);
  if (left === 0 && sweep === undefined) return 0;
  return circuit !== "closed" || recordsPerSecond === 0 ? null : Math.round((10 * left) / recordsPerSecond) / 10;
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
