import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, closeSync, copyFileSync, createReadStream, fsyncSync, openSync, rmSync, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Worker } from "node:worker_threads";
import { PlatformError } from "../../kernel/index.ts";
import type { CopyRequest } from "./copy-worker.ts";
import { isDamage } from "./database.ts";

/**
 * Makes a copy of a database as it is at one moment, also while another process writes it. Throws
 * `PlatformError("storage-unavailable")`.
 */
export async function copyDatabase(request: CopyRequest): Promise<void> {
  const worker = new Worker(new URL("./copy-worker.ts", import.meta.url), { workerData: request });
  try {
    await once(worker, "exit");
  } catch (error) {
    const reason = isDamage(error) ? "is damaged" : "can't be copied";
    throw new PlatformError("storage-unavailable", `${request.from} ${reason}`, { cause: error });
  }
}

/** SHA-256 of a file, hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/**
 * Copies a file that may be written, whatever its source may be. Of a copy that was broken off nothing is left that SQLite would
 * take for this one's own: a journal beside it would be played back into it.
 */
export function copyAnew(from: string, to: string): void {
  removeDatabase(to);
  copyFileSync(from, to);
  chmodSync(to, statSync(to).mode | 0o200);
}

/** Removes a database with all that SQLite keeps beside it. */
export function removeDatabase(path: string): void {
  for (const beside of ["-journal", "-wal", "-shm", ""]) rmSync(path + beside, { force: true });
}

/** Puts a file that was written on disk. */
export function syncFile(path: string): void {
  const descriptor = openSync(path, "r+");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
