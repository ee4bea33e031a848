/** How pushes to one receiver went of late, in slots of time, at a bounded size. */
import { type Instant, limits } from "../../../kernel/index.ts";
import type { Moment } from "./moment.ts";

/** Milliseconds of a slot, and slots that are kept: the last five minutes. */
const slotMs = 10_000;
const slotsKept = 30;
/** Slots of the last minute, from which the pace is told. */
const slotsOfPace = 6;
/** Latencies fall into classes, each a fifth wider than the one before: 1 ms to over an hour. */
const base = 1.2;
const classes = 90;

interface Slot {
  readonly index: number;
  readonly latencies: Uint32Array;
  latencyMsMax: number;
  pushes: number;
  failures: number;
  records: number;
}

export interface Summary {
  readonly p50: number | null;
  readonly p95: number | null;
  /** Milliseconds, exact; the others are within a tenth. */
  readonly max: number | null;
  /** Milliseconds, of the last minute: whether it is slow now. */
  readonly recentP95: number | null;
  readonly errorRate: number | null;
  readonly pushes: number;
  /** Records acknowledged in a second. */
  readonly recordsPerSecond: number;
}

export class PushRecord {
  #slots: Slot[] = [];
  /** When it last took a push. */
  lastSuccessAt: Instant | undefined;
  lastError: string | undefined;

  /** A push was taken: how many records it had, and how long each change of them had waited. */
  taken(now: Moment, records: number, latenciesMs: readonly number[]): void {
    const slot = this.#slot(now);
    slot.pushes += 1;
    slot.records += records;
    for (const latencyMs of latenciesMs) {
      const place = classOf(latencyMs);
      slot.latencies[place] = (slot.latencies[place] ?? 0) + 1;
      slot.latencyMsMax = Math.max(slot.latencyMsMax, latencyMs);
    }
  }

  failed(now: Moment, cause: string): void {
    const slot = this.#slot(now);
    slot.pushes += 1;
    slot.failures += 1;
    this.lastError = cause;
  }

  summary(now: Moment): Summary {
    this.#forget(now);
    const slots = this.#slots;
    const recent = slots.filter(({ index }) => index > slotOf(now) - slotsOfPace);
    const seconds = recent.length === 0 ? 1 : Math.max(1, (now - (recent[0]?.index ?? 0) * slotMs) / 1000);
    const latencies = latenciesOf(slots);
    const pushes = sumOf(slots, (slot) => slot.pushes);
    return {
      p50: latencies.quantile(0.5),
      p95: latencies.quantile(0.95),
      max: latencies.max,
      recentP95: latenciesOf(recent).quantile(0.95),
      errorRate: pushes === 0 ? null : sumOf(slots, (slot) => slot.failures) / pushes,
      pushes,
      recordsPerSecond: sumOf(recent, (slot) => slot.records) / seconds,
    };
  }

  #slot(now: Moment): Slot {
    const index = slotOf(now);
    const last = this.#slots.at(-1);
    if (last?.index === index) return last;
    this.#forget(now);
    const latencies = new Uint32Array(classes);
    const slot: Slot = { index, latencies, latencyMsMax: 0, pushes: 0, failures: 0, records: 0 };
    this.#slots.push(slot);
    return slot;
  }

  #forget(now: Moment): void {
    const oldest = slotOf(now) - slotsKept;
    if ((this.#slots[0]?.index ?? oldest + 1) <= oldest)
      this.#slots = this.#slots.filter(({ index }) => index > oldest);
  }
}

function sumOf(slots: readonly Slot[], of: (slot: Slot) => number): number {
  return slots.reduce((total, slot) => total + of(slot), 0);
}

function latenciesOf(slots: readonly Slot[]) {
  const counts = new Float64Array(classes);
  for (const { latencies } of slots)
    for (const [place, count] of latencies.entries()) counts[place] = (counts[place] ?? 0) + count;
  const known = counts.reduce((total, count) => total + count, 0);
  const max = slots.reduce((most, slot) => Math.max(most, slot.latencyMsMax), 0);
  const quantile = (share: number) => (known === 0 ? null : Math.min(max, quantileOf(counts, known * share)));
  return { quantile, max: known === 0 ? null : max };
}

function slotOf(now: Moment): number {
  return Math.floor(now / slotMs);
}

function classOf(latencyMs: number): number {
  return Math.min(classes - 1, Math.max(0, Math.ceil(Math.log(Math.max(1, latencyMs)) / Math.log(base))));
}

/** The upper bound of the class in which the value of a rank lies, taken down to its middle. */
function quantileOf(counts: Float64Array, rank: number): number {
  let passed = 0;
  for (const [place, count] of counts.entries()) {
    passed += count;
    if (passed >= rank && count > 0) return Math.round(base ** (place - 0.5));
  }
  return 0;
}

/** Which alarms ring: `oldestMs` is how long the oldest change has waited, 0 when none does. */
export function alarmsOf(summary: Summary, oldestMs: number): readonly ("slow" | "failing")[] {
  const isSlow = Math.max(oldestMs, summary.recentP95 ?? 0) > limits.syncSlowMs;
  const isFailing = summary.pushes >= limits.syncAlarmPushesMin && (summary.errorRate ?? 0) > limits.syncErrorRateMax;
  return [...(isSlow ? (["slow"] as const) : []), ...(isFailing ? (["failing"] as const) : [])];
}
