import { describe, expect, it } from "vitest";
import { PlatformError } from "../../kernel/index.ts";
import { MemoryStorage } from "../../platform/storage/memory/index.ts";
import { systemTimers } from "../../platform/timers/index.ts";
import type { Caller } from "./api.ts";
import { startInventory } from "./inventory.ts";
import { silentObserver } from "./observer.ts";
import { inventoryTagging } from "./reservations/lists.ts";

const caller: Caller = { id: "test", ownReservations: false };
let counter = 0;

async function open(now = { value: Date.parse("2026-01-01T12:00:00Z") }) {
  const storage = new MemoryStorage({ tagging: inventoryTagging });
  const inventory = await startInventory({
    storage,
    clock: () => now.value,
    randomId: () => {
      counter += 1;
      return `id${counter}`;
    },
    sweepEveryMs: 1_000_000,
    sealEveryMs: 1_000_000,
  });
  return { storage, inventory, now };
}

let facts = 0;
function fact(type: string, data: object, time?: string) {
  facts += 1;
  return {
    specversion: "1.0",
    id: `f${facts}`,
    source: "till",
    type: `larder.stock.${type}.v1`,
    ...(time && { time }),
    data,
  };
}

describe("work beside the log that fails", () => {
  it("is told apart from a consumer that stands still, and is done later", async () => {
    const storage = new MemoryStorage({ tagging: inventoryTagging });
    const failed: string[] = [];
    const inventory = await startInventory({
      ...{ storage, clock: () => Date.parse("2026-01-01T12:00:00Z"), randomId: () => "a process" },
      ...{ sealEveryMs: 5, commitEveryMs: 5 },
      observer: {
        ...silentObserver,
        consumerFailed: (name) => failed.push(`the consumer ${name}`),
        upkeepFailed: (work) => failed.push(work),
      },
    });
    const commit = storage.derived.commit.bind(storage.derived);
    storage.derived.commit = () => {
      storage.derived.commit = commit;
      throw new Error("the disk is full");
    };
    const append = storage.append.bind(storage);
    storage.append = async (units) => {
      if (units.every(({ events }) => events.every(({ type }) => type !== "LogSealed"))) return await append(units);
      storage.append = append;
      throw new PlatformError("storage-unavailable", "the disk is full");
    };
    await inventory.recordFacts([fact("received", { sku: "milk", location: "leeds", quantity: 1 })], caller);
    await expect.poll(() => failed.toSorted()).toEqual(["derived", "seals"]);
    await expect.poll(() => storage.versions(["seal-0"])).toEqual([1]);
    expect(inventory.problems()).toEqual([]);
    await inventory.stop();
  });
});

describe("an expiry whose history is in a cold file that is missing", () => {
  it("is told once a minute, and is recorded when the file is back", async () => {
    const { inventory: before, storage, now } = await open();
    await before.recordFacts([fact("received", { sku: "milk", location: "leeds", quantity: 1 })], caller);
    await before.reserve({ id: "r", lines: [{ sku: "milk", quantity: 1 }], ttlSeconds: 60 }, caller);
    await before.stop();

    let [reads, elapsedMs] = [0, 0];
    let sweep = () => {};
    const told: string[] = [];
    const inventory = await startInventory({
      ...{ storage, clock: () => now.value, randomId: () => "a process", sweepEveryMs: 17 },
      timers: {
        ...systemTimers,
        elapsedMs: () => elapsedMs,
        every: (ms, run) => {
          if (ms === 17) sweep = run;
          return () => {};
        },
      },
      observer: { ...silentObserver, upkeepFailed: (work, error) => told.push(`${work}: ${String(error)}`) },
    });
    const { readStream } = storage;
    storage.readStream = () => {
      reads += 1;
      return Promise.reject(new PlatformError("archive-unavailable", "the cold file is not there"));
    };
    const sweepAfter = async (ms: number) => {
      const readsBefore = reads;
      elapsedMs += ms;
      sweep();
      await expect.poll(() => reads).toBeGreaterThan(readsBefore);
      await new Promise(setImmediate);
      return told.length;
    };
    now.value += 3_600_000;
    expect([await sweepAfter(0), await sweepAfter(250), await sweepAfter(59_749)]).toEqual([1, 1, 1]);
    expect([await sweepAfter(1), await sweepAfter(250)]).toEqual([2, 2]);
    expect(told[0]).toMatch(/^expiry: .*the cold file is not there/);

    storage.readStream = readStream;
    sweep();
    await expect
      .poll(async () => await inventory.reservation("r", caller))
      .toMatchObject({ value: { status: "expired" } });
    expect(told).toHaveLength(2);
    await inventory.stop();
  });
});

