/**
 * `larder verify`: reads a whole log and says whether it keeps every promise that Larder makes (design.md, I1 to I6),
 * and whether its seals show that nothing was changed, taken out or put in another order. Reads only; needs no server.
 */
import { PlatformError } from "../../../kernel/index.ts";
import type { DerivedStore, RecordedEvent, RecordedUnit, Sequence, Storage } from "../../../platform/storage/index.ts";
import {
  evolveReservation,
  isOpen,
  noReservation,
  type Reservation,
  type ReservationEvent,
  remaining,
} from "../domain/reservation/index.ts";
import {
  available,
  balanceOf,
  emptyStock,
  evolve,
  type Stock,
  type StockEvent,
  sellable,
  totalsOf,
  totalsOfBalance,
} from "../domain/stock/index.ts";
import { evolveTransfer, noTransfer, type Transfer, type TransferEvent } from "../domain/transfer/index.ts";
import { idOf, kindOf, streamOf } from "../ledger/index.ts";
import { type Seal, SealChain, sealOf } from "../seals/index.ts";
import { Crossings } from "./crossings.ts";
import { LargeMap } from "./large-map.ts";

export interface Finding {
  /** The event at which it shows; 0 for the log as a whole. */
  readonly seq: Sequence;
  readonly problem: string;
}

export interface Verification {
  readonly events: number;
  readonly streams: number;
  readonly stocks: number;
  readonly reservations: number;
  readonly seals: number;
  readonly lastSeal: Seal | undefined;
  /** Events after the last seal, which only their own checks cover. */
  readonly unsealedEvents: number;
  readonly shortfalls: number;
  /** At most `findingsMax`; `findingsCount` has them all. */
  readonly findings: readonly Finding[];
  readonly findingsCount: number;
}

/** A seal kept outside of the log, so that a cut tail shows. */
export type Anchor = Seal;

export interface VerifyOptions {
  readonly anchor?: Anchor;
  /** Called now and then with how far it is. */
  readonly onProgress?: (seq: Sequence, head: Sequence) => void;
}

const findingsMax = 100;
const readEvents = 5000;

/** What is read of a storage. */
export type VerifiedStorage = Pick<Storage, "readLog" | "head"> & {
  readonly derived?: Pick<DerivedStore, "checkpoint" | "scan">;
};

export async function verifyLog(storage: VerifiedStorage, options: VerifyOptions = {}): Promise<Verification> {
  const verifier = new Verifier(options.anchor);
  const head = storage.head();
  for (let limit = readEvents; verifier.seq < head; ) {
    try {
      const units = await storage.readLog(verifier.seq, limit);
      if (units.length === 0) throw new PlatformError("storage-unavailable", "the event is missing");
      for (const unit of units) verifier.add(unit);
      options.onProgress?.(verifier.seq, head);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      // What can't be read ends the log here; up to there it is read unit by unit.
      if (limit === 1) {
        verifier.find(verifier.seq + 1, `can't be read, so nothing after it was looked at: ${error.message}`);
        break;
      }
      limit = 1;
    }
  }
  if (storage.derived !== undefined && verifier.seq === head) verifier.compareAvailability(storage.derived, head);
  return verifier.result();
}

class Verifier {
  seq: Sequence = 0;
  readonly #anchor: Anchor | undefined;
  readonly #findings: Finding[] = [];
  #findingsCount = 0;
  readonly #versions = new LargeMap<number>();
  readonly #stocks = new Map<string, Stock>();
  readonly #reservations = new LargeMap<Reservation>();
  readonly #transfers = new Map<string, Transfer>();
  readonly #claims = new LargeMap<true>();
  readonly #crossings = new Crossings();
  /** Units after the last seal. */
  #unsealed: RecordedUnit[] = [];
  #lastSeal: Seal | undefined;
  #seals = 0;
  #shortfalls = 0;
  #anchorSeen = false;
  #recordedAt = 0;

  constructor(anchor: Anchor | undefined) {
    this.#anchor = anchor;
  }

