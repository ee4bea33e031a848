/** What a warehouse's own system holds: figures it was told, and, where it is the authority, its own. */

/** A record as Larder pushes it. `version` grows with every change of the sku at the location. */
export interface PushedRecord {
  readonly sku: string;
  readonly location: string;
  readonly available: number;
  readonly onHand: number;
  readonly version: number;
  readonly changedAt: string;
}

/** A record as `GET /snapshot` gives it: with the version it was told, or the time at which it was true. */
export interface SnapshotRecord {
  readonly sku: string;
  readonly location: string;
  readonly onHand: number;
  readonly version?: number;
  readonly asOf?: string;
}

export interface SnapshotPage {
  readonly records: readonly SnapshotRecord[];
  readonly next?: string;
}

export interface Held {
  readonly sku: string;
  readonly location: string;
  available: number;
  onHand: number;
  /** The highest version that was pushed; 0 when none was. */
  version: number;
  /** Whether goods moved here since: then the figure is not that of the version. */
  isOwn: boolean;
}

export interface WarehouseStockOptions {
  /** The location whose system this is. */
  readonly location: string;
  /** Whose figures of that location win. Those of other locations are always Larder's. */
  readonly authority: "ours" | "theirs";
  /** What a snapshot says of its figures; by default what this system knows of them. */
  readonly tells?: "best" | "nothing";
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** Batches whose repetition is noticed: a batch is repeated within minutes. */
const batchesRemembered = 10_000;

export class WarehouseStock {
  readonly #options: WarehouseStockOptions;
  readonly #held = new Map<string, Held>();
  /** Keys in order, so that pages are cut by key and not by place: what is added meanwhile moves nothing. */
  #keys: string[] | undefined;
  readonly #batches = new Set<string>();
  #lastSnapshotAt = 0;

  constructor(options: WarehouseStockOptions) {
    this.#options = options;
  }

  get(sku: string, location: string = this.#options.location): Held | undefined {
    return this.#held.get(keyOf(sku, location));
  }

  all(): Iterable<Held> {
    return this.#held.values();
  }

  /**
   * Takes a batch over: of each sku and location the highest version is kept, in whatever order batches come. The version
   * that is held already is taken too: its content is the same wherever nothing went wrong, and else it is put right.
   */
  take(batch: string, records: readonly PushedRecord[]): "taken" | "repeated" {
    if (this.#batches.has(batch)) return "repeated";
    this.#batches.add(batch);
    const [oldest] = this.#batches;
    if (this.#batches.size > batchesRemembered && oldest !== undefined) this.#batches.delete(oldest);
    for (const record of records) this.#takeOne(record);
    return "taken";
  }

  #takeOne({ sku, location, available, onHand, version }: PushedRecord): void {
    const known = this.get(sku, location);
    if (known === undefined) {
      this.#add({ sku, location, available, onHand, version, isOwn: false });
      return;
    }
    if (version < known.version) return;
    known.version = version;
    known.available = available;
    if (!this.#hasAuthority(location)) Object.assign(known, { onHand, isOwn: false });
  }

  /** Goods moved here: `units` came in, or left when negative. Returns the time at which it happened. */
  move(sku: string, units: number): number {
    return this.#change(sku, units);
  }

  /** So many were counted here. Returns the time at which it happened. */
  count(sku: string, quantity: number): number {
    return this.#change(sku, quantity - (this.get(sku)?.onHand ?? 0));
  }

  /** Its time is after that of every snapshot that does not show it, or a count made from that snapshot would swallow it. */
  #change(sku: string, units: number): number {
    const nothing = { sku, location: this.#options.location, available: 0, onHand: 0, version: 0, isOwn: true };
    const held = this.get(sku) ?? this.#add(nothing);
    held.onHand += units;
    held.available += units;
    held.isOwn = true;
    return Math.max(this.#options.clock(), this.#lastSnapshotAt + 1);
  }

  /** Loses sight of a stock, as a system that was restored from an old backup does. */
  forget(sku: string, location: string = this.#options.location): void {
    this.#held.delete(keyOf(sku, location));
    this.#keys = undefined;
  }

  /** A page of all that is held, by key; `cursor` is the last key of the page before. */
  snapshot(cursor: string | undefined, limit: number): SnapshotPage {
    this.#keys ??= [...this.#held.keys()].sort();
    const keys = this.#keys;
    const start = cursor === undefined ? 0 : firstAfter(keys, cursor);
    const page = keys.slice(start, start + limit);
    const now = this.#options.clock();
    this.#lastSnapshotAt = Math.max(this.#lastSnapshotAt, now);
    const records = page.flatMap((key) => {
      const held = this.#held.get(key);
      return held === undefined ? [] : [this.#told(held, now)];
    });
    const last = page[page.length - 1];
    return { records, ...(start + limit < keys.length && last !== undefined && { next: last }) };
  }

  #told({ sku, location, onHand, version, isOwn }: Held, now: number): SnapshotRecord {
    const record = { sku, location, onHand };
    if (this.#options.tells === "nothing") return record;
    return isOwn || this.#hasAuthority(location)
      ? { ...record, asOf: new Date(now).toISOString() }
      : { ...record, version };
  }

  #hasAuthority(location: string): boolean {
    return this.#options.authority === "theirs" && location === this.#options.location;
  }

  #add(held: Held): Held {
    this.#held.set(keyOf(held.sku, held.location), held);
    this.#keys = undefined;
    return held;
  }
}

/** JSON, because either name may hold any character but a control character. */
function keyOf(sku: string, location: string): string {
  return JSON.stringify([location, sku]);
}

function firstAfter(keys: readonly string[], cursor: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? "") <= cursor) low = middle + 1;
    else high = middle;
  }
  return low;
}
