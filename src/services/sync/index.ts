export type { Sync } from "./api.ts";
export { type SyncObserver, silentObserver } from "./observer.ts";
export type { Courier, PushedRecord } from "./push.ts";
export { type RunningSync, type SyncOptions, startSync } from "./sync.ts";
export { SyncStatus } from "./wire.ts";
