/**
 * Snapshots of stocks with long histories, so that a cold one is folded from a few events instead of all. A snapshot is
 * a shortcut, never a source: what is damaged, of another shape, or not of this log is discarded and counted.
 */
import { createHash } from "node:crypto";
import type { Consumer } from "../../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit, Storage } from "../../../platform/storage/index.ts";
import { type Stock, stockFromSnapshot, stockSnapshot, stockSnapshotShape } from "../domain/stock/index.ts";
import type { CacheEntry } from "./cache.ts";
import { familyOf } from "./families.ts";

const consumerName = "snapshots";

/** Events of a stock after which another snapshot of it is worth its bytes, while it stays in memory. */
const eventsBetweenSnapshots = 64;
/**
 * Events of a stock that had to be read and folded, for it was not in memory, after which a snapshot is worth it: it costs
 * about as much as reading three or four of them.
 */
const eventsFoldedMax = 8;

export type DiscardReason = "damaged" | "other-shape" | "stale";

export interface SnapshotCounters {
  written: number;
  readonly discarded: Record<DiscardReason, number>;
}

export interface SnapshotReader {
  readonly counters: SnapshotCounters;
  /** Is told of a stock that was folded from many events: as it is now, and where the last of them stands. */
  keep?(stream: string, stock: Stock, at: { readonly version: number; readonly seq: number }, events: number): void;
}

interface SnapshotBody {
  readonly shape: number;
  readonly version: number;
  /** Where the last event it contains stands in the log: another place means another history. */
  readonly seq: number;
  readonly digest: string;
  readonly state: string;
}

/** The state of a stream from its newest usable snapshot and the events after it. */
export async function loadState(storage: Storage, reader: SnapshotReader, stream: string): Promise<CacheEntry> {
  const family = familyOf(stream);
  if (!stream.startsWith("stock-")) return fold(family, family.empty(), 0, await storage.readStream(stream));
  const { counters } = reader;
  const snapshot = readSnapshot(storage.derived.get(consumerName, stream), counters);
  // One event more than needed, to see that the snapshot's last one is where it says.
  const events = await storage.readStream(stream, snapshot === undefined ? 0 : snapshot.version - 1);
  const first = events[0];
  const fits =
    snapshot !== undefined && first !== undefined && first.version === snapshot.version && first.seq === snapshot.seq;
  if (snapshot !== undefined && !fits) {
    counters.discarded.stale += 1;
    forget(storage, stream);
    return fold(family, family.empty(), 0, await storage.readStream(stream, 0));
  }
  const entry =
    snapshot === undefined
      ? fold(family, family.empty(), 0, events)
      : fold(family, snapshot.stock, snapshot.version, events.slice(1));
  const last = events.at(-1);
  if (events.length > eventsFoldedMax && last !== undefined)
    reader.keep?.(stream, entry.state as Stock, last, events.length);
  return entry;
}

/** A store that takes nothing at the moment keeps it, and it is found stale again. */
function forget({ derived }: Storage, stream: string): void {
  try {
    derived.commit([
      { consumer: consumerName, checkpoint: derived.checkpoint(consumerName), put: [], remove: [stream] },
    ]);
  } catch {
    // What goes on being refused is reported by whoever keeps the read models.
  }
}

function fold(
  family: ReturnType<typeof familyOf>,
  start: unknown,
  version: number,
  events: Awaited<ReturnType<Storage["readStream"]>>,
): CacheEntry {
  let state = start;
  for (const event of events) state = family.evolve(state, event, event.unit);
  return { version: version + events.length, state };
}

function readSnapshot(
  document: DerivedDocument | undefined,
  counters: SnapshotCounters,
): { readonly version: number; readonly seq: number; readonly stock: Stock } | undefined {
  if (document === undefined) return undefined;
  try {
    const body = JSON.parse(document.body) as SnapshotBody;
    if (digestOf(document.id, body) !== body.digest) throw new Error("digest");
    if (body.shape !== stockSnapshotShape) {
      counters.discarded["other-shape"] += 1;
      return undefined;
    }
    return { version: body.version, seq: body.seq, stock: stockFromSnapshot(JSON.parse(body.state)) };
  } catch {
    counters.discarded.damaged += 1;
    return undefined;
  }
}

/** Stocks whose snapshots are written together. */
const keptAtATime = 8;
/** Characters of snapshots after which no more are written with the same changes: some milliseconds. */
const lengthAtOnce = 250_000;

/**
 * Writes a snapshot of each stock among some streams as it now is, unless it has one already that holds all events up to
 * `upTo`. Between them it pauses, so that others get their turn.
 */
export async function keepSnapshots(
  storage: Storage,
  streams: readonly string[],
  upTo: number,
  pause: () => Promise<void>,
): Promise<void> {
  const reader: SnapshotReader = { counters: { written: 0, discarded: { damaged: 0, "other-shape": 0, stale: 0 } } };
  const stocks = streams.filter((stream) => stream.startsWith("stock-"));
  for (let from = 0; from < stocks.length; from += keptAtATime) {
    const put: DerivedDocument[] = [];
    for (const stream of stocks.slice(from, from + keptAtATime)) {
      const kept = readSnapshot(storage.derived.get(consumerName, stream), reader.counters);
      if (kept !== undefined && kept.seq >= upTo) continue;
      // Each may have some hundred events to fold.
      await pause();
      const { version, state } = await loadState(storage, reader, stream);
      if (version === kept?.version) continue;
      const [last] = await storage.readStream(stream, version - 1, version);
      if (last !== undefined) put.push(snapshotOf(stream, version, last.seq, state as Stock));
    }
    const checkpoint = storage.derived.checkpoint(consumerName);
    if (put.length > 0) storage.derived.commit([{ consumer: consumerName, checkpoint, put, remove: [] }]);
    else await pause();
  }
}

