/** What both sides say of one stock, as far as a comparison needs it. */
import type { Instant } from "../../../../kernel/index.ts";

export interface Pair {
  readonly sku: string;
  readonly location: string;
}

/** What the other side says it holds. */
export interface TheirRecord extends Pair {
  readonly onHand: number;
  /** The version of ours whose figure it holds. */
  readonly version?: number;
  /** When the figure was true, by their clock. */
  readonly asOf?: Instant;
}

/** Ours of one stock. Versions are those that clients see: they grow with every change, and through a restore. */
export interface OurFigures {
  readonly onHand: number;
  readonly version: number;
  /** On hand at the version or time that was asked for; absent when that version was never ours. */
  readonly past?: number;
}

/**
 * What a record is held against: ours at its version, ours at its time, or ours now. A version that is beyond ours says
 * nothing, so the next best is taken.
 */
export type Basis =
  | { readonly by: "version"; readonly version: number }
  | { readonly by: "time"; readonly at: Instant }
  | { readonly by: "now" };

export function basisOf(record: TheirRecord, ourVersion: number): Basis {
  const { version, asOf } = record;
  if (version !== undefined && version <= ourVersion) return { by: "version", version };
  return asOf === undefined ? { by: "now" } : { by: "time", at: asOf };
}

/** One key for a pair: names hold no control characters. */
export function pairKey({ sku, location }: Pair): string {
  return `${location}\u0000${sku}`;
}
