/**
 * One reconciliation, from its request to its end.
 *
 * ```
 * requested ─▶ waiting ─first location begins─▶ running ─every location has its result─▶ done, or failed
 *                 └──────────────── again from the beginning after a crash ◀──┘
 * ```
 *
 * These events are stored for ever: a change of meaning is a new schema version, never an edit.
 */
import type { Instant } from "../../../../kernel/index.ts";
import type { Action, Mode } from "./act.ts";
import type { Finding, FindingKind } from "./judge.ts";
import type { Pair } from "./records.ts";

export interface Requested {
  readonly mode: Mode;
  readonly locations: readonly string[];
  /** Whether its time had come, instead of someone asking for it. */
  readonly scheduled: boolean;
}

export interface ActedFinding extends Finding {
  readonly action: Action;
}

/**
 * Stocks that could not be compared. `impossible-name`: their record has a sku or location that can be none of ours.
 * `unreadable-here`: their record tells of an earlier figure of ours, which is in a cold file that can't be read.
 */
export interface PassedOver {
  readonly reason: "impossible-name" | "unreadable-here";
  readonly count: number;
  readonly first: Uncomparable;
}

export interface Uncomparable extends Pair {
  /** What is wrong, for whoever runs the server. */
  readonly problem: string;
}

/** What came of comparing with one location. */
export interface LocationResult {
  readonly location: string;
  readonly startedAt: Instant;
  /** Why it could not be compared; then the figures are zero. */
  readonly cause?: string;
  /** What is not among the figures; absent where nothing is. */
  readonly passedOver?: readonly PassedOver[];
  readonly compared: number;
  readonly inFlight: number;
  readonly found: number;
  readonly kinds: Readonly<Partial<Record<FindingKind, number>>>;
  readonly actions: Readonly<Partial<Record<Action, number>>>;
  /** The first of them, as many as are kept. */
  readonly findings: readonly ActedFinding[];
}

export type RunEvent =
  | { readonly type: "ReconciliationRequested"; readonly data: Requested }
  | { readonly type: "LocationReconciled"; readonly data: LocationResult }
  | { readonly type: "ReconciliationEnded"; readonly data: object };

export interface Run {
  readonly id: string;
  readonly mode: Mode;
  readonly locations: readonly string[];
  readonly scheduled: boolean;
  readonly requestedAt: Instant;
  readonly by: string;
  readonly endedAt: Instant | undefined;
  readonly results: readonly LocationResult[];
  /** The version of its stream. */
  readonly version: number;
}

export type RunStatus = "waiting" | "running" | "done" | "failed";

/** Failed is one of which any location could not be compared. */
export function statusOf({ endedAt, results }: Pick<Run, "endedAt" | "results">): RunStatus {
  if (endedAt === undefined) return results.length === 0 ? "waiting" : "running";
  return results.some(({ cause }) => cause !== undefined) ? "failed" : "done";
}

/** The run after one more event; undefined when its first one is missing. */
export function evolveRun(
  run: Run | undefined,
  event: RunEvent,
  recorded: { readonly id: string; readonly at: Instant; readonly by: string; readonly version: number },
): Run | undefined {
  const { id, at, by, version } = recorded;
  if (event.type === "ReconciliationRequested")
    return { ...event.data, id, by, requestedAt: at, endedAt: undefined, results: [], version };
  if (run === undefined) return undefined;
  switch (event.type) {
    case "LocationReconciled": {
      // One that was begun again after a crash counts once.
      const others = run.results.filter(({ location }) => location !== event.data.location);
      return { ...run, results: [...others, event.data], version };
    }
    case "ReconciliationEnded":
      return { ...run, endedAt: at, version };
    default:
      return event satisfies never;
  }
}

/** How well both sides agreed: the share of stocks that did, of those that were compared; 1 when there were none. */
export function accuracyOf({ compared, found }: Pick<LocationResult, "compared" | "found">): number {
  return compared === 0 ? 1 : (compared - found) / compared;
}

/** How well one location agreed, at one time. */
export interface AccuracyPoint {
  readonly at: Instant;
  readonly compared: number;
  readonly found: number;
}
