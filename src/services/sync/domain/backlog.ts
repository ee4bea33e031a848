/**
 * What one receiver has still to be told: which stocks, never which figures. A push reads the figures when it is sent, so
 * that changes of one stock that wait are merged to the newest.
 *
 * ```
 * changed ─▶ waiting ─take─▶ in flight ─acknowledged─▶ done
 *                               │ └─changed meanwhile: waits as well, and is not taken before this one is back
 * found ───▶ swept ──take───────┤
 *                               └─failed─▶ held until its time ─take─▶ in flight
 * ```
 *
 * A stock is in flight at most once, which keeps the order. Memory is bounded: what does not fit is left out, and found
 * again by a *sweep*, which goes through all stocks for those that changed since.
 */
import { type Instant, invariant } from "../../../kernel/index.ts";
import type { Moment } from "./moment.ts";

export interface Stock {
  readonly key: string;
  readonly location: string;
  readonly sku: string;
}

/** A stock that the receiver lacks. */
export interface Item extends Stock {
  /** The newest change that is known of: a push must carry this version or a later one. 0 when any will do. */
  version: number;
  /** Nothing of what it lacks was recorded before. */
  since: Instant;
  /** When the first change that it lacks was recorded; undefined for one that is only sent again. */
  changedAt: Instant | undefined;
  /** Failed attempts, without those while the receiver was down. */
  attempts: number;
  /** Of these attempts. */
  firstAttemptAt: Moment;
}

export type Found = Stock & {
  readonly changedAt: Instant;
  /** The change that was found. */
  readonly version: number;
};

/** Stocks that go out in one push. */
export type Batch = readonly Item[];

interface Held {
  readonly batch: Batch;
  /** Infinite while the receiver is down. */
  due: Moment;
}

/** How far all stocks have been gone through for those that changed at or after an instant. */
export interface Sweep {
  readonly since: Instant;
  readonly lookedAt: number;
  readonly of: number;
}

/** Every so many batches the swept stocks come first, so that a sweep ends however much changes. */
const sweptTurn = 4;
/** Batches that are held while the receiver is down, before probes are made of them and not of what waits. */
const probedBatchesMin = 4;

export class Backlog {
  readonly #capacity: () => number;
  /** In the order of their first change. */
  readonly #waiting = new Map<string, Item>();
  readonly #swept = new Map<string, Item>();
  readonly #inFlight = new Map<string, Item>();
  readonly #heldItems = new Map<string, Item>();
  #held: Held[] = [];
  #sweep: Sweep | undefined;
  /** What changed since then did not fit. */
  #missedSince: Instant | undefined;
  #taken = 0;

  /** `capacity` is how many changed stocks may wait in memory. */
  constructor(capacity: () => number) {
    this.#capacity = capacity;
  }

  /** Stocks that are known to be lacking; one that changed while it is in flight counts twice. */
  get size(): number {
    return this.#waiting.size + this.#swept.size + this.#heldItems.size + this.#inFlight.size;
  }

  get sweep(): Sweep | undefined {
    return this.#sweep;
  }

  has(key: string): boolean {
    return this.#waiting.has(key) || this.#swept.has(key) || this.#heldItems.has(key) || this.#inFlight.has(key);
  }

  /** Whether a stock is known to be lacking, or may be: that can't be told while a sweep is under way or due. */
  mayLack(key: string): boolean {
    return this.has(key) || this.#sweep !== undefined || this.#missedSince !== undefined;
  }

