import { resolve } from "node:path";
import { PlatformError } from "../../../kernel/index.ts";
import { type DiskSync, isDamage, lockFolder, makeFolder, WalSync } from "../../sqlite/index.ts";
import { noTags, type Tagging } from "../port.ts";
import type { ColdWriter } from "./cold-writer.ts";
import { DerivedDatabase, isDerivedMarked } from "./derived-database.ts";
import { hasLogFile, logFileOf, openLog, readMeta, refuseLostLog, walOf } from "./log-database.ts";
import { SqliteStorage } from "./sqlite-storage.ts";
import { closeWithoutCopy, mendTail } from "./wal-tail.ts";

export interface SqliteStorageOptions {
  /** Where `log.db` and `derived.db` are; made when it is not there. */
  readonly folder: string;
  readonly tagging?: Tagging;
  /** A module that exports `ColdColumns`: what cold files hold for whoever queries them. */
  readonly coldColumns?: URL;
  /** How cold files are written: tests do it on their own thread. */
  readonly coldWriter?: ColdWriter;
  /** How writes reach the disk; tests pass one that fails. */
  readonly sync?: DiskSync;
}

/**
 * Opens the log of a folder, for one process at a time.
 *
 * Throws `PlatformError("storage-unavailable")` when another process has it, when the log is damaged before its end
 * (`wal-check.ts`), or when it is shorter than what was derived from it; in each case nothing has been changed.
 */
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  const folder = resolve(options.folder);
  makeFolder(folder);
  try {
    return await open(folder, options);
  } catch (error) {
    // Damage that opening found in what is derived is marked, and a second try begins without it.
    if (!isDerivedMarked(folder)) throw error;
    return await open(folder, options);
  }
}

async function open(folder: string, options: SqliteStorageOptions): Promise<SqliteStorage> {
  const lock = lockFolder(folder);
  const opened: { close(): void }[] = [];
  try {
    if (!hasLogFile(folder)) refuseLostLog(folder, ["log.db-wal", "derived.db", "archive"]);
    mendTail(walOf(folder));
    const log = openLog(folder);
    // A folder that is refused stays as it is: closing would copy the WAL into the database.
    opened.push({ close: () => closeWithoutCopy(folder, () => log.close()) });
    const sync = options.sync ?? new WalSync(walOf(folder));
    opened.push(sync);
    // What a crash left at the end of the WAL may not have reached the disk; nobody may see it before it has.
    await sync.sync();
    const { storeId, epochs } = readMeta(log);
    const { tagging = noTags } = options;
    const derived = DerivedDatabase.open(folder, `${storeId} ${epochs.at(-1)?.id} ${tagging.version}`);
    opened.push(derived);
    const storage = new SqliteStorage(folder, lock, log, sync, derived, options);
    await storage.readTail();
    return storage;
  } catch (error) {
    for (const part of opened.reverse()) part.close();
    lock.release();
    if (!isDamage(error)) throw error;
    throw new PlatformError("storage-unavailable", `${logFileOf(folder)} is damaged: restore the last backup`, {
      cause: error,
    });
  }
}
