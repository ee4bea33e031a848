import { randomUUID } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { formatInstant, type Instant, PlatformError } from "../../../kernel/index.ts";
import {
  copyDatabase,
  firstValue,
  hashFile,
  lockFolder,
  makeFolder,
  openDatabase,
  syncFile,
  syncFolder,
  transaction,
} from "../../sqlite/index.ts";
import type { Epoch, Sequence } from "../port.ts";
import { checkFormat, hasLogFile, LogRows, logFileOf, noLog, putMeta, readMeta } from "./log-database.ts";
import { syncWal } from "./reader.ts";

/** What a backup says of itself, in `manifest.json` beside its `log.db`. */
export interface BackupManifest {
  readonly format: 1;
  readonly store: string;
  /** The epoch that was current. */
  readonly epoch: Epoch;
  readonly lastSequence: Sequence;
  /** When the last unit was recorded, RFC 3339; absent in an empty log. */
  readonly recordedAt?: string;
  readonly events: number;
  readonly units: number;
  /** SHA-256 of `log.db`, hexadecimal. */
  readonly sha256: string;
  /** What `queues.db` holds that lies beside it; absent when there were no queues. */
  readonly queues?: QueuesInBackup;
}

export interface QueuesInBackup {
  /** Messages that had not come to an end. */
  readonly waiting: number;
  readonly deadLetters: number;
  /** SHA-256 of `queues.db`, hexadecimal. */
  readonly sha256: string;
}

/** How the queues of a folder go with its log, for a folder that has both. */
export interface QueuesBackup {
  /** Makes a copy in the backup; undefined when there are no queues. */
  copy(folder: string, destination: string): Promise<QueuesInBackup | undefined>;
  /** Makes a folder's queues from those of a backup. */
  restore(backup: string, folder: string): Promise<void>;
}

/**
 * Copies the log of a folder into a new folder, whole and as it was at one moment, also while a server writes it; the
 * copying is done by a thread of its own. When it resolves, the backup survives a loss of power, and so does everything
 * in it at the place that it was taken from.
 *
 * The queues are copied before the log: what was recorded in between waits in the copy of the queues and stands in that
 * of the log, which whoever handles it bears; the other way round it would be in neither.
 *
 * Throws `PlatformError("storage-unavailable")` when there is no log, or the destination holds anything already.
 */
