import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Instant, limits, PlatformError } from "../../../kernel/index.ts";
import {
  Checkpointer,
  type DiskSync,
  type FolderLock,
  pageBytes,
  transaction,
  WalKeeper,
  walFramesMax,
} from "../../sqlite/index.ts";
import { type Admission, admit, checkUnits } from "../admission.ts";
import type {
  AppendOutcome,
  AppendUnit,
  ClaimRecord,
  Epoch,
  RecordedEvent,
  RecordedUnit,
  Sequence,
  Storage,
  StorageStats,
  Tagging,
} from "../port.ts";
import type { StoredUnit } from "../unit.ts";
import type { DerivedDatabase } from "./derived-database.ts";
import { LogRows, logBytes, logFileOf, putMeta, readMeta } from "./log-database.ts";
import { LogIndex } from "./log-index.ts";
import { RecentVersions } from "./recent-versions.ts";

type Listener = (units: readonly RecordedUnit[]) => void;

/** Something to be written: an append, or a change of what the log says of itself. */
interface Request {
  readonly units: readonly AppendUnit[];
  readonly meta?: { readonly key: string; readonly value: string };
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The log in SQLite. One writer, this object, guards versions and claims from memory and its own index; a unit is one
 * row, an append one transaction.
 *
 * Appends that wait are written together. The transaction is written by this thread and synced by libuv's threads, and
 * no other is begun before the sync is back, so at most one is ever not on disk, as with `synchronous=FULL`, while this
 * thread goes on with other work (docs/adr/0003-where-the-disk-syncs.md). Nothing of it is seen before: not by readers,
 * listeners, or `head`.
 *
 * A write that the disk refuses appended nothing, and later ones may succeed. A sync that fails leaves it unknown what
 * is on disk, for the kernel may have dropped the pages: the append is of unknown outcome, and every later one is
 * refused until the store is opened again.
 */
export class SqliteStorage implements Storage {
  readonly folder: string;
  readonly epochs: readonly Epoch[];
  readonly derived: DerivedDatabase;
  readonly tagging: Tagging;
  /** The connection that writes the log. */
  readonly log: DatabaseSync;
  readonly #lock: FolderLock;
  readonly #sync: DiskSync;
  readonly #rows: LogRows;
  readonly #index: LogIndex;
  readonly #versions = new RecentVersions(limits.versionsCachedMax);
  readonly #insert: StatementSync;
  readonly #checkpointer = new Checkpointer();
  readonly #logWal: WalKeeper;
  readonly #derivedWal: WalKeeper;
  readonly #listeners = new Set<Listener>();
  /** Names that were looked up and found free, which an append that takes them need not look up again. */
  readonly #unclaimed = new Set<string>();
  #outgoingPaused: boolean;
  #head: Sequence;
  #lastRecordedAt: Instant;
  #waiting: Request[] = [];
  #writing: Promise<void> | undefined;
  #failedSync: unknown;
  /** Why the last step of the index failed. */
  #indexFault: unknown;
  #isClosed = false;

