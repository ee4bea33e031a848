import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PlatformError } from "../../../kernel/index.ts";
import { isBusy, openDatabase } from "./database.ts";

/** Milliseconds to wait for the folder: a tool that looks at a log at rest holds it for a moment. */
const lockWaitMs = 250;

export interface FolderLock {
  release(): void;
}

/**
 * Lets one process, and in it one opener, have a folder. The lock is SQLite's own on an empty database, so the kernel
 * lets go of it however the process ends; `lock.pid` beside it only serves the message.
 *
 * Throws `PlatformError("storage-unavailable")` when another one has the folder.
 */
export function lockFolder(folder: string): FolderLock {
  const database = openDatabase(join(folder, "lock.db"), { waitMs: lockWaitMs });
  const pidFile = join(folder, "lock.pid");
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new PlatformError(
      "storage-unavailable",
      `the folder ${folder} is in use by another process${ownerOf(pidFile)}; one process at a time may open it: stop that one, or name another folder`,
      { cause: error },
    );
  }
  writeFileSync(pidFile, `${process.pid}\n`);
  return {
    release() {
      rmSync(pidFile, { force: true });
      database.close();
    },
  };
}

function ownerOf(pidFile: string): string {
  try {
    return ` (pid ${readFileSync(pidFile, "utf8").trim()})`;
  } catch {
    return "";
  }
}
