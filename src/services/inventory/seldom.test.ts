/** What histories over a few skus, and over a few weeks, do not come to. */
import { describe, expect, it } from "vitest";
import { limits } from "../../kernel/index.ts";
import { emptyStock, evolve, totalsAt } from "./domain/stock/index.ts";
import { accepted, caller, codeOf, fact, openInventory } from "./fixture.ts";
import type { Caller, RunningInventory } from "./index.ts";

async function told(inventory: RunningInventory, ...facts: readonly object[]): Promise<void> {
  expect(await inventory.recordFacts(facts, caller)).toMatchObject({ accepted: facts.length, rejected: [] });
}

async function stockAt(inventory: RunningInventory, sku: string, location: string) {
  const { locations } = accepted(await inventory.stock(sku, {}, caller));
  return locations.find((one) => one.location === location);
}

describe("a lot that never expires, by the last date there is", () => {
  const received = (quantity: number, lot: string, expiresOn: string) =>
    fact("stock.received", { sku: "rice", location: "leeds", quantity, lot, expiresOn });

  it("does not serve a date twice over", async () => {
    const { inventory } = await openInventory();
    await told(inventory, received(10, "L1", "2026-01-10"), received(5, "L2", "9999-12-31"));
    const lines = (quantity: number) => [{ sku: "rice", location: "leeds", quantity, sellableUntil: "2026-06-01" }];
    expect(codeOf(await inventory.reserve({ lines: lines(6) }, caller))).toBe("insufficient-stock");
    expect(codeOf(await inventory.reserve({ lines: lines(5) }, caller))).toBe("ok");
    await inventory.stop();
  });

  it("has an end that can be written", async () => {
    const { inventory } = await openInventory();
    await told(inventory, received(5, "L2", "9999-12-31"));
    const { events } = accepted(await inventory.stockEvents("rice", { limit: 10 }, caller));
    expect(events[0]?.data).toMatchObject({ change: { lots: [{ expiresAt: "9999-12-31T23:59:59.999Z" }] } });
    await inventory.stop();
  });
});

describe("lines to be fulfilled", () => {
  const anywhere = { sku: "tea", quantity: 5 };
  const leeds = { sku: "tea", quantity: 5, location: "leeds" };

  it.each([
    ["first", [leeds, anywhere]],
    ["last", [anywhere, leeds]],
  ])("are served whether the one with a place comes %s or not", async (_where, lines) => {
    const { inventory } = await openInventory();
    for (const location of ["leeds", "york"])
      await told(inventory, fact("stock.received", { sku: "tea", location, quantity: 5 }));
    const held = ["leeds", "york"].map((location) => ({ sku: "tea", location, quantity: 5 }));
    accepted(await inventory.reserve({ id: "r", lines: held }, caller));
    expect(codeOf(await inventory.fulfil("r", lines, caller, "once"))).toBe("ok");
    await inventory.stop();
  });
});

describe("a transfer that was sent to two places", () => {
  const dispatched = (to: string, quantity: number, id: string) =>
    fact("stock.dispatched", { sku: "salt", location: "leeds", to, transfer: "T", quantity }, { id });
  const voided = (id: string) => fact("fact.voided", { source: "till", id, reason: "wrong place" });

  it("is incoming at each by what was sent there, and at neither once voided", async () => {
    const { inventory } = await openInventory();
    await told(inventory, fact("stock.received", { sku: "salt", location: "leeds", quantity: 50 }));
    await told(inventory, dispatched("york", 10, "d1"), dispatched("bath", 5, "d2"));
    expect((await stockAt(inventory, "salt", "york"))?.incoming).toBe(10);
    expect((await stockAt(inventory, "salt", "bath"))?.incoming).toBe(5);
    await told(inventory, voided("d2"));
    expect((await stockAt(inventory, "salt", "york"))?.incoming).toBe(10);
    expect((await stockAt(inventory, "salt", "bath"))?.incoming).toBe(0);
    await told(
      inventory,
      fact("stock.arrived", { sku: "salt", location: "york", from: "leeds", transfer: "T", quantity: 10 }),
    );
    expect(await stockAt(inventory, "salt", "york")).toMatchObject({ incoming: 0, onHand: 10 });
    await inventory.stop();
  });

  it("may be voided by whoever may speak for where it was sent from", async () => {
    const { inventory } = await openInventory();
    const ofLeeds: Caller = { ...caller, locations: new Set(["leeds"]) };
    const receipt = (facts: readonly object[]) => inventory.recordFacts(facts, ofLeeds);
    expect(await receipt([dispatched("york", 10, "d9")])).toMatchObject({ accepted: 1 });
    expect(await receipt([voided("d9")])).toMatchObject({ accepted: 1 });
    // Also when it comes before.
    expect(await receipt([voided("d10")])).toMatchObject({ accepted: 1 });
    expect(await receipt([dispatched("york", 10, "d10")])).toMatchObject({ accepted: 1 });
    expect(await stockAt(inventory, "salt", "leeds")).toMatchObject({ onHand: 0 });
    expect((await stockAt(inventory, "salt", "york"))?.incoming).toBe(0);
    await inventory.stop();
  });
});

