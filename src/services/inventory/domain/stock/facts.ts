/**
 * What a fact does to a stock. Facts are never refused for being surprising: late, early, or leaving less than was
 * promised. What they do is resolved here, once, when they are recorded; the events carry the result.
 */
import { accept, type Instant, limits, type Result, reject } from "../../../../kernel/index.ts";
import type {
  Change,
  FactData,
  FactEventType,
  FactReference,
  LotChange,
  StockEventDraft,
  ToldFact,
  Totals,
} from "./events.ts";
import { earliestFirst, type Leaving, mergeLots, unavailableChange } from "./lots.ts";
import {
  type Entry,
  entriesOf,
  factKey,
  leavingOf,
  type PastEvent,
  type Replay,
  replay,
  unitsMoved,
} from "./replay.ts";
import { addTotals, available, outstanding, type Stock, sellable, totalsAt } from "./stock.ts";

/** A fact as it concerns one stock. */
export interface StockFact extends FactReference {
  readonly type: FactEventType;
  readonly told: ToldFact;
  /** When it takes effect (a count's `asOf`, any other's `time`), never more than a moment ahead of receipt. */
  readonly at: Instant;
  /** When `expiresOn` ends at this location. */
  readonly cutoff?: Instant;
  readonly flags: readonly string[];
}

export interface OutOfRange {
  readonly code: "out-of-range";
  readonly detail: string;
}

/** Whether the state alone can't tell what a fact does, so that `decideFact` must be given the stock's history. */
export function needsHistory(stock: Stock, fact: StockFact): boolean {
  const { told, at } = fact;
  if (fact.type === "StockExpected") {
    const receipt = stock.receipts.get(told.reference ?? "");
    return receipt === undefined ? stock.receiptsForgotten : receipt.partial;
  }
  const isLate = stock.latestAt !== null && at < stock.latestAt;
  const precedesLotCount = stock.lotCountAsOf !== null && at <= stock.lotCountAsOf;
  if (fact.type !== "StockCounted") return precedesLotCount && unitsMoved(fact.type, told) !== 0;
  if (told.lot !== undefined) return isLate || stock.disordered || (stock.count !== null && at <= stock.count.asOf);
  if (isOlderCount(stock, at)) return precedesLotCount;
  return isLate || precedesLotCount;
}

/**
 * The events of one fact: its own, `LotExpired` when it brought in what is past its date, `ShortfallFound` when it
 * leaves less than was promised or less than nothing.
 */
export function decideFact(
  stock: Stock,
  fact: StockFact,
  now: Instant,
  history: readonly PastEvent[] = [],
): Result<StockEventDraft[], OutOfRange> {
  const { change, absorbedBy, superseded } = resolve(stock, fact, history);
  const flags = superseded ? [...fact.flags, "superseded"] : fact.flags;
  const data: FactData = {
    at: fact.at,
    fact: fact.told,
    change,
    ...(absorbedBy !== undefined && { absorbedBy }),
    ...(flags.length > 0 && { flags }),
  };
  return conclude(stock, { type: fact.type, data }, change, now);
}

/**
 * The event that undoes a fact here, as if it had not happened. `target` is what the fact recorded in this stock,
 * `history` the whole of it; `at` is when the void itself was told to have happened.
 */
export function decideVoid(
  stock: Stock,
  target: readonly PastEvent[],
  voids: FactReference,
  told: { readonly reason?: string; readonly at: Instant },
  now: Instant,
  history: readonly PastEvent[],
): Result<StockEventDraft[], OutOfRange> {
  const rest = history.filter(({ fact }) => fact === undefined || factKey(fact) !== factKey(voids));
  const undone = target.map(({ event }) => undoing(event));
  const holdbacks = undone.flatMap(({ lots }) => lots);
  const rebased = addUnavailable(
    rebase(stock, replay(entriesOf(rest)), holdbacks),
    undone.reduce((sum, { heldBack }) => sum + heldBack, 0),
  );
  const receipt = undone.find((part) => part.receipt !== undefined)?.receipt;
  const change = receipt === undefined ? rebased : { ...rebased, ...receiptChange(stock, receipt) };
  const reason = told.reason === undefined ? {} : { reason: told.reason };
  return conclude(stock, { type: "FactVoided", data: { at: told.at, voids, ...reason, change } }, change, now);
}

