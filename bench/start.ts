/**
 * How long a start takes on a log of a million events: from opening the folder until the inventory answers, after a clean
 * stop and after a kill.
 *
 *     node bin/larder.js --tool bench/start.ts [--events 1000000] [--skus 10000]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openSqliteStorage } from "../src/platform/storage/sqlite/index.ts";
import { type Caller, inventoryTagging, startInventory } from "../src/services/inventory/index.ts";

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "1000000" },
    skus: { type: "string", default: "10000" },
    folder: { type: "string" },
    kill: { type: "boolean", default: false },
  },
});
const caller: Caller = { id: "bench", ownReservations: false };
const skus = Number(values.skus);

async function open(folder: string) {
  const started = performance.now();
  const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
  const inventory = await startInventory({ storage, clock: Date.now, randomId: () => `bench-${started}` });
  const stock = await inventory.stock("sku-1", {}, caller);
  return { storage, inventory, stock, milliseconds: performance.now() - started };
}

async function record(folder: string, from: number, events: number): Promise<void> {
  const { storage, inventory } = await open(folder);
  for (let done = 0; done < events; done += 1000) {
    const facts = Array.from({ length: 1000 }, (_, index) => ({
      specversion: "1.0",
      source: "bench",
      id: `fact-${from + done + index}`,
      type: "larder.stock.received.v1",
      data: { sku: `sku-${(from + done + index) % skus}`, location: "here", quantity: 1 },
    }));
    await inventory.recordFacts(facts, caller);
  }
  if (values.kill) process.kill(process.pid, "SIGKILL");
  await inventory.stop();
  await storage.close();
}

async function measure(what: string, folder: string): Promise<void> {
  const { storage, inventory, stock, milliseconds } = await open(folder);
  if (!stock.ok) throw new Error("the stock is gone");
  process.stdout.write(`${what}: ${milliseconds.toFixed(0)} ms for ${storage.head()} events\n`);
  await inventory.stop();
  await storage.close();
}

if (values.folder !== undefined) {
  await record(values.folder, Number(values.events), 50_000);
} else {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-"));
  try {
    await record(folder, 0, Number(values.events));
    for (let round = 0; round < 3; round += 1) await measure("after a clean stop", folder);
    const again = [fileURLToPath(import.meta.url), "--folder", folder, "--events", String(values.events), "--kill"];
    spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", ...again], { stdio: "inherit" });
    await measure("after kill -9 amid 50,000 more facts", folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
