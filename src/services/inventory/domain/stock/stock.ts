import type { Instant } from "../../../../kernel/index.ts";
import { invariant, limits } from "../../../../kernel/index.ts";
import { Deadlines } from "./deadlines.ts";
import {
  type Balance,
  type Change,
  type CountBasis,
  type FactData,
  type HoldLine,
  isFactEvent,
  type LotChange,
  type StockEvent,
  type StockEventDraft,
  type Totals,
} from "./events.ts";

export interface Lot {
  /** May be below zero: a fact named the lot before what brought it in has arrived. */
  readonly quantity: number;
  readonly heldBack: number;
  readonly expiresOn: string | null;
  /** When `expiresOn` ends at the location. */
  readonly cutoff: Instant | null;
  /** Whether its units count as unavailable by now; set by `LotExpired`. */
  readonly expired: boolean;
  /** Whether it has been announced that its date is near; set by `LotNearedExpiry`. */
  readonly nearTold: boolean;
}

/** What one reservation claims of this stock. */
export interface Holding {
  /** Null once committed. */
  readonly expiresAt: Instant | null;
  readonly holds: readonly HoldLine[];
  /** The sum of `holds`. */
  readonly quantity: number;
}

export interface Receipt {
  readonly expected: number;
  readonly received: number;
  /** Earlier receipts under this reference may have been forgotten. */
  readonly partial: boolean;
}

/**
 * The stock of one sku at one location. `evolve` changes it in place, because copying ten thousand holds for each
 * event would make a hot sku slow (docs/adr/0002); nothing else may. A stock whose event could not be appended is
 * thrown away and folded again.
 */
export interface Stock {
  onHand: number;
  unavailable: number;
  reserved: number;
  committed: number;
  safetyStock: number;
  incoming: number;
  lowAt: number | null;
  expiringDays: number | null;
  backorderLimit: number;
  /** Whether available has ever been above zero: what never was can't run out. */
  wasAvailable: boolean;
  holdings: ReadonlyMap<string, Holding>;
  readonly deadlines: Deadlines;
  /** Units asked for by open holds that name a date or a lot, by `askKey`. */
  asks: ReadonlyMap<string, number>;
  lots: ReadonlyMap<string, Lot>;
  /** The earliest cutoff of a lot that has not expired yet. */
  nextCutoff: Instant | null;
  /** The count that on hand rests on. */
  count: CountBasis | null;
  lotCountAsOf: Instant | null;
  /** The greatest time at which a movement or a count took effect. */
  latestAt: Instant | null;
  /**
   * Whether something arrived out of the order of time, so that lots may be others than time would have taken. On hand
   * never is: what depends on the lots of the past, counts of single lots, then reads the history.
   */
  disordered: boolean;
  /** Whether a date was told for a lot that is not there (any more): what brings it back may not tell the date again. */
  datesForgotten: boolean;
  receipts: ReadonlyMap<string, Receipt>;
  receiptsForgotten: boolean;
}

/** What most stocks have nothing in, shared by them, so that a stock at rest takes a quarter of the memory. */
const none: ReadonlyMap<string, never> = new Map<string, never>();

/** The map itself, or a new one where it is the one that all share. */
function own<V>(map: ReadonlyMap<string, V>): Map<string, V> {
  // Every other map of a stock was made here or for its snapshot.
  return map === none ? new Map() : (map as Map<string, V>);
}

export function emptyStock(): Stock {
  return {
    onHand: 0,
    unavailable: 0,
    reserved: 0,
    committed: 0,
    safetyStock: 0,
    incoming: 0,
    lowAt: null,
    expiringDays: null,
    backorderLimit: 0,
    wasAvailable: false,
    holdings: none,
    deadlines: new Deadlines(),
    asks: none,
    lots: none,
    nextCutoff: null,
    count: null,
    lotCountAsOf: null,
    latestAt: null,
    disordered: false,
    datesForgotten: false,
    receipts: none,
    receiptsForgotten: false,
  };
}

/**
 * Units that may still be promised. Negative when a count or loss found fewer than were promised. The totals are kept
 * up by `evolve`, so this costs the same for ten holds and ten thousand.
 */
export function available(stock: Totals): number {
  return stock.onHand - stock.unavailable - stock.reserved - stock.committed - stock.safetyStock;
}

