/** What goes wrong while old days are moved into cold files, and when they are read again. */
import type { Random } from "./random.ts";

export const coldFaultKinds = [
  "cold-write-failed",
  "cold-write-torn",
  "cold-write-damaged",
  "cold-write-crash",
  "cold-read-failed",
  "seam-failed",
  "seam-unknown",
  "seam-answer-lost",
  "seam-crash-before",
  "seam-crash-written",
  "seam-crash-synced",
] as const;

export type ColdFaultKind = (typeof coldFaultKinds)[number];

export interface ColdFate {
  readonly ms: number;
  readonly fault?: ColdFaultKind;
}

/** Who decides what goes wrong. */
export interface ColdFates {
  /** Of keeping a file. */
  write(): ColdFate;
  read(): ColdFate;
  /** Of a change of the log: of a manifest that is put into it, or of lines that are removed. */
  change(): ColdFate;
}

const writing = {
  "cold-write-failed": 3,
  "cold-write-torn": 2,
  "cold-write-damaged": 2,
  "cold-write-crash": 3,
} as const;
const changing = {
  "seam-failed": 2,
  "seam-unknown": 2,
  "seam-answer-lost": 2,
  "seam-crash-before": 2,
  "seam-crash-written": 3,
  "seam-crash-synced": 4,
} as const;

/** While `calm()` nothing goes wrong. */
export function coldFatesOf(random: Random, calm: () => boolean, note: (kind: ColdFaultKind) => void): ColdFates {
  const fate = <K extends ColdFaultKind>(msMost: number, probability: number, faults: Readonly<Record<K, number>>) => {
    const ms = random.between(0, msMost);
    if (calm() || !random.chance(probability)) return { ms };
    const fault = random.weighted(faults);
    note(fault);
    return { ms, fault };
  };
  return {
    write: () => fate(200, 0.2, writing),
    read: () => fate(0, 0.01, { "cold-read-failed": 1 }),
    change: () => fate(5, 0.2, changing),
  };
}
