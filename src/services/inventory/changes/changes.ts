import type { Outcome } from "../../../kernel/index.ts";
import { accept } from "../../../kernel/index.ts";
import type { RecordedEvent, RecordedUnit, Sequence, Storage } from "../../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../../platform/timers/index.ts";
import type { Caller, ChangesFilter, ChangesStep } from "../api.ts";
import { type LocationFields, syncKnownTo } from "../domain/location/index.ts";
import { kindOf, streamOf } from "../ledger/index.ts";
import { formatPosition, parsePosition, reachOf } from "../positions.ts";
import { isPublic, type Pair, publicTypeOf, toCloudEvent } from "./cloud-events.ts";
import { EventPairs } from "./event-pairs.ts";

/** Events of a step at most, unless one unit has more: what one turn of a feed renders before others get theirs. */
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
  readonly #pairs: EventPairs;
  #recent: RecordedUnit[] = [];
  #open = 0;
  #isClosed = false;

  constructor(storage: Storage, timers: Timers = systemTimers) {
    this.#storage = storage;
    this.#timers = timers;
    this.#pairs = new EventPairs(storage);
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
    const events = await seenBy(this.#storage, looked, caller);
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
        const wanted: RecordedEvent[] = [];
        for (const unit of units) {
          for (const event of unit.events) {
            if (event.seq <= seen) continue;
            seen = event.seq;
            const isToBeTold = isWanted(event, filter, caller, this.#pairs);
            if (isToBeTold === true || (isToBeTold !== false && (await isToBeTold))) wanted.push(event);
          }
        }
        const own = await withoutOthers(this.#storage, wanted, caller);
        const events = own.map((event) => toCloudEvent(event, this.#storage.epochs));
        const caughtUp = seen >= this.#storage.head();
        // One that looks through a long log in which little matches says at once, and then now and again, how far it is.
        if (events.length > 0 || caughtUp || this.#timers.elapsedMs() - saidAt >= heartbeatMs) {
          saidAt = this.#timers.elapsedMs();
          yield { events, position: this.#token(seen), caughtUp };
        }
        // A log that is read in this process answers at once: without a pause nothing else would run until the present.
        if (!caughtUp) await new Promise<void>((resolve) => this.#timers.soon(resolve));
        else if (!signal.aborted && !this.#isClosed) await this.#more(seen, heartbeatMs, signal);
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
    let end = low;
    for (let events = 0; end < this.#recent.length; end += 1) {
      events += this.#recent[end]?.events.length ?? 0;
      if (events > stepEvents && end > low) break;
    }
    return this.#recent.slice(low, end);
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

/** Those events that a caller may see at all. */
export async function seenBy(
  storage: Storage,
  events: readonly RecordedEvent[],
  caller: Caller,
): Promise<readonly RecordedEvent[]> {
  const pairs = new EventPairs(storage);
  const seen: RecordedEvent[] = [];
  for (const event of events) if (await isWanted(event, {}, caller, pairs)) seen.push(event);
  return await withoutOthers(storage, seen, caller);
}

/**
 * For a caller that is limited to its own reservations: leaves out what became of others', and what their stocks tell of it says
 * neither whose it was nor who did it. Quantities stay, as availability shows them anyway. For one that is limited to locations:
 * how changes are pushed to these names no others.
 */
export async function withoutOthers(
  storage: Storage,
  events: readonly RecordedEvent[],
  caller: Caller,
): Promise<readonly RecordedEvent[]> {
  const { locations } = caller;
  const known = locations === undefined ? events : events.map((event) => knownTo(event, locations));
  if (!caller.ownReservations) return known;
  const shown = await Promise.all(
    known.map(async (event) => {
      const stream = reservationIn(event);
      if (stream === undefined) return event;
      const [placed] = await storage.readStream(stream, 0, 1);
      if (placed?.unit.actor === caller.id) return event;
      return event.stream === stream ? [] : anonymous(event);
    }),
  );
  return shown.flat();
}

function knownTo(event: RecordedEvent, locations: ReadonlySet<string>): RecordedEvent {
  if (kindOf(event.stream) !== "location") return event;
  const { sync, ...data } = event.data as LocationFields;
  return sync === undefined ? event : { ...event, data: { ...data, sync: syncKnownTo(sync, locations) } };
}

/** The stream of the reservation that an event is about. */
function reservationIn({ stream, data }: RecordedEvent): string | undefined {
  if (stream.startsWith("reservation-")) return stream;
  const { reservation, cause, fact } = data as AboutReservation;
  const id = reservation ?? cause?.reservation ?? fact?.reservation;
  return id === undefined ? undefined : streamOf.reservation(id);
}

interface AboutReservation {
  readonly reservation?: string;
  readonly cause?: { readonly reservation?: string };
  readonly fact?: { readonly reservation?: string };
}

const hidden = "hidden";

function anonymous(event: RecordedEvent): RecordedEvent {
  const { reservation, cause, fact, ...rest } = event.data as AboutReservation;
  const data = {
    ...rest,
    ...(reservation !== undefined && { reservation: hidden }),
    ...(cause !== undefined && {
      cause: { ...cause, ...(cause.reservation !== undefined && { reservation: hidden }) },
    }),
    ...(fact !== undefined && { fact: { ...fact, ...(fact.reservation !== undefined && { reservation: hidden }) } }),
  };
  return { ...event, data, unit: { ...event.unit, actor: hidden } };
}

function isWanted(
  event: RecordedEvent,
  filter: ChangesFilter,
  caller: Caller,
  pairs: EventPairs,
): boolean | Promise<boolean> {
  const { skus, locations, types } = filter;
  if (!isPublic(event)) return false;
  if (types !== undefined && !types.has(publicTypeOf(event))) return false;
  if (skus === undefined && locations === undefined && caller.locations === undefined) return true;
  const about = pairs.of(event);
  const decide = (known: readonly Pair[]) => isAbout(event, known, filter, caller);
  return about instanceof Promise ? about.then(decide) : decide(about);
}

function isAbout(
  event: RecordedEvent,
  pairs: readonly Pair[],
  { skus, locations }: ChangesFilter,
  caller: Caller,
): boolean {
  if (caller.locations !== undefined && !isSeen(event, pairs, caller.locations)) return false;
  if (skus === undefined && locations === undefined) return true;
  return pairs.some(
    ({ sku, location }) =>
      (skus === undefined || (sku !== undefined && skus.has(sku))) &&
      (locations === undefined || (location !== undefined && locations.has(location))),
  );
}

/** Whether someone limited to locations may see an event: all that it names must be theirs. */
function isSeen(event: RecordedEvent, pairs: readonly Pair[], allowed: ReadonlySet<string>): boolean {
  const named = pairs.flatMap(({ location }) => (location === undefined ? [] : [location]));
  if (named.length === 0) return event.stream.startsWith("item-");
  return named.every((location) => allowed.has(location));
}
