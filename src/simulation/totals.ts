/** What many histories come to together. */
import type { HistoryResult } from "./history.ts";

export interface Totals {
  readonly histories: number;
  readonly steps: number;
  readonly units: number;
  readonly events: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly answers: Readonly<Record<string, number>>;
  readonly eventTypes: readonly string[];
  readonly failures: readonly { readonly seed: number; readonly step: number; readonly problem: string }[];
  /** Seconds of processor time. */
  readonly cpuSeconds: number;
}

export const nothing: Totals = {
  histories: 0,
  steps: 0,
  units: 0,
  events: 0,
  faults: {},
  answers: {},
  eventTypes: [],
  failures: [],
  cpuSeconds: 0,
};

export function totalsOf(result: HistoryResult): Totals {
  const { seed, steps, units, events, faults, answers, eventTypes, failure } = result;
  const failures = failure === undefined ? [] : [{ seed, ...failure }];
  return { histories: 1, steps, units, events, faults, answers, eventTypes, failures, cpuSeconds: 0 };
}

export function together(a: Totals, b: Totals): Totals {
  return {
    histories: a.histories + b.histories,
    steps: a.steps + b.steps,
    units: a.units + b.units,
    events: a.events + b.events,
    faults: sums(a.faults, b.faults),
    answers: sums(a.answers, b.answers),
    eventTypes: [...new Set([...a.eventTypes, ...b.eventTypes])],
    failures: [...a.failures, ...b.failures],
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
  };
}

function sums(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const both: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) both[name] = (both[name] ?? 0) + count;
  return both;
}
