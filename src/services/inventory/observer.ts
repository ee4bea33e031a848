import type { AvailabilityObserver } from "./availability/index.ts";
import type { LedgerObserver } from "./ledger/index.ts";

/** What the inventory tells whoever keeps its metrics. Called often: must be quick and must not throw. */
export interface InventoryObserver extends LedgerObserver, AvailabilityObserver {
  factsRecorded(accepted: number, duplicates: number, rejectedCodes: readonly string[]): void;
  /** `outcome` is `ok` or the code of the rejection. */
  reservationAnswered(operation: string, outcome: string): void;
  /** Skus read from the read side in one request. */
  availabilityRead(skus: number): void;
  expiryRecorded(secondsLate: number): void;
  /** A read model stands still until a restart. */
  consumerFailed(name: string, error: unknown): void;
  /** Work beside the log failed (expiry, seals, commits of what is derived, the thread that reads) and is tried again by itself. */
  upkeepFailed(work: string, error: unknown): void;
}

const ignore = () => undefined;

export const silentObserver: InventoryObserver = {
  factsRecorded: ignore,
  reservationAnswered: ignore,
  availabilityRead: ignore,
  expiryRecorded: ignore,
  consumerFailed: ignore,
  upkeepFailed: ignore,
};