/** What has to be taken back beside movements and counts: hold-backs and expected receipts. */
function undoing(event: PastEvent["event"]): {
  lots: LotChange[];
  heldBack: number;
  receipt?: NonNullable<Change["receipt"]>;
} {
  if (!("change" in event.data) || typeof event.data.change === "number") return { lots: [], heldBack: 0 };
  const { change } = event.data;
  const lots = (change.lots ?? []).flatMap(({ lot, heldBack }) => (heldBack ? [{ lot, heldBack: -heldBack }] : []));
  const told: ToldFact = "fact" in event.data ? event.data.fact : {};
  const inLots = told.lot !== undefined;
  const { receipt } = change;
  return {
    lots,
    heldBack: inLots ? 0 : -heldBackBy(event.type as FactEventType, told),
    ...(receipt !== undefined && {
      receipt: {
        reference: receipt.reference,
        ...nonZero({ expected: -(receipt.expected ?? 0), received: -(receipt.received ?? 0) }),
      },
    }),
  };
}

/** A movement of units at a time, with the lots it names or has been given. */
export interface Movement {
  readonly units: number;
  readonly at: Instant;
  readonly leaving: Leaving;
  readonly lots?: readonly LotChange[];
  /** Change of the units held back. */
  readonly heldBack?: number;
}

/** What a movement changes: nothing of on hand when a count already contains it. */
export function move(
  stock: Stock,
  movement: Movement,
  history: readonly PastEvent[],
): { change: Change; absorbedBy?: FactReference } {
  const { units, at, leaving, heldBack = 0 } = movement;
  if (stock.lotCountAsOf !== null && at <= stock.lotCountAsOf && units !== 0) {
    const entry: Entry = {
      at,
      fact: undefined,
      kind: "movement",
      units,
      leaving,
      ...(movement.lots && { lots: movement.lots }),
    };
    const holdbacks = (movement.lots ?? []).flatMap(({ lot, heldBack }) => (heldBack ? [{ lot, heldBack }] : []));
    const rebased = rebase(stock, replay([...entriesOf(history), entry]), holdbacks);
    return { change: addUnavailable(rebased, movement.lots === undefined ? heldBack : 0) };
  }
  const count = stock.count;
  if (count !== null && at <= count.asOf && units !== 0) {
    const holdbacks = (movement.lots ?? []).flatMap(({ lot, heldBack }) => (heldBack ? [{ lot, heldBack }] : []));
    const change = {
      ...nonZero({ unavailable: movement.lots === undefined ? heldBack : unavailableChange(stock, holdbacks) }),
      ...lotsOf(holdbacks),
    };
    return { change, absorbedBy: { source: count.source, id: count.id } };
  }
  const lots = movement.lots ?? earliestFirst(stock.lots, -units, at, leaving);
  const loose = movement.lots === undefined ? heldBack : 0;
  return {
    change: { ...nonZero({ onHand: units, unavailable: unavailableChange(stock, lots) + loose }), ...lotsOf(lots) },
  };
}

