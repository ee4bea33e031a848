/** What runs beside the inventory in some histories, and what each process gives it. */
import { codeOf } from "../kernel/index.ts";
import type { Messaging } from "../platform/messaging/index.ts";
import type { Timers } from "../platform/timers/index.ts";
import type { RunningInventory } from "../services/inventory/index.ts";
import type { Life } from "./scheduler.ts";
import type { SimulatedStorage } from "./storage.ts";

/** One process, as those see it who run in it. */
export interface Process {
  readonly life: Life;
  readonly storage: SimulatedStorage;
  readonly messaging: Messaging;
  readonly inventory: RunningInventory;
  readonly timers: Timers;
  /** By the server's clock. */
  readonly clock: () => number;
  readonly commitEveryMs: number;
}

export interface Part {
  /** Starts it in a process; throws when it can't, as it may while the store is out of reach. */
  start(process: Process): Promise<{ stop(): Promise<void> }>;
}

/** Whether something was thrown because of what the simulator lets go wrong. */
export function isFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  const isOutOfReach = code === "storage-unavailable" || code === "archive-unavailable";
  return isOutOfReach || error.message.endsWith(": a fault");
}
