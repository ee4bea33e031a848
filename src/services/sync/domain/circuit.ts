/**
 * Whether a receiver counts as down. After several failures in a row it does: nothing is sent but a probe now and then,
 * which tells when it is back.
 *
 * ```
 * closed ──failures in a row──▶ open ──its time──▶ half-open (one probe under way)
 *    ▲                           ▲ └──────────────────┤
 *    └────────a success──────────┴──a failure, waits longer
 * ```
 */
import { limits } from "../../../kernel/index.ts";
import type { Moment } from "./moment.ts";

export interface Circuit {
  readonly state: "closed" | "open" | "half-open";
  /** Failures in a row. */
  readonly failures: number;
  /** While open: when the next probe may be sent. */
  readonly probeAt: Moment;
  /** Milliseconds of the wait before that probe, jitter aside. */
  readonly waitMs: number;
}

export const closedCircuit: Circuit = { state: "closed", failures: 0, probeAt: 0, waitMs: 0 };

/** `opensAfter` is how many failures in a row open it; `random` gives a number from 0 up to, not including, 1. */
export function afterFailure(circuit: Circuit, opensAfter: number, now: Moment, random: () => number): Circuit {
  const failures = circuit.failures + 1;
  if (circuit.state === "closed" && failures < opensAfter) return { ...circuit, failures };
  // Late failures of pushes that were under way when it opened tell nothing new.
  if (circuit.state === "open") return { ...circuit, failures };
  const waitMs = Math.min(limits.syncProbeMsMax, circuit.waitMs === 0 ? limits.syncProbeMsMin : 2 * circuit.waitMs);
  // Half of it is jitter, so that receivers that failed together are not probed together.
  return { state: "open", failures, waitMs, probeAt: now + Math.ceil(waitMs * (0.5 + random() / 2)) };
}

/** The probe that a half-open circuit waits for is under way. */
export function probing(circuit: Circuit): Circuit {
  return { ...circuit, state: "half-open" };
}
