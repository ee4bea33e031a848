import type { Instant } from "../../../../kernel/index.ts";
import type { HoldLine } from "./events.ts";
import { hasLapsed, totalsAt } from "./lapse.ts";
import { looseUnits } from "./lots.ts";
import { askKey, available, type Lot, promisableIn, type Stock, sellable } from "./stock.ts";

/** What a stock can still promise; the shape that sourcing plans with. */
export interface Supply {
  readonly capacity: number;
  readonly dated: readonly { readonly from: string; readonly capacity: number }[];
  readonly lots: readonly { readonly lot: string; readonly from: string | undefined; readonly capacity: number }[];
}

/** Later than any lot's date: what only units without a date can serve. */
const undated = "9999-12-31";

/**
 * What can be promised at `now`, counting what has lapsed by then as free or expired. `own` is a reservation whose
 * holds don't count, because they are about to be replaced; what it holds it may keep, however few units are left.
 *
 * A set of holds is feasible when, for every date, the units in lots sellable to that date cover the holds that ask
 * for it (a nested family, so the condition is also sufficient); a hold that names a lot asks for that lot's date, and
 * the lot itself must cover it.
 */
export function supplyOf(stock: Stock, now: Instant, own?: string): Supply {
  const holding = own === undefined ? undefined : stock.holdings.get(own);
  const isLapsed = holding !== undefined && holding.expiresAt !== null && holding.expiresAt <= now;
  const kept = holding === undefined || isLapsed ? [] : holding.holds;
  const freed = kept.reduce((sum, { quantity }) => sum + quantity, 0);
  const capacity = Math.max(freed, promisableAt(stock, now) + stock.backorderLimit + freed);
  if (stock.lots.size === 0) {
    return { capacity, dated: [], lots: keptLots(stock, kept, new Set()) };
  }

  const open = [...stock.lots].filter(([, lot]) => !lot.expired && (lot.cutoff === null || lot.cutoff > now));
  // A lot may have the last date of all: then it serves whatever units without a date do.
  const dates = [...new Set([...open.flatMap(([, lot]) => lot.expiresOn ?? []), undated])].sort();
  const asks = openAsks(stock, now, own);
  const keeps = asksOf(kept);
  return {
    capacity,
    dated: datedCapacities(stock, open, dates, asks, keeps),
    lots: [
      ...open.map(([lot, state]) => ({
        lot,
        from: state.expiresOn ?? undefined,
        capacity: Math.max(keeps.get(`lot:${lot}`) ?? 0, promisableIn(state) - (asks.get(`lot:${lot}`) ?? 0)),
      })),
      ...keptLots(stock, kept, new Set(open.map(([lot]) => lot))),
    ],
  };
}

/**
 * As `promisable`, at `now`. What was put back beyond what else is held back may have been in lots past their date, where it
 * serves nobody.
 */
function promisableAt(stock: Stock, now: Instant): number {
  const totals = totalsAt(stock, now);
  let elsewhere = totals.unavailable;
  for (const lot of stock.lots.values())
    if (lot.expired || hasLapsed(lot, now)) elsewhere -= Math.max(0, lot.heldBack + sellable(lot));
  return available(totals) + Math.min(0, elsewhere);
}

/** Lots that a reservation holds though they are gone or past their date: it may keep them. */
function keptLots(stock: Stock, kept: readonly HoldLine[], open: ReadonlySet<string>): Supply["lots"] {
  const units = new Map<string, number>();
  for (const { lot, quantity } of kept)
    if (lot !== undefined && !open.has(lot)) units.set(lot, (units.get(lot) ?? 0) + quantity);
  return [...units].map(([lot, capacity]) => ({
    lot,
    from: stock.lots.get(lot)?.expiresOn ?? undefined,
    capacity,
  }));
}

/** For each date the units that serve it or a later one, less those that are asked for, but never less than is kept. */
function datedCapacities(
  stock: Stock,
  open: readonly (readonly [string, Lot])[],
  dates: readonly string[],
  asks: ReadonlyMap<string, number>,
  keeps: ReadonlyMap<string, number>,
): Supply["dated"] {
  const demand = demandByDate(stock, asks, dates);
  const keeping = demandByDate(stock, keeps, dates);
  const units = unitsByDate(stock, open, dates);
  let [free, held] = [0, 0];
  const capacities = dates.toReversed().map((from) => {
    free += (units.get(from) ?? 0) - (demand.get(from) ?? 0);
    held += keeping.get(from) ?? 0;
    return { from, capacity: Math.max(held, free) };
  });
  return capacities.reverse();
}

/** What open holds ask for, without those that have lapsed and without one's own. */
function openAsks(stock: Stock, now: Instant, own: string | undefined): ReadonlyMap<string, number> {
  if (stock.asks.size === 0) return stock.asks;
  const asks = new Map(stock.asks);
  const gone = stock.deadlines.due(now, (id, time) => stock.holdings.get(id)?.expiresAt === time);
  for (const id of new Set(own === undefined ? gone : [...gone, own])) {
    for (const [key, units] of asksOf(stock.holdings.get(id)?.holds ?? [])) asks.set(key, (asks.get(key) ?? 0) - units);
  }
  return asks;
}

/** Units that holds ask for beyond any unit, by `askKey`. */
function asksOf(holds: readonly HoldLine[]): Map<string, number> {
  const asks = new Map<string, number>();
  for (const hold of holds) {
    const key = askKey(hold);
    if (key !== undefined) asks.set(key, (asks.get(key) ?? 0) + hold.quantity);
  }
  return asks;
}

function demandByDate(stock: Stock, asks: ReadonlyMap<string, number>, dates: readonly string[]): Map<string, number> {
  const demand = new Map<string, number>();
  for (const [key, units] of asks) {
    const asked = key.startsWith("until:")
      ? key.slice("until:".length)
      : (stock.lots.get(key.slice("lot:".length))?.expiresOn ?? undated);
    const from = dates.find((date) => date >= asked) ?? undated;
    demand.set(from, (demand.get(from) ?? 0) + units);
  }
  return demand;
}

/** Sellable units by date; those without one, in lots or loose, under the last. Loose hold-backs may make that negative. */
function unitsByDate(
  stock: Stock,
  open: readonly (readonly [string, Lot])[],
  dates: readonly string[],
): Map<string, number> {
  const units = new Map<string, number>(dates.map((date) => [date, 0]));
  for (const [, lot] of open) {
    const date = lot.expiresOn ?? undated;
    units.set(date, (units.get(date) ?? 0) + promisableIn(lot));
  }
  units.set(undated, (units.get(undated) ?? 0) + looseUnits(stock));
  return units;
}
