/**
 * What cold storage costs: how fast days are moved, how small they become, and how long reads take before and after.
 *
 *     node bin/larder.js --tool bench/archive.ts [--days 30] [--facts 10000] [--keep FOLDER]
 *
 * It records sales and receipts of 2,000 skus at 3 locations, as many a day as told, on a clock of its own; moves all days
 * but the newest; and reads the history of the same stocks before and after. `--keep` leaves the data folder for queries.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toolOptions } from "../scripts/options.ts";
import { compactLog, openSqliteStorage, type SqliteStorage } from "../src/platform/storage/sqlite/index.ts";
import {
  coldColumns,
  inventoryTagging,
  type RunningInventory,
  startInventory,
} from "../src/services/inventory/index.ts";

const { values } = toolOptions({
  options: {
    days: { type: "string", default: "30" },
    facts: { type: "string", default: "10000" },
    keep: { type: "string" },
  },
});
const [days, factsADay] = [Number(values.days), Number(values.facts)];
const folder = values.keep ?? mkdtempSync(join(tmpdir(), "larder-bench-archive-"));
const dayMs = 86_400_000;
const start = Date.parse("2026-08-01T08:00:00Z");
const caller = { id: "bench", ownReservations: false };
const skus = 2000;
const locations = ["leeds", "york", "hull"];

let now = start;
async function open(): Promise<{ readonly storage: SqliteStorage; readonly inventory: RunningInventory }> {
  const storage = await openSqliteStorage({ folder, tagging: inventoryTagging, coldColumns });
  let ids = 0;
  const randomId = () => {
    ids += 1;
    return `bench-${storage.head()}-${ids}`;
  };
  const inventory = await startInventory({ storage, clock: () => now, randomId, sweepEveryMs: 1e9, sealEveryMs: 1000 });
  return { storage, inventory };
}

async function reopen(): Promise<void> {
  await close();
  ({ storage, inventory } = await open());
}

async function close(): Promise<void> {
  await inventory.stop();
  await storage.close();
}

/** The same numbers in every run, and skus of which a few sell most. */
let seed = 7;
function random(below: number): number {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return Math.floor(((seed >>> 8) / 2 ** 24) ** 2 * below);
}

function factOf(day: number, n: number): object {
  const isReceipt = n % 20 === 0;
  return {
    specversion: "1.0",
    source: `till-${n % 9}`,
    id: `${day}-${n}`,
    type: `larder.stock.${isReceipt ? "received" : "sold"}.v1`,
    time: new Date(now - (n % 60) * 1000).toISOString(),
    data: {
      sku: `sku-${random(skus)}`,
      location: locations[n % locations.length],
      quantity: isReceipt ? 40 : 1 + (n % 3),
    },
  };
}

async function record(): Promise<void> {
  for (let day = 0; day < days; day += 1) {
    for (let from = 0; from < factsADay; from += 1000) {
      now = start + day * dayMs + Math.floor((from / factsADay) * 12 * 3_600_000);
      const batch = Array.from({ length: Math.min(1000, factsADay - from) }, (_, n) => factOf(day, from + n));
      const { accepted } = await inventory.recordFacts(batch, caller);
      if (accepted !== batch.length) throw new Error("a fact of the bench was not accepted");
    }
  }
}

/** The median and the longest of single reads, in milliseconds. */
async function timed(reads: readonly (() => Promise<unknown>)[]): Promise<string> {
  const times: number[] = [];
  for (const read of reads) {
    const began = performance.now();
    await read();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return `${(times[times.length >> 1] ?? 0).toFixed(1)} ms (${times.at(-1)?.toFixed(1)})`;
}

async function readAll(title: string): Promise<void> {
  const skuOf = (n: number) => `sku-${100 + n * 37}`;
  const some = Array.from({ length: 20 }, (_, n) => skuOf(n));
  const at = new Date(start + Math.floor(days / 2) * dayMs).toISOString();
  console.log(`\nreads, ${title}: median of 20 (longest)`);
  console.log(`  stock now                 ${await timed(some.map((sku) => () => inventory.stock(sku, {}, caller)))}`);
  console.log(
    `  stock ?at= half way back  ${await timed(some.map((sku) => () => inventory.stock(sku, { at }, caller)))}`,
  );
  console.log(
    `  newest 20 of the trail    ${await timed(some.map((sku) => () => inventory.stockEvents(sku, { limit: 20 }, caller)))}`,
  );
  const began = performance.now();
  let events = 0;
  for (let at = 0; at < storage.head(); ) {
    const units = await storage.readLog(at, 2000);
    events += units.reduce((sum, unit) => sum + unit.events.length, 0);
    at = units.at(-1)?.events.at(-1)?.seq ?? storage.head();
  }
  console.log(`  the whole log             ${Math.round((1000 * events) / (performance.now() - began))} events/s`);
}

/** The longest time for which a timer of a millisecond waited while some work was done, in milliseconds. */
async function longestPause(work: () => Promise<unknown>): Promise<number> {
  let longestMs = 0;
  let last = performance.now();
  const ticking = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last - 1);
    last = performance.now();
  }, 1);
  await work().finally(() => clearInterval(ticking));
  return longestMs;
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

let { storage, inventory } = await open();
let began = performance.now();
await record();
console.log(
  `${storage.head()} events of ${days} days recorded in ${((performance.now() - began) / 1000).toFixed(1)} s`,
);
await reopen();
await readAll("all hot");
const logBytes = statSync(join(folder, "log.db")).size;

began = performance.now();
const { passed, keepStates } = inventory.archiving;
const idle = await longestPause(() => new Promise((resolve) => setTimeout(resolve, 5000)));
began = performance.now();
let moved: Awaited<ReturnType<typeof storage.archive.run>> = [];
const bounds = { before: Math.floor(now / dayMs) * dayMs, upTo: await passed() };
const busy = await longestPause(async () => {
  moved = await storage.archive.run(bounds, { beforeMove: keepStates });
});
const seconds = (performance.now() - began) / 1000;
const events = moved.reduce((sum, file) => sum + file.events, 0);
const bytes = moved.reduce((sum, file) => sum + file.bytes, 0);
console.log(
  `\n${events} events of ${moved.length} days moved in ${seconds.toFixed(1)} s: ${Math.round(events / seconds)} events/s`,
);
console.log(`longest pause of the server's thread ${busy.toFixed(0)} ms; ${idle.toFixed(0)} ms while nothing was done`);
console.log(`log.db ${megabytes(logBytes)} (${Math.round(logBytes / storage.head())} bytes an event), of which`);
console.log(`  free now ${megabytes(storage.archive.figures().freeBytes)}`);
console.log(`cold files ${megabytes(bytes)} (${Math.round(bytes / events)} bytes an event)`);
await reopen();
await readAll("across the seam, nothing in memory");
await readAll("again");
await close();
const { after } = compactLog(folder);
console.log(`\nlog.db after --compact ${megabytes(after)}`);
if (values.keep === undefined) rmSync(folder, { recursive: true });