/**
 * Units that a new promise may count on: what is available, but never more than is on hand. The two differ while a
 * put-back has been told before its hold-back, which leaves unavailable below zero.
 */
export function promisable(stock: Totals): number {
  return available(stock) + Math.min(0, stock.unavailable);
}

/** Units of a lot that are for sale while it has not expired. */
export function sellable(lot: Lot): number {
  return Math.max(0, lot.quantity - lot.heldBack);
}

/** Of these, the units that a promise may count on: no more than are in the lot, although more were put back in it than held back. */
export function promisableIn(lot: Lot): number {
  return Math.min(sellable(lot), Math.max(0, lot.quantity));
}

export type MutableTotals = { -readonly [K in keyof Totals]: number };

export function totalsOf(stock: Totals): MutableTotals {
  const { onHand, unavailable, reserved, committed, safetyStock, incoming } = stock;
  return { onHand, unavailable, reserved, committed, safetyStock, incoming };
}

/** Adds an event that is about to be recorded, in place, and gives its data with the balance after it. */
export function evolveAndBalance<D extends StockEventDraft>(
  stock: Stock,
  draft: D,
): D["data"] & { readonly balance: Balance } {
  evolve(stock, draft);
  return { ...draft.data, balance: balanceOf(stock) };
}

export function balanceOf(totals: Totals): Balance {
  const balance: { -readonly [K in keyof Balance]: number } = {};
  if (totals.onHand !== 0) balance.onHand = totals.onHand;
  if (totals.unavailable !== 0) balance.unavailable = totals.unavailable;
  if (totals.reserved !== 0) balance.reserved = totals.reserved;
  if (totals.committed !== 0) balance.committed = totals.committed;
  if (totals.safetyStock !== 0) balance.safetyStock = totals.safetyStock;
  if (totals.incoming !== 0) balance.incoming = totals.incoming;
  return balance;
}

/** The totals a balance stands for. */
export function totalsOfBalance(balance: Balance): Totals {
  return { onHand: 0, unavailable: 0, reserved: 0, committed: 0, safetyStock: 0, incoming: 0, ...balance };
}

/** Adds one recorded event to a stock, in place. Total: an event is a fact and is never refused. */
export function evolve(stock: Stock, event: StockEventDraft | StockEvent): void {
  addTotals(stock, event);
  if (!stock.wasAvailable) stock.wasAvailable = available(stock) > 0;
  switch (event.type) {
    case "StockReserved":
      addHolding(stock, event.data.reservation, event.data.expiresAt, event.data.holds);
      return;
    case "StockReacquired":
      addHolding(stock, event.data.reservation, null, event.data.holds);
      return;
    case "HoldsAmended":
      dropHolding(stock, event.data.reservation);
      if (event.data.holds.length > 0)
        addHolding(stock, event.data.reservation, event.data.expiresAt, event.data.holds);
      return;
    case "HoldExtended":
      changeHolding(stock, event.data.reservation, (holding) => ({ ...holding, expiresAt: event.data.expiresAt }));
      stock.deadlines.push(event.data.expiresAt, event.data.reservation);
      tidyDeadlines(stock);
      return;
    case "StockCommitted":
      changeHolding(stock, event.data.reservation, (holding) => ({ ...holding, expiresAt: null }));
      return;
    case "StockFulfilled":
      applyChange(stock, event.data.change, event.data.at);
      if (event.data.absorbedBy !== undefined) stock.disordered = true;
      fulfilHolds(stock, event.data.reservation, event.data.holds);
      return;
    case "StockReleased":
    case "HoldLapsed":
      dropHolding(stock, event.data.reservation);
      return;
    case "LotExpired":
      changeLot(stock, event.data.lot, (lot) => ({ ...lot, expired: true }));
      return;
    case "LotNearedExpiry":
      changeLot(stock, event.data.lot, (lot) => ({ ...lot, nearTold: true }));
      return;
    case "PolicyApplied":
      stock.lowAt = event.data.lowAt;
      stock.expiringDays = event.data.expiringDays ?? null;
      stock.backorderLimit = event.data.backorderLimit;
      return;
    case "FactVoided":
      applyChange(stock, event.data.change, null);
      return;
    case "IncomingChanged":
    case "ShortfallFound":
    case "StockRanLow":
    case "StockRanOut":
    case "StockCameBack":
    case "StockRecovered":
      return;
    default:
      if (isFactEvent(event)) {
        applyChange(stock, event.data.change, event.data.at);
        if (isOutOfOrder(event.data)) stock.disordered = true;
        if (tellsDateOfNone(stock, event.data)) stock.datesForgotten = true;
        return;
      }
      event satisfies never;
  }
}

