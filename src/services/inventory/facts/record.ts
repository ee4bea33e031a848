/** What each kind of fact appends, and where. */
import { type FactRejectionCode, type Instant, limits } from "../../../kernel/index.ts";
import type { Caller } from "../api.ts";
import { gtin14 } from "../domain/item/index.ts";
import { decideFulfil, decideRelease, openStatus, remaining } from "../domain/reservation/index.ts";
import {
  decideFact,
  decideVoid,
  type FactReference,
  needsHistory,
  type PastEvent,
  type StockEventDraft,
  type StockFact,
  type ToldFact,
} from "../domain/stock/index.ts";
import { type Consignment, consignmentKey, inTransit, type TransferEvent } from "../domain/transfer/index.ts";
import { type Claimant, type Command, kindOf, pairOf, streamOf, type Transaction } from "../ledger/index.ts";
import { emitReservation, stocksOf } from "../reservations/emit.ts";
import { claimKey, type FactBody, type ParsedFact, voidKeyOf } from "./parse.ts";
import { eventOfFact } from "./schemas.ts";
import { endOfDate } from "./time-zones.ts";

export type FactOutcome = "accepted" | "duplicate" | { readonly code: FactRejectionCode; readonly detail: string };

/** Thrown to take back what a fact has done so far, when it turns out that it can't be recorded. */
class FactRefused extends Error {
  readonly outcome: FactOutcome;

  constructor(code: FactRejectionCode, detail: string) {
    super(detail);
    this.outcome = { code, detail };
  }
}

/** The outcome of a fact that was refused by being thrown; throws failures of another kind again. */
export function refusalOf(error: unknown): FactOutcome {
  if (error instanceof FactRefused) return error.outcome;
  throw error;
}

