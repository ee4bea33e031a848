/** What tests of the inventory share: an inventory on storage in memory, with a clock that they move. */
import type { Epoch } from "../../platform/storage/index.ts";
import { MemoryStorage } from "../../platform/storage/memory/index.ts";
import type { Caller } from "./api.ts";
import { type RunningInventory, startInventory } from "./inventory.ts";
import { inventoryTagging } from "./reservations/lists.ts";

export const caller: Caller = { id: "test", ownReservations: false };

export interface Opened {
  readonly storage: MemoryStorage;
  readonly inventory: RunningInventory;
  readonly clock: { now: number };
}

/** An inventory whose timers don't fire by themselves within a test, unless `sweepEveryMs` says so. */
export async function openInventory(
  options: {
    readonly storage?: MemoryStorage;
    readonly clock?: { now: number };
    readonly sweepEveryMs?: number;
    readonly cachedStatesMax?: number;
  } = {},
): Promise<Opened> {
  const {
    storage = new MemoryStorage({ tagging: inventoryTagging }),
    clock = { now: Date.parse("2026-01-01T12:00:00Z") },
  } = options;
  let ids = 0;
  const inventory = await startInventory({
    storage,
    clock: () => clock.now,
    randomId: () => {
      ids += 1;
      return `id-${storage.head()}-${ids}`;
    },
    sweepEveryMs: options.sweepEveryMs ?? 1_000_000,
    sealEveryMs: 1_000_000,
    ...(options.cachedStatesMax !== undefined && { cachedStatesMax: options.cachedStatesMax }),
  });
  return { storage, inventory, clock };
}

/** A storage with the events of another one up to where the last of these epochs begins, as a restore leaves it. */
export async function restoredFrom(storage: MemoryStorage, epochs: readonly Epoch[]): Promise<MemoryStorage> {
  const restored = new MemoryStorage({ tagging: inventoryTagging, epochs });
  const startsAfter = epochs.at(-1)?.startsAfter ?? 0;
  for (const { meta, events, claims } of await storage.readLog(0, startsAfter)) {
    const unit = {
      meta,
      events: events.map(({ stream, type, schema, data }) => ({ stream, type, schema, data })),
      expected: events.map(({ stream, version }) => ({ stream, version: version - 1 })),
      claims,
    };
    const [outcome] = await restored.append([unit]);
    if (outcome?.ok !== true) throw new Error(`not copied: ${JSON.stringify(outcome)}`);
  }
  return restored;
}

let facts = 0;

/** A fact of source `till` with an id of its own; `type` as `stock.received` or `order.completed`. */
export function fact(type: string, data: object, rest: { readonly id?: string; readonly time?: string } = {}) {
  facts += 1;
  return { specversion: "1.0", id: `fact-${facts}`, source: "till", type: `larder.${type}.v1`, ...rest, data };
}

/** The value of an outcome that the test relies on. */
export function accepted<T>(outcome: { readonly ok: true; readonly value: T } | { readonly ok: false }): T {
  if (!outcome.ok) throw new Error(`refused: ${JSON.stringify(outcome)}`);
  return outcome.value;
}

/** The code of a refusal; `ok` for an acceptance. */
export function codeOf(outcome: { readonly ok: boolean; readonly rejection?: { readonly code: string } }): string {
  return outcome.rejection?.code ?? "ok";
}

/** What a promise comes to, and how often other things could run until then. */
export async function withTurns<T>(work: Promise<T>): Promise<{ readonly value: T; readonly turns: number }> {
  let [turns, isOver] = [0, false];
  const others = (async () => {
    for (; !isOver; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  })();
  const value = await work.finally(() => {
    isOver = true;
  });
  await others;
  return { value, turns };
}
