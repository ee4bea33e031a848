import type { StockQuantities } from "./changes.ts";

/** One stock at one version. */
export interface StockRow extends StockQuantities {
  readonly version: number;
  /** When it last changed, by Larder's clock: RFC 3339. */
  readonly updatedAt: string;
}

export type RowsByLocation = Map<string, StockRow>;

/** All that is held of one sku: a row for each followed location that ever had any of it. */
export interface CachedSku {
  /** False when Larder has never had any of it. */
  isKnown: boolean;
  rows: RowsByLocation;
  /** Milliseconds on the cache's clock: when it was last asked for by itself. The feed confirms all skus at once. */
  fetchedAt: number;
  /** Counts the histories that were followed: heartbeats of a later one say nothing about it. */
  history: number;
}

/** Keeps the newer of what is there and what comes; equal versions mean equal content. */
export function keepNewest(rows: RowsByLocation, location: string, row: StockRow): void {
  const known = rows.get(location);
  if (known === undefined || known.version < row.version) rows.set(location, row);
}

/** What the cache holds, by sku; beyond `skusMax` the one that was asked for longest ago goes. */
export class CachedStocks {
  /** In the order of the last use: a map keeps the order of insertion. */
  readonly #skus = new Map<string, CachedSku>();
  readonly #skusMax: number;

  constructor(skusMax: number) {
    this.#skusMax = skusMax;
  }

  get size(): number {
    return this.#skus.size;
  }

  /** For who asks: counts as a use. */
  use(sku: string): CachedSku | undefined {
    const held = this.#skus.get(sku);
    if (held === undefined) return undefined;
    this.#skus.delete(sku);
    this.#skus.set(sku, held);
    return held;
  }

  /** For the feed, whose news are no use. */
  peek(sku: string): CachedSku | undefined {
    return this.#skus.get(sku);
  }

  put(sku: string, held: CachedSku): void {
    this.#skus.delete(sku);
    this.#skus.set(sku, held);
    if (this.#skus.size <= this.#skusMax) return;
    const [oldest] = this.#skus.keys();
    if (oldest !== undefined) this.#skus.delete(oldest);
  }

  entries(): IterableIterator<[string, CachedSku]> {
    return this.#skus.entries();
  }
}
