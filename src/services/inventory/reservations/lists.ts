/** Lists of reservations, newest first: found in the log by their tags, or among those that are open. */
import type { Instant } from "../../../kernel/index.ts";
import {
  familyTag,
  type RecordedEvent,
  type Sequence,
  type Storage,
  type Tagging,
} from "../../../platform/storage/index.ts";
import {
  evolveReservation,
  isOpen,
  noReservation,
  type Reservation,
  type ReservationEvent,
  statusAt,
} from "../domain/reservation/index.ts";
import { idOf, streamOf } from "../ledger/index.ts";
import type { OpenReservations } from "./open.ts";

export interface ListQuery {
  readonly owner?: string;
  readonly reference?: string;
  readonly sku?: string;
  readonly status?: string;
}

interface Found {
  readonly id: string;
  readonly state: Reservation;
}

/** A reservation that may be wanted, and its place in the list. */
interface Candidate {
  readonly place: Sequence;
  /** The reservation when it is known; else the unit at `place` tells. */
  readonly id?: string;
}

/** Reservations looked at for one page; a page may come short of its limit for it, and `next` goes on. */
const looksPerPage = 2000;
/** Reservations read before others get a turn: some milliseconds. */
const looksAtOnce = 50;

const anyReservation = "reservation";
const tagOf = {
  owner: (owner: string) => `reservation-owner:${owner}`,
  reference: (reference: string) => `reservation-reference:${reference}`,
  sku: (sku: string) => `reservation-sku:${sku}`,
};

/** Jobs of EPCIS capture, which the intake appends: all, and those of one credential. */
export const captureTags = { any: "capture", of: (actor: string) => `capture-of:${actor}` } as const;

/** Few events among many, of other services: each is found by its family, by who follows nothing else. */
const families = new Map(["key", "webhook", "reconciliation"].map((family) => [family, [familyTag(family)]]));

/** What units of the log are found by. */
export const inventoryTagging: Tagging = {
  version: 3,
  families: new Set(families.keys()),
  of({ events, meta }) {
    let tags: readonly string[] = none;
    for (const event of events) {
      const family = families.get(event.stream.slice(0, event.stream.indexOf("-")));
      if (family !== undefined) return family;
      if (event.type === "CaptureAccepted") return [captureTags.any, captureTags.of(meta.actor)];
      // A unit places or amends one reservation.
      if (event.stream.startsWith("reservation-")) tags = tagsOf(event as unknown as ReservationEvent);
      if (tags.length > 0) return tags;
    }
    return tags;
  },
};

const none: readonly string[] = [];

function tagsOf(event: ReservationEvent): readonly string[] {
  if (event.type !== "ReservationPlaced" && event.type !== "ReservationAmended") return none;
  const tags: string[] = [];
  for (const { sku } of event.data.allocations) {
    const tag = tagOf.sku(sku);
    if (!tags.includes(tag)) tags.push(tag);
  }
  if (event.type === "ReservationAmended") return tags;
  const { owner, reference } = event.data;
  tags.push(anyReservation);
  if (owner !== undefined) tags.push(tagOf.owner(owner));
  if (reference !== undefined) tags.push(tagOf.reference(reference));
  return tags;
}

export interface ReservationListsOptions {
  readonly storage: Pick<Storage, "findTagged" | "readLog" | "readStream">;
  readonly open: OpenReservations;
  /** Runs a function soon, after input that has arrived meanwhile. */
  readonly soon?: (run: () => void) => void;
}

export class ReservationLists {
  readonly #options: ReservationListsOptions;

  constructor(options: ReservationListsOptions) {
    this.#options = options;
  }

  /**
   * The reservations that match a query and are wanted, at most `limit`: by when they were placed, those of a sku by
   * when they last asked for it, those with an open status by when they were opened. `before` is the `next` of the page
   * before.
   */
  async list(
    query: ListQuery,
    isWanted: (state: Reservation) => boolean,
    before: Sequence | undefined,
    limit: number,
    now: Instant,
  ): Promise<{ readonly found: readonly Found[]; readonly next: Sequence | undefined }> {
    const found: Found[] = [];
    const seen = new Set<string>();
    let last = before;
    let looks = 0;
    for await (const candidate of this.#candidates(query, before)) {
      if (found.length === limit || looks === looksPerPage) return { found, next: last };
      last = candidate.place;
      looks += 1;
      if (looks % looksAtOnce === 0)
        await new Promise<void>((resolve) => (this.#options.soon ?? setImmediate)(resolve));
      for (const one of await this.#read(candidate, query)) {
        if (seen.has(one.id) || !isMatch(one.state, query, now) || !isWanted(one.state)) continue;
        seen.add(one.id);
        found.push(one);
      }
    }
    return { found, next: undefined };
  }

  /** The tag that likely finds fewest leads; the rest of the query is checked on what it finds. */
  async *#candidates(query: ListQuery, before: Sequence | undefined): AsyncGenerator<Candidate> {
    const { owner, reference, sku, status } = query;
    if (reference !== undefined) yield* this.#tagged(tagOf.reference(reference), before);
    else if (owner !== undefined) yield* this.#tagged(tagOf.owner(owner), before);
    else if (isOpen(status)) {
      for (const { id, place } of this.#options.open.newestFirst())
        if (before === undefined || place < before) yield { id, place };
    } else yield* this.#tagged(sku === undefined ? anyReservation : tagOf.sku(sku), before);
  }

  async *#tagged(tag: string, before: Sequence | undefined): AsyncGenerator<Candidate> {
    let last = before;
    for (;;) {
      const places = await this.#options.storage.findTagged(tag, last, looksAtOnce);
      for (const place of places) yield { place };
      if (places.length < looksAtOnce) return;
      last = places.at(-1);
    }
  }

  async #read({ place, id }: Candidate, query: ListQuery): Promise<readonly Found[]> {
    const { storage } = this.#options;
    if (id !== undefined) return [{ id, state: fold(await storage.readStream(streamOf.reservation(id))) }];
    const [unit] = await storage.readLog(place - 1, 1);
    const found: Found[] = [];
    for (const event of unit?.events ?? []) {
      if (tagsOf(event as unknown as ReservationEvent).length === 0) continue;
      const events = await storage.readStream(event.stream);
      // One that was amended stands at each place where its sku was asked for: it is listed at the newest.
      if (event.version === lastAsking(events, query)) found.push({ id: idOf(event.stream), state: fold(events) });
    }
    return found;
  }
}

/** The version of the newest event that a list by this query finds. */
function lastAsking(events: readonly RecordedEvent[], { owner, reference, sku }: ListQuery): number | undefined {
  if (owner !== undefined || reference !== undefined || sku === undefined) return 1;
  const tag = tagOf.sku(sku);
  return events.findLast((event) => tagsOf(event as unknown as ReservationEvent).includes(tag))?.version;
}

function fold(events: readonly RecordedEvent[]): Reservation {
  return events.reduce(
    (state, event) => evolveReservation(state, event as unknown as ReservationEvent, event.unit),
    noReservation,
  );
}

function isMatch(state: Reservation, query: ListQuery, now: Instant): boolean {
  return (
    (query.owner === undefined || state.owner === query.owner) &&
    (query.reference === undefined || state.reference === query.reference) &&
    (query.sku === undefined || state.allocations.some(({ sku }) => sku === query.sku)) &&
    (query.status === undefined || statusAt(state, now) === query.status)
  );
}
