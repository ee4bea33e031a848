/** What each kind of fact appends, and where. */
import { type Instant, limits } from "../../../kernel/index.ts";
import type { Caller } from "../api.ts";
import { gtin14 } from "../domain/item/index.ts";
import { decideFulfil, decideRelease, isOpen, openStatus, remaining } from "../domain/reservation/index.ts";
import {
  decideFact,
  type LotChange,
  needsHistory,
  type PastEvent,
  type StockFact,
  type ToldFact,
} from "../domain/stock/index.ts";
import type { LotUnderWay } from "../domain/transfer/index.ts";
import { type Command, streamOf, type Transaction } from "../ledger/index.ts";
import { maySee } from "../reservations/access.ts";
import { emitReservation, stocksOf } from "../reservations/emit.ts";
import { claimKey, type FactBody, limitedVoidKeyOf, type ParsedFact, voidKeyOf } from "./parse.ts";
import { type FactOutcome, FactRefused } from "./refused.ts";
import { eventOfFact } from "./schemas.ts";
import { endOfDate } from "./time-zones.ts";
import { lotsAlong, lotsDispatched, recordTransfer } from "./transfers.ts";
import { recordVoid, voidIfAwaited } from "./voids.ts";

export function factCommand(fact: ParsedFact, caller: Caller): Command<FactOutcome> {
  const { source, id, type, time, data } = fact;
  const claims = [fact.key];
  if (data.kind === "order") claims.push(claimKey("order", source, data.order));
  if (data.kind === "void") {
    const target = claimKey("fact", data.voids.source, data.voids.id);
    claims.push(target, voidKeyOf(target), ...(caller.locations === undefined ? [] : [limitedVoidKeyOf(target, 0)]));
  }
  return {
    actor: caller.id,
    fact: { source, id, type, ...(time !== undefined && { time }) },
    streams: streamsOf(data),
    claims,
    decide: (transaction) => record(transaction, fact, caller),
  };
}

function streamsOf(data: FactBody): string[] {
  if (data.kind === "void") return [];
  if (data.kind === "order") {
    const streams = data.lines.map(({ location, sku }) => streamOf.stock(location, sku));
    return data.reservation === undefined ? streams : [...streams, streamOf.reservation(data.reservation)];
  }
  const { sku, location, told } = data;
  const streams = sku === undefined ? [] : [streamOf.stock(location, sku)];
  return told.transfer === undefined ? streams : [...streams, streamOf.transfer(told.transfer)];
}

/** What would become of a fact now, as far as can be told without carrying it out: not whether a total would be out of range. */
export function judgeCommand(fact: ParsedFact, caller: Caller): Command<FactOutcome> {
  const { data } = fact;
  return {
    actor: caller.id,
    looks: true,
    streams: [],
    claims: [fact.key],
    decide: (transaction) => {
      const known = alreadyKnown(transaction, fact);
      if (known === undefined && data.kind === "stock" && data.sku === undefined)
        skuOfGtin(transaction, data.gtin ?? "");
      return known ?? "accepted";
    },
  };
}

function alreadyKnown(transaction: Transaction, { key, print }: ParsedFact): FactOutcome | undefined {
  const known = transaction.claimed(key);
  if (known === undefined) return undefined;
  if (known.print === print) return "duplicate";
  return { code: "event-id-reused", detail: "A fact of this source and id was recorded with other content." };
}

function record(transaction: Transaction, fact: ParsedFact, caller: Caller): FactOutcome {
  const known = alreadyKnown(transaction, fact);
  if (known !== undefined) return known;
  const { data } = fact;
  if (data.kind === "order") {
    const key = nameOfOrder(transaction, fact.source, data.order);
    if (key === undefined) return "duplicate";
    transaction.claim({ key, print: fact.print });
  }
  transaction.claim({ key: fact.key, print: fact.print });
  if (data.kind === "void")
    recordVoid(transaction, fact, data, effectiveTime(transaction.now, fact, fact.time), caller);
  else if (data.kind === "order") recordOrder(transaction, fact, data, caller);
  else recordStockFact(transaction, fact, data);
  if (data.kind !== "void") voidIfAwaited(transaction, fact);
  return "accepted";
}

/**
 * The name under which an order is taken; undefined when a fact has told it. One that was voided since has told nothing: the
 * order may be told again, as it was, under a name that follows from that fact's.
 */
function nameOfOrder(transaction: Transaction, source: string, order: string): string | undefined {
  let key = claimKey("order", source, order);
  while (transaction.claimed(key) !== undefined) {
    const teller = transaction.claimant(key)?.fact;
    const told = claimKey("fact", teller?.source ?? "", teller?.id ?? "");
    if (transaction.claimed(voidKeyOf(told)) === undefined) return undefined;
    key = claimKey("order", source, `${order}\u0000${told}`);
  }
  return key;
}

function recordStockFact(transaction: Transaction, fact: ParsedFact, data: Extract<FactBody, { kind: "stock" }>): void {
  const sku = data.sku ?? skuOfGtin(transaction, data.gtin ?? "");
  const type = eventOfFact[fact.type];
  if (type === undefined) return;
  const { location, told } = data;
  const { at, flags } = effectiveTime(transaction.now, fact, told.asOf ?? fact.time);
  const cutoff = told.expiresOn === undefined ? undefined : cutoffAt(transaction, location, told.expiresOn);
  const along = lotsAlong(transaction, sku, told);
  const stockFact: StockFact = {
    source: fact.source,
    id: fact.id,
    type,
    told,
    at,
    flags,
    ...(cutoff !== undefined && { cutoff }),
    ...(along.length > 0 && { lots: along.map((lot) => lotIn(transaction, location, lot)) }),
  };
  const stock = transaction.stock(location, sku);
  const decided = decideHere(transaction, location, sku, stockFact);
  const lots = told.to === undefined ? along : lotsDispatched(stock, decided[0]);
  transaction.emitStock(location, sku, decided);
  recordTransfer(transaction, sku, location, told, lots, at);
}

