export { openSqliteStorage, SqliteStorage, type SqliteStorageOptions } from "./sqlite-storage.ts";
