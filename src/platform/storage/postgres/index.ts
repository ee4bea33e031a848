export { copyLog, type LogCopy } from "./copy-log.ts";
export { openPostgresStorage, type PostgresStorageOptions } from "./open-storage.ts";
export { PostgresStorage } from "./postgres-storage.ts";
export { openPostgresReader, resumeInPostgres } from "./reader.ts";
