import { afterEach, describe, expect, it } from "vitest";
import { MemoryStorage } from "../../platform/storage/memory/index.ts";
import { accepted, caller, fact, type Opened, openInventory } from "./fixture.ts";
import { inventoryTagging } from "./reservations/lists.ts";
import { verifyLog } from "./verification/index.ts";

let opened: Opened;

afterEach(async () => {
  const log = await verifyLog(opened.storage);
  expect(log.findings).toEqual([]);
  await opened.inventory.stop();
});

const milk = { sku: "milk", location: "shop" };

const tell = async (type: string, data: object) =>
  expect(await opened.inventory.recordFacts([fact(type, { ...milk, ...data })], caller)).toMatchObject({ accepted: 1 });
const receive = (quantity: number) => tell("stock.received", { quantity });
const sell = (quantity: number) => tell("stock.sold", { quantity });
const policy = async (fields: object) => accepted(await opened.inventory.setPolicy("milk", fields, caller));
const reserve = async (id: string, quantity: number, ttlSeconds = 60) =>
  accepted(await opened.inventory.reserve({ id, ttlSeconds, lines: [{ ...milk, quantity }] }, caller));

/** What a sweep records is waited for, for as long as a busy machine may take. */
const waiting = { timeout: 20_000 };

const announcing = /\.stock\.(low|out|back|recovered)\.v1$/;

/** What was announced of milk, oldest first, as `out 5>0` or `low 5>2 at 3`. */
async function announced(location = "shop"): Promise<readonly string[]> {
  const { events } = accepted(await opened.inventory.stockEvents("milk", { location, limit: 1000 }, caller));
  return events.toReversed().flatMap(({ type, data }) => {
    const name = announcing.exec(type)?.[1];
    const { was, lowAt, balance } = data as { was: number; lowAt: number | null; balance: { available: number } };
    return name === undefined ? [] : [`${name} ${was}>${balance.available}${lowAt === null ? "" : ` at ${lowAt}`}`];
  });
}

describe("a threshold", () => {
  it("is told of when it is crossed, and only then", async () => {
    opened = await openInventory();
    await policy({ lowAt: 3 });
    await receive(10);
    for (const units of [6, 1, 1, 1, 1]) await sell(units);
    expect(await announced()).toEqual(["low 4>3 at 3", "out 1>0 at 3"]);
    await sell(1);
    await receive(3);
    await receive(1);
    await receive(1);
    await sell(2);
    await receive(5);
    await sell(7);
    await receive(7);
    expect((await announced()).slice(2)).toEqual([
      "back -1>2 at 3",
      "recovered 3>4 at 3",
      "low 4>2 at 3",
      "recovered 2>7 at 3",
      "out 7>0 at 3",
      "back 0>7 at 3",
    ]);
  });

  it("is not crossed by what was never there", async () => {
    opened = await openInventory();
    await policy({ safetyStock: 2, lowAt: 5 });
    await tell("stock.expected", { quantity: 4, reference: "po" });
    await tell("stock.counted", { quantity: 0 });
    opened.clock.now += 1000;
    await sell(1);
    await receive(6);
    expect(await announced(), "3 come in, below what is low").toEqual([]);
    await sell(3);
    expect(await announced()).toEqual(["out 3>0 at 5"]);
  });

  it("is told of once by one decision, whatever happened on the way", async () => {
    opened = await openInventory();
    await policy({ lowAt: 3 });
    await receive(10);
    await reserve("cart", 4);
    const lines = [{ ...milk, quantity: 9 }];
    const order = { order: "o", reservation: "cart", lines, final: true };
    expect(await opened.inventory.recordFacts([fact("order.completed", order)], caller)).toMatchObject({ accepted: 1 });
    expect(await announced(), "4 are fulfilled, 5 sold").toEqual(["low 6>1 at 3"]);
  });

  it("is told of by each decision that crosses it, though they are appended together", async () => {
    opened = await openInventory();
    await receive(1);
    await Promise.all([sell(1), receive(1), sell(1)]);
    expect(await announced()).toEqual(["out 1>0", "back 0>1", "out 1>0"]);
  });

  it("means at 0 no more than out", async () => {
    opened = await openInventory();
    await policy({ lowAt: 0 });
    await receive(2);
    await sell(1);
    await sell(1);
    await receive(1);
    expect(await announced()).toEqual(["out 1>0 at 0", "back 0>1 at 0"]);
  });
});

