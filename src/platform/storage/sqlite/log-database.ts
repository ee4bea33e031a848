import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { type Instant, InvariantError, PlatformError } from "../../../kernel/index.ts";
import { isDiskFault, openDatabase, pageBytes, syncFolder, transaction } from "../../sqlite/index.ts";
import { type ColdManifest, type HotLog, hashOfManifest, parseChain } from "../cold/index.ts";
import type { Epoch, Sequence } from "../port.ts";
import { readUnit, type StoredUnit } from "../unit.ts";

/**
 * The forms of `log.db` that can be read; a newer one is refused. A log begins with the first, and takes the second when
 * units are moved out of it: then a version that does not look for them elsewhere refuses it.
 */
const formats = { whole: "1", withArchive: "2" } as const;

/**
 * One row for each unit, under the sequence of its first event; a unit of n events takes n sequences. No index but the
 * key, so rows are only ever written at the end. `crc` is `UnitCheck`'s; a log from before it has none, and rows of its
 * own without one.
 */
const schema = `
  CREATE TABLE log (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL, crc INTEGER) STRICT;
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

/** The manifests of cold files, under the first sequence of each: the units that they name are no more read from here. */
const archiveSchema = "CREATE TABLE IF NOT EXISTS archived (seq INTEGER PRIMARY KEY, manifest TEXT NOT NULL) STRICT";

/** What the log says of itself beside its units. */
export interface LogMeta {
  readonly storeId: string;
  readonly epochs: readonly Epoch[];
  readonly outgoingPaused: boolean;
}

/** Opens `log.db` for writing, and makes it when it is not there. What is written later is synced by `DiskSync`, not by SQLite. */
export function openLog(folder: string): DatabaseSync {
  const path = logFileOf(folder);
  const database = openDatabase(path, { waitMs: 1000 });
  try {
    database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
    database.exec("PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1; PRAGMA wal_autocheckpoint = 0");
    // No page reaches the WAL before its transaction is whole, so that its frames come in order (wal-check.ts).
    database.exec("PRAGMA cache_spill = OFF");
    if (!hasLog(database)) {
      refuseLostLog(folder, ["derived.db", "archive"]);
      createLog(database);
    }
    checkFormat(database, path);
    if (!hasChecks(database)) database.exec("ALTER TABLE log ADD COLUMN crc INTEGER");
    syncFolder(folder);
    database.exec("PRAGMA synchronous = NORMAL");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Throws when the log is not there, but files that belong to one are: a new one must not begin in its place. */
export function refuseLostLog(folder: string, signs: readonly string[]): void {
  const sign = signs.find((name) => isTaken(join(folder, name)));
  if (sign === undefined) return;
  throw new PlatformError(
    "storage-unavailable",
    `${logFileOf(folder)} is missing or empty, but ${sign} is there: its log is lost. ` +
      "Keep the folder as it is and restore the last backup into another folder",
  );
}

/** A file, or a folder that holds anything: one that holds nothing of ours may be the place where another disk is mounted. */
export function isTaken(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !(found.isDirectory() && readdirSync(path).every((name) => name === "lost+found"));
}

function hasLog(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'log'").get() !== undefined;
}

function createLog(database: DatabaseSync): void {
  const epoch: Epoch = { number: 1, id: randomUUID(), startsAfter: 0 };
  transaction(database, () => {
    database.exec(schema);
    putMeta(database, "format", formats.whole);
    putMeta(database, "store", randomUUID());
    putMeta(database, "epochs", JSON.stringify([epoch]));
    putMeta(database, "outgoing-paused", "0");
  });
  // From here on the file itself says that it is a log, whatever happens to its WAL.
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

function hasChecks(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM pragma_table_info('log') WHERE name = 'crc'").get() !== undefined;
}

/**
 * The checksum of a stored unit: of its body, at its place, in this store. A disk that gives back other bytes, a page
 * that lies where another belongs, or a WAL of another log are seen when the unit is read, not only by `larder verify`.
 */
export class UnitCheck {
  readonly #seed: number;

  constructor(storeId: string) {
    this.#seed = crc32(storeId);
  }

  of(seq: Sequence, body: string): number {
    return crc32(body, (this.#seed ^ seq) >>> 0);
  }
}

export function checkFormat(database: DatabaseSync, path: string): void {
  const found = getMeta(database, "format");
  const known: readonly string[] = Object.values(formats);
  if (known.includes(found)) return;
  throw new PlatformError(
    "storage-unavailable",
    `${path} has form ${found}; this version of Larder reads form ${known.join(" and ")}`,
  );
}

/** The manifests of what was moved out of a log, oldest first. Throws `PlatformError("storage-unavailable")`. */
export function readManifests(database: DatabaseSync): readonly ColdManifest[] {
  if (getMeta(database, "format") !== formats.withArchive) return [];
  try {
    const rows = database.prepare("SELECT manifest FROM archived ORDER BY seq").all();
    return parseChain(
      rows.map(({ manifest }) => String(manifest)),
      getMeta(database, lastManifest),
    );
  } catch (error) {
    throw new PlatformError(
      "storage-unavailable",
      `${database.location()} is damaged: what it says of its archive is not what was written. ` +
        "Keep the folder as it is and restore the last backup into another folder",
      { cause: error },
    );
  }
}

/** Within the caller's transaction: from here on the units that a manifest names are read from its file. */
export function putManifest(database: DatabaseSync, { firstSequence }: ColdManifest, text: string): void {
  database.exec(archiveSchema);
  database.prepare("INSERT INTO archived (seq, manifest) VALUES (?, ?)").run(firstSequence, text);
  putMeta(database, "format", formats.withArchive);
  putMeta(database, lastManifest, hashOfManifest(text));
}

/** Within the caller's transaction: forgets the manifests from a sequence on, so that the log has to hold their units. */
export function removeManifestsFrom(database: DatabaseSync, seq: Sequence): void {
  database.prepare("DELETE FROM archived WHERE seq >= ?").run(seq);
  const last = database.prepare("SELECT manifest FROM archived ORDER BY seq DESC LIMIT 1").get();
  if (last === undefined) putMeta(database, "format", formats.whole);
  putMeta(database, lastManifest, last === undefined ? "" : hashOfManifest(String(last["manifest"])));
}

/** The key of the hash of the newest manifest. */
const lastManifest = "last-manifest";

/** Throws `PlatformError("storage-unavailable")` when it is not what was written. */
export function readMeta(database: DatabaseSync): LogMeta {
  const check = getMeta(database, metaCheck);
  if (check !== "" && check !== checkOfMeta(database)) {
    throw new PlatformError(
      "storage-unavailable",
      `${database.location()} is damaged: what it says of itself is not what was written. ` +
        "Keep the folder as it is and restore the last backup into another folder",
    );
  }
  return {
    storeId: getMeta(database, "store"),
    epochs: JSON.parse(getMeta(database, "epochs")),
    outgoingPaused: getMeta(database, "outgoing-paused") === "1",
  };
}

export function getMeta(database: DatabaseSync, key: string): string {
  return String(database.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.["value"] ?? "");
}

export function putMeta(database: DatabaseSync, key: string, value: string): void {
  const put = database.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
  put.run(key, value);
  put.run(metaCheck, checkOfMeta(database));
}

/** The key of the checksum over all others. */
const metaCheck = "check";

function checkOfMeta(database: DatabaseSync): string {
  const rows = database.prepare("SELECT key, value FROM meta WHERE key <> ? ORDER BY key").all(metaCheck);
  return String(crc32(JSON.stringify(rows.map(({ key, value }) => [key, value]))));
}

/**
 * Reads units of a log, never beyond a head that the caller knows to be durable. Throws
 * `PlatformError("storage-unavailable")` when the disk does not give back what was written.
 *
 * What was moved into cold files, up to `seam`, counts as not there, although its rows may not be removed yet.
 */
export class LogRows implements HotLog {
  seam: Sequence;
  readonly #path: string;
  readonly #exact: StatementSync;
  readonly #several: StatementSync;
  readonly #holding: StatementSync;
  readonly #range: StatementSync;
  readonly #check: UnitCheck;

  constructor(database: DatabaseSync, seam: Sequence = 0) {
    this.seam = seam;
    this.#path = database.location() ?? "log.db";
    const columns = `seq, body, ${hasChecks(database) ? "crc" : "NULL AS crc"}`;
    this.#check = new UnitCheck(getMeta(database, "store"));
    this.#exact = database.prepare(`SELECT ${columns} FROM log WHERE seq = ?`);
    this.#several = database.prepare(
      `SELECT ${columns} FROM log WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq`,
    );
    this.#holding = database.prepare("SELECT seq, at FROM log WHERE seq <= ? AND seq > ? ORDER BY seq DESC LIMIT 1");
    this.#range = database.prepare(`SELECT ${columns} FROM log WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`);
  }

  /** The unit whose first event is `seq`. */
  unit(seq: Sequence): StoredUnit | undefined {
    return this.#guard(() => {
      const row = this.#exact.get(seq);
      return row && this.#unitOf(row);
    });
  }

  /** Those of the units that are there, in the order of the log: half of what asking for one after another takes. */
  units(seqs: readonly Sequence[]): StoredUnit[] {
    if (seqs.length === 0) return [];
    return this.#guard(() => this.#several.all(JSON.stringify(seqs)).map((row) => this.#unitOf(row)));
  }

  /** The last unit, or undefined in an empty log. */
  last(): StoredUnit | undefined {
    return this.#guard(() => {
      const row = this.#holding.get(Number.MAX_SAFE_INTEGER, this.seam);
      return row && this.unit(Number(row["seq"]));
    });
  }

  /** When the unit was recorded that holds an event. */
  recordedAt(seq: Sequence): Instant | undefined {
    return this.#guard(() => {
      const at = this.#holding.get(seq, this.seam)?.["at"];
      return at === undefined ? undefined : Number(at);
    });
  }

  /** As `Storage.readLog`, up to `head`. */
  read(after: Sequence, limit: number, head: Sequence): StoredUnit[] {
    if (after >= head) return [];
    return this.#guard(() => {
      const first = this.#holding.get(after + 1, this.seam)?.["seq"] ?? this.seam + 1;
      const found: StoredUnit[] = [];
      let events = 0;
      let next = after + 1;
      for (const row of this.#range.iterate(Number(first), head, Math.max(1, Math.min(limit, rowsMax)))) {
        const unit = this.#unitOf(row).after(after);
        if (unit.seq !== next) throw this.#missing(next);
        next = unit.lastSeq + 1;
        events += unit.events.length;
        if (found.length > 0 && events > limit) break;
        found.push(unit);
      }
      if (found.length === 0) throw this.#missing(next);
      return found;
    });
  }

  /**
   * As `Storage.sequenceAt`, up to `head`; the seam when no unit after it is that old. Times never run backwards along
   * the log, so it is searched by halves.
   */
  sequenceAt(instant: Instant, head: Sequence): Sequence {
    return this.#guard(() => {
      let [known, beyond] = [this.seam, head + 1];
      while (known + 1 < beyond) {
        const middle = Math.floor((known + beyond) / 2);
        const row = this.#holding.get(middle, this.seam);
        if (row !== undefined && Number(row["at"]) <= instant) known = middle;
        else beyond = row === undefined ? middle : Number(row["seq"]);
      }
      return known;
    });
  }

  #unitOf(row: Record<string, unknown>): StoredUnit {
    const [seq, body, crc] = [Number(row["seq"]), String(row["body"]), row["crc"]];
    if (crc !== null && crc !== this.#check.of(seq, body))
      throw new PlatformError("storage-unavailable", `${this.#path} is damaged: event ${seq} is not what was written`);
    return readUnit(seq, body);
  }

  #missing(seq: Sequence): PlatformError {
    return new PlatformError(
      "storage-unavailable",
      `${this.#path} has no event ${seq}, but later ones: restore the last backup into another folder`,
    );
  }

  #guard<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof InvariantError)
        throw new PlatformError("storage-unavailable", `${this.#path} is damaged: ${error.message}`, { cause: error });
      if (!isDiskFault(error)) throw error;
      throw new PlatformError("storage-unavailable", `${this.#path} can't be read`, { cause: error });
    }
  }
}

const rowsMax = 2 ** 31;

export function walOf(folder: string): string {
  return join(folder, "log.db-wal");
}

export function logBytes(folder: string): number {
  const sizes = [logFileOf(folder), walOf(folder)].map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

export function logFileOf(folder: string): string {
  return join(folder, "log.db");
}

export function hasLogFile(folder: string): boolean {
  return existsSync(logFileOf(folder));
}

export function noLog(folder: string): PlatformError {
  return new PlatformError("storage-unavailable", `there is no log in ${folder}: name a server's data folder`);
}
