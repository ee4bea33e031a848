/** The one place that names storage engines: for servers, and for tools that work on a folder. */
import { randomUUID } from "node:crypto";
import { PlatformError } from "../../kernel/index.ts";
import { type RunningArchive, startArchive } from "../../services/archive/index.ts";
import {
  archivePreparation,
  coldColumns,
  inventoryTagging as tagging,
  verifyLog,
} from "../../services/inventory/index.ts";
import { isPostgresUrl, type Settings } from "../config/index.ts";
import type { Messaging } from "../messaging/index.ts";
import { MemoryMessaging } from "../messaging/memory/index.ts";
import { copyQueues, openSqliteMessaging, restoreQueues } from "../messaging/sqlite/index.ts";
import type { Sink } from "../sink/index.ts";
import type { LogReader, Storage } from "../storage/index.ts";
import { MemoryStorage } from "../storage/memory/index.ts";
import type { LogCopy } from "../storage/postgres/index.ts";
import {
  type BackupManifest,
  backupStore,
  openSqliteReader,
  openSqliteStorage,
  type RestoredStore,
  type RestorePoint,
  restoreStore,
} from "../storage/sqlite/index.ts";
import { systemTimers } from "../timers/index.ts";

export { countQueues, type QueueTotals } from "../messaging/sqlite/index.ts";
export {
  type BackupManifest,
  checkArchive,
  checkBackup,
  compactLog,
  type RestorePoint,
} from "../storage/sqlite/index.ts";

const queues = { copy: copyQueues, restore: restoreQueues };
/** Loaded only where they are used, as those of sinks are: a start is mostly loading. */
const postgresStorage = () => import("../storage/postgres/index.ts");
const postgresMessaging = () => import("../messaging/postgres/index.ts");

/** Copies the log and the queues of a folder into a new one, also while a server uses them (`backupStore`). */
export function backupFolder(options: {
  readonly folder: string;
  readonly destination: string;
  readonly leavesArchiveOut?: boolean;
}): Promise<BackupManifest> {
  return backupStore({ ...options, queues });
}

/** Makes a data folder from a backup: its log, whole or up to a point, and its queues (`restoreStore`). */
export function restoreFolder(options: {
  readonly backup: string;
  readonly folder: string;
  readonly upTo?: RestorePoint;
  readonly archive?: string;
}): Promise<RestoredStore> {
  return restoreStore({ ...options, queues });
}

/** Opens the engine that a setting names (`LARDER_STORE`); the configuration has let only these through. */
export async function openStorage(store: string, folder: string): Promise<Storage> {
  if (isPostgresUrl(store)) return await (await postgresStorage()).openPostgresStorage({ url: store, folder, tagging });
  if (store !== "memory:") return await openSqliteStorage({ folder, tagging, coldColumns });
  // Each start is a history of its own: a position of the one before must not pass for one of this.
  return new MemoryStorage({ tagging, epochs: [{ number: 1, id: randomUUID(), startsAfter: 0 }] });
}

/** Opens the queues that belong to a store. */
export async function openMessaging(store: string, folder: string, clock: () => number): Promise<Messaging> {
  if (store === "memory:") return new MemoryMessaging({ clock });
  // By the server's hour: processes whose clocks differ agree on leases.
  if (isPostgresUrl(store)) return await (await postgresMessaging()).openPostgresMessaging({ url: store });
  return await openSqliteMessaging({ folder, clock });
}

/** The sinks that are configured; none is reached for yet. Their libraries are loaded only where they are used. */
export async function openSinks(settings: Settings, randomId: () => string): Promise<readonly Sink[]> {
  const { nats, natsCredentials, natsKeep, natsReplicas, redis, redisPrefix } = settings;
  const sinks: Sink[] = [];
  if (nats !== null) {
    const { NatsSink } = await import("../sink/nats/index.ts");
    const keepMs = natsKeep === "all" ? undefined : Number.parseInt(natsKeep, 10) * 86_400_000;
    const credentials = natsCredentials === null ? {} : { credentials: natsCredentials };
    sinks.push(new NatsSink({ url: nats, ...credentials, keepMs, replicas: natsReplicas }));
  }
  if (redis !== null) {
    const { RedisSink } = await import("../sink/redis/index.ts");
    sinks.push(new RedisSink({ url: redis, prefix: redisPrefix, randomId }));
  }
  return sinks;
}

