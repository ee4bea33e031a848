export {
  type BackupManifest,
  backupFolder,
  checkArchive,
  checkBackup,
  compactLog,
  countQueues,
  migrateFolder,
  type OpenArchive,
  openArchive,
  openLog,
  type QueueTotals,
  type RestorePoint,
  restoreFolder,
  resumeOutgoing,
} from "./engines.ts";
export { runUntilSignal } from "./process.ts";
export {
  listTargets,
  type RunningServer,
  type ServerOptions,
  startServer,
  type Target,
  TargetError,
} from "./server.ts";
