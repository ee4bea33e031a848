import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Instant, limits, PlatformError } from "../../../kernel/index.ts";
import {
  Checkpointer,
  type DiskSync,
  type FolderLock,
  firstValue,
  pageBytes,
  transaction,
  WalKeeper,
  walFramesMax,
} from "../../sqlite/index.ts";
import { type Admission, admit, checkUnits } from "../admission.ts";
import { ColdArchive, type WholeLog } from "../cold/index.ts";
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
import { noTags } from "../port.ts";
import type { StoredUnit } from "../unit.ts";
import { type ColdWriter, ThreadColdWriter } from "./cold-writer.ts";
import type { DerivedDatabase } from "./derived-database.ts";
import {
  type LogRows,
  logBytes,
  logFileOf,
  putManifest,
  putMeta,
  readManifests,
  readMeta,
  UnitCheck,
  walOf,
} from "./log-database.ts";
import { LogIndex } from "./log-index.ts";
import type { SqliteStorageOptions } from "./open-storage.ts";
import { StreamReader } from "./stream-reader.ts";
import { closeWithoutCopy, readTail, type WalTail, writeTail } from "./wal-tail.ts";
import { archiveFolderOf, wholeLogOf } from "./whole-log.ts";

type Listener = (units: readonly RecordedUnit[]) => void;

/** Something to be written: an append, or a change of what the log says of itself and of its archive. */
interface Request {
  readonly units: readonly AppendUnit[];
  readonly change?: (log: DatabaseSync) => void;
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A transaction that is in the WAL, and may not be on disk. */
interface Unsynced {
  readonly admission: Admission;
  readonly bytes: number;
  /** Why its sync failed, and when it was last tried. */
  readonly cause: unknown;
  readonly triedAt: number;
  /** What has to be written again; undefined when that can't be read any more. */
  readonly tail: WalTail | undefined;
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
 * is on disk, for the kernel counts the pages as clean from then on (wal-tail.ts). The transaction is written and synced
 * again, at once and then before each later append. Until that succeeds its append is of unknown outcome, nobody sees
 * it, and every later one is refused; when it succeeds, everybody is told of it, and writing goes on.
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
  readonly #whole: WholeLog<LogRows>;
  readonly #rows: LogRows;
  readonly archive: ColdArchive;
  readonly #index: LogIndex;
  readonly #streams: StreamReader;
  readonly #insert: StatementSync;
  readonly #check: UnitCheck;
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
  #unsynced: Unsynced | undefined;
  /** Why the last step of the index failed. */
  #indexFault: unknown;
  #isClosed = false;