function resolve(
  stock: Stock,
  fact: StockFact,
  history: readonly PastEvent[],
): { change: Change; absorbedBy?: FactReference; superseded?: boolean } {
  const { told, at, type } = fact;
  if (type === "StockCounted") return resolveCount(stock, fact, history);
  if (type === "StockExpected") {
    const reference = told.reference ?? "";
    const found = needsHistory(stock, fact) ? receivedBefore(history, reference) : 0;
    const known = stock.receipts.get(reference);
    const missing = known === undefined ? found : Math.max(0, found - known.received);
    return {
      change: receiptChange(stock, { reference, expected: told.quantity ?? 0, ...nonZero({ received: missing }) }),
    };
  }
  const units = unitsMoved(type, told);
  const heldBack = heldBackBy(type, told);
  const dates = {
    ...(told.expiresOn !== undefined && { expiresOn: told.expiresOn }),
    ...(fact.cutoff !== undefined && { cutoff: fact.cutoff }),
  };
  const lots =
    told.lot === undefined ? undefined : [{ lot: told.lot, ...nonZero({ quantity: units, heldBack }), ...dates }];
  const moved = move(stock, { units, at, leaving: leavingOf(type), heldBack, ...(lots && { lots }) }, history);
  if (type !== "StockReceived" || told.reference === undefined) return moved;
  return {
    ...moved,
    change: { ...moved.change, ...receiptChange(stock, { reference: told.reference, received: told.quantity ?? 0 }) },
  };
}

function resolveCount(
  stock: Stock,
  fact: StockFact,
  history: readonly PastEvent[],
): { change: Change; superseded?: boolean } {
  const { told, at } = fact;
  const quantity = told.quantity ?? 0;
  if (needsHistory(stock, fact)) {
    const entry: Entry = { at, fact, kind: "count", quantity, ...(told.lot !== undefined && { lot: told.lot }) };
    return { change: rebase(stock, replay([...entriesOf(history), entry]), []), superseded: isOlderCount(stock, at) };
  }
  if (told.lot !== undefined) {
    const difference = quantity - (stock.lots.get(told.lot)?.quantity ?? 0);
    const lots = difference === 0 ? [] : [{ lot: told.lot, quantity: difference }];
    return {
      change: {
        ...nonZero({ onHand: difference, unavailable: unavailableChange(stock, lots) }),
        ...lotsOf(lots),
        lotCountAsOf: at,
      },
    };
  }
  if (isOlderCount(stock, at)) return { change: {}, superseded: true };
  const lots = earliestFirst(stock.lots, stock.onHand - quantity, at, "loss");
  const count = { asOf: at, quantity, source: fact.source, id: fact.id };
  return {
    change: {
      ...nonZero({ onHand: quantity - stock.onHand, unavailable: unavailableChange(stock, lots) }),
      ...lotsOf(lots),
      count,
    },
  };
}

function isOlderCount(stock: Stock, at: Instant): boolean {
  return stock.count !== null && at < stock.count.asOf;
}

/** The change that makes a stock what a replay says it is; hold-backs, which know no order, change by `holdbacks`. */
function rebase(stock: Stock, target: Replay, holdbacks: readonly LotChange[]): Change {
  const lots: LotChange[] = [];
  for (const name of new Set([...stock.lots.keys(), ...target.lots.keys()])) {
    const now = stock.lots.get(name);
    const then = target.lots.get(name);
    const quantity = (then?.quantity ?? 0) - (now?.quantity ?? 0);
    const dates =
      now === undefined && then?.expiresOn
        ? { expiresOn: then.expiresOn, ...(then.cutoff !== null && { cutoff: then.cutoff }) }
        : {};
    if (quantity !== 0) lots.push({ lot: name, quantity, ...dates });
  }
  const merged = mergeLots(lots, holdbacks);
  return {
    ...nonZero({ onHand: target.onHand - stock.onHand, unavailable: unavailableChange(stock, merged) }),
    ...lotsOf(merged),
    ...(!sameCount(target.count, stock.count) && { count: target.count }),
    ...(target.lotCountAsOf !== stock.lotCountAsOf && { lotCountAsOf: target.lotCountAsOf }),
    ordered: true,
  };
}

function addUnavailable(change: Change, units: number): Change {
  const { unavailable = 0, ...rest } = change;
  return { ...rest, ...nonZero({ unavailable: unavailable + units }) };
}

