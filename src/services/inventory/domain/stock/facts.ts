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
import { isFactEvent } from "./events.ts";
import { hasLapsed, totalsAt } from "./lapse.ts";
import { earliestFirst, type Leaving, mergeLots, unavailableChange, unitsIn, unknownLot } from "./lots.ts";
import {
  dateTold,
  type Entry,
  entriesOf,
  factKey,
  inForce,
  leavingOf,
  type PastEvent,
  type Replay,
  replay,
  unitsMoved,
} from "./replay.ts";
import { addTotals, available, lotAfter, noLot, outstanding, type Stock, sellable } from "./stock.ts";

/** A fact as it concerns one stock. */
export interface StockFact extends FactReference {
  readonly type: FactEventType;
  readonly told: ToldFact;
  /** When it takes effect (a count's `asOf`, any other's `time`), never more than a moment ahead of receipt. */
  readonly at: Instant;
  /** When `expiresOn` ends at this location. */
  readonly cutoff?: Instant;
  /** Lots that come along though it names none: of a transfer. */
  readonly lots?: readonly LotChange[];
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
  if (isDateForgotten(stock, fact)) return true;
  const isLate = stock.latestAt !== null && at < stock.latestAt;
  const precedesLotCount = stock.lotCountAsOf !== null && at <= stock.lotCountAsOf;
  if (fact.type !== "StockCounted") return precedesLotCount && unitsMoved(fact.type, told) !== 0;
  if (told.lot !== undefined) return isLate || stock.disordered || (stock.count !== null && at <= stock.count.asOf);
  if (isOlderCount(stock, at)) return precedesLotCount;
  return isLate || precedesLotCount;
}

/** Whether a fact names, or brings along, a lot that the stock may have known by its date, and used up. */
function isDateForgotten(stock: Stock, { told, lots }: StockFact): boolean {
  if (!stock.datesForgotten) return false;
  return (
    lots?.some((part) => isUndated(stock, part)) ?? (isLot(told.lot) && isUndated(stock, { ...told, lot: told.lot }))
  );
}

