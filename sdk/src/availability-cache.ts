import { type CachedSku, CachedStocks, keepNewest, type RowsByLocation, type StockRow } from "./cached-stocks.ts";
import { followChanges, type Heartbeat, isHeartbeat, isStockChange, type StockQuantities } from "./changes.ts";
import { isLarderError, LarderError } from "./errors.ts";
import { FetchQueue } from "./fetch-queue.ts";
import { limits } from "./limits.ts";
import { type Availability, Operations, type RecordedCloudEvent } from "./operations.ts";
import { delayMs, sleep, type Transport } from "./transport.ts";
import { Waiters } from "./waiters.ts";

export interface CacheOptions {
  /** Only these locations are followed; all that the key may see when absent. */
  readonly locations?: readonly string[] | undefined;
  /** Only these skus are followed, and they are fetched at once; any when absent, fetched when first asked for. */
  readonly skus?: readonly string[] | undefined;
  /** Skus held in memory, about 0.5 kB each and 0.2 kB for each location; 100,000 unless given. */
  readonly skusMax?: number | undefined;
  /** Milliseconds after which an answer that nobody has confirmed counts as stale; 5,000 unless given. */
  readonly staleAfterMs?: number | undefined;
  /** Seconds between confirmations while nothing happens, 1 to 15; 1 unless given. */
  readonly heartbeatSeconds?: number | undefined;
}

/** How old an answer is. */
export interface Freshness {
  /** Milliseconds since Larder last confirmed it, whether it had changed or not; infinite when it never has. */
  readonly ageMs: number;
  /** Whether that is more than `staleAfterMs`. */
  readonly stale: boolean;
}

export interface KnownAvailability extends StockQuantities, Freshness {
  readonly known: true;
  readonly sku: string;
  readonly location: string;
  /** Grows with every change; 0 where the location never had any. */
  readonly version: number;
  /** When it last changed, by Larder's clock; null where the location never had any. */
  readonly updatedAt: string | null;
}

export interface UnknownAvailability extends Freshness {
  readonly known: false;
  readonly sku: string;
  readonly location: string;
  /** `pending`: it is being fetched. `no-such-sku`: Larder never had any. `not-followed`: the cache was told to leave it out. */
  readonly reason: "pending" | "no-such-sku" | "not-followed";
}

export type CachedAvailability = KnownAvailability | UnknownAvailability;

export interface CacheStatus {
  /** Whether the feed is being read, as far as is known. */
  readonly isFollowing: boolean;
  /** Milliseconds since the feed last confirmed everything. */
  readonly ageMs: number;
  readonly skus: number;
  /** Skus that are being fetched. */
  readonly pending: number;
  /** Waits that have not ended: of `availabilityWithin`, of `warm` for each sku, and of `ready` for the feed as well. */
  readonly waiting: number;
  /** What last went wrong, while it does. */
  readonly error: LarderError | undefined;
}

/** What is waited for besides skus: that the feed has come to the present. */
const present = Symbol("present");

/**
 * Availability from memory. Follows the change feed, so that an answer is as new as the feed; skus that it does not hold are
 * fetched behind the answer. It goes on answering when Larder is gone, and says how old its answers are.
 *
 * Why figures are right. The feed begins at a position, and every fetch asks for what Larder knows at or after the feed's
 * position of that moment, so an event is in the answer or comes by the feed after the question was sent; either way the
 * higher version stays. A version never goes down while a sku is held, except when Larder itself has left its history
 * (a restore): then all is fetched anew, and what is not yet is answered with its growing age.
 */
export class AvailabilityCache {
  readonly #transport: Transport;
  readonly #operations: Operations;
  readonly #options: CacheOptions;
  readonly #staleAfterMs: number;
  readonly #stocks: CachedStocks;
  readonly #followedSkus: ReadonlySet<string> | undefined;
  readonly #followedLocations: ReadonlySet<string> | undefined;
  /** The skus that are being fetched, with what the feed has said of each meanwhile, which the answer may not contain. */
  readonly #pending = new Map<string, RowsByLocation>();
  readonly #waiters = new Waiters<string | typeof present>();
  readonly #queue: FetchQueue;
  readonly #stop = new AbortController();
  /** Ends the connection to the feed, so that it is opened anew. */
  #turn = new AbortController();
  /** Of the feed; undefined until it is known where it begins. */
  #position: string | undefined;
  #history = 0;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #isFollowing = false;
  #error: LarderError | undefined;

