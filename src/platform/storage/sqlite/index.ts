export {
  type BackupManifest,
  backupStore,
  checkBackup,
  type RestoredStore,
  type RestorePoint,
  restoreStore,
} from "./backup.ts";
export { openSqliteReader } from "./reader.ts";
export { openSqliteStorage, SqliteStorage, type SqliteStorageOptions } from "./sqlite-storage.ts";
