import { describe, expect, it } from "vitest";
import { PlatformError } from "../../../kernel/index.ts";
import type { RecordedUnit } from "../../../platform/storage/index.ts";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import type { Caller } from "../api.ts";
import { startInventory } from "../inventory.ts";
import { inventoryTagging } from "../reservations/lists.ts";
import { lastSeal } from "../seals/index.ts";
import { verifyLog } from "./verify.ts";

const caller: Caller = { id: "test", ownReservations: false };

/** A log with facts, reservations of every ending, a transfer, a void and several seals. */
async function sampleLog(): Promise<MemoryStorage> {
  const storage = new MemoryStorage({ tagging: inventoryTagging });
  const clock = { now: Date.parse("2026-03-01T08:00:00Z") };
  let ids = 0;
  const inventory = await startInventory({
    storage,
    clock: () => clock.now,
    randomId: () => {
      ids += 1;
      return `id-${ids}`;
    },
    sweepEveryMs: 5,
    sealEveryMs: 5,
  });
  let facts = 0;
  const record = async (type: string, data: object) => {
    facts += 1;
    const receipt = await inventory.recordFacts(
      [{ specversion: "1.0", id: `f${facts}`, source: "t", type: `larder.${type}.v1`, data }],
      caller,
    );
    expect(receipt.rejected).toEqual([]);
  };
  const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
  for (const sku of ["milk", "tea", "rice"]) await record("stock.received", { sku, location: "leeds", quantity: 50 });
  await pause();
  for (const id of ["a", "b", "c", "d"]) {
    await inventory.reserve(
      {
        id,
        ttlSeconds: 60,
        lines: [
          { sku: "milk", quantity: 3 },
          { sku: "tea", quantity: 2, location: "leeds" },
        ],
      },
      caller,
    );
  }
  await inventory.confirm("a", {}, caller);
  await inventory.fulfil("a", [{ sku: "milk", quantity: 1 }], caller, "k1");
  await inventory.release("b", caller);
  await pause();
  clock.now += 60_000;
  await pause();
  await inventory.confirm("c", { reacquire: true }, caller);
  await record("stock.dispatched", { sku: "rice", location: "leeds", quantity: 10, transfer: "t1", to: "york" });
  await record("stock.arrived", { sku: "rice", location: "york", quantity: 8, transfer: "t1", from: "leeds" });
  await record("fact.voided", { source: "t", id: "f2", reason: "typed twice" });
  await pause();
  await inventory.stop();
  return storage;
}

/** The same log with other units. */
function altered(storage: MemoryStorage, units: readonly RecordedUnit[]) {
  return {
    head: () => storage.head(),
    readLog: async (after: number, limit: number) =>
      units.filter((unit) => (unit.events[0]?.seq ?? 0) > after).slice(0, limit),
  };
}

