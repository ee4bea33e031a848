import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { openSqliteStorage } from "../../src/platform/storage/sqlite/index.ts";
import { type Caller, inventoryTagging, startInventory } from "../../src/services/inventory/index.ts";
import { type Contender, location } from "./contender.ts";

const caller: Caller = { id: "bench", ownReservations: false };

/** Larder as a library: the inventory in this process, on SQLite in a folder, or on nothing durable without one. */
export async function openLarder(folder: string | undefined): Promise<Contender> {
  const storage =
    folder === undefined
      ? new MemoryStorage({ tagging: inventoryTagging })
      : await openSqliteStorage({ folder, tagging: inventoryTagging });
  let ids = 0;
  const randomId = () => {
    ids += 1;
    return `bench-${ids}`;
  };
  const inventory = await startInventory({ storage, clock: Date.now, randomId });
  return {
    async prepare(skus, units) {
      for (let from = 0; from < skus.length; from += 1000) {
        const facts = skus.slice(from, from + 1000).map((sku) => ({
          specversion: "1.0",
          source: "bench",
          id: `opening-${sku}`,
          type: "larder.stock.received.v1",
          data: { sku, location, quantity: units },
        }));
        const { rejected } = await inventory.recordFacts(facts, caller);
        if (rejected[0] !== undefined) throw new Error(rejected[0].detail);
      }
    },
    async reserve(sku, id) {
      const outcome = await inventory.reserve({ id, lines: [{ sku, location, quantity: 1 }] }, caller);
      if (outcome.ok) return true;
      if (outcome.rejection.code === "insufficient-stock") return false;
      throw new Error(outcome.rejection.detail);
    },
    logBytes: async () => storage.stats().logBytes,
    async close() {
      await inventory.stop();
      await storage.close();
    },
  };
}