  find(seq: Sequence, problem: string): void {
    this.#findingsCount += 1;
    if (this.#findings.length < findingsMax) this.#findings.push({ seq, problem });
  }

  add(unit: RecordedUnit): void {
    const first = unit.events[0]?.seq ?? 0;
    if (unit.meta.recordedAt < this.#recordedAt)
      this.find(first, "was recorded at an earlier time than the event before it");
    this.#recordedAt = Math.max(this.#recordedAt, unit.meta.recordedAt);
    for (const { key } of unit.claims) {
      if (this.#claims.has(key)) this.find(first, "records a fact or an order a second time");
      this.#claims.set(key, true);
    }
    for (const event of unit.events) this.#event(event, unit);
    for (const problem of this.#crossings.end()) this.find(first, problem);
    this.#unsealed.push(unit);
    this.#checkHolds(unit);
  }

  result(): Verification {
    const sealedTo = this.#lastSeal?.to ?? 0;
    if (this.#anchor !== undefined && !this.#anchorSeen) {
      this.find(
        0,
        `the anchor's seal up to event ${this.#anchor.to} is not in the log: its tail was cut, or it is another log`,
      );
    }
    let stocks = 0;
    for (const stream of this.#versions.keys()) if (stream.startsWith("stock-")) stocks += 1;
    return {
      events: this.seq,
      streams: this.#versions.size,
      stocks,
      reservations: this.#reservations.size,
      seals: this.#seals,
      lastSeal: this.#lastSeal,
      unsealedEvents: this.seq - sealedTo,
      shortfalls: this.#shortfalls,
      findings: this.#findings,
      findingsCount: this.#findingsCount,
    };
  }

  #event(event: RecordedEvent, unit: RecordedUnit): void {
    if (event.seq !== this.seq + 1)
      this.find(event.seq, `follows event ${this.seq}: events are missing or out of order`);
    this.seq = event.seq;
    const version = (this.#versions.get(event.stream) ?? 0) + 1;
    if (event.version !== version)
      this.find(event.seq, `is version ${event.version} of ${event.stream}, which was at ${version - 1}`);
    this.#versions.set(event.stream, event.version);
    try {
      this.#judge(event, unit);
    } catch (error) {
      // Whoever changed it may have put anything there.
      this.find(event.seq, `is not what its type says: ${(error as Error).message}`);
    }
  }

  #judge(event: RecordedEvent, unit: RecordedUnit): void {
    switch (kindOf(event.stream)) {
      case "stock":
        this.#stock(event, unit);
        break;
      case "reservation":
        this.#reservation(event, unit);
        break;
      case "transfer":
        this.#transfer(event);
        break;
      case "seal":
        this.#seal(event);
        break;
    }
  }

  /** I1: quantities are the sums of their events; promises never exceed what was available when they were made. */
  #stock(recorded: RecordedEvent, unit: RecordedUnit): void {
    const stock = this.#stocks.get(recorded.stream) ?? emptyStock();
    this.#stocks.set(recorded.stream, stock);
    const event = recorded as unknown as StockEvent;
    const before = available(stock) + stock.backorderLimit;
    const promised = promisedBy(event);
    if (promised > 0 && promised > before) {
      this.find(recorded.seq, `promises ${promised} of ${recorded.stream} while ${before} were available`);
    }
    if (event.type === "HoldLapsed") {
      const holding = stock.holdings.get(event.data.reservation);
      if (holding !== undefined && (holding.expiresAt === null || holding.expiresAt > unit.meta.recordedAt))
        this.find(recorded.seq, "lets a hold lapse before its time");
    }
    if (event.type === "LotNearedExpiry") this.#nearing(recorded, stock, event.data);
    this.#crossings.add(recorded.stream, stock, event);
    try {
      evolve(stock, event);
    } catch (error) {
      this.find(recorded.seq, `can't be applied to ${recorded.stream}: ${(error as Error).message}`);
      return;
    }
    const said = JSON.stringify(totalsOf(totalsOfBalance(event.data.balance)));
    const is = JSON.stringify(totalsOf(stock));
    if (said !== is)
      this.find(recorded.seq, `says the balance of ${recorded.stream} is ${said}; its events give ${is}`);
    if (event.type === "ShortfallFound") this.#shortfalls += 1;
  }

  /** That a lot's date is near is told once, of what can still be sold, and only where a policy asks for it. */
  #nearing({ seq, stream }: RecordedEvent, stock: Stock, told: { readonly lot: string; readonly quantity: number }) {
    const lot = stock.lots.get(told.lot);
    const isRight =
      lot !== undefined && !lot.expired && !lot.nearTold && sellable(lot) === told.quantity && told.quantity > 0;
    if (!isRight || stock.expiringDays === null)
      this.find(seq, `tells that lot ${told.lot} of ${stream} nears its date, which it does not, or has told before`);
  }

  /** I2: a reservation ends once. */
  #reservation(recorded: RecordedEvent, unit: RecordedUnit): void {
    const id = idOf(recorded.stream);
    const state = this.#reservations.get(id) ?? noReservation;
    const event = recorded as unknown as ReservationEvent;
    if (!mayFollow(state, event))
      this.find(recorded.seq, `${event.type} follows in a reservation that is ${state.status ?? "not placed"}`);
    if (event.type === "ReservationExpired" && (state.expiresAt ?? Number.POSITIVE_INFINITY) > unit.meta.recordedAt) {
      this.find(recorded.seq, "a reservation expires before its time");
    }
    const next = evolveReservation(state, event, unit.meta);
    if (next.allocations.some((allocation) => remaining(allocation) < 0))
      this.find(recorded.seq, "more is fulfilled than was reserved");
    this.#reservations.set(id, next);
  }

  /** A unit that changes a reservation leaves its stocks holding exactly what remains of it. */
  #checkHolds(unit: RecordedUnit): void {
    for (const { stream, seq } of unit.events) {
      if (kindOf(stream) !== "reservation") continue;
      const id = idOf(stream);
      const state = this.#reservations.get(id) ?? noReservation;
      const isHeld = isOpen(state.status);
      const expected = new Map<string, number>();
      for (const allocation of state.allocations) {
        const stock = streamOf.stock(allocation.location, allocation.sku);
        expected.set(stock, (expected.get(stock) ?? 0) + (isHeld ? remaining(allocation) : 0));
      }
      for (const [stock, units] of expected) {
        const held = this.#stocks.get(stock)?.holdings.get(id)?.quantity ?? 0;
        if (held !== units)
          this.find(seq, `${stock} holds ${held} for reservation ${id}, of which ${units} remain there`);
      }
    }
  }