  /** When the change was recorded that waits for longest; undefined when none does. */
  oldestChange(): Instant | undefined {
    const times = [this.#missedSince];
    for (const items of [this.#swept, this.#inFlight, this.#heldItems])
      for (const item of items.values()) times.push(item.changedAt);
    for (const { changedAt } of this.#waiting.values()) {
      times.push(changedAt);
      if (changedAt !== undefined) break;
    }
    return least(times);
  }

  /**
   * Everything that was recorded before is acknowledged, so that a sweep may begin there when all this is forgotten.
   * `reached` is the recording time of the newest change.
   */
  toldUntil(reached: Instant): Instant {
    const [first] = this.#waiting.values();
    const times = [reached, this.#sweep?.since, this.#missedSince, first?.since];
    for (const items of [this.#swept, this.#inFlight, this.#heldItems])
      for (const item of items.values()) times.push(item.since);
    return least(times) ?? reached;
  }

  /** A stock has changed; changes come in the order in which they were recorded. */
  changed(stock: Stock, version: number, at: Instant): void {
    const known = this.#waiting.get(stock.key) ?? this.#heldItems.get(stock.key);
    if (known !== undefined) {
      known.version = version;
      known.changedAt ??= at;
      return;
    }
    if (this.#waiting.size >= this.#capacity()) {
      this.#missedSince ??= at;
      return;
    }
    this.#swept.delete(stock.key);
    this.#waiting.set(stock.key, { ...stock, version, since: at, changedAt: at, attempts: 0, firstAttemptAt: 0 });
  }

  /**
   * A stock is to be sent, whether it has changed or not; false when there is no room for it. `reached` is the recording
   * time of the newest change.
   */
  again(stock: Stock, reached: Instant): boolean {
    if (this.#waiting.has(stock.key) || this.#swept.has(stock.key) || this.#heldItems.has(stock.key)) return true;
    if (this.#waiting.size >= this.#capacity()) return false;
    this.#waiting.set(stock.key, sentAgain(stock, reached));
    return true;
  }

  // The sweep

  /** Goes through all stocks for those that changed at or after an instant: 0 for all there are. */
  sweepSince(instant: Instant): void {
    const since = Math.min(instant, this.#sweep?.since ?? instant, this.#missedSince ?? instant);
    this.#missedSince = undefined;
    this.#sweep = { since, lookedAt: 0, of: 0 };
  }

  /**
   * Forgets all that is known to be lacking, for what another process has told the receiver meanwhile is not known here,
   * and goes through all stocks for those that changed at or after an instant. Nothing may be in flight.
   */
  startOver(instant: Instant): void {
    for (const items of [this.#waiting, this.#swept, this.#inFlight, this.#heldItems]) items.clear();
    this.#held = [];
    this.#missedSince = undefined;
    this.#sweep = { since: instant, lookedAt: 0, of: 0 };
  }

  /** Where the sweep goes on, when it is time for its next step. */
  nextSweepStep(): Sweep | undefined {
    const isRoomAgain = this.#waiting.size <= this.#capacity() / 2;
    if (this.#sweep === undefined && this.#missedSince !== undefined && isRoomAgain) this.sweepSince(this.#missedSince);
    return this.#swept.size > 0 ? undefined : this.#sweep;
  }

  /** What a step has found, each with the time of its newest change; without `next` it came to the end of all. */
  found(step: Sweep, stocks: readonly Found[], next: number | undefined, of: number): void {
    // Another sweep has begun since.
    if (step !== this.#sweep) return;
    for (const { key, location, sku, changedAt, version } of stocks) {
      const held = this.#heldItems.get(key);
      const waiting = this.#waiting.get(key);
      // What it lacks may be older than what was known of so far.
      if (held !== undefined) {
        held.since = Math.min(held.since, changedAt);
        held.version = Math.max(held.version, version);
      }
      // One in flight may have changed since its figures were read: it is sent once more.
      else if (waiting === undefined)
        this.#swept.set(key, { ...sentAgain({ key, location, sku }, changedAt), version });
      else if (waiting.since > changedAt) {
        this.#waiting.delete(key);
        this.#swept.set(key, { ...waiting, since: changedAt });
      }
    }
    this.#sweep = next === undefined ? undefined : { since: step.since, lookedAt: next, of };
  }

  // Batches

  /** When something can be taken: `now` or before, later when all is held, undefined when nothing waits. */
  dueAt(now: Moment): Moment | undefined {
    if (this.#isAnyFree()) return now;
    return least(this.#held.map(({ due }) => due));
  }

  /** Whether a whole batch of so many can be taken. */
  fills(size: number): boolean {
    return this.#waiting.size + this.#swept.size - this.#inFlight.size >= size;
  }

  /** The next batch of at most `max`, which is in flight from now on; undefined when nothing is due. */
  take(max: number, now: Moment): Batch | undefined {
    const index = this.#held.findIndex(({ due }) => due <= now);
    if (index >= 0) return this.#takeHeld(index, max);
    const batch: Item[] = [];
    this.#taken += 1;
    const sources = this.#taken % sweptTurn === 0 ? [this.#swept, this.#waiting] : [this.#waiting, this.#swept];
    for (const source of sources) this.#fill(batch, source, max);
    return batch.length > 0 ? batch : undefined;
  }

  /**
   * A batch to see by whether a receiver that is down is back. In turn of all that is held, so that stocks which the
   * receiver can't bear don't make it look down for ever.
   */
  takeProbe(max: number): Batch | undefined {
    const batch: Item[] = [];
    if (this.#held.length < probedBatchesMin)
      for (const source of [this.#waiting, this.#swept]) this.#fill(batch, source, max);
    if (batch.length > 0) return batch;
    return this.#held.length > 0 ? this.#takeHeld(0, max) : undefined;
  }

  /**
   * The receiver has taken these, each at a version. Gives those that were changes. One that was sent at an older version
   * than is known of is held, to be sent again at `retryAt`.
   */
  acknowledged(sent: readonly { readonly item: Item; readonly version: number }[], retryAt: Moment): Batch {
    const stale = sent.filter(({ item, version }) => version < item.version).map(({ item }) => item);
    const done = sent.filter(({ item, version }) => version >= item.version).map(({ item }) => item);
    this.drop(done);
    if (stale.length > 0) this.hold(stale, retryAt);
    return done.filter(({ changedAt }) => changedAt !== undefined);
  }

  /** These, which were in flight, are sent again, but not before an instant. */
  hold(batch: Batch, due: Moment): void {
    for (const item of batch) {
      this.#inFlight.delete(item.key);
      // What has changed meanwhile goes with it.
      for (const source of [this.#waiting, this.#swept]) {
        const other = source.get(item.key);
        if (other === undefined) continue;
        source.delete(item.key);
        item.version = Math.max(item.version, other.version);
        item.since = Math.min(item.since, other.since);
        item.changedAt ??= other.changedAt;
      }
      this.#heldItems.set(item.key, item);
    }
    this.#held.push({ batch, due });
  }

  /** These, which were in flight, are not sent any more. */
  drop(batch: Batch): void {
    for (const { key } of batch) this.#inFlight.delete(key);
  }

  /** The receiver is down: what is held waits until it is back, and what has failed counts for nothing. */
  park(): void {
    for (const held of this.#held) held.due = Number.POSITIVE_INFINITY;
    for (const item of this.#heldItems.values()) item.attempts = 0;
  }

  /** The receiver is back. */
  unpark(now: Moment): void {
    for (const held of this.#held) held.due = Math.min(held.due, now);
  }

  #isAnyFree(): boolean {
    for (const source of [this.#waiting, this.#swept])
      for (const key of source.keys()) if (!this.#inFlight.has(key)) return true;
    return false;
  }

  #fill(batch: Item[], source: Map<string, Item>, max: number): void {
    for (const [key, item] of source) {
      if (batch.length >= max) return;
      if (this.#inFlight.has(key)) continue;
      source.delete(key);
      this.#inFlight.set(key, item);
      batch.push(item);
    }
  }

  #takeHeld(index: number, max: number): Batch {
    const [held] = this.#held.splice(index, 1);
    invariant(held !== undefined, "there is a batch at a place that was found");
    const batch = held.batch.slice(0, max);
    const rest = held.batch.slice(max);
    if (rest.length > 0) this.#held.push({ batch: rest, due: held.due });
    for (const item of batch) {
      this.#heldItems.delete(item.key);
      this.#inFlight.set(item.key, item);
    }
    return batch;
  }
}

function sentAgain(stock: Stock, since: Instant): Item {
  return { ...stock, version: 0, since, changedAt: undefined, attempts: 0, firstAttemptAt: 0 };
}

function least(times: readonly (Instant | undefined)[]): Instant | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : known.reduce((a, b) => Math.min(a, b));
}
