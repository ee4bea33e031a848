import { type Contender, type ContenderSpec, loadPeer, location } from "./contender.ts";

interface InventoryService {
  createInventoryItems(items: readonly object[]): Promise<readonly { readonly id: string; readonly sku: string }[]>;
  createInventoryLevels(levels: readonly object[]): Promise<unknown>;
  createReservationItems(items: readonly object[]): Promise<unknown>;
}
interface ModulesSdk {
  MedusaApp(options: object): Promise<{
    readonly modules: { readonly inventory?: InventoryService };
    runMigrations?(): Promise<void>;
    onApplicationShutdown(): Promise<void>;
  }>;
}

/** Medusa's inventory module, called directly, as its package offers it: without the workflows that lock around it. */
export async function openMedusa({ port = 0, pool = 16 }: ContenderSpec): Promise<Contender> {
  const { MedusaApp } = await loadPeer<ModulesSdk>("@medusajs/framework/modules-sdk");
  const clientUrl = `postgresql://bench@127.0.0.1:${port}/postgres`;
  const app = await MedusaApp({
    modulesConfig: {
      inventory: { resolve: "@medusajs/inventory", options: { database: { clientUrl, pool: { min: 1, max: pool } } } },
    },
    sharedResourcesConfig: { database: { clientUrl, pool: { min: 1, max: pool } } },
  });
  await app.runMigrations?.();
  const { inventory } = app.modules;
  if (inventory === undefined) throw new Error("Medusa did not load its inventory module");
  const ids = new Map<string, string>();
  return {
    async prepare(skus, units) {
      for (let from = 0; from < skus.length; from += 500) {
        const items = await inventory.createInventoryItems(skus.slice(from, from + 500).map((sku) => ({ sku })));
        for (const { sku, id } of items) ids.set(sku, id);
        const level = { location_id: location, stocked_quantity: units };
        await inventory.createInventoryLevels(items.map(({ id }) => ({ inventory_item_id: id, ...level })));
      }
    },
    async reserve(sku, id) {
      try {
        const item = { inventory_item_id: ids.get(sku), location_id: location, quantity: 1, external_id: id };
        await inventory.createReservationItems([item]);
        return true;
      } catch (error) {
        if (/not enough stock|not available/i.test(String(error))) return false;
        throw error;
      }
    },
    close: () => app.onApplicationShutdown(),
  };
}