  constructor(
    folder: string,
    lock: FolderLock,
    log: DatabaseSync,
    sync: DiskSync,
    derived: DerivedDatabase,
    tagging: Tagging,
  ) {
    this.folder = folder;
    this.log = log;
    this.derived = derived;
    this.tagging = tagging;
    this.#lock = lock;
    this.#sync = sync;
    this.#rows = new LogRows(log);
    const { storeId, epochs, outgoingPaused } = readMeta(log);
    this.epochs = epochs;
    this.#outgoingPaused = outgoingPaused;
    const last = this.#rows.last();
    this.#head = last?.lastSeq ?? 0;
    this.#lastRecordedAt = last?.meta.recordedAt ?? 0;
    refuseShortLog(folder, this.#head, derived.furthestCheckpoint());
    this.#insert = log.prepare("INSERT INTO log (seq, at, body) VALUES (?, ?, ?)");
    this.#logWal = new WalKeeper(this.#checkpointer, logFileOf(folder), walFramesMax);
    this.#derivedWal = new WalKeeper(this.#checkpointer, join(folder, "derived.db"), walFramesMax);
    this.#index = new LogIndex(derived, storeId, tagging);
    this.#readTail();
  }

  get outgoingPaused(): boolean {
    return this.#outgoingPaused;
  }

  async setOutgoingPaused(paused: boolean): Promise<void> {
    await this.#ask({ units: [], meta: { key: "outgoing-paused", value: paused ? "1" : "0" } });
    this.#outgoingPaused = paused;
  }

  async append(units: readonly AppendUnit[]): Promise<readonly AppendOutcome[]> {
    checkUnits(units);
    return this.#ask({ units });
  }

  head(): Sequence {
    return this.#head;
  }

  lastRecordedAt(): Instant {
    return this.#lastRecordedAt;
  }

  async readStream(stream: string, after = 0, upTo = Number.POSITIVE_INFINITY): Promise<readonly RecordedEvent[]> {
    const seqs: Sequence[] = [];
    let oldestBeyond: Sequence | undefined; // a unit that ends beyond `upTo` may begin before it
    this.#index.findStream(stream, ({ seq, version }) => {
      if (version <= after) return this.#holds(seq, stream);
      if (version <= upTo) seqs.push(seq);
      else oldestBeyond = seq;
      return false;
    });
    if (seqs.length === 0 && oldestBeyond === undefined) {
      if (after === 0) this.#versions.set(stream, 0);
      return noEvents;
    }
    const units = oldestBeyond === undefined ? seqs : [oldestBeyond, ...seqs];
    return [...new Set(units)]
      .reverse()
      .flatMap((seq) => this.#rows.unit(seq)?.events ?? [])
      .filter((event) => event.stream === stream && event.version > after && event.version <= upTo);
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    return streams.map((stream) => this.#version(stream));
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    return this.#rows.read(after, limit, this.#head);
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    return this.#rows.sequenceAt(instant, this.#head);
  }

  async findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]> {
    if (this.#unclaimed.size > unclaimedMax) this.#unclaimed.clear();
    return keys.map((key) => {
      const found = this.#index.findClaim(key);
      if (found === undefined) this.#unclaimed.add(key);
      return found;
    });
  }

  async findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]> {
    return this.#index.findTagged(tag, before ?? Number.POSITIVE_INFINITY, limit);
  }

  async findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]> {
    const wanted = new Map<string, Sequence | undefined>(commands.map((command) => [command, undefined]));
    for (let at = after; at < this.#head; ) {
      const units = this.#rows.read(at, eventsPerRead, this.#head);
      for (const { meta, events } of units) {
        if (wanted.has(meta.command)) wanted.set(meta.command, wanted.get(meta.command) ?? events[0]?.seq);
      }
      at = units.at(-1)?.lastSeq ?? this.#head;
    }
    return commands.map((command) => wanted.get(command));
  }

