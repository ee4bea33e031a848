import type { Sequence, Storage } from "../../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../../platform/timers/index.ts";
import { keepSnapshots } from "../ledger/index.ts";
import { lastSeal } from "../seals/index.ts";

/** What has to be asked and done before old events leave the hot log. */
export interface ArchivePreparation {
  /** The last event that a seal covers and, on a server, that every read model has seen. */
  passed(): Promise<Sequence>;
  /** Keeps the states of the stocks among some streams, so that none has to be folded from events up to `upTo` again. */
  keepStates(streams: readonly string[], upTo: Sequence): Promise<void>;
}

/** That of a store, beside whatever else stands on it. */
export function archivePreparation(storage: Storage, timers: Timers = systemTimers): ArchivePreparation {
  const pause = () => new Promise<void>((resolve) => timers.soon(resolve));
  return {
    passed: async () => (await lastSeal(storage))?.to ?? 0,
    keepStates: (streams, upTo) => keepSnapshots(storage, streams, upTo, pause),
  };
}
