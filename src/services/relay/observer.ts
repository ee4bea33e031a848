import type { Settled } from "../../platform/messaging/index.ts";

/** What the relay tells of itself, for metrics and the log. */
export interface RelayObserver {
  /** An attempt: how long it took, and, when it succeeded, how long after the event was recorded. */
  attempted(isDelivered: boolean, seconds: number, lagSeconds: number): void;
  settled(settled: Settled): void;
  disabled(webhook: string, reason: string): void;
  failed(what: string, error: unknown): void;
}

export const silentObserver: RelayObserver = {
  attempted: () => undefined,
  settled: () => undefined,
  disabled: () => undefined,
  failed: () => undefined,
};
