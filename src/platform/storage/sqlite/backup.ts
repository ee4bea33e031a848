import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { formatInstant, type Instant, limits, PlatformError } from "../../../kernel/index.ts";
import {
  copyAnew,
  copyDatabase,
  firstValue,
  hashFile,
  lockFolder,
  makeFolder,
  openDatabase,
  removeDatabase,
  settleAtRest,
  syncFile,
  syncFolder,
  transaction,
} from "../../sqlite/index.ts";
import type { ColdManifest, WholeLog } from "../cold/index.ts";
import type { Epoch, Sequence } from "../port.ts";
import { copyArchive } from "./copy-archive.ts";
import {
  checkFormat,
  hasLogFile,
  isTaken,
  LogRows,
  logFileOf,
  noLog,
  putMeta,
  readManifests,
  readMeta,
  removeManifestsFrom,
  UnitCheck,
} from "./log-database.ts";
import { syncWal } from "./reader.ts";
import { archiveFolderOf, wholeLogOf } from "./whole-log.ts";

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
  /** The cold files that belong to it, and whether they are in it, in `archive/`; absent when there are none. */
  readonly archive?: {
    readonly isIncluded: boolean;
    readonly files: readonly { readonly file: string; readonly bytes: number; readonly sha256: string }[];
  };
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
 * in it at the place that it was taken from. Cold files never change, so whoever keeps them by other means may leave them
 * out; the backup says which ones it needs.
 *
 * The queues are copied before the log: what was recorded in between waits in the copy of the queues and stands in that
 * of the log, which whoever handles it bears; the other way round it would be in neither.
 *
 * Throws `PlatformError("storage-unavailable")` when there is no log, or the destination holds anything already, and
 * `archive-unavailable` when a cold file is missing or damaged.
 */
