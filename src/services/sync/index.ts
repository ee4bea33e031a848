export type { Sync } from "./api.ts";
export { type RunningSync, type SyncOptions, startSync } from "./sync.ts";
