import { accept, type Instant, limits, type Outcome, reject } from "../../../kernel/index.ts";
import { systemTimers, type Timers } from "../../../platform/timers/index.ts";
import type { Caller, Inventory, RecordedCloudEvent } from "../../inventory/index.ts";
import type { BaseUnit } from "../domain/epcis/lines.ts";
import { isMatch, type WantedEvents } from "../domain/epcis/match.ts";
import { type EpcisNames, epcisEventsOf, epcisQueryDocument } from "../domain/epcis/write.ts";

export interface EventsQuery extends WantedEvents {
  /** When an event was recorded: the log is in this order, so these bound what is read of it. */
  readonly recordedFrom?: Instant;
  readonly recordedBefore?: Instant;
  readonly limit: number;
  /** The `next` of the page before. */
  readonly after?: string;
}

export interface EventsPage {
  /** An `EPCISQueryDocument`. */
  readonly document: object;
  readonly next?: string;
}

/**
 * Larder's own log as EPCIS: movements and states of goods, oldest recorded first. Nothing is kept for it: a page reads
 * the log from where the page before it ended, at most `limits.epcisQueryLooksMax` events of it, so a page may come short
 * and `next` goes on.
 */
export class EpcisEvents {
  readonly #inventory: Inventory;
  readonly #clock: () => Instant;
  readonly #breathe: () => Promise<void>;

  constructor(inventory: Inventory, clock: () => Instant, timers: Timers = systemTimers) {
    this.#inventory = inventory;
    this.#clock = clock;
    this.#breathe = () => new Promise((resolve) => timers.soon(resolve));
  }

