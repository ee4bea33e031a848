import { openDatabase } from "../../sqlite/index.ts";
import { type ColdColumns, FolderColdStore, type WriteRequest, type WrittenFile, writeFile } from "../cold/index.ts";
import { LogRows, logFileOf, readManifests, readMeta, UnitCheck } from "./log-database.ts";
import { archiveFolderOf } from "./whole-log.ts";

/** Whose log it is, and what its cold files hold for whoever queries them. */
export interface ColdFilePlace {
  readonly folder: string;
  /** The URL of a module that exports `ColdColumns`. */
  readonly coldColumns: string | undefined;
}

/** Writes a cold file (`writeFile`) by a connection of its own to the log, so that any thread can do it. */
export async function writeColdFile(
  { folder, coldColumns }: ColdFilePlace,
  request: WriteRequest,
): Promise<WrittenFile> {
  const { columns }: ColdColumns = coldColumns === undefined ? { columns: [] } : await import(coldColumns);
  const database = openDatabase(logFileOf(folder), { readOnly: true, waitMs: 1000 });
  try {
    const { storeId } = readMeta(database);
    const unitCheck = new UnitCheck(storeId);
    const hot = new LogRows(database, readManifests(database).at(-1)?.lastSequence);
    const store = new FolderColdStore(archiveFolderOf(folder));
    return await writeFile({ store, storeId, check: (seq, body) => unitCheck.of(seq, body), columns, hot }, request);
  } finally {
    database.close();
  }
}
