import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, createReadStream, fsyncSync, openSync } from "node:fs";
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

/** Puts a file that was written on disk. */
export function syncFile(path: string): void {
  const descriptor = openSync(path, "r+");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
