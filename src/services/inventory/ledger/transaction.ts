/** What commands are, and what a decision may ask and do. */
import type { Instant } from "../../../kernel/index.ts";
import type { Claim, ClaimRecord, FactMeta } from "../../../platform/storage/index.ts";
import type { PastEvent, Stock, StockEventDraft } from "../domain/stock/index.ts";
import type { LooseEvent, States } from "./families.ts";

/** What a decision asks for and does. Everything it reads is as of the commands before it. */
export interface Transaction {
  /** The store's time, the same for all that is recorded together. */
  readonly now: Instant;
  /** Makes sure that all of these streams are in memory, fetching the missing ones together. */
  want(streams: readonly string[]): void;
  stock(location: string, sku: string): Stock;
  reservation(id: string): States["reservation"];
  transfer(id: string): States["transfer"];
  policy(sku: string): States["policy"];
  item(sku: string): States["item"];
  location(id: string): States["location"];
  /** The item that a GTIN of 14 digits belongs to. */
  gtinOwner(gtin: string): string | undefined;
  /** The location that a GLN of 13 digits belongs to. */
  glnOwner(gln: string): string | undefined;
  /** The version of a stream; 0 when it has no events. */
  version(stream: string): number;
  /** All of a stock's events, oldest first. Costs a read of them all: for what its state can't tell. */
  history(location: string, sku: string): readonly PastEvent[];
  /** Who took a name, or undefined. */
  claimed(key: string): ClaimRecord | undefined;
  /** Whether a void of this fact may have been recorded; false is certain, and the common case. */
  mayBeVoided(factKey: string): boolean;
  /** The unit that took a name, or undefined. */
  claimant(key: string): Claimant | undefined;
  /** The locations that have ever had this sku. */
  locationsOf(sku: string): readonly string[];
  /** Appends to a stock, each event with the balance after it; the state is changed at once. */
  emitStock(location: string, sku: string, drafts: readonly StockEventDraft[]): void;
  /** Appends to any other stream; the state is changed at once. */
  emit(stream: string, events: readonly LooseEvent[]): void;
  /** What this decision has emitted so far. */
  emitted(): Claimant["events"];
  /** Takes a name for ever, together with the events. */
  claim(claim: Claim): void;
}

/** What the unit that took a name says. */
export interface Claimant {
  readonly fact: FactMeta | undefined;
  readonly events: readonly (LooseEvent & { readonly stream: string })[];
}

/** A decision: a pure function of what the transaction shows it. It may run several times; only one run counts. */
export interface Command<T> {
  /** Who asks: recorded with the events. */
  readonly actor: string;
  readonly fact?: FactMeta;
  /** Streams and names that it is known to read, fetched before it runs. Others are fetched when it asks. */
  readonly streams: readonly string[];
  readonly claims?: readonly string[];
  /** Streams named by a random id that was made for this command: nobody can have used them, so they are not looked up. */
  readonly fresh?: readonly string[];
  /** It only looks, and never emits: then it is answered also while nothing can be written. */
  readonly looks?: true;
  decide(transaction: Transaction): T;
}

/** Whether the system itself asks, and nobody waits for the answer. */
export function isOfSystem({ actor }: Pick<Command<unknown>, "actor">): boolean {
  return actor.startsWith("system:");
}
