/** Lots whose date is near, by the policy of their stock. */
import type { Instant } from "../../../../kernel/index.ts";
import type { LotChange, StockEventDraft } from "./events.ts";
import { type Stock, sellable } from "./stock.ts";

/**
 * What to tell at `now` of a stock's lots that come near their date, each once, and when there will be more to tell;
 * null for not by time alone. `nearFrom` gives the instant from which a date is near. A lot that has nothing to sell, or
 * whose date has passed, is not told of.
 */
export function lotsNearing(
  stock: Stock,
  now: Instant,
  nearFrom: (date: string, days: number) => Instant,
): { readonly drafts: readonly StockEventDraft[]; readonly next: Instant | null } {
  const { expiringDays } = stock;
  const drafts: StockEventDraft[] = [];
  let next: Instant | null = null;
  if (expiringDays === null) return { drafts, next };
  for (const [name, lot] of stock.lots) {
    const { expiresOn, cutoff } = lot;
    if (lot.nearTold || lot.expired || expiresOn === null || cutoff === null || cutoff <= now) continue;
    const from = nearFrom(expiresOn, expiringDays);
    const quantity = sellable(lot);
    if (from > now) next = next === null ? from : Math.min(next, from);
    else if (quantity > 0) {
      drafts.push({ type: "LotNearedExpiry", data: { lot: name, quantity, expiresOn, expiresAt: cutoff } });
    }
  }
  return { drafts, next };
}

/** Whether after these changes a lot may be near its date that was not before: units, or a date, have come to it. */
export function stirsLots(changes: readonly LotChange[]): boolean {
  return changes.some(
    ({ quantity = 0, heldBack = 0, expiresOn }) => quantity > 0 || heldBack < 0 || expiresOn !== undefined,
  );
}
