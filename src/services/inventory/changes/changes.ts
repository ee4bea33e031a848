import type { Outcome } from "../../../kernel/index.ts";
import { accept } from "../../../kernel/index.ts";
import type { RecordedEvent, RecordedUnit, Sequence, Storage } from "../../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../../platform/timers/index.ts";
import type { Caller, ChangesFilter, ChangesStep } from "../api.ts";
import { formatPosition, parsePosition, reachOf } from "../positions.ts";
import { isPublic, pairsIn, publicTypeOf, toCloudEvent } from "./cloud-events.ts";

/** Events of a step at most: what one turn of a feed renders before others get theirs. */
const stepEvents = 500;

/**
 * Units of the newest appends kept at hand while there are feeds, so that those near the present don't read the log. What
 * is kept outlives the young generation, so that more of it costs every append some microseconds.
 */
const recentUnitsMax = 1024;

/** The change feed: the log in its order, for any number of followers, each at its own pace. */
export class Changes {
  readonly #storage: Storage;
  readonly #timers: Timers;
  readonly #waiting = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #recent: RecordedUnit[] = [];
  #open = 0;
  #isClosed = false;

  constructor(storage: Storage, timers: Timers = systemTimers) {
    this.#storage = storage;
    this.#timers = timers;
    this.#unsubscribe = storage.subscribe((units) => this.#receive(units));
  }

  /** Feeds that are being followed. */
  get open(): number {
    return this.#open;
  }

  /** Ends the feeds: nothing tells them of what comes now. */
  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    for (const wake of [...this.#waiting]) wake();
  }

  follow(
    after: string | undefined,
    filter: ChangesFilter,
    caller: Caller,
    options: { readonly signal: AbortSignal; readonly heartbeatMs: number },
  ): Outcome<AsyncIterable<ChangesStep>> {
    const start = after === undefined ? accept(0) : parsePosition(after, this.#storage.epochs, reachOf(this.#storage));
    return start.ok ? accept(this.#steps(start.value, filter, caller, options)) : start;
  }

  /** One look at the log: what a caller may see of the next events after a position, of which so many are looked at. */
  async read(after: string | undefined, looks: number, caller: Caller): Promise<Outcome<ChangesStep>> {
    const start = after === undefined ? accept(0) : parsePosition(after, this.#storage.epochs, reachOf(this.#storage));
    if (!start.ok) return start;
    const units = await this.#storage.readLog(start.value, looks);
    const looked = units.flatMap(({ events }) => events);
    const seen = looked.at(-1)?.seq ?? start.value;
    const events = looked.filter((event) => isSeenBy(event, caller));
    return accept({
      events: events.map((event) => toCloudEvent(event, this.#storage.epochs)),
      position: this.#token(seen),
      caughtUp: seen >= this.#storage.head(),
    });
  }

  async *#steps(
    start: Sequence,
    filter: ChangesFilter,
    caller: Caller,
    { signal, heartbeatMs }: { readonly signal: AbortSignal; readonly heartbeatMs: number },
  ): AsyncIterable<ChangesStep> {
    this.#open += 1;
    try {
      let seen = start;
      let saidAt = Number.NEGATIVE_INFINITY;
      while (!signal.aborted && !this.#isClosed) {
        const units = await this.#after(seen);
        const events: ChangesStep["events"][number][] = [];
        for (const unit of units) {
          for (const event of unit.events) {
            if (event.seq <= seen) continue;
            seen = event.seq;
            if (isWanted(event, filter, caller)) events.push(toCloudEvent(event, this.#storage.epochs));
          }
        }
        const caughtUp = seen >= this.#storage.head();
        // One that looks through a long log in which little matches says at once, and then now and again, how far it is.
        if (events.length > 0 || caughtUp || this.#timers.elapsedMs() - saidAt >= heartbeatMs) {
          saidAt = this.#timers.elapsedMs();
          yield { events, position: this.#token(seen), caughtUp };
        }
        if (caughtUp && !signal.aborted && !this.#isClosed) await this.#more(seen, heartbeatMs, signal);
      }
    } finally {
      this.#open -= 1;
    }
  }

  async #after(seen: Sequence): Promise<readonly RecordedUnit[]> {
    const oldest = this.#recent[0]?.events[0]?.seq;
    if (oldest === undefined || oldest > seen + 1) return await this.#storage.readLog(seen, stepEvents);
    // Near the present: find the first unit that ends after what was seen.
    let [low, high] = [0, this.#recent.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lastSeq(this.#recent[middle]) > seen) high = middle;
      else low = middle + 1;
    }
    return this.#recent.slice(low, low + stepEvents);
  }

  /** Waits for an append, at most `ms`. */
  #more(seen: Sequence, ms: number, signal: AbortSignal): Promise<void> {
    if (this.#storage.head() > seen) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        callOff();
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const callOff = this.#timers.after(ms, wake);
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  #receive(units: readonly RecordedUnit[]): void {
    if (this.#open === 0) {
      if (this.#recent.length > 0) this.#recent = [];
      return;
    }
    for (const unit of units) this.#recent.push(unit);
    if (this.#recent.length > 2 * recentUnitsMax) this.#recent = this.#recent.slice(-recentUnitsMax);
    if (this.#waiting.size > 0) for (const wake of [...this.#waiting]) wake();
  }

  #token(seq: Sequence): string {
    const { epochs } = this.#storage;
    return formatPosition(epochs, seq);
  }
}

function lastSeq(unit: RecordedUnit | undefined): Sequence {
  return unit?.events[unit.events.length - 1]?.seq ?? 0;
}

/** Whether a caller may see an event at all. */
export function isSeenBy(event: RecordedEvent, caller: Caller): boolean {
  return isWanted(event, {}, caller);
}

function isWanted(event: RecordedEvent, { skus, locations, types }: ChangesFilter, caller: Caller): boolean {
  if (!isPublic(event)) return false;
  if (types !== undefined && !types.has(publicTypeOf(event))) return false;
  if (skus === undefined && locations === undefined && caller.locations === undefined) return true;
  const pairs = pairsIn(event);
  if (caller.locations !== undefined && !isSeen(event, pairs, caller.locations)) return false;
  if (skus === undefined && locations === undefined) return true;
  return pairs.some(
    ({ sku, location }) =>
      (skus === undefined || (sku !== undefined && skus.has(sku))) &&
      (locations === undefined || (location !== undefined && locations.has(location))),
  );
}

/** Whether someone limited to locations may see an event: all that it names must be theirs. */
function isSeen(event: RecordedEvent, pairs: ReturnType<typeof pairsIn>, allowed: ReadonlySet<string>): boolean {
  const named = pairs.flatMap(({ location }) => (location === undefined ? [] : [location]));
  if (named.length === 0) return event.stream.startsWith("item-");
  return named.every((location) => allowed.has(location));
}
