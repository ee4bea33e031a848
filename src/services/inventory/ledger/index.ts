export { type Claimant, type Command, type Decided, Ledger, type LedgerObserver, type Transaction } from "./ledger.ts";
export { SnapshotWriter } from "./snapshots.ts";
export { idOf, kindOf, pairOf, partitionOf, streamOf } from "./streams.ts";