/** A lot under way as it comes into a stock, its date ending as it does there. */
function lotIn(transaction: Transaction, location: string, { lot, quantity, expiresOn }: LotUnderWay): LotChange {
  if (expiresOn === undefined) return { lot, quantity };
  return { lot, quantity, expiresOn, cutoff: cutoffAt(transaction, location, expiresOn) };
}

/** When a fact takes effect, and `clock-ahead` where that is not as it says. */
export interface Effective {
  readonly at: Instant;
  readonly flags: readonly string[];
}

/** As it says, unless it lies too far ahead of its receipt. */
function effectiveTime(now: Instant, { receivedAt = now }: ParsedFact, time: Instant | undefined): Effective {
  const receipt = Math.min(receivedAt, now);
  if (time === undefined) return { at: receipt, flags: [] };
  return time > receipt + limits.clockAheadMsMax ? { at: receipt, flags: ["clock-ahead"] } : { at: time, flags: [] };
}

function cutoffAt(transaction: Transaction, location: string, date: string): Instant {
  return endOfDate(date, transaction.location(location).fields?.timeZone ?? "UTC");
}

function skuOfGtin(transaction: Transaction, gtin: string): string {
  const parsed = gtin14(gtin);
  if (!parsed.ok) throw new FactRefused("invalid-check-digit", `/data/gtin: ${parsed.rejection}`);
  const sku = transaction.gtinOwner(parsed.value);
  if (sku === undefined) throw new FactRefused("unknown-item", `/data/gtin: no item has the GTIN ${parsed.value}`);
  return sku;
}

function decideHere(transaction: Transaction, location: string, sku: string, fact: StockFact) {
  const stock = transaction.stock(location, sku);
  const history = needsHistory(stock, fact) ? transaction.history(location, sku) : [];
  const decided = decideFact(stock, fact, transaction.now, history);
  if (!decided.ok) throw new FactRefused("out-of-range", decided.rejection.detail);
  return decided.value;
}

// Orders

function recordOrder(
  transaction: Transaction,
  fact: ParsedFact,
  order: Extract<FactBody, { kind: "order" }>,
  caller: Caller,
): void {
  const { at, flags } = effectiveTime(transaction.now, fact, fact.time);
  const open = new Map(order.lines.map((line) => [`${line.location}\u0000${line.sku}`, { ...line }]));
  const named = order.reservation;
  // One that the caller may not know of is none: all of the order is taken as sold.
  const reservation = named !== undefined && maySee(transaction.reservation(named), caller) ? named : undefined;
  if (reservation !== undefined) fulfilFrom(transaction, reservation, open, { at, flags });
  for (const { sku, location, quantity } of open.values()) {
    if (quantity === 0) continue;
    const told: ToldFact = {
      quantity,
      order: order.order,
      ...(order.reservation !== undefined && { reservation: order.reservation }),
    };
    const sold: StockFact = { source: fact.source, id: fact.id, type: "StockSold", told, at, flags };
    transaction.emitStock(location, sku, decideHere(transaction, location, sku, sold));
  }
  if (reservation !== undefined && order.final) releaseRest(transaction, reservation);
}

/** Fulfils what of the order its reservation holds at the same places, and takes that off the open lines. */
function fulfilFrom(
  transaction: Transaction,
  id: string,
  open: ReadonlyMap<string, { readonly sku: string; readonly location: string; quantity: number }>,
  when: Effective,
): void {
  const state = transaction.reservation(id);
  const status = openStatus(id, state, stocksOf(transaction), transaction.now);
  if (!isOpen(status)) return;
  const parts = [];
  for (const [allocation, held] of state.allocations.entries()) {
    const line = open.get(`${held.location}\u0000${held.sku}`);
    const quantity = Math.min(line?.quantity ?? 0, remaining(held));
    if (line === undefined || quantity === 0) continue;
    line.quantity -= quantity;
    parts.push({ allocation, quantity });
  }
  if (parts.length === 0) return;
  const decided = decideFulfil(
    id,
    state,
    parts,
    when,
    stocksOf(transaction),
    historyFor(transaction, when.at),
    transaction.now,
  );
  if (!decided.ok) throw new FactRefused("out-of-range", decided.rejection.detail);
  emitReservation(transaction, id, decided.value);
}

/** The history of a stock where a movement at `at` can't be resolved without it. */
export function historyFor(
  transaction: Transaction,
  at: Instant,
): (pair: { sku: string; location: string }) => readonly PastEvent[] {
  return ({ location, sku }) => {
    const { lotCountAsOf } = transaction.stock(location, sku);
    return lotCountAsOf !== null && at <= lotCountAsOf ? transaction.history(location, sku) : [];
  };
}

function releaseRest(transaction: Transaction, id: string): void {
  const decided = decideRelease(id, transaction.reservation(id), stocksOf(transaction), transaction.now);
  if (decided.ok) emitReservation(transaction, id, decided.value);
}
