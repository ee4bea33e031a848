import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { startPostgres, type TestPostgres } from "../../../test/postgres.ts";
import { type RunningInventory, startInventory } from "../../services/inventory/index.ts";
import type { Storage } from "../storage/index.ts";
import { migrateFolder, openStorage } from "./engines.ts";

const postgres = await startPostgres({ settings: { fsync: "off" } });
const folder = mkdtempSync(join(tmpdir(), "larder-migrate-"));
afterAll(async () => {
  await postgres?.stop();
  rmSync(folder, { recursive: true });
});

describe.skipIf(postgres === undefined)("a server that moves from SQLite to PostgreSQL", () => {
  it("has the same stock, reservations and facts there, and goes on", async () => {
    const url = await (postgres as TestPostgres).database();
    const data = join(folder, "sqlite");
    const before = await withInventory(await openStorage("sqlite:", data), async (inventory) => {
      await inventory.recordFacts([received("1", 10)], caller);
      await inventory.reserve({ id: "r1", lines: [{ ...place, quantity: 3 }] }, caller);
      return await inventory.stock("milk", {}, caller);
    });
    await migrateFolder({ folder: data, url });
    const after = await withInventory(await openStorage(url, join(folder, "postgres")), async (inventory) => {
      const stock = await inventory.stock("milk", {}, caller);
      const { duplicates } = await inventory.recordFacts([received("1", 10)], caller);
      expect(duplicates).toBe(1);
      const tooMuch = await inventory.reserve({ id: "r2", lines: [{ ...place, quantity: 8 }] }, caller);
      expect(tooMuch).toMatchObject({ ok: false, rejection: { code: "insufficient-stock" } });
      const rest = await inventory.reserve({ id: "r3", lines: [{ ...place, quantity: 7 }] }, caller);
      expect(rest.ok).toBe(true);
      return stock;
    });
    const [old, moved] = [before, after].map((outcome) => (outcome.ok ? outcome.value : undefined));
    expect(moved?.totals).toEqual(old?.totals);
    expect(moved?.totals).toMatchObject({ onHand: 10, reserved: 3 });
    // In another epoch versions go on growing.
    expect(moved?.locations[0]?.version).toBeGreaterThan(old?.locations[0]?.version ?? 0);
  });
});

const caller = { id: "test", ownReservations: false };
const place = { sku: "milk", location: "leeds" };

function received(id: string, quantity: number) {
  return { specversion: "1.0", source: "dock", id, type: "larder.stock.received.v1", data: { ...place, quantity } };
}

async function withInventory<T>(storage: Storage, work: (inventory: RunningInventory) => Promise<T>): Promise<T> {
  let ids = 0;
  const randomId = () => {
    ids += 1;
    return `${storage.stats().engine}-${ids}`;
  };
  const inventory = await startInventory({ storage, clock: Date.now, randomId });
  try {
    return await work(inventory);
  } finally {
    await inventory.stop();
    await storage.close();
  }
}
