/** What is done to a data folder from outside, beside backups. */
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { checkWal, lockFolder, openDatabase, settleAtRest, syncFolder } from "../../sqlite/index.ts";
import { manifestNameOf } from "../cold/index.ts";
import { archiveProblems } from "./copy-archive.ts";
import { checkFormat, hasLogFile, logBytes, logFileOf, noLog, readManifests, walOf } from "./log-database.ts";
import { archiveFolderOf } from "./whole-log.ts";

export interface ArchiveCheck {
  readonly files: number;
  readonly bytes: number;
  /** What is missing or damaged, a line each. */
  readonly problems: readonly string[];
  /** Files in the archive's folder that the log does not name: what a run left that was broken off. */
  readonly unknown: readonly string[];
}

/** Compares the cold files of a folder with what its log says of them, also beside a running server. */
export async function checkArchive(options: {
  readonly folder: string;
  /** Whether every byte is read, and not only sizes are compared. */
  readonly whole: boolean;
}): Promise<ArchiveCheck> {
  const folder = resolve(options.folder);
  if (!hasLogFile(folder)) throw noLog(folder);
  settleAtRest(folder, "log", logFileOf(folder));
  const database = openDatabase(logFileOf(folder), { readOnly: true, waitMs: 1000 });
  try {
    checkFormat(database, logFileOf(folder));
    const manifests = readManifests(database);
    const place = archiveFolderOf(folder);
    const known = new Set(manifests.flatMap(({ file }) => [file, manifestNameOf(file)]));
    return {
      files: manifests.length,
      bytes: manifests.reduce((sum, { bytes }) => sum + bytes, 0),
      problems: await archiveProblems(manifests, place, options.whole),
      unknown: namesIn(place).filter((name) => !known.has(name)),
    };
  } finally {
    database.close();
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * Gives the room back that days have left in the log's file when they were moved: writes the file anew, which takes as
 * much free disk as the log then has. Returns its bytes before and after.
 *
 * Throws `PlatformError("storage-unavailable")` when there is no log, or a server has it.
 */
export function compactLog(folder: string): { readonly before: number; readonly after: number } {
  if (!hasLogFile(folder)) throw noLog(folder);
  const lock = lockFolder(folder);
  try {
    checkWal(walOf(folder));
    const before = logBytes(folder);
    const database = openDatabase(logFileOf(folder), { waitMs: 1000 });
    try {
      checkFormat(database, logFileOf(folder));
      // Not through the WAL, whose frames would come out of order (wal-check.ts); a rollback journal guards it as well.
      database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; VACUUM; PRAGMA journal_mode = WAL");
    } finally {
      database.close();
    }
    syncFolder(folder);
    return { before, after: logBytes(folder) };
  } finally {
    lock.release();
  }
}