  /** What a caller may see of the log and asks for. Rejects a position that can't be read. */
  async events(query: EventsQuery, caller: Caller): Promise<Outcome<EventsPage>> {
    const { recordedFrom: from, recordedBefore: before } = query;
    let position = query.after ?? (from === undefined ? undefined : await this.#inventory.positionBefore(from));
    const found: object[] = [];
    const names = new Names(this.#inventory, caller);
    for (let looks = 0; looks < limits.epcisQueryLooksMax; looks += looksAtOnce) {
      const step = await this.#inventory.readChanges(position, looksAtOnce, caller);
      if (!step.ok) return step;
      const { events, caughtUp } = step.value;
      await names.learn(events);
      for (const event of events) {
        if (before !== undefined && recordedAt(event) >= before) return accept(this.#page(found));
        const told = epcisEventsOf(event, names).filter((one) => isMatch(one, query));
        // The void of an order may be several, which stand on one page.
        const isFull = found.length > 0 && found.length + told.length > query.limit;
        if (isFull || found.length >= query.limit) return accept(this.#page(found, position));
        position = event.position;
        found.push(...told);
      }
      position = step.value.position;
      if (caughtUp) return accept(this.#page(found));
      await this.#breathe();
    }
    return accept(this.#page(found, position));
  }

  /**
   * One event by its EPCIS id, and after it the declaration of its error when it was voided, which has the same id. Rejects one
   * that is no movement of goods as if it did not exist.
   */
  async event(eventId: string, caller: Caller): Promise<Outcome<object>> {
    const id = ownEventId(eventId);
    const event = id === undefined ? undefined : await this.#inventory.recordedEvent(id, caller);
    if (event?.ok) {
      const all = [event.value, ...(await this.#voidsOf(event.value, caller))];
      const names = new Names(this.#inventory, caller);
      await names.learn(all);
      const told = all.flatMap((one) => epcisEventsOf(one, names)).filter((one) => ownEventId(one["eventID"]) === id);
      if (told.length > 0) return accept(epcisQueryDocument(told, this.#clock()));
    }
    return reject({ code: "not-found", detail: "There is no such event." });
  }

  async #voidsOf({ data }: RecordedCloudEvent, caller: Caller): Promise<readonly RecordedCloudEvent[]> {
    const { source, id } = (data["cause"] ?? {}) as { readonly source?: unknown; readonly id?: unknown };
    if (typeof source !== "string" || typeof id !== "string") return [];
    const recorded = [
      ...(await this.#inventory.eventsOfFact(source, id, caller)),
      ...(await this.#inventory.eventsOfVoid(source, id, caller)),
    ];
    return recorded.filter(
      (one) =>
        one.type === "larder.fact.voided.v1" &&
        one.data["sku"] === data["sku"] &&
        one.data["location"] === data["location"],
    );
  }

  #page(found: readonly object[], next?: string): EventsPage {
    return { document: epcisQueryDocument(found, this.#clock()), ...(next !== undefined && { next }) };
  }
}

/** Recorded events read before others have their turn: some milliseconds. */
const looksAtOnce = 500;

/** What the outside world calls the items and places of some events, looked up before they are written. */
class Names implements EpcisNames {
  readonly #inventory: Inventory;
  readonly #caller: Caller;
  readonly #items = new Map<string, { readonly gtin: string | undefined; readonly unit: BaseUnit }>();
  readonly #places = new Map<string, string | undefined>();
  readonly #voided = new Map<string, readonly RecordedCloudEvent[]>();

  constructor(inventory: Inventory, caller: Caller) {
    this.#inventory = inventory;
    this.#caller = caller;
  }

  async learn(events: readonly RecordedCloudEvent[]): Promise<void> {
    for (const { type, data } of events) {
      const { sku, location, to, from, voids } = data as Readonly<Record<string, unknown>>;
      if (typeof sku === "string" && !this.#items.has(sku)) {
        const item = await this.#inventory.item(sku);
        this.#items.set(sku, {
          gtin: item.ok ? item.value.gtins[0] : undefined,
          unit: item.ok ? item.value.unit : "each",
        });
      }
      for (const place of [location, to, from]) {
        if (typeof place !== "string" || this.#places.has(place)) continue;
        const known = await this.#inventory.location(place, this.#caller);
        this.#places.set(place, known.ok ? (known.value.gln ?? undefined) : undefined);
      }
      if (type !== "larder.fact.voided.v1") continue;
      const { source, id } = (voids ?? {}) as { readonly source?: unknown; readonly id?: unknown };
      if (typeof source !== "string" || typeof id !== "string") continue;
      const key = keyOf(source, id);
      if (this.#voided.has(key)) continue;
      const voided = await this.#inventory.eventsOfFact(source, id, this.#caller);
      this.#voided.set(key, voided);
      await this.learn(voided.filter((event) => event.type !== type));
    }
  }

  readonly gtinOf: EpcisNames["gtinOf"] = (sku) => this.#items.get(sku)?.gtin;
  readonly unitOf: EpcisNames["unitOf"] = (sku) => this.#items.get(sku)?.unit;
  readonly placeOf: EpcisNames["placeOf"] = (location) => this.#places.get(location);
  readonly recorded: EpcisNames["recorded"] = ({ source, id, sku, location }) =>
    this.#voided.get(keyOf(source, id))?.filter(({ data, type }) => {
      // In the unit of a fact that was voided before it came, the void stands beside it.
      return data["sku"] === sku && data["location"] === location && type !== "larder.fact.voided.v1";
    }) ?? [];
}

function keyOf(source: string, id: string): string {
  return JSON.stringify([source, id]);
}

function recordedAt({ data }: RecordedCloudEvent): Instant {
  return Date.parse(String(data["recordedAt"]));
}

function ownEventId(eventId: unknown): string | undefined {
  const escaped = typeof eventId === "string" ? /^urn:larder:event:([^:]+)$/.exec(eventId)?.[1] : undefined;
  try {
    return escaped === undefined ? undefined : decodeURIComponent(escaped);
  } catch {
    return undefined; // a percent sign that escapes nothing
  }
}