  /** I6: what a transfer says of its difference is what was dispatched and has not arrived. */
  #transfer(recorded: RecordedEvent): void {
    const id = idOf(recorded.stream);
    const transfer = evolveTransfer(this.#transfers.get(id) ?? noTransfer, recorded as unknown as TransferEvent);
    this.#transfers.set(id, transfer);
    const { difference } = recorded.data as { readonly difference?: number };
    if (difference === undefined) return;
    const isSum = [...transfer.values()].some(({ dispatched, arrived }) => arrived - dispatched === difference);
    if (!isSum)
      this.find(recorded.seq, `says ${difference} units differ in transfer ${id}; its events give another number`);
  }

  #seal(event: RecordedEvent): void {
    const seal = sealOf(event);
    const chain = new SealChain(this.#lastSeal);
    const beyond = this.#unsealed.findIndex(({ events }) => (events[0]?.seq ?? 0) > seal.to);
    const covered = beyond < 0 ? this.#unsealed.length : beyond;
    chain.add(this.#unsealed.slice(0, covered));
    const found = chain.seal();
    if (found.to !== seal.to || found.hash !== seal.hash || found.events !== seal.events) {
      this.find(
        event.seq,
        `the seal up to event ${seal.to} does not fit: an event from ${(this.#lastSeal?.to ?? 0) + 1} to ${seal.to} was changed, taken out or moved`,
      );
    }
    if (this.#anchor?.to === seal.to) {
      this.#anchorSeen = true;
      if (this.#anchor.hash !== seal.hash) this.find(event.seq, "the seal is not the one that the anchor holds");
    }
    this.#unsealed = this.#unsealed.slice(covered);
    this.#lastSeal = seal;
    this.#seals += 1;
  }

  /** I5: the read model of availability is the fold of the log at its checkpoint. */
  compareAvailability(derived: Pick<DerivedStore, "checkpoint" | "scan">, head: Sequence): void {
    // Behind the log, as it is while a server runs, it can't be compared with the fold of all of it.
    if (derived.checkpoint("availability") !== head) return;
    let after = "";
    for (;;) {
      const documents = derived.scan("availability", after, 5000);
      for (const { id, body } of documents) {
        after = id;
        const stock = this.#stocks.get(id);
        const kept = JSON.stringify((JSON.parse(body) as unknown[])[2]);
        const is = JSON.stringify(stock === undefined ? null : balanceOf(stock));
        if (kept !== is) this.find(0, `the read model has ${kept} for ${id}; the log gives ${is}`);
      }
      if (documents.length < 5000) return;
    }
  }
}

/** Units that an event promises anew. */
function promisedBy(event: StockEvent): number {
  switch (event.type) {
    case "StockReserved":
    case "StockReacquired":
      return event.data.holds.reduce((sum, { quantity }) => sum + quantity, 0);
    case "HoldsAmended":
      return event.data.change;
    default:
      return 0;
  }
}

function mayFollow({ status }: Reservation, event: ReservationEvent): boolean {
  switch (event.type) {
    case "ReservationPlaced":
      return status === undefined;
    case "ReservationExtended":
    case "ReservationAmended":
    case "ReservationConfirmed":
    case "ReservationExpired":
      return status === "active";
    case "ReservationReacquired":
      return status === "expired";
    case "ReservationFulfilled":
    case "ReservationReleased":
      return isOpen(status);
    default:
      event satisfies never;
      return false;
  }
}

/** Whether an anchor read from a file has the form of one. */
export function isAnchor(value: unknown): value is Anchor {
  if (typeof value !== "object" || value === null) return false;
  const { to, events, hash } = value as Partial<Anchor>;
  return (
    Number.isSafeInteger(to) && Number.isSafeInteger(events) && typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)
  );
}