/** Opens the log of a data folder, a backup, or a PostgreSQL database for reading, also beside a running server. */
export async function openLog(place: string): Promise<LogReader> {
  if (!isPostgresUrl(place)) return await openSqliteReader({ folder: place });
  return await (await postgresStorage()).openPostgresReader(place);
}

/**
 * Copies the log of a data folder, which no server may have open, into an empty PostgreSQL database (`copyLog`), and checks
 * every promise in the copy before it counts.
 *
 * Throws `PlatformError("storage-unavailable")`: when there is no log, a server has it, or the copy is not right.
 */
export async function migrateFolder(options: {
  readonly folder: string;
  readonly url: string;
  readonly onProgress?: (copied: number, of: number) => void;
}): Promise<LogCopy> {
  const { folder, url, onProgress } = options;
  await (await openSqliteReader({ folder })).close();
  const { copyLog } = await postgresStorage();
  const source = await openSqliteStorage({ folder, tagging, coldColumns });
  try {
    const of = source.head();
    return await copyLog({ source, url, tagging, verify, onProgress: (copied) => onProgress?.(copied, of) });
  } finally {
    await source.close();
  }
}

async function verify(url: string): Promise<void> {
  const log = await openLog(url);
  try {
    const { findings, findingsCount } = await verifyLog(log);
    if (findingsCount === 0) return;
    const first = JSON.stringify(findings[0]);
    throw new PlatformError("storage-unavailable", `the copy does not verify, ${findingsCount} findings: ${first}`);
  } finally {
    await log.close();
  }
}

/** The archive of a data folder that no server has open. */
export interface OpenArchive {
  readonly archive: RunningArchive;
  close(): Promise<void>;
}

/** The days of `LARDER_ARCHIVE_AFTER`; null where it is not set. */
export function archiveAfterDays({ archiveAfter }: Pick<Settings, "archiveAfter">): number | null {
  return archiveAfter === null ? null : Number.parseInt(archiveAfter, 10);
}

/**
 * Opens the archive of a data folder; the newest seal in its log bounds what can be moved. Nothing is moved by itself: the setting
 * says only what a request without a date means.
 *
 * Throws `PlatformError("storage-unavailable")` when there is no log, or a server has it.
 */
export async function openArchive(
  folder: string,
  settings: Pick<Settings, "archiveAfter"> = { archiveAfter: null },
): Promise<OpenArchive> {
  await (await openSqliteReader({ folder })).close();
  const storage = await openSqliteStorage({ folder, tagging, coldColumns });
  const archive = startArchive({
    log: storage.archive,
    preparation: archivePreparation(storage),
    clock: Date.now,
    timers: systemTimers,
    afterDays: archiveAfterDays(settings),
    dailyAtMs: null,
  });
  const close = async () => {
    await archive.stop();
    await storage.close();
  };
  return { archive, close };
}

/**
 * Lets everything outgoing go on after a restore, of the log of a data folder or a PostgreSQL database; false when it was not
 * waiting. No server may have the folder open.
 *
 * Throws `PlatformError("storage-unavailable")` when there is no log, or a server has it.
 */
export async function resumeOutgoing(place: string): Promise<boolean> {
  if (isPostgresUrl(place)) return await (await postgresStorage()).resumeInPostgres(place);
  const folder = place;
  // Opening for writing would make a log where there is none.
  await (await openSqliteReader({ folder })).close();
  const storage = await openSqliteStorage({ folder, tagging });
  try {
    const wasPaused = storage.outgoingPaused;
    if (wasPaused) await storage.setOutgoingPaused(false);
    return wasPaused;
  } finally {
    await storage.close();
  }
}
