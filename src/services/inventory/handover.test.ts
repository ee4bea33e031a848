/** Several processes on one log: one of them records what lapses and seals, and another goes on. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { SharedMemoryLog } from "../../platform/storage/memory/index.ts";
import { caller, fact } from "./fixture.ts";
import { startInventory } from "./inventory.ts";
import { silentObserver } from "./observer.ts";
import { inventoryTagging } from "./reservations/lists.ts";
import { verifyLog } from "./verification/index.ts";

it("keeps house in one process at a time, and seals one chain", async () => {
  const log = new SharedMemoryLog(inventoryTagging);
  const notices = setInterval(() => log.deliver(), 2);
  const recorded: string[] = [];
  const start = async (name: string) => {
    const storage = log.open();
    const inventory = await startInventory({
      ...{ storage, clock: Date.now, randomId: randomUUID, sealEveryMs: 10, sweepEveryMs: 10 },
      observer: { ...silentObserver, expiryRecorded: () => void recorded.push(name) },
    });
    return { storage, inventory };
  };
  const [a, b] = [await start("a"), await start("b")];
  const hold = async (id: string) => {
    await b.inventory.recordFacts([fact("stock.received", { sku: "milk", location: "x", quantity: 1 })], caller);
    const lines = [{ sku: "milk", location: "x", quantity: 1 }];
    expect((await b.inventory.reserve({ id, ttlSeconds: 1, lines }, caller)).ok).toBe(true);
  };
  await hold("one");
  await expect.poll(() => recorded, { timeout: 10_000 }).toEqual(["a"]);
  await a.inventory.stop();
  await hold("two");
  await expect.poll(() => recorded, { timeout: 10_000 }).toEqual(["a", "b"]);
  await b.inventory.stop();
  clearInterval(notices);
  log.deliver();
  const { findings, seals } = await verifyLog(b.storage);
  expect(findings).toEqual([]);
  expect(seals).toBeGreaterThanOrEqual(2);
}, 60_000);
