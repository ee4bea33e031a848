import { randomUUID } from "node:crypto";
import { Postgres } from "../../src/platform/postgres/index.ts";
import type { Storage } from "../../src/platform/storage/index.ts";
import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { openPostgresStorage } from "../../src/platform/storage/postgres/index.ts";
import { openSqliteStorage } from "../../src/platform/storage/sqlite/index.ts";
import { type Caller, inventoryTagging, startInventory } from "../../src/services/inventory/index.ts";
import { type Contender, type ContenderSpec, location } from "./contender.ts";

const caller: Caller = { id: "bench", ownReservations: false };

/** Larder as a library: the inventory in this process, on SQLite in a folder. */
export async function openOnSqlite({ folder = "" }: ContenderSpec): Promise<Contender> {
  return await openOn(await openSqliteStorage({ folder, tagging: inventoryTagging }));
}

/** On nothing durable. */
export async function openInMemory(): Promise<Contender> {
  return await openOn(new MemoryStorage({ tagging: inventoryTagging }));
}

/** On PostgreSQL, by its unix socket, which the peers use too. */
export async function openOnPostgres({ socket = "", port, database, folder = "" }: ContenderSpec): Promise<Contender> {
  const url = (name: string) => `postgres://bench@localhost:${port}/${name}?host=${encodeURIComponent(socket)}`;
  await makeDatabase(url("postgres"), database ?? "");
  return await openOn(await openPostgresStorage({ url: url(database ?? ""), folder, tagging: inventoryTagging }));
}

async function makeDatabase(url: string, name: string): Promise<void> {
  const postgres = new Postgres({ url, name: "larder-bench" });
  try {
    const there = await postgres.query("select 1 from pg_database where datname = $1", [name]);
    if (there.length === 0) await postgres.query(`create database "${name}"`);
  } finally {
    await postgres.close();
  }
}

async function openOn(storage: Storage): Promise<Contender> {
  // Several processes may share the store.
  const process = randomUUID();
  let ids = 0;
  const randomId = () => {
    ids += 1;
    return `bench-${process}-${ids}`;
  };
  const inventory = await startInventory({ storage, clock: Date.now, randomId });
  const reserveCart = async (skus: readonly string[], id: string) => {
    const outcome = await inventory.reserve({ id, lines: skus.map((sku) => ({ sku, location, quantity: 1 })) }, caller);
    if (outcome.ok) return true;
    if (outcome.rejection.code === "insufficient-stock") return false;
    throw new Error(outcome.rejection.detail);
  };
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
    reserve: (sku, id) => reserveCart([sku], id),
    reserveCart,
    async close() {
      await inventory.stop();
      await storage.close();
    },
  };
}
