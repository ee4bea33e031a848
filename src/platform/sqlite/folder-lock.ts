import { readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PlatformError } from "../../kernel/index.ts";
import { isBusy, openDatabase } from "./database.ts";

/** Milliseconds to wait for the folder: a tool that looks at a log at rest holds it for a moment. */
const lockWaitMs = 250;

export interface FolderLock {
  release(): void;
}

/** What a folder holds that is opened by itself. */
export type Part = "log" | "queues";

interface HeldFolder {
  readonly parts: Set<Part>;
  release(): void;
}

/** The folders that this process has, by their real path. */
const heldFolders = new Map<string, HeldFolder>();

/**
 * Lets one process have a folder, and in it one opener each part. The lock is SQLite's own on an empty database, so the
 * kernel lets go of it however the process ends; `lock.pid` beside it only serves the message.
 *
 * Throws `PlatformError("storage-unavailable")` when another process has the folder, or this one the part.
 */
export function lockFolder(folder: string, part: Part = "log"): FolderLock {
  const path = realpathSync(folder);
  const held = heldFolders.get(path) ?? takeFolder(folder, path);
  if (held.parts.has(part)) throw inUse(folder);
  heldFolders.set(path, held);
  held.parts.add(part);
  return {
    release() {
      if (!held.parts.delete(part) || held.parts.size > 0) return;
      heldFolders.delete(path);
      held.release();
    },
  };
}

function takeFolder(folder: string, path: string): HeldFolder {
  const database = openDatabase(join(path, "lock.db"), { waitMs: lockWaitMs });
  const pidFile = pidFileOf(path);
  try {
    database.exec("BEGIN EXCLUSIVE");
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw inUse(folder, error);
  }
  return {
    parts: new Set(),
    release() {
      rmSync(pidFile, { force: true });
      database.close();
    },
  };
}

function inUse(folder: string, cause?: unknown): PlatformError {
  return new PlatformError(
    "storage-unavailable",
    `the folder ${folder} is in use by another process${ownerOf(pidFileOf(folder))}; one process at a time may open it: stop that one, or name another folder`,
    { cause },
  );
}

function pidFileOf(folder: string): string {
  return join(folder, "lock.pid");
}

function ownerOf(pidFile: string): string {
  try {
    return ` (pid ${readFileSync(pidFile, "utf8").trim()})`;
  } catch {
    return "";
  }
}