  subscribe(listener: Listener): () => void {
    // A wrapper of its own, so that one function subscribed twice is stopped once for each.
    const own: Listener = (units) => listener(units);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  stats(): StorageStats {
    return {
      engine: "sqlite",
      events: this.#head,
      logBytes: logBytes(this.folder),
      derivedBytes: this.derived.bytes(),
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    await this.#checkpointer.close();
    // After a failed sync nothing more is written: what is on disk is for the next opening to find out.
    if (this.#failedSync === undefined) this.#index.flush();
    this.derived.close();
    this.#sync.close();
    this.log.close();
    this.#lock.release();
  }

  #ask(request: Pick<Request, "units" | "meta">): Promise<readonly AppendOutcome[]> {
    if (this.#isClosed) return Promise.reject(new PlatformError("storage-unavailable", "the store is closed"));
    const { promise, resolve, reject } = Promise.withResolvers<readonly AppendOutcome[]>();
    this.#waiting.push({ ...request, resolve, reject });
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return promise;
  }

  async #writeAll(): Promise<void> {
    // Those who ask in the same tick are written together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      if (this.#logWal.isBehind) await this.#logWal.catchUp();
      const requests = this.#takeWaiting();
      try {
        const outcomes = await this.#write(requests);
        for (const { units, resolve } of requests) resolve(outcomes.splice(0, units.length));
      } catch (error) {
        for (const { reject } of requests) reject(error);
      }
    }
  }

  /** The requests of the next transaction: at least one, and no more units than a transaction should hold. */
  #takeWaiting(): readonly Request[] {
    let units = 0;
    let count = 0;
    for (const request of this.#waiting) {
      units += request.units.length;
      if (count > 0 && units > limits.flushCommandsMax) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(requests: readonly Request[]): Promise<AppendOutcome[]> {
    this.#refuseWhenBroken();
    const admission = admit(
      requests.flatMap(({ units }) => units),
      {
        head: this.#head,
        lastRecordedAt: this.#lastRecordedAt,
        version: (stream) => this.#version(stream),
        isClaimed: (key) => !this.#unclaimed.has(key) && this.#index.findClaim(key) !== undefined,
      },
    );
    const metas = requests.flatMap(({ meta }) => meta ?? []);
    if (admission.units.length > 0 || metas.length > 0) {
      const bytes = this.#commit(admission.units, metas);
      try {
        await this.#sync.sync();
      } catch (error) {
        this.#failedSync = error;
        throw new Error("the disk failed to sync: whether the append is kept is unknown", { cause: error });
      }
      this.#logWal.wrote(1 + Math.ceil(bytes / (pageBytes - 96)));
      this.#settle(admission);
    }
    return [...admission.outcomes];
  }

  #refuseWhenBroken(): void {
    if (this.#failedSync !== undefined) {
      throw new PlatformError(
        "storage-unavailable",
        `the disk failed to sync ${this.folder}; nothing is written any more until a restart`,
        { cause: this.#failedSync },
      );
    }
    if (this.#index.isOverfull) {
      throw new PlatformError("storage-unavailable", `${join(this.folder, "derived.db")} can't be written`, {
        cause: this.#indexFault,
      });
    }
  }

  /** Writes one transaction, not yet synced; returns about how many bytes it took. */
  #commit(units: readonly StoredUnit[], metas: readonly { readonly key: string; readonly value: string }[]): number {
    let bytes = 0;
    try {
      transaction(this.log, () => {
        for (const unit of units) {
          this.#insert.run(unit.seq, unit.meta.recordedAt, unit.body);
          bytes += unit.body.length + 16;
        }
        for (const { key, value } of metas) putMeta(this.log, key, value);
      });
    } catch (error) {
      throw new PlatformError("storage-unavailable", `${logFileOf(this.folder)} can't be written`, {
        cause: error,
      });
    }
    return bytes;
  }

  /** Lets everybody see what is now durable. */
  #settle({ units, head, lastRecordedAt, versions }: Admission): void {
    this.#head = head;
    this.#lastRecordedAt = lastRecordedAt;
    for (const [stream, version] of versions) this.#versions.set(stream, version);
    for (const unit of units) {
      this.#index.record(unit);
      if (this.#unclaimed.size > 0) for (const { key } of unit.claims) this.#unclaimed.delete(key);
    }
    this.#workOnIndex();
    if (units.length > 0) for (const listener of [...this.#listeners]) tell(listener, units);
  }

  /** What the disk refuses here is tried again later, until `isOverfull` ends it; the log does not depend on it. */
  #workOnIndex(): void {
    if (this.#derivedWal.isBehind) {
      void this.#derivedWal.catchUp();
      return;
    }
    try {
      this.#index.work();
    } catch (error) {
      this.#indexFault = error;
    }
    const frames = Math.ceil(this.derived.bytesWritten / pageBytes);
    this.derived.resetBytesWritten();
    if (frames > 0) this.#derivedWal.wrote(frames);
  }

  /** Takes in what the index on disk does not have yet, and checks on the way that nothing is missing. */
  #readTail(): void {
    for (let at = this.#index.persisted; at < this.#head; ) {
      const units = this.#rows.read(at, eventsPerRead, this.#head);
      for (const unit of units) {
        if (unit.seq !== at + 1) throw missingEvents(this.folder, at + 1);
        this.#index.record(unit);
        this.#index.work();
        at = unit.lastSeq;
      }
      if (units.length === 0) throw missingEvents(this.folder, at + 1);
    }
  }

  #version(stream: string): number {
    const known = this.#versions.get(stream);
    if (known !== undefined) return known;
    let found = 0;
    this.#index.findStream(stream, ({ seq, version }) => {
      if (!this.#holds(seq, stream)) return false;
      found = version;
      return true;
    });
    this.#versions.set(stream, found);
    return found;
  }

  /** Whether the unit at a place has events of this very stream, and not of another with the same hash. */
  #holds(seq: Sequence, stream: string): boolean {
    return this.#rows.unit(seq)?.events.some((event) => event.stream === stream) ?? false;
  }
}

const noEvents: readonly RecordedEvent[] = [];
const unclaimedMax = 50_000;

const eventsPerRead = 1000;

/** A listener must not throw; when one does, neither the append nor the other listeners suffer for it. */
function tell(listener: Listener, units: readonly RecordedUnit[]): void {
  try {
    listener(units);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function refuseShortLog(folder: string, head: Sequence, derived: Sequence): void {
  if (derived <= head) return;
  throw new PlatformError(
    "storage-unavailable",
    `${logFileOf(folder)} ends at event ${head}, but ${derived} events have been there: its end was cut off. ` +
      "Keep the folder as it is and restore the last backup into another folder",
  );
}

function missingEvents(folder: string, seq: Sequence): PlatformError {
  return new PlatformError(
    "storage-unavailable",
    `${logFileOf(folder)} has no event ${seq}, but later ones: restore the last backup into another folder`,
  );
}
