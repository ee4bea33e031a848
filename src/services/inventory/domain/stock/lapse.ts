/** What has lapsed by a time, whether or not anything has recorded it yet. */
import type { Instant } from "../../../../kernel/index.ts";
import type { StockEventDraft } from "./events.ts";
import { type Lot, type MutableTotals, type Stock, sellable, totalsOf } from "./stock.ts";

/** The reservations whose holds have lapsed by `now` though nothing has recorded it yet, with their units. */
export function lapsedHolds(stock: Stock, now: Instant): { readonly reservation: string; readonly quantity: number }[] {
  return stock.deadlines
    .due(now, (id, time) => stock.holdings.get(id)?.expiresAt === time)
    .map((reservation) => ({ reservation, quantity: stock.holdings.get(reservation)?.quantity ?? 0 }));
}

/** Whether the date of a lot has passed by `now` though nothing has recorded it yet. */
export function hasLapsed({ cutoff, expired }: Lot, now: Instant): boolean {
  return !expired && cutoff !== null && cutoff <= now;
}

/** The lots whose date has passed by `now` though nothing has recorded it yet, with the units that were sellable. */
export function lapsedLots(stock: Stock, now: Instant): { readonly lot: string; readonly quantity: number }[] {
  if (stock.nextCutoff === null || stock.nextCutoff > now) return [];
  const lapsed = [];
  for (const [name, lot] of stock.lots) {
    if (hasLapsed(lot, now)) lapsed.push({ lot: name, quantity: sellable(lot) });
  }
  return lapsed;
}

/**
 * The events that record what has lapsed by `now`. Whoever relies on it appends them first in the same unit, so that
 * the log alone, folded without a clock, shows why a promise was good (design.md, rule 5).
 */
export function lapses(stock: Stock, now: Instant): StockEventDraft[] {
  const drafts: StockEventDraft[] = lapsedHolds(stock, now).map((data) => ({ type: "HoldLapsed", data }));
  for (const data of lapsedLots(stock, now)) drafts.push({ type: "LotExpired", data });
  return drafts;
}

/** The totals as they are at `now`, with what has lapsed by then counted whether it is recorded or not. */
export function totalsAt(stock: Stock, now: Instant): MutableTotals {
  const totals = totalsOf(stock);
  for (const { quantity } of lapsedHolds(stock, now)) totals.reserved -= quantity;
  for (const { quantity } of lapsedLots(stock, now)) totals.unavailable += quantity;
  return totals;
}
