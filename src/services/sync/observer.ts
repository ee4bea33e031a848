import type { AlarmName } from "./wire.ts";

/** What sync tells whoever keeps its metrics and its log. Must be quick and must not throw. */
export interface SyncObserver {
  /** A push was taken; for each change in it the milliseconds since it was recorded. */
  taken(location: string, records: number, latenciesMs: readonly number[]): void;
  pushFailed(location: string, kind: "refused" | "busy" | "failed"): void;
  /** A stock is not pushed any more, and has become a dead letter. */
  gaveUp(location: string, cause: string): void;
  alarm(location: string, alarm: AlarmName, isOn: boolean): void;
  circuit(location: string, isOpen: boolean, cause: string | undefined): void;
  /** Something of ours failed, and is tried again. */
  failed(what: string, error: unknown): void;
}

const ignore = () => undefined;

export const silentObserver: SyncObserver = {
  taken: ignore,
  pushFailed: ignore,
  gaveUp: ignore,
  alarm: ignore,
  circuit: ignore,
  failed: ignore,
};
