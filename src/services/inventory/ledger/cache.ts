export interface CacheStats {
  readonly size: number;
  readonly hits: number;
  readonly misses: number;
}

/** A state in memory; whoever changes it changes what is cached. */
export interface CacheEntry {
  version: number;
  state: unknown;
}

/**
 * The states of streams in use. Two generations: what is used moves to the young one, and once that has grown to half
 * of the bound, `age` forgets the old one. Cheaper than a list of uses, and nearly as fair. Nothing is forgotten but by
 * `age`, so between two calls the bound may be passed by what is used between them.
 */
export class StateCache {
  readonly #max: number;
  #young = new Map<string, CacheEntry>();
  #old = new Map<string, CacheEntry>();
  #hits = 0;
  #misses = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get stats(): CacheStats {
    return { size: this.#young.size + this.#old.size, hits: this.#hits, misses: this.#misses };
  }

  has(stream: string): boolean {
    const isHit = this.#young.has(stream) || this.#old.has(stream);
    if (isHit) this.#hits += 1;
    else this.#misses += 1;
    return isHit;
  }

  /** The entry of a stream, if it is in memory; counts as a use. */
  get(stream: string): CacheEntry | undefined {
    const young = this.#young.get(stream);
    if (young !== undefined) return young;
    const old = this.#old.get(stream);
    if (old !== undefined) this.#keep(stream, old);
    return old;
  }

  /** As `get`, without counting as a use. */
  peek(stream: string): CacheEntry | undefined {
    return this.#young.get(stream) ?? this.#old.get(stream);
  }

  set(stream: string, entry: CacheEntry): void {
    this.#keep(stream, entry);
  }

  drop(stream: string): void {
    this.#young.delete(stream);
    this.#old.delete(stream);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }

  /** Forgets what has long not been used, if there is too much. */
  age(): void {
    if (this.#young.size < this.#max / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  #keep(stream: string, entry: CacheEntry): void {
    this.#young.set(stream, entry);
    if (this.#old.size > 0) this.#old.delete(stream);
  }
}
