import { resolve } from "node:path";
import { checkWal, type DiskSync, isDamage, lockFolder, makeFolder, transaction, WalSync } from "../../sqlite/index.ts";
import { LocalMessaging, type LocalOptions } from "../local-messaging.ts";
import type { Messaging } from "../port.ts";
import { GroupWriter } from "./group-writer.ts";
import { damagedQueues, openQueues, queuesWalOf } from "./queues-database.ts";
import { SqliteBook } from "./sqlite-book.ts";

export interface SqliteMessagingOptions extends LocalOptions {
  /** Where `queues.db` is, beside the log; made when it is not there. */
  readonly folder: string;
  /** How writes reach the disk; tests pass one that fails. */
  readonly sync?: DiskSync;
}

/**
 * Opens the queues of a folder, for one process at a time; that process may have the log of the folder open too.
 *
 * A transaction that a crash cut short at the end of the WAL had not been acknowledged and is left out. Throws
 * `PlatformError("storage-unavailable")`, with nothing changed, when another process has the folder, when the WAL is
 * damaged before its end, or when the file is not what SQLite wrote. Damage inside `queues.db` that shows only when it is read is
 * answered in the same way then.
 */
export async function openSqliteMessaging(options: SqliteMessagingOptions): Promise<Messaging> {
  const folder = resolve(options.folder);
  makeFolder(folder);
  const lock = lockFolder(folder, "queues");
  const opened: { close(): void }[] = [];
  try {
    checkWal(queuesWalOf(folder));
    const database = openQueues(folder);
    opened.push(database);
    const book = new SqliteBook(database);
    transaction(database, () => book.releaseAll(options.clock()));
    const sync = options.sync ?? new WalSync(queuesWalOf(folder));
    opened.push(sync);
    // What a crash left in the WAL may not have reached the disk, nor has the block of tokens that was just reserved.
    await sync.sync();
    return new LocalMessaging(new GroupWriter(folder, lock, database, sync, book), options);
  } catch (error) {
    for (const part of opened.reverse()) part.close();
    lock.release();
    throw isDamage(error) ? damagedQueues(folder, error) : error;
  }
}
