import { formatInstant, type Instant } from "../../../kernel/index.ts";
import type { Consumer } from "../../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit } from "../../../platform/storage/index.ts";
import { available, type Balance, balanceOf, type Totals, totalsOfBalance } from "../domain/stock/index.ts";
import { pairOf, streamOf } from "../ledger/index.ts";

/** One stock as the read side shows it. */
export interface AvailabilityRow {
  readonly sku: string;
  readonly location: string;
  totals: Totals;
  version: number;
  updatedAt: Instant;
}

export interface AvailabilityObserver {
  /** A stock ran out. */
  stockOut?(): void;
  shortfall?(): void;
}

/**
 * What is available, everywhere, in memory: fed from the log, which gives the balance with each event. Never touches
 * the write path.
 */
export class AvailabilityModel implements Consumer {
  readonly name = "availability";
  readonly #rows = new Map<string, AvailabilityRow>();
  /** Lists, because most skus are at few places, and there may be millions of skus. */
  readonly #bySku = new Map<string, AvailabilityRow[]>();
  /** Every row in the order in which they came up, so that all can be gone through in steps. */
  readonly #list: AvailabilityRow[] = [];
  readonly #dirty = new Set<string>();
  readonly #observer: AvailabilityObserver;

  constructor(observer: AvailabilityObserver = {}) {
    this.#observer = observer;
  }

  /** Stocks known. */
  get size(): number {
    return this.#rows.size;
  }

  load(documents: Iterable<DerivedDocument>): void {
    for (const { id, body } of documents) {
      const [version, updatedAt, balance] = JSON.parse(body) as [number, Instant, Balance];
      Object.assign(this.#row(id), { version, updatedAt, totals: totalsOfBalance(balance) });
    }
  }

  apply(unit: RecordedUnit): void {
    for (const event of unit.events) {
      if (!event.stream.startsWith("stock-")) continue;
      const row = this.#row(event.stream);
      const totals = totalsOfBalance((event.data as { readonly balance: Balance }).balance);
      if (event.type === "StockRanOut") this.#observer.stockOut?.();
      if (event.type === "ShortfallFound") this.#observer.shortfall?.();
      row.totals = totals;
      row.version = event.version;
      row.updatedAt = unit.meta.recordedAt;
      this.#dirty.add(event.stream);
    }
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put: DerivedDocument[] = [];
    for (const id of this.#dirty) {
      const { version, updatedAt, totals } = this.#row(id);
      put.push({ id, body: JSON.stringify([version, updatedAt, balanceOf(totals)]) });
    }
    this.#dirty.clear();
    return { put, remove: [] };
  }

  /** The stocks of a sku, one for each location. */
  ofSku(sku: string): readonly AvailabilityRow[] {
    return this.#bySku.get(sku) ?? none;
  }

  row(location: string, sku: string): AvailabilityRow | undefined {
    return this.#rows.get(streamOf.stock(location, sku));
  }

  /** At most `count` rows from a place in their order, which stays while the process lives. */
  slice(from: number, count: number): readonly AvailabilityRow[] {
    return this.#list.slice(from, from + count);
  }

  rows(): IterableIterator<[string, AvailabilityRow]> {
    return this.#rows.entries();
  }

  #row(stream: string): AvailabilityRow {
    const known = this.#rows.get(stream);
    if (known !== undefined) return known;
    const row = { ...pairOf(stream), totals: totalsOfBalance({}), version: 0, updatedAt: 0 };
    this.#rows.set(stream, row);
    this.#list.push(row);
    const rows = this.#bySku.get(row.sku);
    if (rows === undefined) this.#bySku.set(row.sku, [row]);
    else rows.push(row);
    return row;
  }
}

const none: readonly AvailabilityRow[] = [];

/** A row as clients see it. */
export function availabilityItem({ sku, location, totals, updatedAt }: AvailabilityRow, version: number) {
  const { onHand, unavailable, reserved, committed, safetyStock, incoming } = totals;
  return {
    sku,
    location,
    available: available(totals),
    onHand,
    unavailable,
    reserved,
    committed,
    safetyStock,
    incoming,
    updatedAt: formatInstant(updatedAt),
    version,
  };
}
