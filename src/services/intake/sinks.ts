import type { BaseUnit } from "./domain/epcis/lines.ts";
import type { CloudEvent, ItemDraft } from "./domain/mapper.ts";

/** One thing of a batch that the server turned down. */
export interface Refusal {
  readonly index: number;
  readonly code: string;
  readonly detail: string;
}

export interface FactSinkReceipt {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly (Refusal & { readonly id: string | null })[];
  readonly position?: string;
}

/**
 * Where facts go. `send` settles once all of a batch (at most `limits.batchItemsMax`) is recorded or turned down; sending
 * a batch again is harmless. Batches may be sent while others are under way.
 */
export interface FactSink {
  send(facts: readonly CloudEvent[], signal?: AbortSignal): Promise<FactSinkReceipt>;
}

export interface ItemSinkReceipt {
  readonly accepted: number;
  readonly unchanged: number;
  readonly rejected: readonly (Refusal & { readonly sku: string | null })[];
  readonly position?: string;
}

/** As `FactSink`, for items. */
export interface ItemSink {
  send(items: readonly ItemDraft[], signal?: AbortSignal): Promise<ItemSinkReceipt>;
}

/** Asks in which base unit items are kept. What is not registered is left out of the answer. Throws when it may not ask. */
export type ItemUnits = (gtins: readonly string[], signal?: AbortSignal) => Promise<ReadonlyMap<string, BaseUnit>>;
