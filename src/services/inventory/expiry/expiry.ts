import { hasCode, type Instant } from "../../../kernel/index.ts";
import type { Consumer } from "../../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit } from "../../../platform/storage/index.ts";
import { decideExpire, type ReservationEvent } from "../domain/reservation/index.ts";
import { Deadlines, type LotChange, lapses } from "../domain/stock/index.ts";
import { type Command, idOf, type Ledger, pairOf, streamOf } from "../ledger/index.ts";
import { emitReservation, stocksOf } from "../reservations/emit.ts";
import { NearingLots } from "./nearing.ts";

/** Commands handed to the ledger at once, so that a wave of expiries leaves room for everyone else. */
const commandsAtOnce = 500;

const actor = "system:expiry";

export interface ExpiryObserver {
  /** An expiry was recorded, this many seconds after its instant. */
  recorded?(secondsLate: number): void;
}

/**
 * Records what has lapsed and nobody has relied on yet: holds whose time has come, lots whose date has passed. Promises
 * don't depend on it (whoever needs the units records that first); feeds and read models do. Tells of lots whose date
 * has come near, which nobody else does.
 */
export class Expiry implements Consumer {
  readonly name = "expiry";
  readonly #deadlines = new Deadlines();
  /**
   * What is due when: reservations by their stream; ends of dates by the stock's stream and the instant, with a character
   * between them that no name may hold.
   */
  readonly #due = new Map<string, Instant>();
  readonly #nearing = new NearingLots();
  readonly #dirty = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #observer: ExpiryObserver;

  constructor(observer: ExpiryObserver = {}) {
    this.#observer = observer;
  }

  /** What waits. */
  get size(): number {
    return this.#due.size + this.#nearing.size;
  }

  /**
   * Ends of dates have documents here, and, by their stream alone, stocks that are looked at for dates that come near;
   * open reservations have theirs elsewhere (`watchReservations`).
   */
  load(documents: Iterable<DerivedDocument>): void {
    for (const document of documents) {
      if (document.id.includes("\u0000")) this.#expect(document.id, Number(document.body));
      else this.#nearing.load(document);
    }
  }

  /** Takes in the reservations that were open before this process began. */
  watchReservations(open: Iterable<{ readonly id: string; readonly expiresAt: Instant | null }>): void {
    for (const { id, expiresAt } of open) if (expiresAt !== null) this.#expect(streamOf.reservation(id), expiresAt);
  }

  apply(unit: RecordedUnit): void {
    for (const event of unit.events) {
      if (event.stream.startsWith("reservation-"))
        this.#reservation(event.stream, event as unknown as ReservationEvent);
      else if (event.stream.startsWith("stock-")) this.#lots(event.stream, event);
    }
    this.#nearing.apply(unit);
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const nearing = this.#nearing.changes();
    const put = [...this.#dirty].map((id) => ({ id, body: String(this.#due.get(id)) }));
    const remove = [...this.#gone];
    this.#dirty.clear();
    this.#gone.clear();
    return { put: [...put, ...nearing.put], remove: [...remove, ...nearing.remove] };
  }

  /** Records what is due by `now`; resolves when that is done. */
  async sweep(ledger: Ledger, now: Instant): Promise<number> {
    const unread: unknown[] = [];
    const due = this.#deadlines.due(now, (id, time) => this.#due.get(id) === time);
    await inPortions(due, (key) => this.#record(ledger, key), unread);
    const looks = this.#nearing.due(now);
    await inPortions(looks, (stream) => this.#nearing.look(ledger, stream, actor), unread);
    if (unread.length > 0) throw unread[0];
    return due.length + looks.length;
  }

  async #record(ledger: Ledger, key: string): Promise<void> {
    const at = this.#due.get(key);
    if (at === undefined) return;
    const { value: late } = await ledger.submit(isLot(key) ? lotCommand(key, at) : expireCommand(key, at));
    // The clock went back since it was looked at: this is still to come.
    if (late === "early") return;
    // Where nothing was to be recorded (the lot is gone, the hold has ended otherwise) there is nothing to wait for.
    if (this.#due.get(key) === at) this.#forget(key);
    if (late !== undefined) this.#observer.recorded?.(late / 1000);
  }

  #reservation(stream: string, event: ReservationEvent): void {
    if (event.type === "ReservationPlaced" || event.type === "ReservationExtended")
      this.#watch(stream, event.data.expiresAt);
    else if (event.type !== "ReservationAmended") this.#forget(stream);
  }

  #lots(stream: string, event: { readonly type: string; readonly data: object }): void {
    const { change } = event.data as { readonly change?: { readonly lots?: readonly LotChange[] } | number };
    if (typeof change !== "object") return;
    for (const { cutoff } of change.lots ?? []) {
      const key = `${stream}\u0000${cutoff}`;
      if (cutoff !== undefined && !this.#due.has(key)) this.#watch(key, cutoff);
    }
  }

  #watch(key: string, time: Instant): void {
    this.#expect(key, time);
    if (!isLot(key)) return;
    this.#dirty.add(key);
    this.#gone.delete(key);
  }

  #expect(key: string, time: Instant): void {
    this.#due.set(key, time);
    this.#deadlines.push(time, key);
    this.#deadlines.tidy(this.#due.size, (id, at) => this.#due.get(id) === at);
  }

  #forget(key: string): void {
    if (!this.#due.delete(key) || !isLot(key)) return;
    this.#dirty.delete(key);
    this.#gone.add(key);
  }
}

/** What is in a cold file that can't be read goes to `unread` and holds up nothing else. */
async function inPortions(
  keys: readonly string[],
  record: (key: string) => Promise<void>,
  unread: unknown[],
): Promise<void> {
  const passOver = (error: unknown) => {
    if (!hasCode(error, "archive-unavailable")) throw error;
    unread.push(error);
  };
  for (let start = 0; start < keys.length; start += commandsAtOnce) {
    await Promise.all(keys.slice(start, start + commandsAtOnce).map((key) => record(key).catch(passOver)));
  }
}

function isLot(key: string): boolean {
  return key.startsWith("stock-");
}

/** By how many milliseconds late something was recorded; undefined when nothing was to be. */
type Lateness = number | "early" | undefined;

/** Records that a reservation has expired. */
function expireCommand(stream: string, due: Instant): Command<Lateness> {
  const id = idOf(stream);
  return {
    actor,
    streams: [stream],
    decide: (transaction) => {
      if (transaction.now < due) return "early";
      const change = decideExpire(transaction.reservation(id), stocksOf(transaction), transaction.now);
      emitReservation(transaction, id, change);
      return change.reservation.length > 0 ? transaction.now - due : undefined;
    },
  };
}

/** Records what has lapsed in a stock, a date of whose lots has passed. */
function lotCommand(key: string, due: Instant): Command<Lateness> {
  const stream = key.slice(0, key.indexOf("\u0000"));
  const { location, sku } = pairOf(stream);
  return {
    actor,
    streams: [stream],
    decide: (transaction) => {
      if (transaction.now < due) return "early";
      const drafts = lapses(transaction.stock(location, sku), transaction.now);
      if (drafts.length > 0) transaction.emitStock(location, sku, drafts);
      return drafts.length > 0 ? transaction.now - due : undefined;
    },
  };
}