describe("the inventory in process", () => {
  it("takes in facts and promises what is there", async () => {
    const { inventory } = await open();
    const receipt = await inventory.recordFacts(
      [fact("received", { sku: "milk", location: "leeds", quantity: 10 })],
      caller,
    );
    expect(receipt).toMatchObject({ accepted: 1, duplicates: 0, rejected: [] });
    const first = await inventory.reserve(
      { id: "r1", lines: [{ sku: "milk", quantity: 7, location: "leeds" }] },
      caller,
    );
    expect(first).toMatchObject({ ok: true, value: { created: true, reservation: { status: "active" } } });
    const refused = await inventory.reserve({ lines: [{ sku: "milk", quantity: 4 }] }, caller);
    expect(refused).toMatchObject({
      ok: false,
      rejection: { code: "insufficient-stock", extra: { lines: [{ sku: "milk", requested: 4, available: 3 }] } },
    });
    const again = await inventory.reserve(
      { id: "r1", lines: [{ sku: "milk", quantity: 7, location: "leeds" }] },
      caller,
    );
    expect(again).toMatchObject({ ok: true, value: { created: false } });
    expect(await inventory.confirm("r1", {}, caller)).toMatchObject({
      ok: true,
      value: { status: "confirmed", expiresAt: null },
    });
    const stock = await inventory.stock("milk", {}, caller);
    expect(stock).toMatchObject({
      ok: true,
      value: { locations: [{ onHand: 10, committed: 7, reserved: 0, available: 3 }] },
    });
    expect(await inventory.fulfil("r1", undefined, caller)).toMatchObject({ ok: true, value: { status: "fulfilled" } });
    const after = await inventory.availability(["milk", "tea"], undefined, caller);
    expect(after).toMatchObject({
      ok: true,
      value: {
        items: [
          { onHand: 3, available: 3 },
          { sku: "tea", known: false },
        ],
      },
    });
    await inventory.stop();
  });

  it("lets a thousand buyers of one item have what there is and no more", async () => {
    const { inventory } = await open();
    await inventory.recordFacts([fact("received", { sku: "milk", location: "leeds", quantity: 100 })], caller);
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, () =>
        inventory.reserve({ lines: [{ sku: "milk", quantity: 1, location: "leeds" }] }, caller),
      ),
    );
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(100);
    await inventory.stop();
  });

  it("frees an expired hold at its very instant, and records that", async () => {
    const { inventory, now } = await open();
    await inventory.recordFacts([fact("received", { sku: "milk", location: "leeds", quantity: 5 })], caller);
    await inventory.reserve(
      { id: "a", ttlSeconds: 10, lines: [{ sku: "milk", quantity: 5, location: "leeds" }] },
      caller,
    );
    now.value += 9_999;
    expect(
      (await inventory.reserve({ id: "b", lines: [{ sku: "milk", quantity: 5, location: "leeds" }] }, caller)).ok,
    ).toBe(false);
    now.value += 1;
    expect(
      (await inventory.reserve({ id: "b", lines: [{ sku: "milk", quantity: 5, location: "leeds" }] }, caller)).ok,
    ).toBe(true);
    expect(await inventory.confirm("a", {}, caller)).toMatchObject({
      rejection: { code: "reservation-already-expired" },
    });
    const trail = await inventory.stockEvents("milk", { limit: 10 }, caller);
    expect(trail.ok && trail.value.events.map(({ type }) => type)).toEqual([
      "larder.reservation.reserved.v1",
      "larder.reservation.expired.v1",
      "larder.stock.out.v1",
      "larder.reservation.reserved.v1",
      "larder.stock.received.v1",
    ]);
    await inventory.stop();
  });
});