describe("units beyond all reason", () => {
  it("are refused where they would be incoming, and stop nobody from selling there", async () => {
    const { inventory } = await openInventory();
    const quantity = limits.quantityMax;
    const send = (count: number) =>
      Array.from({ length: count }, (_, index) =>
        fact("stock.dispatched", {
          sku: "oats",
          location: `from-${index}`,
          to: "hub",
          transfer: `T${index}`,
          quantity,
        }),
      );
    const many = await inventory.recordFacts(send(Math.floor(limits.totalMax / quantity) + 1).slice(0, 1000), caller);
    expect(many.rejected).toEqual([]);
    const one = await inventory.recordFacts(
      [fact("stock.dispatched", { sku: "oats", location: "x", to: "hub", transfer: "X", quantity })],
      caller,
    );
    expect(one.rejected).toMatchObject([{ code: "out-of-range" }]);
    await told(inventory, fact("stock.sold", { sku: "oats", location: "hub", quantity: 1 }));
    await inventory.stop();
  });
});

describe("a time too far ahead", () => {
  const ahead = { time: "2026-01-03T12:00:00Z" };
  async function newest(inventory: RunningInventory) {
    const { events } = accepted(await inventory.stockEvents("milk", { limit: 1 }, caller));
    return events[0]?.data;
  }

  it("is told of a void, and of an order that fulfils a reservation", async () => {
    const { inventory } = await openInventory();
    await told(inventory, fact("stock.received", { sku: "milk", location: "leeds", quantity: 9 }));
    await told(inventory, fact("stock.received", { sku: "milk", location: "leeds", quantity: 9 }, { id: "in" }));
    accepted(await inventory.reserve({ id: "r", lines: [{ sku: "milk", location: "leeds", quantity: 1 }] }, caller));
    const lines = [{ sku: "milk", location: "leeds", quantity: 1 }];
    await told(inventory, fact("order.completed", { order: "o", reservation: "r", lines }, ahead));
    expect(await newest(inventory)).toMatchObject({ flags: ["clock-ahead"], reservation: "r" });
    await told(inventory, fact("fact.voided", { source: "till", id: "in", reason: "twice" }, ahead));
    expect(await newest(inventory)).toMatchObject({ flags: ["clock-ahead"], voids: { id: "in" } });
    await inventory.stop();
  });
});

describe("an order that was voided", () => {
  it("may be told again as it was, once for each void", async () => {
    const { inventory } = await openInventory();
    await told(inventory, fact("stock.received", { sku: "milk", location: "leeds", quantity: 9 }));
    const order = (quantity: number, id: string) =>
      fact("order.completed", { order: "o", lines: [{ sku: "milk", location: "leeds", quantity }] }, { id });
    const voided = (id: string) => fact("fact.voided", { source: "till", id, reason: "mistyped" });
    const duplicates = async (one: object) => (await inventory.recordFacts([one], caller)).duplicates;
    await told(inventory, order(5, "o1"));
    expect(await duplicates(order(2, "o2"))).toBe(1);
    await told(inventory, voided("o1"), order(2, "o2"));
    expect(await duplicates(order(2, "o3"))).toBe(1);
    expect(await duplicates(order(5, "o1"))).toBe(1);
    expect((await stockAt(inventory, "milk", "leeds"))?.onHand).toBe(7);
    await told(inventory, voided("o2"), order(3, "o3"));
    expect((await stockAt(inventory, "milk", "leeds"))?.onHand).toBe(6);
    expect(await duplicates(order(1, "o4"))).toBe(1);
    await inventory.stop();
  });
});

describe("a plan", () => {
  it("refuses what would be held at too many places, as the reservation would be", async () => {
    const { inventory } = await openInventory();
    const places = Array.from({ length: limits.reservationPairsMax + 1 }, (_, index) => `store-${index}`);
    await told(inventory, ...places.map((location) => fact("stock.received", { sku: "eggs", location, quantity: 1 })));
    const lines = [{ sku: "eggs", quantity: places.length }];
    expect(codeOf(await inventory.plan({ lines }, caller))).toBe("too-many-allocations");
    expect(codeOf(await inventory.reserve({ lines }, caller))).toBe("too-many-allocations");
    await inventory.stop();
  });
});