/** Whether a fact told the date of a lot that nothing is left of, as a later count of it says. */
function tellsDateOfNone(stock: Stock, { fact: { lot, expiresOn } }: FactData): boolean {
  return expiresOn !== undefined && lot !== undefined && !stock.lots.has(lot);
}

/** Whether a fact left the lots as they are though it belongs before what made them so. */
function isOutOfOrder({ absorbedBy, flags, change }: FactData): boolean {
  return !change.ordered && (absorbedBy !== undefined || flags?.includes("superseded") === true);
}

/** Adds an event's change of the totals. */
export function addTotals(totals: MutableTotals, event: StockEventDraft): void {
  switch (event.type) {
    case "StockReserved":
      totals.reserved += sum(event.data.holds);
      return;
    case "StockReacquired":
      totals.committed += sum(event.data.holds);
      return;
    case "HoldsAmended":
      totals.reserved += event.data.change;
      return;
    case "StockCommitted":
      totals.reserved -= event.data.quantity;
      totals.committed += event.data.quantity;
      return;
    case "StockReleased":
      totals[event.data.from] -= event.data.quantity;
      return;
    case "HoldLapsed":
      totals.reserved -= event.data.quantity;
      return;
    case "LotExpired":
      totals.unavailable += event.data.quantity;
      return;
    case "PolicyApplied":
      totals.safetyStock = event.data.safetyStock;
      return;
    case "StockFulfilled":
      totals[event.data.from] -= event.data.quantity;
      if (event.data.commits !== undefined) {
        totals.reserved -= event.data.commits;
        totals.committed += event.data.commits;
      }
      addChange(totals, event.data.change);
      return;
    case "HoldExtended":
    case "ShortfallFound":
    case "StockRanLow":
    case "StockRanOut":
    case "StockCameBack":
    case "StockRecovered":
    case "LotNearedExpiry":
      return;
    default:
      addChange(totals, event.data.change);
  }
}

function addChange(totals: MutableTotals, change: Change): void {
  totals.onHand += change.onHand ?? 0;
  totals.unavailable += change.unavailable ?? 0;
  totals.incoming += change.incoming ?? 0;
}

function applyChange(stock: Stock, change: Change, at: Instant | null): void {
  if (at !== null && stock.latestAt !== null && at <= stock.latestAt) stock.disordered = true;
  for (const part of change.lots ?? []) changeLot(stock, part.lot, (lot) => lotAfter(lot, part, change.ordered));
  if (change.receipt !== undefined) addReceipt(stock, change.receipt);
  if (change.count !== undefined) stock.count = change.count;
  if (change.lotCountAsOf !== undefined) stock.lotCountAsOf = change.lotCountAsOf;
  if (change.ordered) stock.disordered = false;
  if (at !== null && (stock.latestAt === null || at > stock.latestAt)) stock.latestAt = at;
}

function addReceipt(stock: Stock, { reference, expected = 0, received = 0 }: NonNullable<Change["receipt"]>): void {
  const receipts = own(stock.receipts);
  stock.receipts = receipts;
  const known = receipts.get(reference) ?? { expected: 0, received: 0, partial: stock.receiptsForgotten };
  receipts.delete(reference); // to the end: the map is in the order of use
  receipts.set(reference, { ...known, expected: known.expected + expected, received: known.received + received });
  if (receipts.size <= limits.incomingReferencesMax) return;
  for (const [oldest, receipt] of receipts) {
    if (outstanding(receipt) > 0) continue;
    receipts.delete(oldest);
    stock.receiptsForgotten = true;
    return;
  }
}

/** Units still expected under a reference. */
export function outstanding(receipt: { readonly expected: number; readonly received: number } | undefined): number {
  return receipt === undefined ? 0 : Math.max(0, receipt.expected - receipt.received);
}

function addHolding(stock: Stock, reservation: string, expiresAt: Instant | null, holds: readonly HoldLine[]): void {
  invariant(!stock.holdings.has(reservation), "a reservation holds once in a stock");
  stock.holdings = own(stock.holdings).set(reservation, { expiresAt, holds, quantity: sum(holds) });
  if (expiresAt !== null) stock.deadlines.push(expiresAt, reservation);
  countAsks(stock, holds, 1);
}