export function factCommand(fact: ParsedFact, caller: Caller): Command<FactOutcome> {
  const { source, id, type, time, data } = fact;
  const claims = [fact.key];
  if (data.kind === "order") claims.push(claimKey("order", source, data.order));
  if (data.kind === "void") {
    const target = claimKey("fact", data.voids.source, data.voids.id);
    claims.push(target, voidKeyOf(target));
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

function record(transaction: Transaction, fact: ParsedFact, caller: Caller): FactOutcome {
  const known = transaction.claimed(fact.key);
  if (known !== undefined) {
    if (known.print === fact.print) return "duplicate";
    return { code: "event-id-reused", detail: "A fact of this source and id was recorded with other content." };
  }
  const { data } = fact;
  if (data.kind === "order") {
    const key = claimKey("order", fact.source, data.order);
    if (transaction.claimed(key) !== undefined) return "duplicate";
    transaction.claim({ key, print: fact.print });
  }
  transaction.claim({ key: fact.key, print: fact.print });
  if (data.kind === "void") recordVoid(transaction, fact, data, caller);
  else if (data.kind === "order") recordOrder(transaction, fact, data);
  else recordStockFact(transaction, fact, data);
  if (data.kind !== "void") voidIfAwaited(transaction, fact);
  return "accepted";
}

function recordStockFact(transaction: Transaction, fact: ParsedFact, data: Extract<FactBody, { kind: "stock" }>): void {
  const sku = data.sku ?? skuOfGtin(transaction, data.gtin ?? "");
  const type = eventOfFact[fact.type];
  if (type === undefined) return;
  const { location, told } = data;
  const { at, flags } = effectiveTime(transaction.now, told.asOf ?? fact.time);
  const cutoff = told.expiresOn === undefined ? undefined : cutoffAt(transaction, location, told.expiresOn);
  const stockFact: StockFact = {
    source: fact.source,
    id: fact.id,
    type,
    told,
    at,
    flags,
    ...(cutoff !== undefined && { cutoff }),
  };
  const stock = transaction.stock(location, sku);
  const history = needsHistory(stock, stockFact) ? transaction.history(location, sku) : [];
  emitOrRefuse(transaction, location, sku, decideFact(stock, stockFact, transaction.now, history));
  if (told.transfer !== undefined) recordTransfer(transaction, sku, location, told.transfer, told);
}

/** When a fact takes effect: as it says, unless it lies too far ahead of its receipt. */
function effectiveTime(now: Instant, time: Instant | undefined): { at: Instant; flags: readonly string[] } {
  if (time === undefined) return { at: now, flags: [] };
  return time > now + limits.clockAheadMsMax ? { at: now, flags: ["clock-ahead"] } : { at: time, flags: [] };
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

function emitOrRefuse(
  transaction: Transaction,
  location: string,
  sku: string,
  decided: ReturnType<typeof decideFact>,
): void {
  if (!decided.ok) throw new FactRefused("out-of-range", decided.rejection.detail);
  transaction.emitStock(location, sku, decided.value);
}

// Transfers

function recordTransfer(
  transaction: Transaction,
  sku: string,
  location: string,
  transfer: string,
  told: ToldFact,
): void {
  const quantity = told.quantity ?? 0;
  const subject = { sku, ...(told.lot !== undefined && { lot: told.lot }) };
  changeTransfer(transaction, transfer, subject, (known) => {
    if (told.to !== undefined) {
      const difference = known.arrivals === 0 ? 0 : known.arrived - known.dispatched - quantity;
      const data = { ...subject, from: location, to: told.to, quantity, ...(difference !== 0 && { difference }) };
      return { type: "TransferDispatched", data };
    }
    const difference = known.dispatched === 0 ? 0 : known.arrived + quantity - known.dispatched;
    const data = { ...subject, at: location, from: told.from ?? "", quantity, ...(difference !== 0 && { difference }) };
    return { type: "TransferArrived", data };
  });
}

/** Changes a transfer's sums, and what is incoming at its destination with them. */
function changeTransfer(
  transaction: Transaction,
  id: string,
  subject: { readonly sku: string; readonly lot?: string },
  eventFor: (known: Consignment) => TransferEvent,
): void {
  const key = consignmentKey(subject);
  const before: Consignment = transaction.transfer(id).get(key) ?? {
    ...subject,
    dispatched: 0,
    arrived: 0,
    arrivals: 0,
  };
  transaction.emit(streamOf.transfer(id), [eventFor(before)]);
  const after = transaction.transfer(id).get(key);
  const changes = new Map<string, number>();
  if (before.to !== undefined) changes.set(before.to, -inTransit(before));
  if (after?.to !== undefined) changes.set(after.to, (changes.get(after.to) ?? 0) + inTransit(after));
  for (const [location, incoming] of changes) {
    if (incoming !== 0)
      transaction.emitStock(location, subject.sku, [
        { type: "IncomingChanged", data: { transfer: id, change: { incoming } } },
      ]);
  }
}

// Orders

function recordOrder(transaction: Transaction, fact: ParsedFact, order: Extract<FactBody, { kind: "order" }>): void {
  const { at, flags } = effectiveTime(transaction.now, fact.time);
  const open = new Map(order.lines.map((line) => [`${line.location}\u0000${line.sku}`, { ...line }]));
  if (order.reservation !== undefined) fulfilFrom(transaction, order.reservation, open, at);
  for (const { sku, location, quantity } of open.values()) {
    if (quantity === 0) continue;
    const told: ToldFact = {
      quantity,
      order: order.order,
      ...(order.reservation !== undefined && { reservation: order.reservation }),
    };
    const sold: StockFact = { source: fact.source, id: fact.id, type: "StockSold", told, at, flags };
    const stock = transaction.stock(location, sku);
    const history = needsHistory(stock, sold) ? transaction.history(location, sku) : [];
    emitOrRefuse(transaction, location, sku, decideFact(stock, sold, transaction.now, history));
  }
  if (order.reservation !== undefined && order.final) releaseRest(transaction, order.reservation);
}

/** Fulfils what of the order its reservation holds at the same places, and takes that off the open lines. */
function fulfilFrom(
  transaction: Transaction,
  id: string,
  open: ReadonlyMap<string, { readonly sku: string; readonly location: string; quantity: number }>,
  at: Instant,
): void {
  const state = transaction.reservation(id);
  const status = openStatus(id, state, stocksOf(transaction), transaction.now);
  if (status !== "active" && status !== "confirmed" && status !== "partly-fulfilled") return;
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
    { at },
    stocksOf(transaction),
    historyFor(transaction, at),
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

// Voids

function recordVoid(
  transaction: Transaction,
  fact: ParsedFact,
  data: Extract<FactBody, { kind: "void" }>,
  caller: Caller,
): void {
  if (caller.sources !== undefined && !caller.sources.has(data.voids.source)) {
    throw new FactRefused("forbidden", "The credential may not speak for the source of the voided fact.");
  }
  const targetKey = claimKey("fact", data.voids.source, data.voids.id);
  const voidKey = voidKeyOf(targetKey);
  const note = (effect: string) =>
    transaction.emit(streamOf.void(targetKey), [
      { type: "VoidNoted", data: { voids: data.voids, reason: data.reason, effect } },
    ]);
  if (transaction.claimed(voidKey) !== undefined) return note("already-voided");
  const target = transaction.claimant(targetKey);
  if (target?.fact?.type === "larder.fact.voided.v1") return note("a-void-stands");
  transaction.claim({ key: voidKey, print: fact.print });
  if (target === undefined) return note("awaits-its-fact");
  const { at } = effectiveTime(transaction.now, fact.time);
  undo(transaction, target, data.voids, { reason: data.reason, at }, caller);
}

/** A void that came before its fact takes effect now. */
function voidIfAwaited(transaction: Transaction, fact: ParsedFact): void {
  if (!transaction.mayBeVoided(fact.key)) return;
  const awaited = transaction.claimant(voidKeyOf(fact.key));
  if (awaited === undefined) return;
  const noted = awaited.events.find(({ type }) => type === "VoidNoted")?.data as { reason?: string } | undefined;
  const told = { at: transaction.now, ...(noted?.reason !== undefined && { reason: noted.reason }) };
  undo(transaction, { fact: undefined, events: transaction.emitted() }, fact, told, undefined);
}

function undo(
  transaction: Transaction,
  target: Claimant,
  voids: FactReference,
  told: { readonly reason?: string; readonly at: Instant },
  caller: Caller | undefined,
): void {
  const streams = new Set(target.events.filter(({ stream }) => kindOf(stream) === "stock").map(({ stream }) => stream));
  for (const stream of streams) {
    const { location, sku } = pairOf(stream);
    if (caller?.locations !== undefined && !caller.locations.has(location)) {
      throw new FactRefused("forbidden", "The credential may not speak for the location of the voided fact.");
    }
    const history = transaction.history(location, sku);
    const own = history.filter(({ fact }) => fact?.source === voids.source && fact.id === voids.id);
    const movements = own.filter(
      ({ event }) => "change" in event.data && event.type !== "IncomingChanged" && event.type !== "FactVoided",
    );
    if (movements.length === 0) continue;
    const decided = decideVoid(
      transaction.stock(location, sku),
      movements,
      { source: voids.source, id: voids.id },
      told,
      transaction.now,
      history,
    );
    if (!decided.ok) throw new FactRefused("out-of-range", decided.rejection.detail);
    transaction.emitStock(location, sku, decided.value as readonly StockEventDraft[]);
  }
  for (const { stream, type, data } of target.events) {
    if (type === "TransferDispatched" || type === "TransferArrived")
      undoTransfer(transaction, stream, { type, data } as TransferEvent);
  }
}

function undoTransfer(transaction: Transaction, stream: string, event: TransferEvent): void {
  if (event.type === "TransferCorrected") return;
  const { sku, lot, quantity } = event.data;
  const subject = { sku, ...(lot !== undefined && { lot }) };
  const correction =
    event.type === "TransferDispatched" ? { dispatched: -quantity } : { arrived: -quantity, arrivals: -1 };
  changeTransfer(transaction, stream.slice("transfer-".length), subject, () => ({
    type: "TransferCorrected",
    data: { ...subject, ...correction },
  }));
}