  /** Begins to follow at once, and until `stop`. */
  constructor(transport: Transport, options: CacheOptions = {}) {
    const { skus, locations, skusMax = limits.cachedSkusMax, staleAfterMs = limits.staleAfterMs } = options;
    if ((skus?.length ?? 0) > skusMax) throw new RangeError("More skus are followed than skusMax lets the cache hold.");
    const named = [...(skus ?? []), ...(locations ?? [])].map((name) => encodeURIComponent(name).length + 10);
    if (named.reduce((sum, length) => sum + length, 0) > limits.feedNamesCharsMax)
      throw new RangeError(
        "The names don't fit the address of a feed: leave out skus, and any is followed once asked for.",
      );
    this.#transport = transport;
    this.#operations = new Operations(transport);
    this.#options = options;
    this.#staleAfterMs = staleAfterMs;
    this.#stocks = new CachedStocks(skusMax);
    this.#followedSkus = skus && new Set(skus.map(normalise));
    this.#followedLocations = locations && new Set(locations.map(normalise));
    this.#queue = new FetchQueue(
      (wanted) => this.#fetch(wanted),
      (sku) => this.#settle(sku, { isKnown: false, rows: new Map(), fetchedAt: now(), history: this.#history }),
      (error) => this.#fetchFailed(error),
      this.#stop.signal,
    );
    void this.#follow();
  }

  /** What can be promised of a sku at a location, at once and from memory. An unknown sku is fetched behind the answer. */
  availability(sku: string, location: string): CachedAvailability {
    const [of, at] = [normalise(sku), normalise(location)];
    const held = this.#stocks.use(of);
    if (held !== undefined && this.#isFollowed(of, at)) return this.#answer(held, of, at);
    const reason = this.#isFollowed(of, at) ? "pending" : "not-followed";
    if (reason === "pending") this.#want(of);
    return { known: false, sku: of, location: at, reason, ageMs: Number.POSITIVE_INFINITY, stale: true };
  }

  /**
   * As `availability`, but waits for a sku that is not in memory, at most `waitMs`; then it is answered as pending. For a
   * sku that is in memory it does not wait, however old that is.
   */
  async availabilityWithin(waitMs: number, sku: string, location: string): Promise<CachedAvailability> {
    const answer = this.availability(sku, location);
    if (answer.known || answer.reason !== "pending") return answer;
    await this.#fetched([answer.sku], waitMs);
    return this.availability(sku, location);
  }

  /** A sku at every followed location that ever had any of it; empty while it is fetched. */
  everywhere(sku: string): readonly KnownAvailability[] {
    const of = normalise(sku);
    if (this.#followedSkus !== undefined && !this.#followedSkus.has(of)) return [];
    const held = this.#stocks.use(of);
    if (held === undefined) {
      this.#want(of);
      return [];
    }
    return [...held.rows].map(([location, row]) => this.#known(held, of, location, row));
  }

  /** Fetches skus ahead, so that they are in memory when asked for; true when all are, within `waitMs`. */
  async warm(skus: readonly string[], waitMs: number = limits.attemptMs): Promise<boolean> {
    const missing = skus.map(normalise).filter((sku) => this.#stocks.peek(sku) === undefined);
    for (const sku of missing) this.#want(sku);
    return await this.#fetched(missing, waitMs);
  }

  /** True once it follows and holds the skus that it was told to follow, within `waitMs`. */
  async ready(waitMs: number = limits.attemptMs): Promise<boolean> {
    const [isFollowed, isWarm] = await Promise.all([
      this.#confirmedAt > Number.NEGATIVE_INFINITY || this.#waiters.within(waitMs, present),
      this.warm(this.#options.skus ?? [], waitMs),
    ]);
    return isFollowed && isWarm;
  }

  status(): CacheStatus {
    return {
      isFollowing: this.#isFollowing,
      ageMs: now() - this.#confirmedAt,
      skus: this.#stocks.size,
      pending: this.#pending.size,
      waiting: this.#waiters.size,
      error: this.#error,
    };
  }

  /** Ends the connection. Answers go on from memory, and grow old. */
  stop(): void {
    this.#stop.abort();
    this.#isFollowing = false;
  }

  // Answers

  #isFollowed(sku: string, location: string): boolean {
    return (this.#followedSkus?.has(sku) ?? true) && (this.#followedLocations?.has(location) ?? true);
  }

  #answer(held: CachedSku, sku: string, location: string): CachedAvailability {
    if (held.isKnown) return this.#known(held, sku, location, held.rows.get(location) ?? neverAny);
    const ageMs = now() - this.#confirmationOf(held);
    return { known: false, sku, location, reason: "no-such-sku", ageMs, stale: ageMs > this.#staleAfterMs };
  }

  /** Member by member, for this runs for every check: spreads would take most of its time. */
  #known(held: CachedSku, sku: string, location: string, row: StockRow | typeof neverAny): KnownAvailability {
    const { available, onHand, unavailable, reserved, committed, safetyStock, incoming, version, updatedAt } = row;
    const ageMs = now() - this.#confirmationOf(held);
    return {
      known: true,
      sku,
      location,
      available,
      onHand,
      unavailable,
      reserved,
      committed,
      safetyStock,
      incoming,
      version,
      updatedAt,
      ageMs,
      stale: ageMs > this.#staleAfterMs,
    };
  }

  #confirmationOf({ fetchedAt, history }: CachedSku): number {
    return history === this.#history ? Math.max(fetchedAt, this.#confirmedAt) : fetchedAt;
  }

  // Fetching

  #want(sku: string): void {
    if (this.#pending.has(sku) || this.#pending.size >= limits.pendingSkusMax || this.#stop.signal.aborted) return;
    this.#pending.set(sku, new Map());
    if (this.#position !== undefined) this.#queue.add(sku);
  }

  async #fetched(skus: readonly string[], waitMs: number): Promise<boolean> {
    const waits = skus.map((sku) =>
      this.#pending.has(sku) ? this.#waiters.within(waitMs, sku) : this.#stocks.peek(sku) !== undefined,
    );
    return (await Promise.all(waits)).every((isThere) => isThere);
  }

  async #fetch(skus: readonly string[]): Promise<void> {
    const [sentAt, history] = [now(), this.#history];
    const { locations } = this.#options;
    // Without it an answer may be older than what the feed has left behind.
    if (this.#position === undefined) throw new LarderError("unreachable", "The feed has not begun yet.");
    const options = { minPosition: this.#position, signal: this.#stop.signal, retries: 0, timeoutMs: limits.fetchMs };
    const answer = this.#operations.getAvailabilityBatch({ skus, ...(locations && { locations }) }, options);
    const { items } = await answer.finally(() => {
      if (history !== this.#history) throw new LarderError("unreachable", "Larder's history has changed meanwhile.");
    });
    const found = bySku(items);
    for (const sku of skus) this.#settle(sku, { ...(found.get(sku) ?? noneHere()), fetchedAt: sentAt, history });
  }

  /** Takes in what was fetched, and what the feed said meanwhile. */
  #settle(sku: string, fetched: CachedSku): void {
    const pending = this.#pending.get(sku);
    this.#pending.delete(sku);
    const held = this.#stocks.peek(sku);
    const newer = [...(held?.history === fetched.history ? held.rows : []), ...(pending ?? [])];
    for (const [location, row] of newer) keepNewest(fetched.rows, location, row);
    this.#stocks.put(sku, { ...fetched, isKnown: fetched.isKnown || fetched.rows.size > 0 });
    this.#waiters.wake(sku);
  }

  #fetchFailed(error: LarderError): void {
    if (this.#position !== undefined) this.#error = error;
    if (error.code === "position-from-another-history") this.#turn.abort(error);
  }

  // Following

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        this.#turn = new AbortController();
        if (this.#position === undefined) await this.#begin();
        const { locations, skus, heartbeatSeconds = limits.cacheHeartbeatSeconds } = this.#options;
        const feed = followChanges(this.#transport, {
          ...{ after: this.#position, locations, skus, heartbeatSeconds },
          signal: AbortSignal.any([signal, this.#turn.signal]),
          onLost: (error) => this.#lost(error),
        });
        for await (const said of feed) {
          this.#hear(said);
          failures = 0;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#lost(isLarderError(error) ? error : new LarderError("unreachable", String(error), { cause: error }));
        if (isLarderError(error, "position-from-another-history")) this.#leaveHistory();
        await sleep(delayMs(failures, limits.backoffMsMax), signal).catch(() => undefined);
      }
    }
  }

  /** Finds where the feed begins: at the present. What was waiting for that is fetched now. */
  async #begin(): Promise<void> {
    const { position } = await this.#operations.listItems({ limit: 1 }, { signal: this.#stop.signal, retries: 0 });
    this.#position = position;
    for (const sku of this.#followedSkus ?? []) if (this.#stocks.peek(sku) === undefined) this.#want(sku);
    for (const sku of this.#pending.keys()) this.#queue.add(sku);
  }

  #hear(said: RecordedCloudEvent | Heartbeat): void {
    if (!this.#isFollowing) this.#queue.hurry();
    this.#isFollowing = true;
    this.#error = undefined;
    this.#position = said.position;
    if (isHeartbeat(said)) {
      if (!said.caughtUp) return;
      this.#confirmedAt = now();
      this.#waiters.wake(present);
    } else if (isStockChange(said)) {
      const { sku, location, balance, version, recordedAt } = said.data;
      const row = { ...quantitiesOf(balance), version, updatedAt: recordedAt };
      const held = this.#stocks.peek(sku);
      if (held !== undefined) {
        keepNewest(held.rows, location, row);
        held.isKnown = true;
      }
      const pending = this.#pending.get(sku);
      if (pending !== undefined) keepNewest(pending, location, row);
    }
  }

  #lost(error: LarderError): void {
    this.#isFollowing = false;
    this.#error = error;
  }

  /** Larder's history is another one: nothing that is held says anything about it. */
  #leaveHistory(): void {
    for (const [, held] of this.#stocks.entries()) held.fetchedAt = this.#confirmationOf(held);
    this.#position = undefined;
    this.#history += 1;
    this.#confirmedAt = Number.NEGATIVE_INFINITY;
    for (const rows of this.#pending.values()) rows.clear();
    for (const [sku] of this.#stocks.entries()) {
      if (!this.#pending.has(sku)) this.#pending.set(sku, new Map());
    }
  }
}

/** A location that never had any of a sku. */
const neverAny = {
  ...{ available: 0, onHand: 0, unavailable: 0, reserved: 0, committed: 0, safetyStock: 0, incoming: 0 },
  version: 0,
  updatedAt: null,
} as const;

/** Milliseconds that never run backwards. */
function now(): number {
  return performance.now();
}

/** Identifiers are compared in Unicode's normalisation form C, as Larder does. */
function normalise(text: string): string {
  return text.normalize("NFC");
}

/** A sku of which no followed location has a row. */
function noneHere(): Pick<CachedSku, "isKnown" | "rows"> {
  return { isKnown: true, rows: new Map() };
}

function bySku(items: Availability["items"]): Map<string, Pick<CachedSku, "isKnown" | "rows">> {
  const found = new Map<string, Pick<CachedSku, "isKnown" | "rows">>();
  for (const item of items) {
    const entry = found.get(item.sku) ?? noneHere();
    found.set(item.sku, entry);
    if ("known" in item) entry.isKnown = false;
    else entry.rows.set(item.location, { ...quantitiesOf(item), version: item.version, updatedAt: item.updatedAt });
  }
  return found;
}

/** Exactly the quantities, so that every row has one shape. */
function quantitiesOf(quantities: StockQuantities): StockQuantities {
  const { available, onHand, unavailable, reserved, committed, safetyStock, incoming } = quantities;
  return { available, onHand, unavailable, reserved, committed, safetyStock, incoming };
}
