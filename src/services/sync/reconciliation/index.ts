export type { LocationOptions, Pushes, Receiver } from "./location.ts";
export type { SnapshotCourier } from "./other-side.ts";
export {
  type ReconciliationObserver,
  type ReconciliationOptions,
  type Reconciliations,
  type RunningReconciliations,
  startReconciliation,
} from "./reconciliation.ts";
export type { Finding, LocationAccuracy, Reconciliation, ReconciliationRequest } from "./wire.ts";
export * as reconciliationWire from "./wire.ts";
