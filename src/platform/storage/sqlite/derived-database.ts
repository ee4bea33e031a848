import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { PlatformError } from "../../../kernel/index.ts";
import { isDamage, isDiskFault, openDatabase, pageBytes, transaction } from "../../sqlite/index.ts";
import type { DerivedChanges, DerivedDocument, DerivedStore, Sequence } from "../port.ts";
import { DamagedPageError, RunStore } from "./key-run.ts";

/** Grows when the tables change: what an older version derived is then derived again. */
const format = "4";
/** Bytes up to which the file is checked whole at each opening; a larger one is trusted until a read finds damage. */
const checkedBytesMax = 64 * 1024 * 1024;

// Documents have row ids, so that keys are compared without bodies: without them a search that comes by a snapshot of
// a megabyte reads all of it, 60 µs for each document put beside it.
const schema = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS checkpoint (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS document (consumer TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (consumer, id)) STRICT;
  ${RunStore.schema}`;

/**
 * `derived.db`: what consumers keep, and the runs of the key index. A commit is not synced (`synchronous=NORMAL`), but
 * after a loss of power the file is as it was after some commit.
 *
 * Each document has a checksum. A close leaves one of the whole file beside it, for the next opening to compare: so
 * damage to a file at rest is found, and an older copy of it is not mixed with what the log has come to since.
 *
 * Damage found while it is in use is marked by a file beside it, and answered with
 * `PlatformError("storage-unavailable")`; the next opening then begins with an empty one.
 */
export class DerivedDatabase implements DerivedStore {
  readonly connection: DatabaseSync;
  readonly #path: string;
  readonly #checkpoints = new Map<string, Sequence>();
  readonly #statements: Statements;
  #bytesWritten = 0;

  private constructor(path: string, connection: DatabaseSync) {
    this.#path = path;
    this.connection = connection;
    this.#statements = prepareAll(connection);
    for (const { consumer, seq, crc } of connection.prepare("SELECT consumer, seq, crc FROM checkpoint").all()) {
      if (crc !== checkpointCheck(String(consumer), Number(seq))) throw new DamagedDocumentError(`of ${consumer}`);
      this.#checkpoints.set(String(consumer), Number(seq));
    }
  }

  /** Opens what belongs to this history of this store; anything else, or anything damaged, is replaced by an empty one. */
  static open(folder: string, history: string): DerivedDatabase {
    const path = derivedFileOf(folder);
    if (existsSync(markOf(path)) || !isAsClosed(path)) removeDerived(folder);
    rmSync(sumOf(path), { force: true });
    try {
      return DerivedDatabase.#tryOpen(path, history) ?? DerivedDatabase.#create(folder, path, history);
    } catch (error) {
      if (!isDamage(error) && !(error instanceof DamagedDocumentError)) throw error;
      return DerivedDatabase.#create(folder, path, history);
    }
  }

  static #create(folder: string, path: string, history: string): DerivedDatabase {
    removeDerived(folder);
    const connection = openDatabase(path, { waitMs: 1000 });
    connection.exec(`PRAGMA page_size = ${pageBytes}`);
    connection.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA checkpoint_fullfsync = 1");
    connection.exec("PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16000");
    transaction(connection, () => {
      connection.exec(schema);
      const put = connection.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
      put.run("format", format);
      put.run("history", history);
    });
    return new DerivedDatabase(path, connection);
  }

  static #tryOpen(path: string, history: string): DerivedDatabase | undefined {
    if (!existsSync(path)) return undefined;
    const connection = openDatabase(path, { waitMs: 1000 });
    try {
      connection.exec("PRAGMA synchronous = NORMAL; PRAGMA checkpoint_fullfsync = 1");
      connection.exec("PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16000");
      if (isWhole(path, connection) && isOfHistory(connection, history)) return new DerivedDatabase(path, connection);
    } catch (error) {
      connection.close();
      throw error;
    }
    connection.close();
    return undefined;
  }

  /** Bytes handed to the write-ahead log since `resetBytesWritten`, roughly. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  resetBytesWritten(): void {
    this.#bytesWritten = 0;
  }

  /** Runs steps of the key index in one transaction. */
  transaction<T>(work: () => T): T {
    this.#bytesWritten += 512 * 1024;
    return this.#guard(() => transaction(this.connection, work));
  }

  /** Reads pages of the key index. */
  reading<T>(read: () => T): T {
    return this.#guard(read);
  }

  /** Moves a checkpoint within the caller's transaction; to be called again by what is returned once that is written. */
  moveCheckpoint(consumer: string, seq: Sequence): () => void {
    this.#statements.putCheckpoint.run(consumer, seq, checkpointCheck(consumer, seq));
    return () => this.#checkpoints.set(consumer, seq);
  }

  checkpoint(consumer: string): Sequence {
    return this.#checkpoints.get(consumer) ?? 0;
  }

  /** The furthest that any consumer has come. */
  furthestCheckpoint(): Sequence {
    return Math.max(0, ...this.#checkpoints.values());
  }

  commit(changes: readonly DerivedChanges[]): void {
    this.#guard(() =>
      transaction(this.connection, () => {
        for (const { consumer, checkpoint, put, remove } of changes) {
          this.#statements.putCheckpoint.run(consumer, checkpoint, checkpointCheck(consumer, checkpoint));
          for (const id of remove) this.#remove(consumer, id);
          for (const document of put) this.#put(consumer, document);
        }
      }),
    );
    for (const { consumer, checkpoint } of changes) this.#checkpoints.set(consumer, checkpoint);
  }

  get(consumer: string, id: string): DerivedDocument | undefined {
    return this.#guard(() => {
      const row = this.#statements.get.get(consumer, id);
      return row && documentOf(row);
    });
  }

  scan(consumer: string, after: string, limit: number): readonly DerivedDocument[] {
    return this.#guard(() => this.#statements.scan.all(consumer, after, limit).map(documentOf));
  }

  reset(consumer: string): void {
    this.#guard(() =>
      transaction(this.connection, () => {
        for (const table of ["checkpoint", "document"]) {
          this.connection.prepare(`DELETE FROM ${table} WHERE consumer = ?`).run(consumer);
        }
      }),
    );
    this.#checkpoints.delete(consumer);
  }

  bytes(): number {
    return sizeOf(this.#path) + sizeOf(`${this.#path}-wal`);
  }

  close(): void {
    this.connection.close();
    // Left over when another connection has it open, or the disk refused: then the next opening has nothing to compare.
    if (existsSync(`${this.#path}-wal`)) return;
    try {
      writeFileSync(sumOf(this.#path), String(sumOfFile(this.#path)));
    } catch {
      rmSync(sumOf(this.#path), { force: true });
    }
  }

  #put(consumer: string, { id, body }: DerivedDocument): void {
    this.#statements.put.run(consumer, id, body, documentCheck(id, body));
    this.#bytesWritten += body.length + pageBytes / 4;
  }

  #remove(consumer: string, id: string): void {
    this.#statements.remove.run(consumer, id);
    this.#bytesWritten += pageBytes / 4;
  }

  /** Where even that is refused, the next opening finds the damage as this process did. */
  #mark(): void {
    try {
      writeFileSync(markOf(this.#path), "");
    } catch {}
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isDamage(error) && !(error instanceof DamagedPageError) && !(error instanceof DamagedDocumentError)) {
        if (!isDiskFault(error)) throw error;
        throw new PlatformError("storage-unavailable", `the disk fails ${this.#path}`, { cause: error });
      }
      this.#mark();
      throw new PlatformError(
        "storage-unavailable",
        `${this.#path} is damaged; nothing of the log is lost, and the next start derives it again`,
        { cause: error },
      );
    }
  }
}

interface Statements {
  readonly putCheckpoint: StatementSync;
  readonly put: StatementSync;
  readonly get: StatementSync;
  readonly scan: StatementSync;
  readonly remove: StatementSync;
}

function prepareAll(connection: DatabaseSync): Statements {
  const prepare = (sql: string) => connection.prepare(sql);
  return {
    putCheckpoint: prepare("INSERT OR REPLACE INTO checkpoint (consumer, seq, crc) VALUES (?, ?, ?)"),
    put: prepare(
      "INSERT INTO document (consumer, id, body, crc) VALUES (?, ?, ?, ?) " +
        "ON CONFLICT (consumer, id) DO UPDATE SET body = excluded.body, crc = excluded.crc",
    ),
    get: prepare("SELECT id, body, crc FROM document WHERE consumer = ? AND id = ?"),
    scan: prepare("SELECT id, body, crc FROM document WHERE consumer = ? AND id > ? ORDER BY id LIMIT ?"),
    remove: prepare("DELETE FROM document WHERE consumer = ? AND id = ?"),
  };
}

function documentOf({ id, body, crc }: Record<string, unknown>): DerivedDocument {
  const document = { id: String(id), body: String(body) };
  if (crc !== documentCheck(document.id, document.body)) throw new DamagedDocumentError(document.id);
  return document;
}

/** Thrown when a document is not what was written; it can be derived again. */
class DamagedDocumentError extends Error {
  constructor(id: string) {
    super(`the document ${id} is damaged`);
    this.name = "DamagedDocumentError";
  }
}

function documentCheck(id: string, body: string): number {
  return crc32(body, crc32(id));
}

function checkpointCheck(consumer: string, seq: Sequence): number {
  return crc32(`${consumer} ${seq}`);
}

function isWhole(path: string, connection: DatabaseSync): boolean {
  if (sizeOf(path) + sizeOf(`${path}-wal`) > checkedBytesMax) return true;
  // Not `quick_check`, which passes over keys that are out of order, as after two pages were swapped.
  return connection.prepare("PRAGMA integrity_check(1)").get()?.["integrity_check"] === "ok";
}

function isOfHistory(connection: DatabaseSync, history: string): boolean {
  const hasMeta = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== undefined;
  if (!hasMeta) return false;
  const meta = new Map(
    connection
      .prepare("SELECT key, value FROM meta")
      .all()
      .map((row) => [row["key"], row["value"]]),
  );
  return meta.get("format") === format && meta.get("history") === history;
}

/** Removes the file and what SQLite and we keep beside it; all of it can be derived again. */
export function removeDerived(folder: string): void {
  const path = derivedFileOf(folder);
  for (const file of [path, `${path}-wal`, `${path}-shm`, markOf(path), sumOf(path)]) rmSync(file, { force: true });
}

/** Whether damage was found in it, so that the next opening begins with an empty one. */
export function isDerivedMarked(folder: string): boolean {
  return existsSync(markOf(derivedFileOf(folder)));
}

export function derivedFileOf(folder: string): string {
  return join(folder, "derived.db");
}

function markOf(path: string): string {
  return `${path}.damaged`;
}

function sumOf(path: string): string {
  return `${path}.sum`;
}

/** Whether the file is as a close left it; true too when it was not closed. */
function isAsClosed(path: string): boolean {
  if (!existsSync(sumOf(path)) || !existsSync(path)) return true;
  return !existsSync(`${path}-wal`) && readFileSync(sumOf(path), "utf8") === String(sumOfFile(path));
}

function sumOfFile(path: string): number {
  const descriptor = openSync(path, "r");
  try {
    const window = Buffer.alloc(1024 * 1024);
    let sum = 0;
    for (let at = 0; ; ) {
      const count = readSync(descriptor, window, 0, window.length, at);
      if (count === 0) return sum;
      sum = crc32(window.subarray(0, count), sum);
      at += count;
    }
  } finally {
    closeSync(descriptor);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
