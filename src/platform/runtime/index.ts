export {
  type BackupManifest,
  backupFolder,
  checkBackup,
  countQueues,
  openLog,
  type QueueTotals,
  type RestorePoint,
  restoreFolder,
  resumeOutgoing,
} from "./engines.ts";
export { runUntilSignal } from "./process.ts";
export { listTargets, type RunningServer, type ServerOptions, startServer, TargetError } from "./server.ts";
