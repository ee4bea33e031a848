import { type Demand, endOfDates, type Supply } from "./types.ts";

/** Where a demand enters the nested limits of a supply. */
export interface Entry {
  /** The number of entries of `dated`, from the first, that the demand counts against. */
  readonly depth: number;
  /** The lot that the demand names, as an index into `lots`. */
  readonly lot: number | undefined;
}

/** Where a demand enters a supply; undefined when no unit there can serve it whatever is left. */
export function entryOf(demand: Demand, supply: Supply): Entry | undefined {
  if (demand.lot === undefined) return entryUntil(demand.sellableUntil, undefined, supply);
  const index = supply.lots.findIndex(({ lot }) => lot === demand.lot);
  const lot = supply.lots[index];
  if (lot === undefined) return undefined;
  const endsTooSoon = lot.from !== undefined && demand.sellableUntil !== undefined && lot.from < demand.sellableUntil;
  return endsTooSoon ? undefined : entryUntil(lot.from ?? endOfDates, index, supply);
}

function entryUntil(date: string | undefined, lot: number | undefined, { dated }: Supply): Entry | undefined {
  if (date === undefined || dated.length === 0) return { depth: 0, lot };
  const index = dated.findIndex(({ from }) => from >= date);
  return index === -1 ? undefined : { depth: index + 1, lot };
}

/** Units that a supply can give a demand when nothing else is asked of it. */
export function reach(demand: Demand, supply: Supply): number {
  const entry = entryOf(demand, supply);
  if (entry === undefined) return 0;
  const ofLot = entry.lot === undefined ? Number.POSITIVE_INFINITY : (supply.lots[entry.lot]?.capacity ?? 0);
  return Math.max(0, Math.min(supply.capacity, ofLot, narrowest(supply, 0, entry.depth)));
}

/** The least capacity of the entries `from` (included) to `to` (excluded) of `dated`; infinite for none. */
export function narrowest({ dated }: Supply, from: number, to: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let index = from; index < to; index += 1) least = Math.min(least, dated[index]?.capacity ?? 0);
  return least;
}

/** Units that a supply can give several demands together when nothing else is asked of it. */
export function reachTogether(demands: readonly Demand[], supply: Supply): number {
  const waiting = new Array<number>(supply.dated.length + 1).fill(0);
  const ofLots = new Map<number, { readonly depth: number; quantity: number }>();
  for (const demand of demands) {
    const entry = entryOf(demand, supply);
    if (entry === undefined) continue;
    const { depth, lot } = entry;
    const known = lot === undefined ? undefined : ofLots.get(lot);
    if (lot === undefined) waiting[depth] = (waiting[depth] ?? 0) + demand.quantity;
    else if (known === undefined) ofLots.set(lot, { depth, quantity: demand.quantity });
    else known.quantity += demand.quantity;
  }
  for (const [lot, { depth, quantity }] of ofLots) {
    waiting[depth] = (waiting[depth] ?? 0) + Math.min(quantity, supply.lots[lot]?.capacity ?? 0);
  }
  let units = 0;
  for (let depth = supply.dated.length; depth > 0; depth -= 1) {
    units = Math.min(units + (waiting[depth] ?? 0), supply.dated[depth - 1]?.capacity ?? 0);
  }
  return Math.max(0, Math.min(units + (waiting[0] ?? 0), supply.capacity));
}
