/** Several processes on one log: one of them tells receivers, and another goes on where it was. */
import { randomUUID } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { MemoryMessaging } from "../../platform/messaging/memory/index.ts";
import { SharedMemoryLog, type SharedMemoryStorage } from "../../platform/storage/memory/index.ts";
import { systemTimers } from "../../platform/timers/index.ts";
import { inventoryTagging, type RunningInventory, startInventory } from "../inventory/index.ts";
import { silentObserver } from "./observer.ts";
import { type RunningSync, startSync } from "./sync.ts";
import { caller } from "./world.fixture.ts";

interface Process {
  readonly storage: SharedMemoryStorage;
  readonly inventory: RunningInventory;
  readonly sync: RunningSync;
  /** The skus that it has pushed, one for each record. */
  readonly pushed: string[];
  readonly failed: unknown[];
}

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

// What happens every five seconds happens often.
const timers = {
  ...systemTimers,
  every: (ms: number, run: () => void) => systemTimers.every(Math.min(ms, 40), run),
};

function openLog(): SharedMemoryLog {
  const log = new SharedMemoryLog(inventoryTagging);
  const notices = setInterval(() => log.deliver(), 5);
  stops.push(() => clearInterval(notices));
  return log;
}

async function startProcess(log: SharedMemoryLog, messaging: MemoryMessaging): Promise<Process> {
  const storage = log.open();
  const common = { storage, clock: Date.now, randomId: randomUUID, timers };
  const outgoing = { problemOf: () => undefined, seal: (_context: string, secret: string) => secret };
  const inventory = await startInventory({ ...common, outgoing });
  const pushed: string[] = [];
  const failed: unknown[] = [];
  const sync = await startSync({
    ...common,
    messaging,
    inventory,
    courier: {
      async call({ body }) {
        const { records } = JSON.parse(String(body)) as { records: { sku: string }[] };
        pushed.push(...records.map(({ sku }) => sku));
        return { status: 204, headers: {} };
      },
    },
    openSecret: (_context, sealed) => sealed,
    policy: { firstDelayMs: 50, delayMsMax: 500, attemptsMax: 5, elapsedMsMax: 60_000 },
    random: () => 0.5,
    observer: { ...silentObserver, failed: (_what, error) => void failed.push(error) },
  });
  stops.push(async () => {
    await sync.stop();
    await inventory.stop();
    await storage.close();
  });
  return { storage, inventory, sync, pushed, failed };
}

async function receive({ inventory }: Process, skus: readonly string[]): Promise<void> {
  const facts = skus.map((sku) => ({
    specversion: "1.0",
    id: randomUUID(),
    source: "dock",
    type: "larder.stock.received.v1",
    data: { sku, location: "leeds", quantity: 1 },
  }));
  expect((await inventory.recordFacts(facts, caller)).accepted).toBe(skus.length);
}

/** A process that has told a shop of 120 stocks, and one beside it. */
async function twoProcesses() {
  const log = openLog();
  const messaging = new MemoryMessaging({ clock: Date.now });
  const first = await startProcess(log, messaging);
  const second = await startProcess(log, messaging);
  const all = Array.from({ length: 120 }, (_, n) => `sku ${n}`);
  await receive(first, all);
  const shop = { name: "shop", kind: "store", sync: { url: "http://shop.example" } } as const;
  expect((await second.inventory.putLocation("shop", shop, caller)).ok).toBe(true);
  await expect.poll(() => new Set(first.pushed).size, { timeout: 10_000 }).toBe(120);
  expect([first.sync.isOurs(), second.sync.isOurs()]).toEqual([true, false]);
  expect(second.pushed).toEqual([]);
  return { log, messaging, first, second };
}

it("goes on in another process with what has changed since, and not with everything", async () => {
  const { log, messaging, first, second } = await twoProcesses();
  // What it has left by then tells that all has arrived.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await first.sync.stop();
  await receive(first, ["sku 3", "sku 4"]);
  await expect.poll(() => [...new Set(second.pushed)].sort(), { timeout: 10_000 }).toEqual(["sku 3", "sku 4"]);
  // Nor does one that has just begun, and knows nothing but the log.
  const third = await startProcess(log, messaging);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await second.sync.stop();
  await receive(first, ["sku 5"]);
  await expect.poll(() => third.pushed, { timeout: 10_000 }).toContain("sku 5");
  expect(new Set(third.pushed).size).toBeLessThan(5);
  expect([...first.failed, ...second.failed, ...third.failed]).toEqual([]);
}, 60_000);

it("tells everything where nothing was left, or where a location asks for something else since", async () => {
  const { first, second } = await twoProcesses();
  await new Promise((resolve) => setTimeout(resolve, 500));
  // It dies before it can leave word of what comes.
  first.storage.leaveWord = async () => true;
  const other = { name: "shop", kind: "store", sync: { url: "http://elsewhere.example" } } as const;
  await second.inventory.putLocation("shop", other, caller);
  await first.sync.stop();
  await expect.poll(() => new Set(second.pushed).size, { timeout: 10_000 }).toBe(120);
}, 60_000);

it("refuses to send again in a process that does not tell receivers", async () => {
  const { first, second } = await twoProcesses();
  await expect(second.sync.resend("shop", caller)).rejects.toMatchObject({ code: "overloaded" });
  expect(await first.sync.resend("shop", caller)).toMatchObject({ ok: true });
}, 60_000);
