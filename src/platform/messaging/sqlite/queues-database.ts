import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { PlatformError } from "../../../kernel/index.ts";
import { openDatabase, pageBytes, syncFolder, transaction } from "../../sqlite/index.ts";

/** The form of `queues.db`; a newer one is refused by what only knows this. */
const format = "1";

/**
 * A message has a place: the number of its queue × 2^40 + how many the queue had before it. What changes with each lease
 * is small and apart from the content, which is written once.
 *
 * `due` is when it may be given out, be it waiting, delayed or leased (with a `token`); it is null while an earlier one of
 * its key is there, so that `message_due` finds the next ones whatever waits behind. A dead letter has left `message`,
 * but not `content`, and blocks its key.
 */
const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE queue (number INTEGER PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL,
    next INTEGER NOT NULL, waiting INTEGER NOT NULL, dead INTEGER NOT NULL) STRICT;
  CREATE TABLE subscription (topic TEXT, queue TEXT, PRIMARY KEY (topic, queue)) STRICT, WITHOUT ROWID;
  CREATE TABLE content (place INTEGER PRIMARY KEY, headers TEXT NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE TABLE message (place INTEGER PRIMARY KEY, queue INTEGER NOT NULL, id TEXT NOT NULL, key TEXT, due INTEGER,
    notBefore INTEGER NOT NULL, token INTEGER, attempts INTEGER NOT NULL, sentAt INTEGER NOT NULL, firstAt INTEGER,
    redrives INTEGER NOT NULL, causes TEXT NOT NULL) STRICT;
  CREATE INDEX message_due ON message (queue, due) WHERE due IS NOT NULL;
  CREATE INDEX message_key ON message (queue, key) WHERE key IS NOT NULL;
  CREATE TABLE dead (number INTEGER PRIMARY KEY, place INTEGER NOT NULL, queue INTEGER NOT NULL, id TEXT NOT NULL,
    key TEXT, attempts INTEGER NOT NULL, sentAt INTEGER NOT NULL, firstAt INTEGER NOT NULL, deadAt INTEGER NOT NULL,
    redrives INTEGER NOT NULL, cause TEXT NOT NULL, causes TEXT NOT NULL) STRICT;
  CREATE INDEX dead_queue ON dead (queue);
  CREATE INDEX dead_key ON dead (queue, key) WHERE key IS NOT NULL;
  CREATE UNIQUE INDEX dead_place ON dead (place);
  CREATE TABLE known (queue INTEGER, id TEXT, place INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (queue, id)) STRICT, WITHOUT ROWID;
  CREATE INDEX known_until ON known (until);
  CREATE TABLE record (position INTEGER PRIMARY KEY, number INTEGER NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;`;

export function queuesFileOf(folder: string): string {
  return join(folder, "queues.db");
}

export function queuesWalOf(folder: string): string {
  return join(folder, "queues.db-wal");
}

export function damagedQueues(folder: string, cause: unknown): PlatformError {
  return new PlatformError(
    "storage-unavailable",
    `${queuesFileOf(folder)} is damaged: keep it; without it, and its -wal, the queues begin empty`,
    { cause },
  );
}

/** Opens `queues.db` for writing, and makes it when it is not there. What is written later is synced by `DiskSync`. */
export function openQueues(folder: string): DatabaseSync {
  const path = queuesFileOf(folder);
  if (!existsSync(path) && existsSync(queuesWalOf(folder))) {
    throw new PlatformError(
      "storage-unavailable",
      `${path} is missing, but ${queuesWalOf(folder)} is there: its messages are lost. ` +
        "Put the file back; or move the other one away too, to begin with empty queues",
    );
  }
  const database = openDatabase(path, { waitMs: 1000 });
  try {
    database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
    database.exec("PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1; PRAGMA wal_autocheckpoint = 0");
    // No page reaches the WAL before its transaction is whole, so that its frames come in order (checkWal).
    database.exec("PRAGMA cache_spill = OFF; PRAGMA cache_size = -16000");
    if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'message'").get() === undefined) create(database);
    checkForm(database, path);
    syncFolder(folder);
    database.exec("PRAGMA synchronous = NORMAL");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Throws `PlatformError("storage-unavailable")` when the file has a form that this version does not know. */
export function checkForm(database: DatabaseSync, path: string): void {
  const found = readMeta(database, "format");
  if (found === format) return;
  throw new PlatformError(
    "storage-unavailable",
    `${path} has form ${found}; this version of Larder reads form ${format}`,
  );
}

function create(database: DatabaseSync): void {
  transaction(database, () => {
    database.exec(schema);
    putMeta(database, "format", format);
    putMeta(database, "tokens", "0");
  });
  // From here on the file itself says what it is, whatever happens to its WAL.
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

export function readMeta(database: DatabaseSync, key: string): string {
  return String(database.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.["value"] ?? "");
}

export function putMeta(database: DatabaseSync, key: string, value: string): void {
  database.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)").run(key, value);
}