function snapshotOf(stream: string, version: number, seq: number, stock: Stock): DerivedDocument {
  const body = { shape: stockSnapshotShape, version, seq, state: JSON.stringify(stockSnapshot(stock)) };
  return { id: stream, body: JSON.stringify({ ...body, digest: digestOf(stream, body) }) };
}

function digestOf(stream: string, { shape, version, seq, state }: Omit<SnapshotBody, "digest">): string {
  return createHash("sha256")
    .update(JSON.stringify([stream, shape, version, seq, state]))
    .digest("base64url");
}

/** Events of a stream since its last snapshot, and where the newest of them stands. */
interface Moved {
  events: number;
  version: number;
  seq: number;
}

interface Folding {
  readonly upTo: number;
  readonly stocks: Map<string, { readonly state: Stock; readonly version: number; readonly seq: number }>;
}

/** Writes snapshots of the stocks that have moved most, from the states that the ledger has in memory. */
export class SnapshotWriter implements Consumer, SnapshotReader {
  readonly name = consumerName;
  readonly counters: SnapshotCounters = { written: 0, discarded: { damaged: 0, "other-shape": 0, stale: 0 } };
  readonly #peek: (stream: string, version: number) => unknown;
  readonly #eventsBetween: number;
  readonly #moved = new Map<string, Moved>();
  /** The streams among them that have moved enough. */
  readonly #due = new Set<string>();
  #folding: Folding | undefined;
  /** Stocks that were folded here, to be written with the next changes. */
  #folded: Folding["stocks"] = new Map();
  /** Snapshots of stocks that were folded for a decision, to be written with the next changes, and their characters. */
  readonly #kept = new Map<string, DerivedDocument>();
  #keptLength = 0;

  constructor(peek: (stream: string, version: number) => unknown, eventsBetween = eventsBetweenSnapshots) {
    this.#peek = peek;
    this.#eventsBetween = eventsBetween;
  }

  load(): void {
    // Snapshots are read one by one, when a stock is asked for.
  }

  /**
   * Folds the stocks itself out of what it is shown up to an event, and then writes a snapshot of each: for a start after
   * all that is derived was lost, which reads those events once, so that no stock has to be folded from cold files alone.
   */
  foldUpTo(seq: number): void {
    this.#folding = { upTo: seq, stocks: new Map() };
  }

  apply(unit: RecordedUnit): void {
    if (this.#folding !== undefined) this.#fold(unit, this.#folding);
    for (const { stream, version, seq } of unit.events) {
      if (!stream.startsWith("stock-")) continue;
      const moved = this.#moved.get(stream);
      if (moved === undefined) {
        this.#moved.set(stream, { events: 1, version, seq });
        continue;
      }
      moved.events += 1;
      moved.version = version;
      moved.seq = seq;
      if (moved.events >= this.#eventsBetween) this.#due.add(stream);
    }
  }

  #fold({ events }: RecordedUnit, { upTo, stocks }: Folding): void {
    const first = events[0]?.seq ?? 0;
    if (first > upTo) return;
    for (const event of events) {
      const { stream, version, seq } = event;
      if (!stream.startsWith("stock-")) continue;
      const known = stocks.get(stream);
      // What began before the first unit that came here can't be folded from its middle.
      if (known === undefined && version !== 1) continue;
      const family = familyOf(stream);
      const state = family.evolve(known?.state ?? family.empty(), event, event.unit);
      stocks.set(stream, { state: state as Stock, version, seq });
    }
    if (first + events.length <= upTo) return;
    this.#folded = stocks;
    this.#folding = undefined;
  }

  /**
   * Without it a stock that is seldom in memory would be folded from more events each time, for `changes` finds it gone when a
   * snapshot of it is due.
   */
  keep(
    stream: string,
    stock: Stock,
    { version, seq }: { readonly version: number; readonly seq: number },
    events: number,
  ): void {
    // What does not fit comes again.
    if (events < stock.holdings.size || this.#keptLength > lengthAtOnce) return;
    const snapshot = snapshotOf(stream, version, seq, stock);
    this.#keptLength += snapshot.body.length;
    this.#kept.set(stream, snapshot);
    if (this.#moved.get(stream)?.version === version) this.#forget(stream);
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put: DerivedDocument[] = [...this.#kept.values()];
    let length = this.#keptLength;
    this.#kept.clear();
    this.#keptLength = 0;
    for (const [stream, { state, version, seq }] of this.#folded) put.push(snapshotOf(stream, version, seq, state));
    this.counters.written += put.length;
    this.#folded = new Map();
    for (const stream of this.#due) {
      const { events, version, seq } = this.#moved.get(stream) ?? { events: 0, version: 0, seq: 0 };
      // Gone from memory, or ahead of the log while an append is under way, or too large: due again with its next event.
      this.#due.delete(stream);
      const stock = this.#peek(stream, version) as Stock | undefined;
      if (stock === undefined || events < stock.holdings.size) continue;
      const snapshot = snapshotOf(stream, version, seq, stock);
      put.push(snapshot);
      this.#forget(stream);
      this.counters.written += 1;
      length += snapshot.body.length;
      // Many stocks may be due at once, each with many holds; the others wait for the next turn.
      if (length > lengthAtOnce) break;
    }
    // What is forgotten here is only counted anew.
    if (this.#moved.size > 100_000) {
      this.#moved.clear();
      this.#due.clear();
    }
    return { put, remove: [] };
  }

  #forget(stream: string): void {
    this.#moved.delete(stream);
    this.#due.delete(stream);
  }
}
