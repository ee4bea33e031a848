import type { Instant } from "../../../kernel/index.ts";
import type { Consumer } from "../../../platform/consumer/index.ts";
import type { DerivedDocument, DerivedStore, RecordedUnit } from "../../../platform/storage/index.ts";
import {
  evolveReservation,
  isOpen,
  noReservation,
  type Reservation,
  type ReservationEvent,
  statusAt,
} from "../domain/reservation/index.ts";
import { idOf } from "../ledger/index.ts";

interface Entry {
  /** The place of its first event, so that documents sort by time. */
  readonly document: string;
  state: Reservation;
}

/** Documents looked at for one page; a page may come short of its limit for it, and `next` goes on. */
const documentsPerPage = 10_000;

/** Reservations for lists: by owner, reference, sku and status, newest first. Kept on disk; only open ones in memory. */
export class ReservationModel implements Consumer {
  readonly name = "reservations";
  readonly #derived: DerivedStore;
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<string>();

  constructor(derived: DerivedStore) {
    this.#derived = derived;
  }

  load(): void {
    // Documents are read when they are asked for: there may be millions.
  }

  apply(unit: RecordedUnit): void {
    for (const event of unit.events) {
      if (!event.stream.startsWith("reservation-")) continue;
      const id = idOf(event.stream);
      const entry = this.#entry(id, event.version === 1 ? event.seq : undefined);
      if (entry === undefined) continue;
      // Only reservation events stand in these streams.
      entry.state = evolveReservation(entry.state, event as ReservationEvent, unit.meta);
      this.#changed.add(id);
    }
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put: DerivedDocument[] = [];
    for (const id of this.#changed) {
      const entry = this.#entries.get(id);
      if (entry === undefined) continue;
      put.push({ id: entry.document, body: JSON.stringify([id, entry.state]), tags: tagsOf(id, entry.state) });
      if (!isOpen(entry.state.status)) this.#entries.delete(id);
    }
    this.#changed.clear();
    return { put, remove: [] };
  }

  /** The reservations with all of these tags, newest first, that `isWanted`; `before` is the cursor of the page before. */
  list(
    query: { readonly owner?: string; readonly reference?: string; readonly sku?: string; readonly status?: string },
    isWanted: (state: Reservation) => boolean,
    before: string | undefined,
    limit: number,
    now: Instant,
  ): {
    readonly found: readonly { readonly id: string; readonly state: Reservation }[];
    readonly next: string | undefined;
  } {
    // The tag that likely finds fewest leads; the others are checked on what it finds. A status may be a moment late.
    const tag =
      (query.reference !== undefined && `reference:${query.reference}`) ||
      (query.owner !== undefined && `owner:${query.owner}`) ||
      (query.sku !== undefined && `sku:${query.sku}`) ||
      (isOpen(query.status) ? `status:${query.status}` : undefined);
    const found: { id: string; state: Reservation }[] = [];
    let cursor = before;
    for (let looked = 0; looked < documentsPerPage; looked += limit) {
      const documents = this.#derived.tagged(this.name, tag, cursor, limit);
      for (const document of documents) {
        cursor = document.id;
        const [id, kept] = JSON.parse(document.body) as [string, Reservation];
        const state = this.#entries.get(id)?.state ?? kept;
        if (!isMatch(state, query, now) || !isWanted(state)) continue;
        found.push({ id, state });
        if (found.length === limit) return { found, next: cursor };
      }
      if (documents.length < limit) return { found, next: undefined };
    }
    return { found, next: cursor };
  }

  /** The ids and ends of all that are active, for who has to record their expiry. */
  *active(): Iterable<{ readonly id: string; readonly expiresAt: Instant }> {
    let cursor: string | undefined;
    for (;;) {
      const documents = this.#derived.tagged(this.name, "status:active", cursor, 1000);
      for (const document of documents) {
        const [id, { expiresAt }] = JSON.parse(document.body) as [string, Reservation];
        if (expiresAt !== null) yield { id, expiresAt };
        cursor = document.id;
      }
      if (documents.length < 1000) return;
    }
  }

  #entry(id: string, firstSeq: number | undefined): Entry | undefined {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    if (firstSeq !== undefined) {
      const entry = { document: String(firstSeq).padStart(16, "0"), state: noReservation };
      this.#entries.set(id, entry);
      return entry;
    }
    const [document] = this.#derived.tagged(this.name, `id:${id}`, undefined, 1);
    if (document === undefined) return undefined;
    const entry = {
      document: document.id,
      state: (JSON.parse(document.body) as [string, Reservation])[1],
    };
    this.#entries.set(id, entry);
    return entry;
  }
}

function tagsOf(id: string, state: Reservation): string[] {
  const tags = new Set([`id:${id}`]);
  // Those that are open are few, and have a tag.
  if (isOpen(state.status)) tags.add(`status:${state.status}`);
  if (state.owner !== null) tags.add(`owner:${state.owner}`);
  if (state.reference !== null) tags.add(`reference:${state.reference}`);
  for (const { sku } of state.allocations) tags.add(`sku:${sku}`);
  return [...tags];
}

function isMatch(
  state: Reservation,
  query: { readonly owner?: string; readonly reference?: string; readonly sku?: string; readonly status?: string },
  now: Instant,
): boolean {
  return (
    (query.owner === undefined || state.owner === query.owner) &&
    (query.reference === undefined || state.reference === query.reference) &&
    (query.sku === undefined || state.allocations.some(({ sku }) => sku === query.sku)) &&
    (query.status === undefined || statusAt(state, now) === query.status)
  );
}
