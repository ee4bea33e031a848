/** The one place that names storage engines. */
import type { Storage } from "../storage/index.ts";
import { MemoryStorage } from "../storage/memory/index.ts";
import { openSqliteStorage } from "../storage/sqlite/index.ts";

/** Opens the engine that a setting names (`LARDER_STORE`); the configuration has let only these through. */
export async function openStorage(store: string, folder: string): Promise<Storage> {
  return store === "memory:" ? new MemoryStorage() : await openSqliteStorage({ folder });
}
