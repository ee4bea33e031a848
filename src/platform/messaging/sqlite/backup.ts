import { existsSync, renameSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import {
  copyAnew,
  copyDatabase,
  firstValue,
  hashFile,
  openDatabase,
  removeDatabase,
  settleAtRest,
  syncFile,
  syncFolder,
  transaction,
} from "../../sqlite/index.ts";
import { checkForm, putMeta, queuesFileOf, readMeta } from "./queues-database.ts";

/** How much a folder's queues hold, all together. */
export interface QueueTotals {
  /** Messages that have not come to an end. */
  readonly waiting: number;
  readonly deadLetters: number;
}

/**
 * Copies the queues of a folder, as they are at one moment, also while a server uses them; undefined when there are none.
 * Throws `PlatformError("storage-unavailable")` when they are damaged.
 */
export async function copyQueues(
  folder: string,
  destination: string,
): Promise<(QueueTotals & { readonly sha256: string }) | undefined> {
  if (!existsSync(queuesFileOf(folder))) return undefined;
  settleAtRest(folder, "queues", queuesFileOf(folder));
  const copy = queuesFileOf(destination);
  await copyDatabase({ from: queuesFileOf(folder), to: copy });
  const totals = reading(destination, totalsOf);
  syncFile(copy);
  return { ...totals, sha256: await hashFile(copy) };
}

/**
 * Makes a folder's queues from those of a backup: what waited waits, dead letters are dead. Ids of messages that had come
 * to an end are forgotten, for a log that was cut may not hold any more what became of them: whoever sends such a message
 * again must be heard. Tokens go on far above all that the queues can have given out since the backup.
 */
export async function restoreQueues(backup: string, folder: string): Promise<void> {
  const made = `${queuesFileOf(folder)}.restoring`;
  try {
    copyAnew(queuesFileOf(backup), made);
    const database = openDatabase(made);
    try {
      database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
      checkForm(database, made);
      transaction(database, () => {
        database.exec("DELETE FROM known WHERE place NOT IN (SELECT place FROM content)");
        putMeta(database, "tokens", String(Number(readMeta(database, "tokens")) + tokensBetween));
      });
    } finally {
      database.close();
    }
    syncFile(made);
    renameSync(made, queuesFileOf(folder));
    syncFolder(folder);
  } catch (error) {
    removeDatabase(made);
    throw error;
  }
}

/** Tokens passed over at a restore: at 100,000 leases a second, those of 4 months; and there is room for 8,000 restores. */
const tokensBetween = 2 ** 40;

/** How much the queues of a folder hold; undefined when it has none. Also beside a running server. */
export function countQueues(folder: string): QueueTotals | undefined {
  return existsSync(queuesFileOf(folder)) ? reading(folder, totalsOf) : undefined;
}

function totalsOf(database: DatabaseSync): QueueTotals {
  return {
    waiting: Number(firstValue(database, "SELECT coalesce(sum(waiting), 0) FROM queue")),
    deadLetters: Number(firstValue(database, "SELECT coalesce(sum(dead), 0) FROM queue")),
  };
}

function reading<T>(folder: string, read: (database: DatabaseSync) => T): T {
  const path = queuesFileOf(folder);
  const database = openDatabase(path, { readOnly: true, waitMs: 1000 });
  try {
    checkForm(database, path);
    return read(database);
  } finally {
    database.close();
  }
}
