import type { Instant } from "../../../../kernel/index.ts";
import type { HoldLine, LotChange } from "./events.ts";
import { lotAfter, noLot, promisableIn, type Stock, sellable } from "./stock.ts";

/** What contract.md calls the units that belong to no lot. They have no entry among the lots; only facts name them so. */
export const unknownLot = "unknown";

/** What the choice of a lot looks at. */
export interface LotView {
  readonly quantity: number;
  readonly expiresOn: string | null;
  readonly cutoff: Instant | null;
}

/** Why units leave: a sale takes what may still be sold first; a loss takes the earliest lot, whatever its date. */
export type Leaving = "sale" | "loss";

/**
 * The lots that give up `quantity` units when none is named: the earliest date first, then undated lots by name. What
 * the lots don't have leaves the units without a lot, which have no entry here.
 *
 * Holdbacks play no part, so that the choice depends on nothing but the lots and the time.
 */
export function earliestFirst(
  lots: ReadonlyMap<string, LotView>,
  quantity: number,
  at: Instant,
  leaving: Leaving,
): LotChange[] {
  if (lots.size === 0 || quantity <= 0) return [];
  const isPast = (lot: LotView) => lot.cutoff !== null && lot.cutoff <= at;
  const rank = (lot: LotView) => (leaving === "sale" && isPast(lot) ? 1 : 0);
  const order = [...lots]
    .filter(([, lot]) => lot.quantity > 0)
    .sort(
      ([nameA, a], [nameB, b]) =>
        rank(a) - rank(b) || compareDates(a.expiresOn, b.expiresOn) || (nameA < nameB ? -1 : 1),
    );
  return take(order, quantity);
}

/** A hold, or a part of one, that is to be served. */
type Served = Pick<HoldLine, "quantity" | "sellableUntil" | "lot">;

/**
 * The lots that serve holds of one reservation: those that they name, or the earliest that may be sold until their
 * date, past what other holds have asked of those very lots as long as that is possible.
 */
export function lotsForHolds(stock: Stock, holds: readonly Served[], at: Instant): LotChange[] {
  const named = mergeLots(
    holds.flatMap(({ lot, quantity }) => (lot === undefined ? [] : [{ lot, quantity: -quantity }])),
  );
  if (stock.lots.size === 0) return named;
  const others = new Map([...stock.lots.keys()].map((lot) => [lot, askedOf(stock, lot) + takenOf(named, lot)]));
  let taken = named;
  let loose = looseUnits(stock);
  for (const hold of holds) {
    if (hold.lot !== undefined) continue;
    const lots = chooseLots(stock, hold, taken, others, Math.max(0, loose), at);
    taken = mergeLots(taken, lots);
    loose -= hold.quantity + sumOf(lots);
  }
  return taken;
}

/** `taken` is gone from the lots already, `others` is asked of them by name, `loose` units are left in none. */
function chooseLots(
  stock: Stock,
  { quantity, sellableUntil }: Served,
  taken: readonly LotChange[],
  others: ReadonlyMap<string, number>,
  loose: number,
  at: Instant,
): LotChange[] {
  const open = [...stock.lots]
    .filter(([, lot]) => !lot.expired && (lot.cutoff === null || lot.cutoff > at))
    .filter(([, lot]) => sellableUntil === undefined || lot.expiresOn === null || lot.expiresOn >= sellableUntil)
    .map(([name, lot]): [string, LotView] => [name, { ...lot, quantity: promisableIn(lot) + takenOf(taken, name) }])
    .sort(([nameA, a], [nameB, b]) => compareDates(a.expiresOn, b.expiresOn) || (nameA < nameB ? -1 : 1));
  const first = take(
    less(open, (name) => others.get(name) ?? 0),
    quantity,
  );
  const left = quantity + sumOf(first);
  if (left <= loose) return first;
  return mergeLots(
    first,
    take(
      less(open, (name) => -takenOf(first, name)),
      left - loose,
    ),
  );
}

function less(lots: readonly [string, LotView][], units: (name: string) => number): [string, LotView][] {
  return lots.map(([name, lot]) => [name, { ...lot, quantity: lot.quantity - units(name) }]);
}

function askedOf(stock: Stock, lot: string): number {
  return stock.asks.get(`lot:${lot}`) ?? 0;
}

/** The units in a lot; those of lot `unknown` are what the others leave of what is on hand. */
export function unitsIn(
  { onHand, lots }: { readonly onHand: number; readonly lots: ReadonlyMap<string, { readonly quantity: number }> },
  name: string,
): number {
  if (name !== unknownLot) return lots.get(name)?.quantity ?? 0;
  let inLots = 0;
  for (const { quantity } of lots.values()) inLots += quantity;
  return onHand - inLots;
}

/**
 * Units that belong to no lot and may be promised: below zero when more left, or is held back, than lots and loose units had;
 * never more than there are, although more were put back than held back.
 */
export function looseUnits(stock: Stock): number {
  let units = stock.onHand;
  let heldBack = stock.unavailable;
  for (const lot of stock.lots.values()) {
    units -= lot.quantity;
    heldBack -= lot.heldBack + (lot.expired ? sellable(lot) : 0);
  }
  return units - Math.max(0, heldBack);
}

/** How `unavailable` changes when lots do: by their holdbacks, and by the sellable units of those that have expired. */
export function unavailableChange(stock: Stock, changes: readonly LotChange[], isOrdered?: boolean): number {
  let total = 0;
  for (const change of changes) {
    const lot = stock.lots.get(change.lot) ?? noLot;
    const after = lotAfter(lot, change, isOrdered);
    total += change.heldBack ?? 0;
    if (lot.expired) total += (after.expired ? sellable(after) : 0) - sellable(lot);
  }
  return total;
}

/** One change a lot. */
export function mergeLots(...lists: readonly (readonly LotChange[])[]): LotChange[] {
  const merged = new Map<
    string,
    { lot: string; quantity?: number; heldBack?: number; expiresOn?: string | null; cutoff?: number }
  >();
  for (const change of lists.flat()) {
    const known = merged.get(change.lot);
    if (known === undefined) {
      merged.set(change.lot, { ...change });
      continue;
    }
    if (change.quantity !== undefined) known.quantity = (known.quantity ?? 0) + change.quantity;
    if (change.heldBack !== undefined) known.heldBack = (known.heldBack ?? 0) + change.heldBack;
    if (change.expiresOn !== undefined) known.expiresOn = change.expiresOn;
    if (change.cutoff !== undefined) known.cutoff = change.cutoff;
  }
  return [...merged.values()];
}

/** Dates ascending, none last. */
export function compareDates(a: string | null, b: string | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b ? -1 : 1;
}

function take(order: readonly (readonly [string, LotView])[], quantity: number): LotChange[] {
  const changes: LotChange[] = [];
  let left = quantity;
  for (const [lot, { quantity: there }] of order) {
    if (left === 0) break;
    const units = Math.min(left, Math.max(0, there));
    if (units > 0) changes.push({ lot, quantity: -units });
    left -= units;
  }
  return changes;
}

function takenOf(taken: readonly LotChange[], name: string): number {
  return sumOf(taken.filter((change) => change.lot === name));
}

function sumOf(changes: readonly LotChange[]): number {
  return changes.reduce((sum, change) => sum + (change.quantity ?? 0), 0);
}
