import { limits } from "../../../kernel/index.ts";
import { isTooDeep, mayReachPrototype } from "../../../platform/http/index.ts";
import { parseFact, type ReadFact } from "./parse.ts";

/** An item of a batch that has been read already, to be recorded in its place. */
export class ReadItem {
  readonly read: ReadFact;

  constructor(read: ReadFact) {
    this.read = read;
  }
}

/** What an item of a batch says, whether it has been read or not. */
export function readItem(item: unknown): ReadFact {
  return item instanceof ReadItem ? item.read : parseFact(item);
}

/**
 * Reads a batch of facts in JSON, and gives what `itemsOf` makes the items of again: a text, which passes between threads at
 * a fraction of what the facts themselves would cost. Undefined for all that is no plain list of facts: whoever reads
 * requests in the ordinary way says what is wrong with it.
 */
export function readBatch(json: string): string | undefined {
  if (isTooDeep(json, limits.jsonDepthMax) || mayReachPrototype(json)) return undefined;
  let items: unknown;
  try {
    items = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(items) || items.length > limits.batchItemsMax) return undefined;
  return JSON.stringify(items.map((item) => parseFact(item)));
}

/** The items of a batch that `readBatch` has read. */
export function itemsOf(read: string): readonly ReadItem[] {
  const facts: readonly ReadFact[] = JSON.parse(read);
  return facts.map((fact) => new ReadItem(fact));
}
