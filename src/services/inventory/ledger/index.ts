export type { Decided } from "./answers.ts";
export { Ledger, type LedgerObserver } from "./ledger.ts";
export { keepSnapshots, SnapshotWriter } from "./snapshots.ts";
export { idOf, kindOf, pairOf, streamOf } from "./streams.ts";
export type { Claimant, Command, Transaction } from "./transaction.ts";
