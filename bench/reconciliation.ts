/**
 * A comparison of 100,000 stocks beside reservations, on the SQLite store: how long it takes, and what reservations notice of
 * it. `node bin/larder.js --tool bench/reconciliation.ts` takes about a minute.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openSqliteStorage } from "../src/platform/storage/sqlite/index.ts";
import { type Caller, inventoryTagging, startInventory } from "../src/services/inventory/index.ts";
import { startReconciliation } from "../src/services/sync/index.ts";

const stocks = 100_000;
const pageSize = 1000;
const reservationsEachSecond = 200;
const caller: Caller = { id: "bench", ownReservations: false };
const folder = mkdtempSync(join(tmpdir(), "larder-bench-"));
const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
const randomId = () => randomBytes(16).toString("hex");
const inventory = await startInventory({ storage, clock: Date.now, randomId });

const sku = (n: number) => `sku-${String(n).padStart(6, "0")}`;
let facts = 0;
for (let round = 0; round < 3; round += 1) {
  for (let begin = 0; begin < stocks; begin += 1000) {
    const batch = Array.from({ length: 1000 }, (_, n) => {
      facts += 1;
      const data = { sku: sku(begin + n), location: "leeds", quantity: 10 };
      return { specversion: "1.0", id: String(facts), source: "bench", type: "larder.stock.received.v1", data };
    });
    await inventory.recordFacts(batch, caller);
  }
}

/** What the other side says of one stock of ours. */
let told: (onHand: number, version: number) => object = () => ({});
const reconciliations = await startReconciliation({
  storage,
  inventory,
  pushes: {
    receivers: () => [{ location: "leeds", settings: { url: "http://leeds" } }],
    isOurs: () => true,
    wants: () => true,
    isPending: () => false,
    pushAgain: () => true,
  },
  courier: {
    call: async ({ url }) => {
      const begin = Number(new URL(url).searchParams.get("cursor") ?? 0);
      const pairs = Array.from({ length: pageSize }, (_, n) => ({ location: "leeds", sku: sku(begin + n) }));
      const items = await inventory.availabilityOf(pairs);
      const records = items.map((item, n) => ({ ...pairs[n], ...told(item?.onHand ?? 0, item?.version ?? 0) }));
      const end = begin + pageSize;
      const page = { records, ...(end < stocks && { next: String(end) }) };
      await sleep(5);
      return { status: 200, body: Buffer.from(JSON.stringify(page)), isCut: false };
    },
  },
  openSecret: () => undefined,
  clock: Date.now,
  randomId,
  observer: { compared: () => undefined, failed: (what, error) => console.log(what, error) },
  settleMs: 0,
});

/** Milliseconds that reservations take while something else goes on. */
async function reservationsDuring(work: () => Promise<unknown>) {
  const took: number[] = [];
  let isDone = false;
  const begun = performance.now();
  const cpuBefore = process.cpuUsage();
  const load = (async () => {
    const waiting: Promise<unknown>[] = [];
    for (let n = 0; !isDone; n += 1) {
      const due = begun + (n * 1000) / reservationsEachSecond;
      const early = due - performance.now();
      if (early > 1) await sleep(early);
      const lines = [{ sku: sku(Math.floor(Math.random() * stocks)), quantity: 1, location: "leeds" }];
      waiting.push(inventory.reserve({ lines }, caller).then(() => took.push(performance.now() - due)));
    }
    await Promise.all(waiting);
  })();
  await work();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  isDone = true;
  await load;
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.floor(share * (took.length - 1))] ?? 0;
  return { seconds, cpuSeconds: (user + system) / 1e6, p50: at(0.5), p99: at(0.99) };
}

async function compare(): Promise<void> {
  const requested = await reconciliations.request({ mode: "report" }, caller);
  if (!requested.ok) throw new Error(requested.rejection.detail);
  for (;;) {
    const run = await reconciliations.reconciliation(requested.value.id, caller);
    if (run.ok && run.value.endedAt !== null) {
      console.log(
        `  ${run.value.compared} compared, ${run.value.inFlight} under way, ${run.value.locations[0]?.findings} found`,
      );
      return;
    }
    await sleep(50);
  }
}

const cases: readonly (readonly [string, typeof told | undefined])[] = [
  ["nothing beside reservations", undefined],
  ["records that name the newest version", (onHand, version) => ({ onHand, version })],
  [
    "records that name now, of stocks that changed just before",
    (onHand) => ({ onHand, asOf: new Date().toISOString() }),
  ],
  [
    "records that are all a version late (two looks)",
    (onHand, version) => ({ onHand: onHand - 10, version: version - 1 }),
  ],
];
for (const [name, says] of cases) {
  if (says !== undefined) told = says;
  console.log(name);
  const { seconds, cpuSeconds, p50, p99 } = await reservationsDuring(
    says === undefined ? () => sleep(10_000) : compare,
  );
  console.log(
    `  ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of processor time; reservations p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
  );
}
await reconciliations.stop();
await inventory.stop();
await storage.close();
rmSync(folder, { recursive: true, force: true });