export async function backupStore(options: {
  readonly folder: string;
  readonly destination: string;
  readonly queues?: QueuesBackup;
  readonly leavesArchiveOut?: boolean;
}): Promise<BackupManifest> {
  const [folder, destination] = [resolve(options.folder), resolve(options.destination)];
  if (!hasLogFile(folder)) throw noLog(folder);
  if (existsSync(destination) && readdirSync(destination).length > 0) {
    throw new PlatformError(
      "storage-unavailable",
      `${destination} is not empty, and a backup overwrites nothing: name a new folder`,
    );
  }
  settleAtRest(folder, "log", logFileOf(folder));
  makeFolder(destination);
  const copy = logFileOf(destination);
  const manifestFile = join(destination, "manifest.json");
  try {
    const queues = await options.queues?.copy(folder, destination);
    await copyDatabase({ from: logFileOf(folder), to: copy });
    await syncWal(folder);
    const { described, manifests } = describeLog(copy);
    const isIncluded = options.leavesArchiveOut !== true;
    if (isIncluded) await copyArchive(manifests, archiveFolderOf(folder), archiveFolderOf(destination));
    const files = manifests.map(({ file, bytes, sha256 }) => ({ file, bytes, sha256 }));
    const manifest: BackupManifest = {
      ...described,
      sha256: await hashFile(copy),
      ...(files.length > 0 && { archive: { isIncluded, files } }),
      ...(queues && { queues }),
    };
    syncFile(copy);
    writeFileSync(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`, { flag: "wx" });
    syncFile(manifestFile);
    syncFolder(destination);
    return manifest;
  } catch (error) {
    for (const made of [copy, manifestFile, join(destination, "queues.db"), archiveFolderOf(destination)])
      rmSync(made, { recursive: true, force: true });
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
  /** Where the cold files are that the backup left out: a folder with all of them. */
  readonly archive?: string;
}): Promise<RestoredStore> {
  const [backup, folder] = [resolve(options.backup), resolve(options.folder)];
  const manifest = await checkBackup(backup);
  const archive = options.archive === undefined ? archiveFolderOf(backup) : resolve(options.archive);
  if (manifest.archive?.isIncluded === false && options.archive === undefined) {
    throw new PlatformError(
      "archive-unavailable",
      `the backup holds no cold files, and needs ${manifest.archive.files.length}: say by --archive where they are`,
    );
  }
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
  let isOurs = false;
  try {
    const inTheWay = ["log.db", "log.db-wal", "derived.db", "archive", "queues.db", "queues.db-wal"].find((name) =>
      isTaken(join(folder, name)),
    );
    if (inTheWay !== undefined) {
      throw new PlatformError(
        "storage-unavailable",
        `${folder} has a ${inTheWay} already; restore into another folder`,
      );
    }
    isOurs = true;
    copyAnew(logFileOf(backup), made);
    const { manifests, ...restored } = await cutLog(made, archive, upTo);
    if (upTo === undefined && restored.lastSequence !== manifest.lastSequence)
      throw new PlatformError(
        "storage-unavailable",
        `the backup ends at event ${manifest.lastSequence}, and its copy at ${restored.lastSequence}`,
      );
    await copyArchive(manifests, archive, archiveFolderOf(folder));
    syncFile(made);
    if (manifest.queues !== undefined) await options.queues?.restore(backup, folder);
    renameSync(made, logFileOf(folder));
    syncFolder(folder);
    return { ...restored, ...(manifest.queues && { queues: manifest.queues }) };
  } catch (error) {
    removeDatabase(made);
    if (isOurs) emptyFolder(archiveFolderOf(folder));
    throw error;
  } finally {
    lock.release();
  }
}

function emptyFolder(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { force: true });
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

function describeLog(path: string): {
  readonly described: Omit<BackupManifest, "sha256" | "archive" | "queues">;
  readonly manifests: readonly ColdManifest[];
} {
  const database = openDatabase(path, { readOnly: true });
  try {
    checkFormat(database, path);
    const { storeId, epochs } = readMeta(database);
    const [epoch] = epochs.slice(-1);
    if (epoch === undefined) throw new PlatformError("storage-unavailable", `${path} has no epoch`);
    const manifests = readManifests(database);
    const seam = manifests.at(-1)?.lastSequence ?? 0;
    const last = new LogRows(database, seam).last();
    const lastSequence = last?.lastSeq ?? 0;
    const hotUnits = Number(firstValue(database, "SELECT count(*) FROM log WHERE seq > ?", seam));
    const described = {
      format: 1,
      store: storeId,
      epoch,
      lastSequence,
      ...(last && { recordedAt: formatInstant(last.meta.recordedAt) }),
      events: lastSequence,
      units: manifests.reduce((sum, { units }) => sum + units, hotUnits),
    } as const;
    return { described, manifests };
  } finally {
    database.close();
  }
}

/** Removes what is after the point from a copy of a log, and begins its new epoch. */
async function cutLog(
  path: string,
  archive: string,
  upTo: RestorePoint | undefined,
): Promise<RestoredStore & { readonly manifests: readonly ColdManifest[] }> {
  const database = openDatabase(path);
  try {
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    checkFormat(database, path);
    const whole = wholeLogOf(database, archive);
    const head = whole.hot.last()?.lastSeq ?? 0;
    const cut = upTo === undefined ? head : await lastEventBy(whole, upTo, head);
    const broken = whole.cold.manifests.find(({ lastSequence }) => lastSequence >= cut);
    // The newest unit is always hot, so the file that the point falls into is brought back, up to the point.
    if (broken !== undefined) await bringBack(database, whole, broken.firstSequence, cut);
    return transaction(database, () => {
      database.prepare("DELETE FROM log WHERE seq > ?").run(cut);
      const { epochs } = readMeta(database);
      const epoch: Epoch = { number: (epochs.at(-1)?.number ?? 0) + 1, id: randomUUID(), startsAfter: cut };
      putMeta(database, "epochs", JSON.stringify([...epochs, epoch]));
      putMeta(database, "outgoing-paused", "1");
      return { lastSequence: cut, epoch, manifests: readManifests(database) };
    });
  } finally {
    database.close();
  }
}

/** The last event of the last unit that is wholly there by a point. */
async function lastEventBy(whole: WholeLog, upTo: RestorePoint, head: Sequence): Promise<Sequence> {
  if ("instant" in upTo) return await whole.sequenceAt(upTo.instant, head);
  const { sequence } = upTo;
  if (sequence === 0) return 0;
  // What is read from an event on begins with the rest of its unit: only a unit that ends there leaves none.
  const [unit] = await whole.read(sequence - 1, 1, head);
  if (unit?.lastSeq === sequence) return sequence;
  const events: readonly unknown[] = JSON.parse(unit?.body ?? "").events;
  return (unit?.lastSeq ?? 0) - events.length;
}

/** Puts the units from a sequence on, up to another, into the log in place of all that it holds: some at a time, for a day may be large. */
async function bringBack(database: DatabaseSync, whole: WholeLog, from: Sequence, upTo: Sequence): Promise<void> {
  transaction(database, () => {
    removeManifestsFrom(database, from);
    database.exec("DELETE FROM log");
  });
  const check = new UnitCheck(readMeta(database).storeId);
  const insert = database.prepare("INSERT INTO log (seq, at, body, crc) VALUES (?, ?, ?, ?)");
  for (let at = from - 1; at < upTo; ) {
    const units = await whole.read(at, limits.archiveGroupEventsMax, upTo);
    at = units.at(-1)?.lastSeq ?? upTo;
    transaction(database, () => {
      for (const { seq, lastSeq, meta, body } of units)
        if (lastSeq <= upTo) insert.run(seq, meta.recordedAt, body, check.of(seq, body));
    });
  }
}
