/** What both ends of a hop share. */
import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { type Inventory, inventoryTagging, startInventory } from "../../src/services/inventory/index.ts";

export const secret = "the secret of this measurement";
export const caller = { id: "bench", name: "bench", scopes: new Set(["admin"] as const), ownReservations: false };
export const lines = [{ sku: "milk", location: "leeds", quantity: 1 }];

let ids = 0;
export function newId(): string {
  ids += 1;
  return `r${process.pid}-${ids}`;
}

export async function openInventory(): Promise<Inventory> {
  const storage = new MemoryStorage({ tagging: inventoryTagging });
  const inventory = await startInventory({ storage, clock: Date.now, randomId: newId });
  const type = "larder.stock.received.v1";
  const data = { sku: "milk", location: "leeds", quantity: 1e9 };
  await inventory.recordFacts([{ specversion: "1.0", id: "1", source: "b", type, data }], caller);
  return inventory;
}