function dropHolding(stock: Stock, reservation: string): void {
  const holding = stock.holdings.get(reservation);
  if (holding === undefined) return;
  own(stock.holdings).delete(reservation);
  countAsks(stock, holding.holds, -1);
  tidyDeadlines(stock);
}

function tidyDeadlines({ deadlines, holdings }: Stock): void {
  deadlines.tidy(holdings.size, (id, time) => holdings.get(id)?.expiresAt === time);
}

function changeHolding(stock: Stock, reservation: string, change: (holding: Holding) => Holding): void {
  const holding = stock.holdings.get(reservation);
  if (holding !== undefined) own(stock.holdings).set(reservation, change(holding));
}

function fulfilHolds(
  stock: Stock,
  reservation: string,
  parts: readonly { readonly line: number; readonly quantity: number }[],
): void {
  const holding = stock.holdings.get(reservation);
  if (holding === undefined) return;
  const rest = holding.holds
    .map((hold) => ({ ...hold, quantity: hold.quantity - sum(parts.filter((part) => part.line === hold.line)) }))
    .filter((hold) => hold.quantity > 0);
  dropHolding(stock, reservation);
  if (rest.length > 0) addHolding(stock, reservation, null, rest);
}

/** A lot before anything is known of it. */
export const noLot: Lot = {
  quantity: 0,
  heldBack: 0,
  expiresOn: null,
  cutoff: null,
  expired: false,
  nearTold: false,
};

/** A lot after a change. Its date only ever moves to an earlier one, unless the lots are set right (`isOrdered`). */
export function lotAfter(lot: Lot, part: LotChange, isOrdered: boolean | undefined): Lot {
  const quantity = lot.quantity + (part.quantity ?? 0);
  const heldBack = lot.heldBack + (part.heldBack ?? 0);
  const { expiresOn } = part;
  const isEarlier = typeof expiresOn === "string" && (lot.expiresOn === null || expiresOn < lot.expiresOn);
  if (expiresOn === undefined || !(isOrdered || isEarlier)) return { ...lot, quantity, heldBack };
  // A void may take back a date that was too early: what had expired by it is for sale again.
  const isNoLater = expiresOn !== null && lot.expiresOn !== null && expiresOn <= lot.expiresOn;
  const [expired, nearTold] = [lot.expired && isNoLater, lot.nearTold && isNoLater];
  return { quantity, heldBack, expiresOn, cutoff: part.cutoff ?? null, expired, nearTold };
}

function changeLot(stock: Stock, name: string, change: (lot: Lot) => Lot): void {
  const lots = own(stock.lots);
  stock.lots = lots;
  const lot = change(lots.get(name) ?? noLot);
  if (lot.quantity === 0 && lot.heldBack === 0) {
    lots.delete(name);
    if (lot.expiresOn !== null) stock.datesForgotten = true;
  } else lots.set(name, lot);
  stock.nextCutoff = null;
  for (const { expired, cutoff } of stock.lots.values()) {
    if (!expired && cutoff !== null && (stock.nextCutoff === null || cutoff < stock.nextCutoff))
      stock.nextCutoff = cutoff;
  }
}

/** Adds what holds ask for beyond any unit, or takes it back. */
export function countAsks(stock: Stock, holds: readonly HoldLine[], sign: 1 | -1): void {
  for (const hold of holds) {
    const key = askKey(hold);
    if (key === undefined) continue;
    const asks = own(stock.asks);
    stock.asks = asks;
    const units = (asks.get(key) ?? 0) + sign * hold.quantity;
    if (units === 0) asks.delete(key);
    else asks.set(key, units);
  }
}

/** What a hold asks for beyond any unit: `lot:…` or `until:…`; undefined when any unit serves it. */
export function askKey(hold: { readonly sellableUntil?: string; readonly lot?: string }): string | undefined {
  if (hold.lot !== undefined) return `lot:${hold.lot}`;
  return hold.sellableUntil === undefined ? undefined : `until:${hold.sellableUntil}`;
}

function sum(parts: readonly { readonly quantity: number }[]): number {
  let total = 0;
  for (const part of parts) total += part.quantity;
  return total;
}
