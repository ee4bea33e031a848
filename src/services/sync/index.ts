export type { Sync } from "./api.ts";
export { type SyncObserver, silentObserver } from "./observer.ts";
export type { Courier, PushedRecord } from "./push.ts";
export {
  type Finding,
  type LocationAccuracy,
  type Reconciliation,
  type ReconciliationObserver,
  type ReconciliationOptions,
  type ReconciliationRequest,
  type Reconciliations,
  type RunningReconciliations,
  reconciliationWire,
  startReconciliation,
} from "./reconciliation/index.ts";
export { reconciliationMethods, syncMethods } from "./remote.ts";
export { type RunningSync, type SyncOptions, startSync } from "./sync.ts";
export { SyncStatus } from "./wire.ts";