  constructor(
    folder: string,
    lock: FolderLock,
    log: DatabaseSync,
    sync: DiskSync,
    derived: DerivedDatabase,
    { tagging = noTags, coldColumns, coldWriter }: Pick<SqliteStorageOptions, "tagging" | "coldColumns" | "coldWriter">,
  ) {
    this.folder = folder;
    this.log = log;
    this.derived = derived;
    this.tagging = tagging;
    this.#lock = lock;
    this.#sync = sync;
    this.#whole = wholeLogOf(log, archiveFolderOf(folder));
    this.#rows = this.#whole.hot;
    const { storeId, epochs, outgoingPaused } = readMeta(log);
    this.epochs = epochs;
    this.#outgoingPaused = outgoingPaused;
    const last = this.#rows.last();
    this.#head = last?.lastSeq ?? 0;
    this.#lastRecordedAt = last?.meta.recordedAt ?? 0;
    refuseShortLog(folder, this.#head, derived.furthestCheckpoint());
    this.#insert = log.prepare("INSERT INTO log (seq, at, body, crc) VALUES (?, ?, ?, ?)");
    this.#check = new UnitCheck(storeId);
    this.#logWal = new WalKeeper(this.#checkpointer, logFileOf(folder), walFramesMax);
    this.#derivedWal = new WalKeeper(this.#checkpointer, join(folder, "derived.db"), walFramesMax);
    this.#index = derived.reading(() => new LogIndex(derived, storeId, tagging));
    this.#streams = new StreamReader(folder, this.#whole, this.#index);
    this.archive = this.#openArchive(coldWriter ?? new ThreadColdWriter(), coldColumns);
  }

  #openArchive(writer: ColdWriter, coldColumns: URL | undefined): ColdArchive {
    const { folder, log, epochs } = this;
    const oldest = log.prepare("SELECT seq FROM log ORDER BY seq LIMIT 1");
    const change = async (change: (log: DatabaseSync) => void) => void (await this.#ask({ units: [], change }));
    return new ColdArchive({
      epochs,
      whole: this.#whole,
      head: () => this.#head,
      write: (request) => writer.write({ folder, coldColumns: coldColumns?.href }, request),
      stopWriting: () => writer.stop(),
      readManifests: () => readManifests(log),
      putManifest: (manifest, text) => change((database) => putManifest(database, manifest, text)),
      firstHot: () => {
        const row = oldest.get();
        return row && Number(row["seq"]);
      },
      removeUpTo: (last) => change((database) => void database.prepare("DELETE FROM log WHERE seq <= ?").run(last)),
      persistIndex: () => this.#persistIndex(),
      freeBytes: () => Number(firstValue(log, "PRAGMA freelist_count")) * pageBytes,
    });
  }

  get outgoingPaused(): boolean {
    return this.#outgoingPaused;
  }

  async setOutgoingPaused(paused: boolean): Promise<void> {
    await this.#ask({ units: [], change: (log) => putMeta(log, "outgoing-paused", paused ? "1" : "0") });
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

  readStream(stream: string, after?: number, upTo?: number): Promise<readonly RecordedEvent[]> {
    return this.#streams.read(stream, after, upTo);
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    await this.#streams.learnVersions(streams);
    return streams.map((stream) => this.#streams.version(stream));
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    return await this.#whole.read(after, limit, this.#head);
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    return await this.#whole.sequenceAt(instant, this.#head);
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
      const units = await this.#whole.read(at, eventsPerRead, this.#head);
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
    await this.archive.close();
    await this.#writing;
    await this.#checkpointer.close();
    this.#flushIndex();
    this.derived.close();
    this.#sync.close();
    // After a failed sync nothing is copied: what is on disk is for the next opening to find out.
    if (this.#unsynced === undefined) this.log.close();
    else closeWithoutCopy(this.folder, () => this.log.close());
    this.#lock.release();
  }

  #ask(request: Pick<Request, "units" | "change">): Promise<readonly AppendOutcome[]> {
    if (this.#isClosed) return Promise.reject(new PlatformError("storage-unavailable", "the store is closed"));
    const { promise, resolve, reject } = Promise.withResolvers<readonly AppendOutcome[]>();
    this.#waiting.push({ ...request, resolve, reject });
    this.#writing ??= this.#writeAll();
    return promise;
  }

  async #writeAll(): Promise<void> {
    // Those who ask in the same tick are written together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      // What may not be on disk must not be copied into the database either.
      if (this.#unsynced === undefined && this.#logWal.isBehind) await this.#logWal.catchUp();
      const requests = this.#takeWaiting();
      try {
        if (this.#unsynced !== undefined) await this.#syncAgain(this.#unsynced);
        const outcomes = await this.#write(requests);
        for (const { units, resolve } of requests) resolve(outcomes.splice(0, units.length));
      } catch (error) {
        for (const { reject } of requests) reject(error);
      }
    }
    // Nothing is awaited between the last look and this, so nobody can ask in between and never be served.
    this.#writing = undefined;
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
    const asked = requests.flatMap(({ units }) => units);
    if (this.#whole.seam > 0) {
      const expected = asked.flatMap((unit) => unit.expected.map(({ stream }) => stream));
      // A version that can't be read stays unknown; its unit is refused, and whoever reads the stream is told why.
      await this.#streams.learnVersions(expected, () => undefined);
    }
    const admission = admit(asked, {
      head: this.#head,
      lastRecordedAt: this.#lastRecordedAt,
      version: (stream) => this.#streams.version(stream),
      isClaimed: (key) => !this.#unclaimed.has(key) && this.#index.findClaim(key) !== undefined,
    });
    const changes = requests.flatMap(({ change }) => change ?? []);
    if (admission.units.length > 0 || changes.length > 0) {
      const bytes = this.#commit(admission.units, changes);
      try {
        await this.#sync.sync();
      } catch (cause) {
        await this.#syncFailed({ admission, bytes, cause, triedAt: Number.NEGATIVE_INFINITY, tail: undefined });
        return [...admission.outcomes];
      }
      this.#durable(admission, bytes);
    }
    return [...admission.outcomes];
  }

  #durable(admission: Admission, bytes: number): void {
    this.#unsynced = undefined;
    this.#logWal.wrote(1 + Math.ceil(bytes / (pageBytes - 96)));
    this.#settle(admission);
  }

  /** Writes and syncs a transaction once more. Throws, other than by `PlatformError`, when it is still of unknown outcome. */
  async #syncFailed(failed: Unsynced): Promise<void> {
    this.#unsynced = { ...failed, tail: this.#lastTransaction() };
    try {
      await this.#syncAgain(this.#unsynced);
    } catch (cause) {
      throw new Error("the disk failed to sync: whether the append is kept is unknown", { cause });
    }
  }

  /** Throws `PlatformError("storage-unavailable")` when the transaction can't be brought onto the disk. */
  async #syncAgain(unsynced: Unsynced): Promise<void> {
    const { admission, bytes, tail } = unsynced;
    let { cause } = unsynced;
    if (tail !== undefined && performance.now() - unsynced.triedAt > limits.syncAgainMs) {
      try {
        writeTail(tail);
        await this.#sync.sync();
        this.#durable(admission, bytes);
        return;
      } catch (error) {
        cause = error;
        this.#unsynced = { ...unsynced, cause, triedAt: performance.now() };
      }
    }
    const until = tail === undefined ? "until a restart" : "until a sync succeeds";
    throw new PlatformError(
      "storage-unavailable",
      `the disk failed to sync ${this.folder}; nothing is written any more ${until}`,
      { cause },
    );
  }

  /** The last transaction as the WAL has it, if it has all that SQLite takes to be in it. */
  #lastTransaction(): WalTail | undefined {
    try {
      const tail = readTail(walOf(this.folder));
      const known = Number(this.log.prepare("PRAGMA wal_checkpoint(NOOP)").get()?.["log"]);
      return tail?.frames === known ? tail : undefined;
    } catch {
      return undefined;
    }
  }

