import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { PlatformError } from "../../kernel/index.ts";

/** Before 3.51.3 a WAL could lose frames when one connection checkpointed while another restarted it (sqlite.org/wal.html). */
const oldestSqlite = "3.51.3";

/** The size of a page of every database here, so that what reads a WAL by itself knows it beforehand. */
export const pageBytes = 4096;

export interface DatabaseOptions {
  readonly readOnly?: boolean;
  /** Milliseconds to wait for a lock that another connection holds. */
  readonly waitMs?: number;
}

/** Opens a database file. Throws `PlatformError("storage-unavailable")` when this runtime's SQLite is too old. */
export function openDatabase(path: string, { readOnly = false, waitMs = 0 }: DatabaseOptions = {}): DatabaseSync {
  const version = process.versions["sqlite"] ?? "0";
  if (!isAtLeast(version, oldestSqlite)) {
    throw new PlatformError(
      "storage-unavailable",
      `SQLite ${version} has a fault that can lose data; ${oldestSqlite} or newer is needed: use the runtime that the project brings`,
    );
  }
  return new DatabaseSync(path, { readOnly, timeout: waitMs });
}

export function isAtLeast(version: string, wanted: string): boolean {
  const [have, need] = [version, wanted].map((text) => text.split(".").map(Number));
  for (const [index, part] of (need ?? []).entries()) {
    const own = have?.[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}

interface Bounds {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
}

/** Prepared once for each connection. */
const boundsOf = new WeakMap<DatabaseSync, Bounds>();

/** Runs `work` in one transaction: all of it or, when it throws, none. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  let bounds = boundsOf.get(database);
  if (bounds === undefined) {
    bounds = { begin: database.prepare("BEGIN IMMEDIATE"), commit: database.prepare("COMMIT") };
    boundsOf.set(database, bounds);
  }
  bounds.begin.run();
  try {
    const value = work();
    bounds.commit.run();
    return value;
  } catch (error) {
    // SQLite itself has rolled back after some errors, such as a full disk.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

const sqliteError = 1;
const sqliteBusy = 5;
const sqliteIoError = 10;
const sqliteCorrupt = 11;
const sqliteFull = 13;
const sqliteCantOpen = 14;
const sqliteNotADatabase = 26;

export function isBusy(error: unknown): boolean {
  return primaryCode(error) === sqliteBusy;
}

/** Whether the file is not what SQLite wrote. */
export function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return code === sqliteCorrupt || code === sqliteNotADatabase || (code === sqliteError && isOfAnotherFormat(error));
}

/** What it says of a header that asks for a format from the future has a code that much else has. */
function isOfAnotherFormat(error: unknown): boolean {
  return error instanceof Error && error.message === "unsupported file format";
}

/** Whether the disk, and not the code, is at fault: it fails, is full, or gives back other bytes than were written. */
export function isDiskFault(error: unknown): boolean {
  const code = primaryCode(error);
  return isDamage(error) || code === sqliteIoError || code === sqliteFull || code === sqliteCantOpen;
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return Number(error.errcode) & 0xff;
}

/** Makes a folder and those above it that are missing, and has them on disk. */
export function makeFolder(folder: string): void {
  if (isFolder(folder)) return;
  const parent = dirname(folder);
  // One by one: `recursive` never ends where nothing can be made, as in /proc.
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    if (!isFolder(folder)) throw error;
  }
  syncFolder(parent);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Makes the names in a folder survive a loss of power: a file is found again only when its folder is on disk too. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The first column of the first row, or undefined. */
export function firstValue(database: DatabaseSync, sql: string, ...values: (string | number)[]): unknown {
  return Object.values(database.prepare(sql).get(...values) ?? {})[0];
}
