/** What the gateway may ask of sync. Every method may throw `PlatformError`. */
import type { Outcome } from "../../kernel/index.ts";
import type { Caller } from "../inventory/index.ts";
import type { SyncStatus } from "./wire.ts";

export interface Sync {
  /** How it stands with each location that gets changes pushed, by its id. */
  status(
    query: { readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ): Promise<Outcome<{ readonly items: readonly SyncStatus[]; readonly next?: string }>>;
  /** Pushes everything that a location asks for again, whatever it has been told. */
  resend(location: string, caller: Caller): Promise<Outcome<SyncStatus>>;
}