function isUndated(
  stock: Stock,
  { lot, expiresOn }: { readonly lot: string; readonly expiresOn?: string | null },
): boolean {
  return expiresOn === undefined && !stock.lots.has(lot);
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
  const { change, lots, absorbedBy, superseded } = resolve(stock, fact, history);
  const flags = superseded ? [...fact.flags, "superseded"] : fact.flags;
  const data: FactData = {
    at: fact.at,
    fact: fact.told,
    change,
    ...(lots !== undefined && { lots }),
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
  told: { readonly reason?: string; readonly at: Instant; readonly flags?: readonly string[] },
  now: Instant,
  history: readonly PastEvent[],
): Result<StockEventDraft[], OutOfRange> {
  const rest = history.filter(({ fact }) => fact === undefined || factKey(fact) !== factKey(voids));
  const undone = target.map(({ event }) => heldBackIn(event));
  const rebased = addUnavailable(
    rebase(stock, replay(entriesOf(rest)), mergeLots(...undone.map(({ lots }) => lots))),
    undone.reduce((sum, { loose }) => sum + loose, 0),
  );
  const references = new Set(target.flatMap(({ event }) => receiptIn(event) ?? []));
  const receipts = [...references].map((reference) => receiptChange(stock, reference, receiptTold(rest, reference)));
  const change = Object.assign({}, rebased, ...receipts) as Change;
  const { reason, at, flags = [] } = told;
  const data = { at, voids, ...(reason !== undefined && { reason }), ...(flags.length > 0 && { flags }), change };
  return conclude(stock, { type: "FactVoided", data }, change, now);
}

/** The hold-backs that a fact made, taken back: in the lots that it named, or in none. */
function heldBackIn(event: PastEvent["event"]): { readonly lots: LotChange[]; readonly loose: number } {
  if (!isFactEvent(event)) return { lots: [], loose: 0 };
  const { change, fact } = event.data;
  const lots = (change.lots ?? []).flatMap(({ lot, heldBack }) => (heldBack ? [{ lot, heldBack: -heldBack }] : []));
  return { lots, loose: isLot(fact.lot) ? 0 : -heldBackBy(event.type, fact) };
}

function receiptIn(event: PastEvent["event"]): string | undefined {
  return isFactEvent(event) ? event.data.change.receipt?.reference : undefined;
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

/** What a fact comes to. */
interface Resolved {
  readonly change: Change;
  /** The lots it moves, where the change does not say just that. */
  readonly lots?: readonly LotChange[];
  readonly absorbedBy?: FactReference;
  readonly superseded?: boolean;
}

/** What a movement changes: nothing of on hand when a count already contains it. */
export function move(stock: Stock, movement: Movement, history: readonly PastEvent[]): Resolved {
  const { units, at, leaving, lots: named, heldBack = 0 } = movement;
  const loose = named === undefined ? heldBack : 0;
  const stays = (named ?? []).map(({ quantity: _quantity, ...part }) => part);
  if (stock.lotCountAsOf !== null && at <= stock.lotCountAsOf && units !== 0) {
    const entry: Entry = { at, fact: undefined, kind: "movement", units, leaving, ...(named && { lots: named }) };
    const rebased = rebase(stock, replay([...entriesOf(history), entry]), stays.filter(isHeldBack));
    return { change: addUnavailable(rebased, loose), ...(named && { lots: named }) };
  }
  const { count } = stock;
  if (count !== null && at <= count.asOf && units !== 0) {
    const kept = stays.filter((part) => isHeldBack(part) || part.expiresOn !== undefined);
    const change = { ...nonZero({ unavailable: unavailableChange(stock, kept) + loose }), ...lotsOf(kept) };
    return { change, ...(named && { lots: named }), absorbedBy: { source: count.source, id: count.id } };
  }
  const lots = named ?? earliestFirst(stock.lots, -units, at, leaving);
  return {
    change: { ...nonZero({ onHand: units, unavailable: unavailableChange(stock, lots) + loose }), ...lotsOf(lots) },
  };
}

function isHeldBack({ heldBack }: LotChange): boolean {
  return heldBack !== undefined;
}

function resolve(stock: Stock, fact: StockFact, history: readonly PastEvent[]): Resolved {
  const { told, at, type } = fact;
  if (type === "StockCounted") return resolveCount(stock, fact, history);
  if (type === "StockExpected") {
    const reference = told.reference ?? "";
    const known = needsHistory(stock, fact) ? receiptTold(history, reference) : receiptKnown(stock, reference);
    const after = { ...known, expected: known.expected + (told.quantity ?? 0) };
    return { change: receiptChange(stock, reference, after) };
  }
  const units = unitsMoved(type, told);
  const heldBack = heldBackBy(type, told);
  const named = fact.lots ?? lotsTold(fact, units, heldBack);
  const moved = move(stock, { units, at, leaving: leavingOf(type), heldBack, ...(named && { lots: named }) }, history);
  const dated = withDates(stock, moved, fact, named, history);
  const resolved = fact.lots === undefined ? dated : { ...dated, lots: fact.lots };
  if (type !== "StockReceived" || told.reference === undefined) return resolved;
  const known = receiptKnown(stock, told.reference);
  const after = { ...known, received: known.received + (told.quantity ?? 0) };
  return { ...resolved, change: { ...resolved.change, ...receiptChange(stock, told.reference, after) } };
}

function lotsTold({ told, cutoff }: StockFact, quantity: number, heldBack: number): LotChange[] | undefined {
  // Units of no lot come to none by themselves; when they leave, they must not be taken from the lots.
  if (told.lot === unknownLot) return quantity < 0 ? [] : undefined;
  if (told.lot === undefined) return undefined;
  const dates = {
    ...(told.expiresOn !== undefined && { expiresOn: told.expiresOn }),
    ...(cutoff !== undefined && { cutoff }),
  };
  return [{ lot: told.lot, ...nonZero({ quantity, heldBack }), ...dates }];
}

/** Gives lots that come back the dates that the history tells for them. */
function withDates(
  stock: Stock,
  resolved: Resolved,
  fact: StockFact,
  named: readonly LotChange[] | undefined,
  history: readonly PastEvent[],
): Resolved {
  if (named === undefined || !isDateForgotten(stock, fact)) return resolved;
  const undated = new Set(named.flatMap((part) => (isUndated(stock, part) ? [part.lot] : [])));
  const lots = (resolved.change.lots ?? []).map((part) =>
    undated.has(part.lot) ? { ...part, ...dateTold(history, part.lot) } : part,
  );
  return { ...resolved, change: { ...resolved.change, ...lotsOf(lots) }, lots: named };
}

function resolveCount(stock: Stock, fact: StockFact, history: readonly PastEvent[]): Resolved {
  const { told, at } = fact;
  const quantity = told.quantity ?? 0;
  if (needsHistory(stock, fact)) {
    const entry: Entry = { at, fact, kind: "count", quantity, ...(told.lot !== undefined && { lot: told.lot }) };
    const change = rebase(stock, replay([...entriesOf(history), entry]), []);
    return { change, superseded: told.lot === undefined && isOlderCount(stock, at) };
  }
  if (told.lot !== undefined) {
    const difference = quantity - unitsIn(stock, told.lot);
    const lots = difference === 0 || told.lot === unknownLot ? [] : [{ lot: told.lot, quantity: difference }];
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

/** Whether a fact names a lot that has an entry of its own. */
function isLot(lot: string | undefined): lot is string {
  return lot !== undefined && lot !== unknownLot;
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
    const isThere = now !== undefined || quantity !== 0 || holdbacks.some(({ lot }) => lot === name);
    const { expiresOn = null, cutoff = null } = then ?? {};
    const dates =
      isThere && expiresOn !== (now?.expiresOn ?? null) ? { expiresOn, ...(cutoff !== null && { cutoff }) } : {};
    const part = { lot: name, ...nonZero({ quantity }), ...dates };
    if (Object.keys(part).length > 1) lots.push(part);
  }
  const merged = mergeLots(lots, holdbacks);
  return {
    ...nonZero({ onHand: target.onHand - stock.onHand, unavailable: unavailableChange(stock, merged, true) }),
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

interface ReceiptUnits {
  readonly expected: number;
  readonly received: number;
}

/** What the state knows of a reference; for one whose receipts were forgotten, a part of it. */
function receiptKnown(stock: Stock, reference: string): ReceiptUnits {
  const { expected = 0, received = 0 } = stock.receipts.get(reference) ?? {};
  return { expected, received };
}

/** What the facts in force say of a reference. */
function receiptTold(history: readonly PastEvent[], reference: string): ReceiptUnits {
  const units = { expected: 0, received: 0 };
  for (const { event } of inForce(history)) {
    if (!isFactEvent(event) || event.data.fact.reference !== reference) continue;
    if (event.type === "StockExpected") units.expected += event.data.fact.quantity ?? 0;
    if (event.type === "StockReceived") units.received += event.data.fact.quantity ?? 0;
  }
  return units;
}

/** Makes a reference what it is `after`. References are forgotten only when closed, so incoming is that of the state. */
function receiptChange(stock: Stock, reference: string, after: ReceiptUnits): Change {
  const before = receiptKnown(stock, reference);
  const change = nonZero({ expected: after.expected - before.expected, received: after.received - before.received });
  return {
    ...nonZero({ incoming: outstanding(after) - outstanding(before) }),
    receipt: { reference, ...change },
  };
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
    const lot = stock.lots.get(part.lot) ?? noLot;
    const after = lotAfter(lot, part, change.ordered);
    const isLapsed = hasLapsed(after, now);
    const isGone = after.quantity === 0 && after.heldBack === 0;
    if (isLapsed && !isGone) drafts.push({ type: "LotExpired", data: { lot: part.lot, quantity: sellable(after) } });
    // What had lapsed already, unrecorded, is in `totalsAt`; only what this change added, or took away, is new.
    expired += (isLapsed ? sellable(after) : 0) - (hasLapsed(lot, now) ? sellable(lot) : 0);
  }
  const before = totalsAt(stock, now);
  const after = { ...before };
  addTotals(after, draft);
  after.unavailable += expired;
  for (const name in after) {
    const value = after[name as keyof typeof after];
    // What is beyond it for another reason may come back.
    if (Math.abs(value) > limits.totalMax && Math.abs(value) > Math.abs(before[name as keyof typeof after])) {
      return reject({ code: "out-of-range", detail: `${name} would become ${value}, beyond ±${limits.totalMax}` });
    }
  }
  if (isShortfall(before, after)) {
    const cause = draft.type === "StockFulfilled" ? { reservation: draft.data.reservation } : {};
    drafts.push({ type: "ShortfallFound", data: { available: available(after), onHand: after.onHand, ...cause } });
  }
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
  const kept: { [key in K]?: number } = {};
  for (const name in members) if (members[name] !== 0) kept[name] = members[name];
  return kept;
}
