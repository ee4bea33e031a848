import type { Instant } from "../../../kernel/index.ts";
import type { Consumer } from "../../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit, Sequence } from "../../../platform/storage/index.ts";
import type { ReservationEvent } from "../domain/reservation/index.ts";
import type { HoldLine } from "../domain/stock/index.ts";
import { idOf } from "../ledger/index.ts";

export interface OpenReservation {
  readonly id: string;
  /** Where it was placed, or acquired anew. */
  readonly place: Sequence;
  /** Null once it no longer expires. */
  expiresAt: Instant | null;
  /** Units promised and neither fulfilled nor released. */
  units: number;
}

interface Entry extends OpenReservation {
  /** Whether a document of it has been written. */
  isKept: boolean;
}

/**
 * The reservations of which something is still expected: those that hold units. One small document each, while they are
 * open; all others are found in the log by their tags (`lists.ts`).
 */
export class OpenReservations implements Consumer {
  readonly name = "open-reservations";
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<Entry>();

  load(documents: Iterable<DerivedDocument>): void {
    for (const { id: place, body } of documents) {
      const [id, expiresAt, units] = JSON.parse(body) as [string, Instant | null, number];
      this.#entries.set(id, { id, place: Number(place), expiresAt, units, isKept: true });
    }
  }

  apply(unit: RecordedUnit): void {
    for (const event of unit.events) {
      // Only reservation events stand in these streams.
      if (event.stream.startsWith("reservation-"))
        this.#apply(idOf(event.stream), event.seq, event as unknown as ReservationEvent, unit);
    }
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put: DerivedDocument[] = [];
    const remove: string[] = [];
    for (const entry of this.#changed) {
      const { id, place, expiresAt, units } = entry;
      const isOpen = this.#entries.get(id) === entry;
      if (isOpen) put.push({ id: documentOf(place), body: JSON.stringify([id, expiresAt, units]) });
      else if (entry.isKept) remove.push(documentOf(place));
      entry.isKept = isOpen;
    }
    this.#changed.clear();
    return { put, remove };
  }

  /** All of them, the newest first. */
  newestFirst(): OpenReservation[] {
    return [...this.#entries.values()].sort((a, b) => b.place - a.place);
  }

  #apply(id: string, seq: Sequence, event: ReservationEvent, unit: RecordedUnit): void {
    if (event.type === "ReservationPlaced") {
      this.#open(id, seq, event.data.expiresAt, sum(event.data.allocations));
      return;
    }
    if (event.type === "ReservationReacquired") {
      this.#open(id, seq, null, unitsReacquired(unit, id));
      return;
    }
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (event.type === "ReservationExtended") entry.expiresAt = event.data.expiresAt;
    else if (event.type === "ReservationAmended") entry.units = sum(event.data.allocations);
    else if (event.type === "ReservationConfirmed") entry.expiresAt = null;
    else if (event.type === "ReservationFulfilled") {
      entry.expiresAt = null;
      entry.units -= sum(event.data.parts);
    } else entry.units = 0;
    if (entry.units === 0) this.#entries.delete(id);
    this.#changed.add(entry);
  }

  #open(id: string, place: Sequence, expiresAt: Instant | null, units: number): void {
    const entry = { id, place, expiresAt, units, isKept: false };
    this.#entries.set(id, entry);
    this.#changed.add(entry);
  }
}

function unitsReacquired({ events }: RecordedUnit, id: string): number {
  let units = 0;
  for (const { type, data } of events) {
    const { reservation, holds } = data as { readonly reservation?: string; readonly holds?: readonly HoldLine[] };
    if (type === "StockReacquired" && reservation === id) units += sum(holds ?? []);
  }
  return units;
}

function sum(parts: readonly { readonly quantity: number }[]): number {
  let units = 0;
  for (const { quantity } of parts) units += quantity;
  return units;
}

/** Documents are ordered by their names: in the order of the log. */
function documentOf(place: Sequence): string {
  return String(place).padStart(16, "0");
}
