export {
  type BackupManifest,
  backupStore,
  checkBackup,
  type QueuesBackup,
  type QueuesInBackup,
  type RestoredStore,
  type RestorePoint,
  restoreStore,
} from "./backup.ts";
export { LocalDerived } from "./local-derived.ts";
export { openSqliteStorage, type SqliteStorageOptions } from "./open-storage.ts";
export { openSqliteReader } from "./reader.ts";
export { SqliteStorage } from "./sqlite-storage.ts";
export { checkArchive, compactLog } from "./upkeep.ts";
