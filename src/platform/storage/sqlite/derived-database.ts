import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { PlatformError } from "../../../kernel/index.ts";
import { isDamage, openDatabase, pageBytes, transaction } from "../../sqlite/index.ts";
import type { DerivedChanges, DerivedDocument, DerivedStore, Sequence } from "../port.ts";
import { DamagedPageError, RunStore } from "./key-run.ts";

/** Grows when the tables change: what an older version derived is then derived again. */
const format = "2";
/** Bytes up to which the file is checked whole at each opening; a larger one is trusted until a read finds damage. */
const checkedBytesMax = 64 * 1024 * 1024;

const schema = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS checkpoint (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS document (consumer TEXT, id TEXT, body TEXT NOT NULL,
    PRIMARY KEY (consumer, id)) STRICT, WITHOUT ROWID;
  ${RunStore.schema}`;

/**
 * `derived.db`: what consumers keep, and the runs of the key index. A commit is not synced (`synchronous=NORMAL`), but
 * after a loss of power the file is as it was after some commit.
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
    for (const { consumer, seq } of connection.prepare("SELECT consumer, seq FROM checkpoint").all()) {
      this.#checkpoints.set(String(consumer), Number(seq));
    }
  }

  /** Opens what belongs to this history of this store; anything else, or anything damaged, is replaced by an empty one. */
  static open(folder: string, history: string): DerivedDatabase {
    const path = join(folder, "derived.db");
    if (existsSync(markOf(path))) removeDerived(folder);
    try {
      return DerivedDatabase.#tryOpen(path, history) ?? DerivedDatabase.#create(folder, path, history);
    } catch (error) {
      if (!isDamage(error)) throw error;
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
    this.#statements.putCheckpoint.run(consumer, seq);
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
          this.#statements.putCheckpoint.run(consumer, checkpoint);
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
  }

  #put(consumer: string, { id, body }: DerivedDocument): void {
    this.#statements.put.run(consumer, id, body);
    this.#bytesWritten += body.length + pageBytes / 4;
  }

  #remove(consumer: string, id: string): void {
    this.#statements.remove.run(consumer, id);
    this.#bytesWritten += pageBytes / 4;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isDamage(error) && !(error instanceof DamagedPageError)) throw error;
      writeFileSync(markOf(this.#path), "");
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
    putCheckpoint: prepare("INSERT OR REPLACE INTO checkpoint (consumer, seq) VALUES (?, ?)"),
    put: prepare("INSERT OR REPLACE INTO document (consumer, id, body) VALUES (?, ?, ?)"),
    get: prepare("SELECT id, body FROM document WHERE consumer = ? AND id = ?"),
    scan: prepare("SELECT id, body FROM document WHERE consumer = ? AND id > ? ORDER BY id LIMIT ?"),
    remove: prepare("DELETE FROM document WHERE consumer = ? AND id = ?"),
  };
}

function documentOf({ id, body }: Record<string, unknown>): DerivedDocument {
  return { id: String(id), body: String(body) };
}

function isWhole(path: string, connection: DatabaseSync): boolean {
  if (sizeOf(path) + sizeOf(`${path}-wal`) > checkedBytesMax) return true;
  return connection.prepare("PRAGMA quick_check(1)").get()?.["quick_check"] === "ok";
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
  const path = join(folder, "derived.db");
  for (const file of [path, `${path}-wal`, `${path}-shm`, markOf(path)]) rmSync(file, { force: true });
}

function markOf(path: string): string {
  return `${path}.damaged`;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
