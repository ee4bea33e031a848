import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { ColdLog, FolderColdStore, WholeLog } from "../cold/index.ts";
import { LogRows, readManifests, readMeta, UnitCheck } from "./log-database.ts";

/** Where the cold files of a data folder or a backup are. */
export function archiveFolderOf(folder: string): string {
  return join(folder, "archive");
}

/** A log with all its units: up to the seam in the cold files of a folder, from there on in rows of its `log.db`. */
export function wholeLogOf(database: DatabaseSync, archiveFolder: string): WholeLog<LogRows> {
  const check = new UnitCheck(readMeta(database).storeId);
  const store = new FolderColdStore(archiveFolder);
  const cold = new ColdLog(store, (seq, body) => check.of(seq, body), readManifests(database));
  return new WholeLog(new LogRows(database), cold);
}