  /** The index is derived: what a disk refuses to keep of it is derived again by the next opening. */
  #flushIndex(): void {
    if (this.#unsynced !== undefined) return;
    try {
      this.#index.flush();
    } catch (error) {
      this.#indexFault = error;
    }
  }

  /** In steps between which others get their turn. */
  async #persistIndex(): Promise<void> {
    for (const _step of this.#index.flushing()) await new Promise(setImmediate);
  }

  #refuseWhenBroken(): void {
    if (this.#index.isOverfull) {
      throw new PlatformError("storage-unavailable", `${join(this.folder, "derived.db")} can't be written`, {
        cause: this.#indexFault,
      });
    }
  }

  /** Writes one transaction, not yet synced; returns about how many bytes it took. */
  #commit(units: readonly StoredUnit[], changes: readonly ((log: DatabaseSync) => void)[]): number {
    let bytes = changes.length * bytesPerChange;
    try {
      transaction(this.log, () => {
        for (const unit of units) {
          this.#insert.run(unit.seq, unit.meta.recordedAt, unit.body, this.#check.of(unit.seq, unit.body));
          bytes += unit.body.length + 16;
        }
        for (const change of changes) change(this.log);
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
    for (const [stream, version] of versions) this.#streams.isAt(stream, version);
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
  async readTail(): Promise<void> {
    for (let at = this.#index.persisted; at < this.#head; ) {
      for (const unit of await this.#whole.read(at, eventsPerRead, this.#head)) {
        this.#index.record(unit);
        this.#index.work();
        at = unit.lastSeq;
      }
    }
  }
}

/** What a change of the log's own tables takes of its WAL, roughly. */
const bytesPerChange = 16_384;
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