describe("verification", () => {
  it("finds nothing in a log that Larder wrote", async () => {
    const storage = await sampleLog();
    const seal = await lastSeal(storage);
    const found = await verifyLog(storage, seal === undefined ? {} : { anchor: seal });
    expect(found.findings).toEqual([]);
    expect(found).toMatchObject({ findingsCount: 0, stocks: 4, reservations: 4 });
    expect(found.seals).toBeGreaterThanOrEqual(3);
    expect(found.events).toBe(storage.head());
  });

  it("sees any one unit changed, taken out, or moved, before the last seal", async () => {
    const storage = await sampleLog();
    const units = await storage.readLog(0, 10_000);
    const sealedTo = (await lastSeal(storage))?.to ?? 0;
    for (const [index, unit] of units.entries()) {
      if ((unit.events[0]?.seq ?? 0) > sealedTo) continue;
      const middle = unit.body.length >> 1;
      const other = unit.body[middle] === "x" ? "y" : "x";
      const changed = units.with(index, {
        ...unit,
        body: unit.body.slice(0, middle) + other + unit.body.slice(middle + 1),
      });
      expect((await verifyLog(altered(storage, changed))).findingsCount, `unit ${index} changed`).toBeGreaterThan(0);
      const without = units.filter((_unit, at) => at !== index);
      expect((await verifyLog(altered(storage, without))).findingsCount, `unit ${index} taken out`).toBeGreaterThan(0);
      const next = units[index + 1];
      if (next === undefined) continue;
      const swapped = units.with(index, next).with(index + 1, unit);
      expect((await verifyLog(altered(storage, swapped))).findingsCount, `unit ${index} moved`).toBeGreaterThan(0);
    }
  });

  it("says so of an event that holds what no event of its type does", async () => {
    const storage = await sampleLog();
    const units = await storage.readLog(0, 10_000);
    const deep = JSON.parse(`${'{"0":'.repeat(150_000)}1${"}".repeat(150_000)}`);
    for (const data of [{}, { balance: null }, { balance: { onHand: deep } }, { change: 1, balance: [] }]) {
      for (const index of units.keys()) {
        const unit = units[index]!;
        const changed = units.with(index, { ...unit, events: unit.events.map((event) => ({ ...event, data })) });
        const { findingsCount } = await verifyLog(altered(storage, changed));
        if (unit.events.some(({ stream }) => stream.startsWith("stock-"))) expect(findingsCount).toBeGreaterThan(0);
      }
    }
  });

  it("sees a cut tail by an anchor, and only by it", async () => {
    const storage = await sampleLog();
    const anchor = await lastSeal(storage);
    if (anchor === undefined) throw new Error("the sample has seals");
    const units = await storage.readLog(0, 10_000);
    const kept = units.filter((unit) => (unit.events[0]?.seq ?? 0) <= anchor.to);
    const last = kept.at(-1)?.events.at(-1)?.seq ?? 0;
    const cut = { ...altered(storage, kept), head: () => last };
    expect((await verifyLog(cut)).findingsCount).toBe(0);
    expect((await verifyLog(cut, { anchor })).findings).toMatchObject([
      { seq: 0, problem: expect.stringContaining("tail was cut") },
    ]);
  });

  it("sees a promise beyond what was available, and a reservation that ends twice", async () => {
    const storage = new MemoryStorage({ tagging: inventoryTagging });
    const meta = (command: string) => ({ command, recordedAt: 1000, actor: "someone" });
    const reserved = (reservation: string, balance: object) => ({
      stream: "stock-leeds/milk",
      type: "StockReserved",
      schema: 1,
      data: { reservation, expiresAt: 2000, holds: [{ line: 0, quantity: 3 }], balance },
    });
    const placed = {
      expiresAt: 2000,
      print: "p",
      allocations: [{ line: 0, sku: "milk", location: "leeds", quantity: 3 }],
    };
    const release = (version: number) => ({
      meta: meta(`c${version}`),
      expected: [{ stream: "reservation-r", version }],
      events: [{ stream: "reservation-r", type: "ReservationReleased", schema: 1, data: {} }],
    });
    const outcomes = await storage.append([
      {
        meta: meta("c0"),
        expected: [
          { stream: "stock-leeds/milk", version: 0 },
          { stream: "reservation-r", version: 0 },
        ],
        events: [
          reserved("r", { reserved: 3 }),
          { stream: "reservation-r", type: "ReservationPlaced", schema: 1, data: placed },
        ],
      },
      release(1),
      release(2),
    ]);
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    const problems = (await verifyLog(storage)).findings.map(({ problem }) => problem);
    expect(problems).toContainEqual(expect.stringContaining("promises 3 of stock-leeds/milk while 0 were available"));
    expect(problems).toContainEqual(expect.stringContaining("holds 3 for reservation r, of which 0 remain"));
    expect(problems).toContainEqual("ReservationReleased follows in a reservation that is released");
  });

  it("sees a threshold that is told of and was not crossed, or the other way about, but demands nothing of old logs", async () => {
    const before = { was: 5, lowAt: null };
    const log = async (...told: readonly (readonly [type: string, change: number, onHand: number])[]) => {
      const storage = new MemoryStorage({ tagging: inventoryTagging });
      for (const [version, [type, change, onHand]] of told.entries()) {
        const data =
          change === 0 ? before : { at: 1, fact: { quantity: Math.abs(change) }, change: { onHand: change } };
        await storage.append([
          {
            meta: { command: `c${version}`, recordedAt: 1000, actor: "someone" },
            expected: [{ stream: "stock-leeds/milk", version }],
            events: [{ stream: "stock-leeds/milk", type, schema: 1, data: { ...data, balance: { onHand } } }],
          },
        ]);
      }
      return (await verifyLog(storage)).findings.map(({ seq, problem }) => `${seq} ${problem}`);
    };
    const toNothing = [
      ["StockReceived", 5, 5],
      ["StockSold", -5, 0],
    ] as const;
    expect(await log(...toNothing)).toEqual([]);
    const outOf = "of stock-leeds/milk, which went from";
    expect(await log(["StockReceived", 5, 5], ["StockRanOut", 0, 5])).toEqual([
      `2 tells StockRanOut ${outOf} 5 to 5: that is nothing to tell`,
    ]);
    expect(await log(...toNothing, ["StockRanOut", 0, 0], ["StockReceived", 5, 5])).toEqual([
      `3 tells StockRanOut ${outOf} 0 to 0: that is nothing to tell`,
      `4 tells nothing ${outOf} 0 to 5: that is StockCameBack to tell`,
    ]);
  });

  it("tells where a log can't be read any more, after looking at all before it", async () => {
    const storage = await sampleLog();
    const { events } = await verifyLog(storage);
    const readLog = storage.readLog.bind(storage);
    storage.readLog = async (after, limit) => {
      const units = await readLog(after, limit);
      if (units.some(({ events: [first] }) => (first?.seq ?? 0) >= 20))
        throw new PlatformError("storage-unavailable", "log.db is damaged");
      return units;
    };
    const { events: looked, findings } = await verifyLog(storage);
    expect(events).toBeGreaterThan(25);
    expect(looked).toBeGreaterThan(10);
    expect(findings.at(-1)).toMatchObject({
      seq: looked + 1,
      problem: expect.stringContaining("can't be read, so nothing after it was looked at: log.db is damaged"),
    });
  });
});
