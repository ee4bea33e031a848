import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Instant } from "../../../kernel/index.ts";
import { openDatabase, settleAtRest, WalSync } from "../../sqlite/index.ts";
import type { WholeLog } from "../cold/index.ts";
import type { Epoch, LogReader, RecordedUnit, Sequence } from "../port.ts";
import { checkFormat, hasLogFile, type LogRows, logFileOf, noLog, readMeta, walOf } from "./log-database.ts";
import { archiveFolderOf, wholeLogOf } from "./whole-log.ts";

/**
 * Opens the log of a folder for reading only, also while a server writes it: for `verify`, `export` and `backup`. It
 * shows the log as it was at this moment, all of it durable. Close it soon: as long as it is open, the server's WAL
 * can't begin anew and grows.
 *
 * Throws `PlatformError("storage-unavailable")` when there is no log, or when no server has it and it is damaged.
 */
export async function openSqliteReader(options: { readonly folder: string }): Promise<LogReader> {
  const folder = resolve(options.folder);
  if (!hasLogFile(folder)) throw noLog(folder);
  const path = logFileOf(folder);
  settleAtRest(folder, "log", path);
  const database = openDatabase(path, { readOnly: true, waitMs: 1000 });
  try {
    database.exec("BEGIN");
    checkFormat(database, path);
    const reader = new SqliteReader(database, folder);
    await syncWal(folder);
    return reader;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A server's last transaction can be read here before its sync is back; what was read becomes durable by a sync of our own. */
export async function syncWal(folder: string): Promise<void> {
  // Without one, everything is in the database, and was synced on its way there.
  if (!existsSync(walOf(folder))) return;
  const sync = new WalSync(walOf(folder));
  try {
    await sync.sync();
  } finally {
    sync.close();
  }
}

class SqliteReader implements LogReader {
  readonly epochs: readonly Epoch[];
  readonly outgoingPaused: boolean;
  readonly #database: DatabaseSync;
  readonly #whole: WholeLog<LogRows>;
  readonly #head: Sequence;
  readonly #lastRecordedAt: Instant;

  constructor(database: DatabaseSync, folder: string) {
    this.#database = database;
    this.#whole = wholeLogOf(database, archiveFolderOf(folder));
    const { epochs, outgoingPaused } = readMeta(database);
    this.epochs = epochs;
    this.outgoingPaused = outgoingPaused;
    const last = this.#whole.hot.last();
    this.#head = last?.lastSeq ?? 0;
    this.#lastRecordedAt = last?.meta.recordedAt ?? 0;
  }

  head(): Sequence {
    return this.#head;
  }

  lastRecordedAt(): Instant {
    return this.#lastRecordedAt;
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    return await this.#whole.read(after, limit, this.#head);
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    return await this.#whole.sequenceAt(instant, this.#head);
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}