function sameCount(a: Replay["count"], b: Replay["count"]): boolean {
  return a === b || (a !== null && b !== null && a.asOf === b.asOf && a.source === b.source && a.id === b.id);
}

function receiptChange(stock: Stock, receipt: NonNullable<Change["receipt"]>): Change {
  const before = stock.receipts.get(receipt.reference) ?? { expected: 0, received: 0 };
  const after = {
    expected: before.expected + (receipt.expected ?? 0),
    received: before.received + (receipt.received ?? 0),
  };
  return { ...nonZero({ incoming: outstanding(after) - outstanding(before) }), receipt };
}

function receivedBefore(history: readonly PastEvent[], reference: string): number {
  let units = 0;
  for (const { event } of history) {
    if (!("change" in event.data) || typeof event.data.change === "number") continue;
    const { receipt } = event.data.change;
    if (receipt?.reference === reference) units += event.type === "StockExpected" ? 0 : (receipt.received ?? 0);
  }
  return units;
}

function heldBackBy(type: FactEventType, told: ToldFact): number {
  if (type === "StockHeldBack") return told.quantity ?? 0;
  if (type === "StockPutBack") return -(told.quantity ?? 0);
  return type === "StockReturned" && told.sellable === false ? (told.quantity ?? 0) : 0;
}

/** Adds what follows from a change: lots that came in past their date, a shortfall; refuses totals beyond all reason. */
export function conclude(
  stock: Stock,
  draft: StockEventDraft,
  change: Change,
  now: Instant,
): Result<StockEventDraft[], OutOfRange> {
  const drafts = [draft];
  let expired = 0;
  for (const part of change.lots ?? []) {
    const lot = stock.lots.get(part.lot);
    const cutoff = part.cutoff ?? lot?.cutoff ?? null;
    if (cutoff === null || cutoff > now || lot?.expired) continue;
    const wasLapsed = lot !== undefined && lot.cutoff !== null && lot.cutoff <= now;
    const after = {
      quantity: (lot?.quantity ?? 0) + (part.quantity ?? 0),
      heldBack: (lot?.heldBack ?? 0) + (part.heldBack ?? 0),
    };
    if (after.quantity === 0 && after.heldBack === 0) continue;
    const quantity = sellable({ ...after, expiresOn: null, cutoff, expired: false });
    drafts.push({ type: "LotExpired", data: { lot: part.lot, quantity } });
    // What had lapsed already, unrecorded, is in `totalsAt`; only what this change added is new.
    expired += quantity - (wasLapsed ? sellable(lot) : 0);
  }
  const before = totalsAt(stock, now);
  const after = { ...before };
  addTotals(after, draft);
  after.unavailable += expired;
  for (const [name, value] of Object.entries(after)) {
    if (Math.abs(value) > limits.totalMax) {
      return reject({ code: "out-of-range", detail: `${name} would become ${value}, beyond ±${limits.totalMax}` });
    }
  }
  if (isShortfall(before, after))
    drafts.push({ type: "ShortfallFound", data: { available: available(after), onHand: after.onHand } });
  return accept(drafts);
}

/** Whether a change took available or on hand below zero, or available further below while something is promised. */
function isShortfall(before: Totals, after: Totals): boolean {
  const [was, is] = [available(before), available(after)];
  if (is < 0 && was >= 0) return true;
  if (after.onHand < 0 && before.onHand >= 0) return true;
  return is < was && is < 0 && after.reserved + after.committed > 0;
}

function lotsOf(lots: readonly LotChange[]): { lots?: readonly LotChange[] } {
  return lots.length === 0 ? {} : { lots };
}

/** Leaves out the members that are zero. */
export function nonZero<K extends string>(members: { readonly [key in K]: number }): { readonly [key in K]?: number } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== 0)) as { [key in K]?: number };
}
