/** Files of a real log, made once, for the fuzzer to spoil. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { backupStore, openSqliteStorage } from "../../src/platform/storage/sqlite/index.ts";
import { StoredUnit } from "../../src/platform/storage/unit.ts";
import { type Anchor, inventoryTagging, lastSealIn, startInventory } from "../../src/services/inventory/index.ts";

export interface Samples {
  /** Goes away with the process. */
  readonly folder: string;
  /** Of a server that was killed: nothing copied out of the WAL, nothing closed. */
  readonly live: { readonly log: Buffer; readonly wal: Buffer; readonly derived: Buffer; readonly derivedWal: Buffer };
  readonly backup: { readonly log: Buffer; readonly manifest: Buffer };
  readonly units: readonly StoredUnit[];
  readonly anchor: Anchor;
  /** A stock's stream with a snapshot, and its storage. */
  readonly snapshot: { readonly storage: MemoryStorage; readonly stream: string; readonly body: string };
}

const caller = { id: "admin", ownReservations: false };
const now = Date.UTC(2026, 10, 21, 9);
const never = 2 ** 31 - 1;

function facts(count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({
    specversion: "1.0",
    id: `f${index}`,
    source: "till",
    type: index === 0 ? "larder.stock.received.v1" : "larder.stock.sold.v1",
    data: { sku: "milk", location: "s1", quantity: index === 0 ? 100_000 : 1 },
  }));
}

export async function makeSamples(): Promise<Samples> {
  const folder = mkdtempSync(join(tmpdir(), "larder-fuzz-log-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const live = join(folder, "live");
  const storage = await openSqliteStorage({ folder: live, tagging: inventoryTagging });
  const options = { clock: () => now, randomId: () => "0".repeat(32), sweepEveryMs: never, sealEveryMs: never };
  const inventory = await startInventory({ storage, ...options });
  for (let index = 0; index < 20; index += 1) await inventory.recordFacts(facts(3 * (index + 1)), caller);
  await inventory.reserve({ id: "r1", lines: [{ sku: "milk", quantity: 2, location: "s1" }] }, caller);
  await inventory.confirm("r1", {}, caller);
  await inventory.stop();
  const units = (await storage.readLog(0, 1_000_000)).filter((unit) => unit instanceof StoredUnit);
  const anchor = await lastSealIn(storage);
  if (anchor === undefined) throw new Error("no seal was written");
  const files = Object.fromEntries(
    ["log.db", "log.db-wal", "derived.db", "derived.db-wal"].map((name) => [name, readFileSync(join(live, name))]),
  );
  await storage.close();
  const backup = join(folder, "backup");
  await backupStore({ folder: live, destination: backup });
  return {
    folder,
    live: {
      log: files["log.db"]!,
      wal: files["log.db-wal"]!,
      derived: files["derived.db"]!,
      derivedWal: files["derived.db-wal"]!,
    },
    backup: { log: readFileSync(join(backup, "log.db")), manifest: readFileSync(join(backup, "manifest.json")) },
    units,
    anchor,
    snapshot: await makeSnapshot(options),
  };
}

async function makeSnapshot(options: object): Promise<Samples["snapshot"]> {
  const storage = new MemoryStorage({ tagging: inventoryTagging });
  const inventory = await startInventory({ storage, ...(options as { clock: () => number; randomId: () => string }) });
  await inventory.recordFacts(facts(400), caller);
  await inventory.stop();
  const [found] = storage.derived.scan("snapshots", "", 1);
  if (found === undefined) throw new Error("no snapshot was written");
  return { storage, stream: found.id, body: found.body };
}
