/** What clients ask of the server, as they would over the network. */

import { PlatformError } from "../kernel/index.ts";
import type { Caller, RunningInventory } from "../services/inventory/index.ts";
import type { Ask, SentFact } from "./oracle/shapes.ts";

export interface ReserveBody {
  readonly id?: string;
  readonly owner?: string;
  /** Of its own for each body, so that the log tells which one it took. */
  readonly reference: string;
  readonly ttlSeconds: number;
  readonly allowPartial?: boolean;
  readonly strategy?: "priority" | "fewest-splits" | "most-stock" | "nearest" | "earliest-expiry";
  readonly lines: readonly Ask[];
}

export interface FulfilLine {
  readonly sku: string;
  readonly location?: string;
  readonly quantity: number;
}

export interface ItemBody {
  readonly name: string;
  readonly unit: "each" | "g" | "ml";
  readonly gtins: readonly string[];
}

export interface PolicyBody {
  readonly location?: string;
  readonly safetyStock?: number;
  readonly lowAt?: number | null;
  readonly expiringDays?: number | null;
  readonly backorderLimit?: number;
}

export type Request =
  /** `isQueued`: they are taken in now, to be judged later. */
  | { readonly kind: "facts"; readonly items: readonly unknown[]; readonly isQueued?: boolean }
  | { readonly kind: "reserve"; readonly body: ReserveBody; readonly key?: string }
  | { readonly kind: "extend"; readonly id: string; readonly ttlSeconds: number }
  | { readonly kind: "amend"; readonly id: string; readonly lines: readonly Ask[] }
  | { readonly kind: "confirm"; readonly id: string; readonly reacquire: boolean }
  | { readonly kind: "fulfil"; readonly id: string; readonly lines?: readonly FulfilLine[]; readonly key?: string }
  | { readonly kind: "release"; readonly id: string }
  | { readonly kind: "read"; readonly id: string }
  /** Now, or as it was known at another time. */
  | { readonly kind: "stock"; readonly sku: string; readonly knownAt?: number }
  | { readonly kind: "availability"; readonly skus: readonly string[]; readonly minPosition?: string }
  | { readonly kind: "list"; readonly reference: string }
  | { readonly kind: "item"; readonly sku: string; readonly body: ItemBody }
  | { readonly kind: "policy"; readonly sku: string; readonly body: PolicyBody }
  | {
      readonly kind: "location";
      readonly id: string;
      readonly priority: number;
      readonly timeZone: string;
      /** Whose changes are pushed to it. */
      readonly pushed?: "all" | "own" | "others" | readonly string[];
      /** Whose figures of it win. */
      readonly authority?: "ours" | "theirs";
    };

/** A request of a client, which it repeats, the same in every word, until it has an answer. */
export type Operation = Request & { readonly caller: Caller };

export interface Answer {
  /** `ok`, or the code of a rejection or a failure. */
  readonly code: string;
  readonly value?: object;
  /** What was thrown that is no answer at all. */
  readonly defect?: unknown;
}

/** What was answered, and to each fact of it that was turned down: a code each. */
export function codesOf({ code, value = {} }: Answer): readonly string[] {
  const { rejected = [] } = value as { readonly rejected?: readonly { readonly code: string }[] };
  return [code, ...rejected.map((item) => item.code)];
}

/** Codes by which a server says that asking again may help. */
const retryable = new Set([
  "storage-unavailable",
  "archive-unavailable",
  "shutting-down",
  "overloaded",
  "version-conflict",
  "read-side-behind",
]);

export function isFinal({ code }: Answer): boolean {
  return !retryable.has(code);
}

/** The facts of a request that can be read as such. */
export function factsIn(request: Request): readonly SentFact[] {
  if (request.kind !== "facts") return [];
  return request.items.filter((item): item is SentFact => typeof item === "object" && item !== null && "data" in item);
}

type Outcome = { readonly ok: boolean; readonly value?: object; readonly rejection?: { readonly code: string } };

export async function perform(inventory: RunningInventory, operation: Operation): Promise<Answer> {
  try {
    if (operation.kind === "facts")
      return { code: "ok", value: await inventory.recordFacts(operation.items, operation.caller) };
    const outcome = await ask(inventory, operation);
    return { code: outcome.rejection?.code ?? "ok", ...(outcome.value !== undefined && { value: outcome.value }) };
  } catch (error) {
    if (error instanceof PlatformError) return { code: error.code };
    return { code: "internal", defect: error };
  }
}

async function ask(inventory: RunningInventory, operation: Exclude<Operation, { kind: "facts" }>): Promise<Outcome> {
  const { caller } = operation;
  switch (operation.kind) {
    case "reserve":
      return inventory.reserve({ ...operation.body, lines: operation.body.lines.map(asLine) }, caller, operation.key);
    case "extend":
      return inventory.extend(operation.id, operation.ttlSeconds, caller);
    case "amend":
      return inventory.amend(operation.id, operation.lines.map(asLine), caller);
    case "confirm":
      return inventory.confirm(operation.id, { reacquire: operation.reacquire }, caller);
    case "fulfil":
      return inventory.fulfil(
        operation.id,
        operation.lines?.map((line) => ({ ...line })),
        caller,
        operation.key,
      );
    case "release":
      return inventory.release(operation.id, caller);
    case "read":
      return inventory.reservation(operation.id, caller);
    case "stock": {
      const { sku, knownAt } = operation;
      return inventory.stock(sku, knownAt === undefined ? {} : { knownAt: new Date(knownAt).toISOString() }, caller);
    }
    case "availability":
      return inventory.availability(operation.skus, undefined, caller, operation.minPosition);
    case "list":
      return inventory.reservations({ reference: operation.reference, limit: 10 }, caller);
    case "item":
      return inventory.putItem(operation.sku, { ...operation.body, gtins: [...operation.body.gtins] }, caller);
    case "policy":
      return inventory.setPolicy(operation.sku, operation.body, caller);
    case "location": {
      const { id, priority, timeZone, pushed: of, authority = "ours" } = operation;
      const sync = of && { url: "https://depot.example", of: typeof of === "string" ? of : [...of], batchSize: 3 };
      return inventory.putLocation(
        id,
        { name: id, kind: "store", priority, timeZone, authority, ...(sync && { sync }) },
        caller,
      );
    }
  }
}

/** A copy: what a server is given it may keep. */
function asLine({ locations, ...rest }: Ask) {
  return { ...rest, ...(locations !== undefined && { locations: [...locations] }) };
}