describe("the trail of a sku at hundreds of places", () => {
  it("is paged to its end, each event once and newest first, while more is recorded", async () => {
    const { inventory } = await openInventory();
    const places = Array.from({ length: 170 }, (_, index) => `store-with-a-long-name-${index}`);
    for (let round = 0; round < 3; round += 1)
      await told(
        inventory,
        ...places.slice(round * 40).map((location) => fact("stock.received", { sku: "eggs", location, quantity: 1 })),
      );
    const expected = 170 + 130 + 90;
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = accepted(await inventory.stockEvents("eggs", { limit: 25, ...(cursor && { cursor }) }, caller));
      seen.push(...page.events.map(({ id }) => id));
      cursor = page.next;
      expect((cursor ?? "").length).toBeLessThan(100);
      if (seen.length === 50)
        await told(inventory, fact("stock.received", { sku: "eggs", location: places[0], quantity: 1 }));
    } while (cursor !== undefined);
    expect(seen).toHaveLength(expected);
    expect(new Set(seen).size).toBe(expected);
    const { events } = accepted(await inventory.stockEvents("eggs", { limit: 1000 }, caller));
    expect(events.slice(1).map(({ id }) => id)).toEqual(seen);
    await inventory.stop();
  });
});

describe("a caller that may see its own reservations only", () => {
  it("is told of no others' by the change feed", async () => {
    const { inventory } = await openInventory();
    const [shop, other] = ["shop", "other"].map((id): Caller => ({ id, ownReservations: true }));
    await told(inventory, fact("stock.received", { sku: "milk", location: "leeds", quantity: 9 }));
    const lines = [{ sku: "milk", location: "leeds", quantity: 1 }];
    accepted(await inventory.reserve({ id: "mine", lines }, shop as Caller));
    accepted(await inventory.reserve({ id: "theirs", lines }, other as Caller));
    accepted(await inventory.release("theirs", other as Caller));
    accepted(await inventory.release("mine", shop as Caller));
    const steps = async (by: Caller) => {
      const read = accepted(await inventory.readChanges(undefined, 100, by));
      return read.events
        .filter(({ type }) => type === "larder.reservation.status-changed.v1")
        .map(({ data }) => `${(data as { reservation: string }).reservation} ${(data as { step: string }).step}`);
    };
    expect(await steps(shop as Caller)).toEqual(["mine placed", "mine released"]);
    expect(await steps(caller)).toHaveLength(4);
    // What their stock tells of it names nobody, in feeds and in the trail.
    const read = accepted(await inventory.readChanges(undefined, 100, shop as Caller));
    const { events: trail } = accepted(await inventory.stockEvents("milk", { limit: 100 }, shop as Caller));
    for (const events of [read.events, trail.toReversed()]) {
      const holds = events.filter(({ type }) => /^larder\.reservation\.(reserved|released)/.test(type));
      const told = holds.map(({ data }) => data as { reservation: string; actor: string; cause: object });
      expect(told.map(({ reservation, actor }) => `${reservation} ${actor}`)).toEqual([
        "mine shop",
        "hidden hidden",
        "hidden hidden",
        "mine shop",
      ]);
      expect(JSON.stringify(told)).not.toMatch(/theirs|other/);
    }
    const stop = new AbortController();
    const feed = accepted(
      await inventory.changes(undefined, {}, shop as Caller, { signal: stop.signal, heartbeatMs: 50 }),
    );
    const followed: unknown[] = [];
    for await (const { events, caughtUp } of feed) {
      followed.push(
        ...events.map(({ data }) => data as { reservation?: string; step?: string }).filter(({ step }) => step),
      );
      if (caughtUp) stop.abort();
    }
    expect(followed).toMatchObject([{ reservation: "mine" }, { reservation: "mine" }]);
    await inventory.stop();
  });
});

describe("what a stock remembers of holds", () => {
  it("does not grow with extensions, and confirmed ones cost nothing once their time has come", () => {
    const stock = emptyStock();
    const balance = { onHand: 0, unavailable: 0, reserved: 0, committed: 0, safetyStock: 0, incoming: 0 };
    const holds = [{ line: 0, quantity: 1 }];
    for (let index = 0; index < 1000; index += 1) {
      const reservation = `r${index}`;
      evolve(stock, { type: "StockReserved", data: { reservation, expiresAt: 1000 + index, holds } });
      for (let time = 0; time < 10; time += 1)
        evolve(stock, { type: "HoldExtended", data: { reservation, expiresAt: 2000 + index + time } });
      evolve(stock, { type: "StockCommitted", data: { reservation, quantity: 1 } });
    }
    expect(stock.deadlines.size).toBeLessThan(2 * 1000 + 100);
    expect(totalsAt(stock, 10_000)).toMatchObject({ ...balance, committed: 1000 });
    expect(stock.deadlines.size).toBe(0);
  });
});