describe("a crossing is announced, with what brought it about,", () => {
  const till = { source: "till", id: expect.any(String) };
  const causes: readonly (readonly [
    name: string,
    before: () => Promise<unknown>,
    cross: () => Promise<unknown>,
    expected: readonly string[],
    cause: object,
  ])[] = [
    ["a sale", () => receive(5), () => sell(5), ["out 5>0"], till],
    ["a count", () => receive(5), () => tell("stock.counted", { quantity: 0 }), ["out 5>0"], till],
    [
      "a hold-back",
      () => receive(5),
      () => tell("stock.held-back", { quantity: 5, reason: "recall" }),
      ["out 5>0"],
      till,
    ],
    [
      "a movement told late",
      () => receive(5),
      () =>
        opened.inventory.recordFacts(
          [fact("stock.sold", { ...milk, quantity: 5 }, { time: "2025-12-30T00:00:00Z" })],
          caller,
        ),
      ["out 5>0"],
      till,
    ],
    [
      "a void",
      () => opened.inventory.recordFacts([fact("stock.received", { ...milk, quantity: 5 }, { id: "typo" })], caller),
      () => opened.inventory.recordFacts([fact("fact.voided", { source: "till", id: "typo", reason: "typo" })], caller),
      ["out 5>0"],
      till,
    ],
    [
      "a dispatch",
      () => receive(5),
      () => tell("stock.dispatched", { quantity: 5, transfer: "t", to: "depot" }),
      ["out 5>0"],
      till,
    ],
    ["a reservation", () => receive(5), () => reserve("a", 5), ["out 5>0"], { reservation: "a" }],
    [
      "an amendment",
      () => receive(5).then(() => reserve("a", 1)),
      () => opened.inventory.amend("a", [{ ...milk, quantity: 5 }], caller),
      ["out 4>0"],
      { reservation: "a" },
    ],
    [
      "a release",
      () => receive(5).then(() => reserve("a", 5)),
      () => opened.inventory.release("a", caller),
      ["out 5>0", "back 0>5"],
      { reservation: "a" },
    ],
    ["safety stock", () => receive(5), () => policy({ safetyStock: 5 }), ["out 5>0"], { policy: "milk" }],
    [
      "safety stock of one location",
      () => policy({ safetyStock: 1 }).then(() => receive(5)),
      () => policy({ location: "shop", safetyStock: 9 }),
      ["out 4>-4"],
      { policy: "milk" },
    ],
    ["a lowAt that is raised", () => receive(5), () => policy({ lowAt: 5 }), ["low 5>5 at 5"], { policy: "milk" }],
    [
      "a lowAt that is taken away",
      () => receive(5).then(() => policy({ lowAt: 5 })),
      () => policy({ lowAt: null }),
      ["low 5>5 at 5", "recovered 5>5"],
      { policy: "milk" },
    ],
  ];

  it.each(causes)("when it is %s", async (_name, before, cross, expected, cause) => {
    opened = await openInventory();
    await before();
    await cross();
    expect(await announced()).toEqual(expected);
    const { events } = accepted(await opened.inventory.stockEvents("milk", { location: "shop", limit: 1 }, caller));
    expect(events[0]).toMatchObject({
      type: expect.stringMatching(announcing),
      data: { ...milk, cause, actor: "test", version: expect.any(Number) },
    });
  });

  it("when it is a hold or a lot that lapses, though nobody asks", async () => {
    opened = await openInventory({ sweepEveryMs: 1 });
    await receive(2);
    await reserve("a", 2);
    opened.clock.now += 60_000;
    await expect.poll(() => announced(), waiting).toEqual(["out 2>0", "back 0>2"]);
    await sell(2);
    await tell("stock.received", { quantity: 3, lot: "L", expiresOn: "2026-01-02" });
    opened.clock.now += 2 * 86_400_000;
    await expect.poll(() => announced(), waiting).toEqual(["out 2>0", "back 0>2", "out 2>0", "back 0>3", "out 3>0"]);
    const { events } = accepted(await opened.inventory.stockEvents("milk", { location: "shop", limit: 1 }, caller));
    expect(events[0]?.data).toMatchObject({ cause: { lot: "L" }, actor: "system:expiry" });
  });

  it("but not while what has lapsed, and nothing has recorded, undoes it", async () => {
    opened = await openInventory();
    await receive(5);
    await reserve("a", 4);
    opened.clock.now += 60_000;
    await sell(1);
    expect(await announced()).toEqual([]);
    const { events } = accepted(await opened.inventory.stockEvents("milk", { location: "shop", limit: 2 }, caller));
    expect(events.map(({ type }) => type)).toEqual(["larder.reservation.expired.v1", "larder.stock.sold.v1"]);
  });
});

describe("a log from before there were announcements", () => {
  /** What an earlier version has written: the same, without the announcements. */
  async function logBefore(): Promise<MemoryStorage> {
    const storage = new MemoryStorage({ tagging: inventoryTagging });
    const event = (type: string, version: number, data: object) => ({
      meta: { command: `c${version}`, recordedAt: 1000 + version, actor: "someone" },
      expected: [{ stream: "stock-shop/milk", version }],
      events: [{ stream: "stock-shop/milk", type, schema: 1, data }],
    });
    await storage.append([
      event("PolicyApplied", 0, { safetyStock: 0, lowAt: 3, backorderLimit: 0, balance: {} }),
      event("StockReceived", 1, { at: 1, fact: { quantity: 9 }, change: { onHand: 9 }, balance: { onHand: 9 } }),
      event("StockSold", 2, { at: 2, fact: { quantity: 7 }, change: { onHand: -7 }, balance: { onHand: 2 } }),
      event("StockSold", 3, { at: 3, fact: { quantity: 2 }, change: { onHand: -2 }, balance: {} }),
    ]);
    return storage;
  }

  it("goes on with the next crossing", async () => {
    opened = await openInventory({ storage: await logBefore() });
    await tell("stock.adjusted", { delta: -1, reason: "theft" });
    await tell("stock.adjusted", { delta: 1, reason: "found" });
    expect(await announced()).toEqual([]);
    await receive(5);
    expect(await announced()).toEqual(["back 0>5 at 3"]);
  });
});
