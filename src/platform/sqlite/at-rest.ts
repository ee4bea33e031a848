import { existsSync } from "node:fs";
import { openDatabase } from "./database.ts";
import { type FolderLock, lockFolder, type Part } from "./folder-lock.ts";
import { checkWal } from "./wal-check.ts";

/**
 * Readies a database file of a folder for those that only read. A server does this when it starts, and writes the file from
 * then on; only one that no server has can be looked at: its WAL is checked, and a change that was broken off with a
 * rollback journal, as `larder archive --compact`, is taken back.
 *
 * Throws `PlatformError("storage-unavailable")` when it is damaged.
 */
export function settleAtRest(folder: string, part: Part, file: string): void {
  let lock: FolderLock;
  try {
    lock = lockFolder(folder, part);
  } catch {
    return;
  }
  try {
    checkWal(`${file}-wal`);
    if (existsSync(`${file}-journal`)) takeBack(file);
  } finally {
    lock.release();
  }
}

/** The first who reads a file with such a journal plays it back, and must be able to write. */
function takeBack(file: string): void {
  const database = openDatabase(file);
  try {
    database.exec("SELECT count(*) FROM sqlite_schema");
  } finally {
    database.close();
  }
}
