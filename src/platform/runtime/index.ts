export {
  type BackupManifest,
  backupStore,
  checkBackup,
  openLog,
  type RestorePoint,
  restoreStore,
  resumeOutgoing,
} from "./engines.ts";
export { runUntilSignal } from "./process.ts";
export { listTargets, type RunningServer, type ServerOptions, startServer, TargetError } from "./server.ts";