export async function backupStore(options: {
  readonly folder: string;
  readonly destination: string;
  readonly queues?: QueuesBackup;
}): Promise<BackupManifest> {
  const [folder, destination] = [resolve(options.folder), resolve(options.destination)];
  if (!hasLogFile(folder)) throw noLog(folder);
  if (existsSync(destination) && readdirSync(destination).length > 0) {
    throw new PlatformError(
      "storage-unavailable",
      `${destination} is not empty, and a backup overwrites nothing: name a new folder`,
    );
  }
  makeFolder(destination);
  const copy = logFileOf(destination);
  const manifestFile = join(destination, "manifest.json");
  try {
    const queues = await options.queues?.copy(folder, destination);
    await copyDatabase({ from: logFileOf(folder), to: copy });
    await syncWal(folder);
    const manifest = { ...describeLog(copy), sha256: await hashFile(copy), ...(queues && { queues }) };
    syncFile(copy);
    writeFileSync(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`, { flag: "wx" });
    syncFile(manifestFile);
    syncFolder(destination);
    return manifest;
  } catch (error) {
    for (const file of [copy, manifestFile, join(destination, "queues.db")]) rmSync(file, { force: true });
    throw error;
  }
}

/** Where a restore ends: after a sequence, or with what was recorded up to an instant. */
export type RestorePoint = { readonly sequence: Sequence } | { readonly instant: Instant };

export interface RestoredStore {
  readonly lastSequence: Sequence;
  readonly epoch: Epoch;
  /** What came back of queues; absent when the backup has none. */
  readonly queues?: QueuesInBackup;
}

/**
 * Makes a folder's log from a backup: whole, or without the units that are not wholly before a point. It begins a new
 * epoch, with everything outgoing paused. Queues come back as they were, whatever the point: what was taken in is still to be
 * done. The log appears in the folder last, once all is complete and on disk.
 *
 * Throws `PlatformError("storage-unavailable")` when the backup is not what its manifest says, when it ends before the
 * point, or when the folder has a log already.
 */
export async function restoreStore(options: {
  readonly backup: string;
  readonly folder: string;
  readonly upTo?: RestorePoint;
  readonly queues?: QueuesBackup;
}): Promise<RestoredStore> {
  const [backup, folder] = [resolve(options.backup), resolve(options.folder)];
  const manifest = await checkBackup(backup);
  const { upTo } = options;
  if (upTo !== undefined && "sequence" in upTo && upTo.sequence > manifest.lastSequence) {
    throw new PlatformError(
      "storage-unavailable",
      `the backup ends at event ${manifest.lastSequence}, before event ${upTo.sequence}`,
    );
  }
  makeFolder(folder);
  const lock = lockFolder(folder);
  const made = join(folder, "log.db.restoring");
  try {
    const inTheWay = ["log.db", "log.db-wal", "derived.db", "queues.db", "queues.db-wal"].find((name) =>
      existsSync(join(folder, name)),
    );
    if (inTheWay !== undefined) {
      throw new PlatformError(
        "storage-unavailable",
        `${folder} has a ${inTheWay} already; restore into another folder`,
      );
    }
    copyFileSync(logFileOf(backup), made);
    const restored = cutLog(made, upTo);
    syncFile(made);
    if (manifest.queues !== undefined) await options.queues?.restore(backup, folder);
    renameSync(made, logFileOf(folder));
    syncFolder(folder);
    return { ...restored, ...(manifest.queues && { queues: manifest.queues }) };
  } catch (error) {
    rmSync(made, { force: true });
    throw error;
  } finally {
    lock.release();
  }
}

/** Compares a backup with its manifest. Throws `PlatformError("storage-unavailable")`. */
export async function checkBackup(backup: string): Promise<BackupManifest> {
  const manifest = readManifest(backup);
  const file = logFileOf(backup);
  if (!existsSync(file) || (await hashFile(file)) !== manifest.sha256) {
    throw new PlatformError("storage-unavailable", `${file} is not what its manifest says: the backup is damaged`);
  }
  const queues = join(backup, "queues.db");
  if (manifest.queues !== undefined && (!existsSync(queues) || (await hashFile(queues)) !== manifest.queues.sha256)) {
    throw new PlatformError("storage-unavailable", `${queues} is not what its manifest says: the backup is damaged`);
  }
  return manifest;
}

function readManifest(backup: string): BackupManifest {
  const file = join(backup, "manifest.json");
  let manifest: Partial<BackupManifest>;
  try {
    manifest = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new PlatformError(
      "storage-unavailable",
      `${file} can't be read: this is no whole backup; name a folder that a backup has made`,
      { cause: error },
    );
  }
  if (manifest.format !== 1 || typeof manifest.sha256 !== "string" || !Number.isSafeInteger(manifest.lastSequence)) {
    throw new PlatformError("storage-unavailable", `${file} is no manifest that this version of Larder can read`);
  }
  return manifest as BackupManifest;
}

function describeLog(path: string): Omit<BackupManifest, "sha256"> {
  const database = openDatabase(path, { readOnly: true });
  try {
    checkFormat(database, path);
    const { storeId, epochs } = readMeta(database);
    const [epoch] = epochs.slice(-1);
    if (epoch === undefined) throw new PlatformError("storage-unavailable", `${path} has no epoch`);
    const last = new LogRows(database).last();
    const lastSequence = last?.lastSeq ?? 0;
    return {
      format: 1,
      store: storeId,
      epoch,
      lastSequence,
      ...(last && { recordedAt: formatInstant(last.meta.recordedAt) }),
      events: lastSequence,
      units: Number(firstValue(database, "SELECT count(*) FROM log")),
    };
  } finally {
    database.close();
  }
}

/** Removes what is after the point from a copy of a log, and begins its new epoch. */
function cutLog(path: string, upTo: RestorePoint | undefined): RestoredStore {
  const database = openDatabase(path);
  try {
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    checkFormat(database, path);
    return transaction(database, () => {
      removeAfter(database, upTo);
      const lastSequence = new LogRows(database).last()?.lastSeq ?? 0;
      const { epochs } = readMeta(database);
      const epoch: Epoch = {
        number: (epochs.at(-1)?.number ?? 0) + 1,
        id: randomUUID(),
        startsAfter: lastSequence,
      };
      putMeta(database, "epochs", JSON.stringify([...epochs, epoch]));
      putMeta(database, "outgoing-paused", "1");
      return { lastSequence, epoch };
    });
  } finally {
    database.close();
  }
}

function removeAfter(database: DatabaseSync, upTo: RestorePoint | undefined): void {
  if (upTo === undefined) return;
  if ("instant" in upTo) {
    database.prepare("DELETE FROM log WHERE at > ?").run(upTo.instant);
    return;
  }
  database.prepare("DELETE FROM log WHERE seq > ?").run(upTo.sequence);
  // The unit that the point falls into begins before it but ends after it.
  const last = new LogRows(database).last();
  if (last !== undefined && last.lastSeq > upTo.sequence)
    database.prepare("DELETE FROM log WHERE seq = ?").run(last.seq);
}
