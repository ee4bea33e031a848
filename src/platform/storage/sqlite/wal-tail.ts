import { closeSync, openSync, readSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { checkWal, openDatabase, type WalContent, walFrameBytes, walHeaderBytes } from "../../sqlite/index.ts";

/**
 * The last transaction of a log's WAL, which may not be on disk although it can be read: as after a sync that failed, or
 * when the process that wrote it was killed before or after one.
 *
 * Linux counts pages as clean once it has tried to write them, whether or not it could, so after a failed sync another
 * one that succeeds says nothing of them (`man 2 fsync`; PostgreSQL's "fsyncgate"). Only pages that are written again are
 * saved by the next sync. No transaction is begun before the one before it is on disk, so the last one is all there is.
 */
export interface WalTail {
  readonly path: string;
  readonly offset: number;
  readonly bytes: Buffer;
  /** Frames of the WAL up to its end. */
  readonly frames: number;
}

/**
 * Reads the last transaction; undefined when there is none. Throws `PlatformError("storage-unavailable")` when the WAL is
 * damaged before it (`checkWal`).
 */
export function readTail(path: string): WalTail | undefined {
  return tailIn(path, checkWal(path));
}

/**
 * Makes a WAL that a crash has left fit to go on with: what was left of a transaction that never ended is cut off, and the last
 * one that did is written again, for the next sync. Left where they are, those frames would come to stand behind later
 * transactions, and after another crash look like one of them. Throws as `readTail`, and when the disk refuses.
 */
export function mendTail(path: string): void {
  const content = checkWal(path);
  if (content.end > 0 && statSync(path).size > content.end) truncateSync(path, content.end);
  const tail = tailIn(path, content);
  if (tail !== undefined) writeTail(tail);
}

function tailIn(path: string, { frames, lastFrames }: WalContent): WalTail | undefined {
  if (lastFrames === 0) return undefined;
  const offset = walHeaderBytes + (frames - lastFrames) * walFrameBytes;
  const bytes = Buffer.alloc(lastFrames * walFrameBytes);
  const descriptor = openSync(path, "r");
  try {
    for (let filled = 0; filled < bytes.length; ) {
      const count = readSync(descriptor, bytes, filled, bytes.length - filled, offset + filled);
      if (count === 0) return undefined;
      filled += count;
    }
  } finally {
    closeSync(descriptor);
  }
  return { path, offset, bytes, frames };
}

/** Writes the same bytes to the same place, so that the next sync has them to save. Throws when the disk refuses. */
export function writeTail({ path, offset, bytes }: WalTail): void {
  const descriptor = openSync(path, "r+");
  try {
    for (let written = 0; written < bytes.length; )
      written += writeSync(descriptor, bytes, written, bytes.length - written, offset + written);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Closes the last connection to a log in such a way that SQLite does not copy the WAL into the database, as it else does
 * at a close: what may not be on disk must not get there by halves. It takes a second connection, which may only read
 * and so can't copy, that closes after it.
 */
export function closeWithoutCopy(folder: string, close: () => void): void {
  let reader: DatabaseSync | undefined;
  try {
    reader = openDatabase(join(folder, "log.db"), { readOnly: true });
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM meta").get();
  } catch {
    // A disk that can't be read any more takes no copy either.
  }
  close();
  reader?.close();
}
