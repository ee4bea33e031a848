/** Moments of a history, kept as they were, to be asked for again when what led to them is in cold files. */
import type { LogOracle } from "./log.ts";
import type { Totals } from "./stock.ts";

export interface Moment {
  /** All that was recorded by then was known, and nothing that was recorded later. */
  readonly at: number;
  /** What a stock was, by its key, without what had lapsed by then. */
  readonly stocks: ReadonlyMap<string, { readonly version: number; readonly totals: Totals }>;
}

/** Keeps the moment before `next`, at which a unit was recorded that is not taken in yet. */
export function keepMoment(oracle: LogOracle, next: number): void {
  const at = next - 1;
  // No moment lies between two units of one instant.
  if (at < oracle.recordedAt || oracle.stocks.size === 0) return;
  const stocks = [...oracle.stocks.values()].map((stock) => {
    const { key, version } = stock;
    return [key, { version, totals: stock.totalsAt(at) }] as const;
  });
  oracle.moments.push({ at, stocks: new Map(stocks) });
}
