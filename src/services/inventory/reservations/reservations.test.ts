import { describe, expect, it } from "vitest";
import type { Caller } from "../api.ts";
import { accepted, caller, codeOf, fact, type Opened, openInventory } from "../fixture.ts";
import { verifyLog } from "../verification/index.ts";
import type { ReservationLine } from "../wire.ts";

const milk = (quantity: number, rest: Partial<ReservationLine> = {}): ReservationLine => ({
  sku: "milk",
  quantity,
  location: "shop",
  ...rest,
});

async function stocked(...facts: object[]): Promise<Opened> {
  const opened = await openInventory();
  const all = facts.length > 0 ? facts : [fact("stock.received", { sku: "milk", location: "shop", quantity: 10 })];
  expect(await opened.inventory.recordFacts(all, caller)).toMatchObject({ accepted: all.length });
  opened.clock.now += 1;
  return opened;
}

async function totals({ inventory }: Opened, sku = "milk", location = "shop") {
  const { locations } = accepted(await inventory.stock(sku, {}, caller));
  const { onHand, unavailable, reserved, committed, available } =
    locations.find((one) => one.location === location) ?? {};
  return { onHand, unavailable, reserved, committed, available };
}

describe("the table of reservations", () => {
  it("never promises more than is on hand, also while a put-back has come before its hold-back", async () => {
    const opened = await stocked(
      fact("stock.received", { sku: "milk", location: "shop", quantity: 10 }),
      fact("stock.put-back", { sku: "milk", location: "shop", quantity: 4, reason: "quarantine" }),
    );
    expect(await totals(opened)).toMatchObject({ onHand: 10, unavailable: -4, available: 14 });
    expect(codeOf(await opened.inventory.reserve({ lines: [milk(11)] }, caller))).toBe("insufficient-stock");
    expect(codeOf(await opened.inventory.reserve({ lines: [milk(10)] }, caller))).toBe("ok");
    await opened.inventory.stop();
  });

  it("never promises units of a lot that are not there, or past their date, when a put-back names another lot than the hold-back", async () => {
    const told = (type: string, quantity: number, more: object = {}) =>
      fact(`stock.${type}`, { sku: "milk", location: "shop", quantity, ...more });
    const why = { reason: "checked" };
    const opened = await stocked(
      told("received", 10, { lot: "A", expiresOn: "2030-01-01" }),
      told("received", 10),
      told("held-back", 4, why),
      told("put-back", 4, { lot: "A", ...why }),
    );
    const { inventory } = opened;
    const asking = async (quantity: number, more: object) =>
      codeOf(await inventory.reserve({ lines: [milk(quantity, more)] }, caller));
    expect(await asking(11, { lot: "A" })).toBe("insufficient-stock");
    expect(await asking(10, { lot: "A" })).toBe("ok");
    const { locations } = accepted(await inventory.stock("milk", { lots: true }, caller));
    expect(locations[0]?.lots).toMatchObject([
      { lot: "A", sellable: 10 },
      { lot: "unknown", sellable: 6 },
    ]);
    await inventory.stop();

    const other = await stocked(
      told("received", 6, { lot: "A", expiresOn: "2026-01-03" }),
      fact("stock.returned", {
        sku: "milk",
        location: "shop",
        quantity: 4,
        lot: "A",
        expiresOn: "2026-01-03",
        sellable: false,
      }),
      told("put-back", 4, why),
    );
    const ask = (more: object) => other.inventory.reserve({ lines: [milk(4, more)] }, caller);
    expect(codeOf(await ask({ sellableUntil: "2030-01-01" }))).toBe("insufficient-stock");
    other.clock.now = Date.parse("2026-01-05");
    expect(codeOf(await ask({}))).toBe("insufficient-stock");
    await other.inventory.stop();
  });

  it("active: extended from now and never shortened", async () => {
    const { inventory, clock } = await stocked();
    const start = clock.now;
    await inventory.reserve({ id: "r", ttlSeconds: 60, lines: [milk(1)] }, caller);
    clock.now += 30_000;
    expect(Date.parse(accepted(await inventory.extend("r", 60, caller)).expiresAt ?? "")).toBe(start + 90_000);
    expect(Date.parse(accepted(await inventory.extend("r", 1, caller)).expiresAt ?? "")).toBe(start + 90_000);
    await inventory.stop();
  });

  it("active: keeps in an amendment what it holds of a lot, also when the lot is gone or past its date", async () => {
    const lot = { sku: "milk", location: "shop", quantity: 4 };
    for (const leaves of ["by a sale", "by its date"]) {
      const { inventory, clock } = await stocked(
        fact("stock.received", { ...lot, lot: "a", expiresOn: "2026-01-02" }),
        fact("stock.received", lot),
      );
      const lines = [milk(2, { lot: "a" }), milk(1)];
      await inventory.reserve({ id: "r", ttlSeconds: 1_000_000, lines }, caller);
      if (leaves === "by a sale") await inventory.recordFacts([fact("stock.sold", { ...lot, lot: "a" })], caller);
      else clock.now += 3 * 86_400_000;
      expect(codeOf(await inventory.amend("r", lines, caller)), leaves).toBe("ok");
      expect(codeOf(await inventory.amend("r", [milk(2, { lot: "a" }), milk(2)], caller)), leaves).toBe("ok");
      expect(codeOf(await inventory.amend("r", [milk(3, { lot: "a" }), milk(2)], caller)), leaves).toBe(
        "insufficient-stock",
      );
      await inventory.stop();
    }
  });

  it("active: takes an amendment that changes nothing, also when what is held could not be promised any more", async () => {
    const lot = { sku: "milk", location: "shop", quantity: 4, lot: "a" };
    const { inventory } = await stocked(fact("stock.received", { ...lot, expiresOn: "2026-01-05" }));
    const lines = [milk(2, { lot: "a", sellableUntil: "2026-01-04" })];
    const { lines: held } = accepted(await inventory.reserve({ id: "r", lines }, caller)).reservation;
    await inventory.recordFacts([fact("stock.received", { ...lot, expiresOn: "2026-01-02" })], caller);
    expect(codeOf(await inventory.reserve({ id: "other", lines }, caller))).toBe("insufficient-stock");
    expect(accepted(await inventory.amend("r", lines, caller)).lines).toEqual(held);
    for (const more of [milk(9), { sku: "tea", quantity: 1 }])
      expect(codeOf(await inventory.amend("r", [...lines, more], caller))).toBe("insufficient-stock");
    await inventory.stop();
  });

  it("active: amended whole or refused; what is unchanged is never let go", async () => {
    const opened = await stocked();
    const { inventory } = opened;
    const { expiresAt } = accepted(await inventory.reserve({ id: "r", lines: [milk(8)] }, caller)).reservation;
    expect(codeOf(await inventory.amend("r", [milk(11)], caller))).toBe("insufficient-stock");
    expect(await totals(opened)).toMatchObject({ reserved: 8 });
    expect(accepted(await inventory.amend("r", [milk(10)], caller)).expiresAt).toBe(expiresAt);
    await inventory.recordFacts(
      [fact("stock.adjusted", { sku: "milk", location: "shop", delta: -4, reason: "theft" })],
      caller,
    );
    expect(await totals(opened)).toMatchObject({ reserved: 10, available: -4 });
    expect(codeOf(await inventory.amend("r", [milk(10)], caller))).toBe("ok");
    expect(codeOf(await inventory.amend("r", [milk(9)], caller))).toBe("ok");
    expect(codeOf(await inventory.amend("r", [milk(10)], caller))).toBe("insufficient-stock");
    await inventory.stop();
  });

  it("active: a repeated amendment leaves each line where it is, also when two of them ask for one sku", async () => {
    const opened = await stocked();
    const { inventory } = opened;
    const lines = [milk(5), { sku: "milk", quantity: 5 }];
    const before = accepted(await inventory.reserve({ id: "r", lines }, caller)).reservation.lines;
    await inventory.recordFacts([fact("stock.received", { sku: "milk", location: "a-first", quantity: 10 })], caller);
    expect(accepted(await inventory.amend("r", lines, caller)).lines).toEqual(before);
    const grown = accepted(await inventory.amend("r", [milk(5), { sku: "milk", quantity: 6 }], caller)).lines;
    expect(grown).toMatchObject([before[0], { location: "a-first", quantity: 6, lineIndex: 1 }]);
    await inventory.stop();
  });

  it("active: is amended by the strategy that was asked for, though its lines named their places", async () => {
    const { inventory } = await stocked(
      fact("stock.received", { sku: "milk", location: "a-first", quantity: 3 }),
      fact("stock.received", { sku: "milk", location: "shop", quantity: 10 }),
    );
    await inventory.reserve({ id: "r", strategy: "most-stock", lines: [milk(1)] }, caller);
    const amended = accepted(await inventory.amend("r", [{ sku: "milk", quantity: 2 }], caller));
    expect(amended.lines).toMatchObject([{ location: "shop", quantity: 2 }]);
    await inventory.stop();
  });

  it("an expired hold can never be confirmed, only reacquired while stock allows", async () => {
    const opened = await stocked();
    const { inventory, clock } = opened;
    await inventory.reserve({ id: "a", ttlSeconds: 1, lines: [milk(6)] }, caller);
    clock.now += 999;
    expect(accepted(await inventory.reservation("a", caller)).status).toBe("active");
    clock.now += 1;
    expect(accepted(await inventory.reservation("a", caller)).status).toBe("expired");
    expect(codeOf(await inventory.confirm("a", {}, caller))).toBe("reservation-already-expired");
    expect(codeOf(await inventory.extend("a", 5, caller))).toBe("reservation-already-expired");
    expect(codeOf(await inventory.fulfil("a", undefined, caller))).toBe("reservation-already-expired");
    expect(codeOf(await inventory.release("a", caller))).toBe("reservation-already-expired");
    await inventory.reserve({ id: "b", lines: [milk(5)] }, caller);
    expect(codeOf(await inventory.confirm("a", { reacquire: true }, caller))).toBe("insufficient-stock");
    await inventory.release("b", caller);
    expect(accepted(await inventory.confirm("a", { reacquire: true }, caller)).status).toBe("confirmed");
    expect(await totals(opened)).toMatchObject({ committed: 6, reserved: 0, available: 4 });
    await inventory.stop();
  });

  it("confirmed expires no more; fulfilled in parts it is partly fulfilled, then fulfilled", async () => {
    const opened = await stocked();
    const { inventory, clock } = opened;
    await inventory.reserve({ id: "r", ttlSeconds: 1, lines: [milk(5)] }, caller);
    await inventory.confirm("r", {}, caller);
    clock.now += 1_000_000;
    expect(codeOf(await inventory.extend("r", 1, caller))).toBe("reservation-already-confirmed");
    expect(codeOf(await inventory.amend("r", [milk(1)], caller))).toBe("reservation-already-confirmed");
    const two = [{ sku: "milk", quantity: 2 }];
    expect(codeOf(await inventory.fulfil("r", two, caller))).toBe("idempotency-key-required");
    expect(accepted(await inventory.fulfil("r", two, caller, "k")).status).toBe("partly-fulfilled");
    expect(codeOf(await inventory.fulfil("r", two, caller, "k"))).toBe("ok");
    expect(codeOf(await inventory.fulfil("r", [{ sku: "milk", quantity: 1 }], caller, "k"))).toBe(
      "idempotency-key-reused",
    );
    expect(await totals(opened)).toMatchObject({ onHand: 8, committed: 3 });
    expect(accepted(await inventory.confirm("r", {}, caller)).status).toBe("partly-fulfilled");
    expect(await inventory.fulfil("r", [{ sku: "milk", quantity: 4 }], caller, "k2")).toMatchObject({
      rejection: { code: "exceeds-reservation", extra: { lines: [{ sku: "milk", requested: 4, remaining: 3 }] } },
    });
    expect(accepted(await inventory.fulfil("r", undefined, caller)).status).toBe("fulfilled");
    expect(accepted(await inventory.fulfil("r", undefined, caller)).status).toBe("fulfilled");
    expect(codeOf(await inventory.fulfil("r", two, caller, "k"))).toBe("ok");
    expect(codeOf(await inventory.release("r", caller))).toBe("reservation-already-fulfilled");
    expect(codeOf(await inventory.confirm("r", {}, caller))).toBe("reservation-already-fulfilled");
    expect(await totals(opened)).toMatchObject({ onHand: 5, committed: 0, reserved: 0 });
    await inventory.stop();
  });

  it("active and partly fulfilled: the rest is committed, and may be released", async () => {
    const opened = await stocked();
    const { inventory, clock } = opened;
    await inventory.reserve({ id: "r", ttlSeconds: 1, lines: [milk(5)] }, caller);
    await inventory.fulfil("r", [{ sku: "milk", quantity: 2 }], caller, "k");
    clock.now += 5000;
    expect(await totals(opened)).toMatchObject({ onHand: 8, reserved: 0, committed: 3 });
    const released = accepted(await inventory.release("r", caller));
    expect(released).toMatchObject({
      status: "fulfilled",
      releasedLines: [{ sku: "milk", quantity: 3, lineIndex: 0 }],
    });
    expect(codeOf(await inventory.release("r", caller))).toBe("ok");
    expect(codeOf(await inventory.fulfil("r", undefined, caller))).toBe("reservation-already-released");
    expect(await totals(opened)).toMatchObject({ onHand: 8, committed: 0, available: 8 });
    await inventory.stop();
  });

  it("released: what remains is available again; a second time is answered like the first", async () => {
    const opened = await stocked();
    const { inventory } = opened;
    await inventory.reserve({ id: "r", lines: [milk(5)] }, caller);
    expect(accepted(await inventory.release("r", caller)).status).toBe("released");
    expect(accepted(await inventory.release("r", caller)).status).toBe("released");
    for (const other of [inventory.confirm("r", { reacquire: true }, caller), inventory.fulfil("r", undefined, caller)])
      expect(codeOf(await other)).toBe("reservation-already-released");
    expect(await totals(opened)).toMatchObject({ available: 10 });
    await inventory.stop();
  });

  it("ids are spent by acceptance only, and for ever", async () => {
    const { inventory } = await stocked();
    expect(codeOf(await inventory.reserve({ id: "r", lines: [milk(11)] }, caller))).toBe("insufficient-stock");
    expect(accepted(await inventory.reserve({ id: "r", lines: [milk(1)] }, caller)).created).toBe(true);
    await inventory.release("r", caller);
    const again = accepted(await inventory.reserve({ id: "r", lines: [milk(1)] }, caller));
    expect(again).toMatchObject({ created: false, reservation: { status: "released" } });
    expect(codeOf(await inventory.reserve({ id: "r", lines: [milk(2)] }, caller))).toBe("idempotency-key-reused");
    await inventory.stop();
  });

  it("an Idempotency-Key belongs to its credential", async () => {
    const { inventory } = await stocked();
    const ask = { lines: [milk(1)] };
    const mine = accepted(await inventory.reserve(ask, caller, "key"));
    expect(accepted(await inventory.reserve(ask, caller, "key"))).toMatchObject({
      created: false,
      reservation: { id: mine.reservation.id },
    });
    expect(codeOf(await inventory.reserve({ lines: [milk(2)] }, caller, "key"))).toBe("idempotency-key-reused");
    expect(accepted(await inventory.reserve({ lines: [milk(2)] }, { ...caller, id: "other" }, "key")).created).toBe(
      true,
    );
    await inventory.reserve({ id: "parts", lines: [milk(4)] }, caller);
    const picked = (id: string, quantity = 1) => inventory.fulfil("parts", [milk(quantity)], { ...caller, id }, "1");
    expect(accepted(await picked("picker-1")).lines).toMatchObject([{ fulfilled: 1 }]);
    expect(accepted(await picked("picker-2")).lines).toMatchObject([{ fulfilled: 2 }]);
    expect(accepted(await picked("picker-2")).lines).toMatchObject([{ fulfilled: 2 }]);
    expect(codeOf(await picked("picker-1", 2))).toBe("idempotency-key-reused");
    await inventory.stop();
  });

  it("a cart is all or nothing, and says every line that is short", async () => {
    const opened = await stocked(
      fact("stock.received", { sku: "milk", location: "shop", quantity: 3 }),
      fact("stock.received", { sku: "tea", location: "shop", quantity: 1 }),
      fact("stock.received", { sku: "rice", location: "shop", quantity: 9 }),
    );
    const lines = [milk(2), milk(2), { sku: "tea", quantity: 2, location: "shop" }, { sku: "rice", quantity: 1 }];
    expect(await opened.inventory.reserve({ lines }, caller)).toMatchObject({
      rejection: {
        code: "insufficient-stock",
        extra: {
          lines: [
            { sku: "milk", location: "shop", requested: 4, available: 3 },
            { sku: "tea", location: "shop", requested: 2, available: 1 },
          ],
        },
      },
    });
    expect(await totals(opened, "rice")).toMatchObject({ reserved: 0 });
    const partial = accepted(await opened.inventory.reserve({ lines, allowPartial: true }, caller)).reservation;
    expect(partial.lines.map(({ sku, quantity, lineIndex }) => [sku, quantity, lineIndex])).toEqual([
      ["milk", 3, 0],
      ["tea", 1, 2],
      ["rice", 1, 3],
    ]);
    await opened.inventory.stop();
  });

  it("more pairs than a unit holds are refused as such", async () => {
    const places = Array.from({ length: 81 }, (_, index) => `shop-${index}`);
    const opened = await stocked(
      ...places.map((location) => fact("stock.received", { sku: "milk", location, quantity: 1 })),
    );
    const ask = (quantity: number) => opened.inventory.reserve({ lines: [{ sku: "milk", quantity }] }, caller);
    expect(codeOf(await ask(81))).toBe("too-many-allocations");
    expect(codeOf(await ask(80))).toBe("ok");
    await opened.inventory.stop();
  });
});

describe("lots that outlive a date", () => {
  const lots = () => [
    fact("stock.received", { sku: "milk", location: "shop", quantity: 3, lot: "early", expiresOn: "2026-01-02" }),
    fact("stock.received", { sku: "milk", location: "shop", quantity: 3, lot: "late", expiresOn: "2026-02-02" }),
    fact("stock.received", { sku: "milk", location: "shop", quantity: 1 }),
  ];

  it("a date is served by lots that reach it and by undated stock", async () => {
    const { inventory } = await stocked(...lots());
    const until = (quantity: number, sellableUntil: string) =>
      inventory.reserve({ lines: [milk(quantity, { sellableUntil })] }, caller);
    expect(codeOf(await until(5, "2026-02-02"))).toBe("insufficient-stock");
    expect(codeOf(await until(2, "2026-02-03"))).toBe("insufficient-stock");
    expect(codeOf(await until(1, "2026-02-03"))).toBe("ok");
    expect(codeOf(await until(3, "2026-01-03"))).toBe("ok");
    expect(codeOf(await until(1, "2026-01-03"))).toBe("insufficient-stock");
    expect(codeOf(await until(3, "2026-01-02"))).toBe("ok");
    await inventory.stop();
  });

  it("a lot is sold through the end of its date where it lies, then unavailable, recorded or not", async () => {
    const opened = await openInventory();
    const { inventory, clock } = opened;
    await inventory.putLocation("shop", { name: "Shop", kind: "store", timeZone: "America/New_York" }, caller);
    await inventory.recordFacts(lots(), caller);
    clock.now = Date.parse("2026-01-03T04:59:59.999Z");
    expect(await totals(opened)).toMatchObject({ onHand: 7, unavailable: 0, available: 7 });
    clock.now += 1;
    expect(await totals(opened)).toMatchObject({ onHand: 7, unavailable: 3, available: 4 });
    expect(codeOf(await inventory.reserve({ lines: [milk(5)] }, caller))).toBe("insufficient-stock");
    expect(codeOf(await inventory.reserve({ lines: [milk(4)] }, caller))).toBe("ok");
    const { events } = accepted(await inventory.stockEvents("milk", { limit: 3 }, caller));
    expect(events.map(({ type }) => type)).toEqual([
      "larder.stock.out.v1",
      "larder.reservation.reserved.v1",
      "larder.stock.lot-expired.v1",
    ]);
    const { locations } = accepted(await inventory.stock("milk", { lots: true }, caller));
    expect(locations[0]?.lots).toMatchObject([
      { lot: "early", quantity: 3, sellable: 0 },
      { lot: "late", quantity: 3, sellable: 3 },
      { lot: "unknown", expiresOn: null, quantity: 1, sellable: 1 },
    ]);
    await inventory.stop();
  });

  it.each([true, false])(
    "a lot that comes back by a transfer has the date that was told for it (named: %s)",
    async (isNamed) => {
      const { inventory, clock } = await openInventory();
      const told = async (type: string, data: object) => {
        clock.now += 60_000;
        expect(await inventory.recordFacts([fact(`stock.${type}`, { sku: "milk", ...data })], caller)).toMatchObject({
          accepted: 1,
        });
      };
      await told("received", { location: "shop", quantity: 2, lot: "b", expiresOn: "2026-02-01" });
      await told("sold", { location: "shop", quantity: 2, lot: "b" });
      await told("returned", { location: "other", quantity: 3, lot: "b" });
      await told("dispatched", { location: "other", to: "shop", transfer: "t", quantity: 3, lot: "b" });
      await told("arrived", {
        location: "shop",
        from: "other",
        transfer: "t",
        quantity: 3,
        ...(isNamed && { lot: "b" }),
      });
      expect(codeOf(await inventory.reserve({ lines: [milk(1, { sellableUntil: "2026-02-02" })] }, caller))).toBe(
        "insufficient-stock",
      );
      clock.now = Date.parse("2026-03-01");
      expect(codeOf(await inventory.reserve({ lines: [milk(1)] }, caller))).toBe("insufficient-stock");
      await inventory.stop();
    },
  );

  it("a lot that was used up and is received anew has its new date, now and in the past", async () => {
    const { inventory, clock } = await openInventory();
    const told = async (type: string, data: object) => {
      clock.now += 60_000;
      await inventory.recordFacts(
        [fact(`stock.${type}`, { sku: "milk", location: "shop", lot: "b", ...data })],
        caller,
      );
    };
    await told("received", { quantity: 3, expiresOn: "2025-12-30" });
    await told("adjusted", { delta: -3, reason: "expired" });
    await told("received", { quantity: 1, expiresOn: "2026-02-01" });
    const lots = async (query: object) => {
      const { locations, totals } = accepted(await inventory.stock("milk", { lots: true, ...query }, caller));
      return { lots: locations[0]?.lots, unavailable: totals.unavailable };
    };
    const now = await lots({});
    expect(now).toEqual({ lots: [{ lot: "b", expiresOn: "2026-02-01", quantity: 1, sellable: 1 }], unavailable: 0 });
    expect(await lots({ at: new Date(clock.now).toISOString() })).toEqual(now);
    await inventory.stop();
  });

  it("fulfilling takes the lot that was named, else the earliest that still may be sold", async () => {
    const { inventory } = await stocked(...lots());
    await inventory.reserve({ id: "a", lines: [milk(2, { lot: "late" })] }, caller);
    await inventory.reserve({ id: "b", lines: [milk(4)] }, caller);
    await inventory.fulfil("b", undefined, caller);
    await inventory.fulfil("a", undefined, caller);
    const { locations } = accepted(await inventory.stock("milk", { lots: true }, caller));
    expect(locations[0]?.lots).toMatchObject([{ lot: "unknown", quantity: 1 }]);
    await inventory.stop();
  });

  it("the end of a date is recorded within a sweep, also after a later date was told and after a restart", async () => {
    const opened = await openInventory({ sweepEveryMs: 2 });
    const { inventory, clock, storage } = opened;
    const later = { sku: "milk", location: "shop", quantity: 1, lot: "early", expiresOn: "2026-03-03" };
    await inventory.recordFacts([...lots(), fact("stock.received", later)], caller);
    await inventory.stop();
    const again = await openInventory({ storage, clock, sweepEveryMs: 2 });
    clock.now = Date.parse("2026-01-03T00:00:00Z");
    await expect
      .poll(async () => accepted(await again.inventory.availability(["milk"], undefined, caller)).items)
      .toMatchObject([{ unavailable: 4 }]);
    await again.inventory.stop();
  });
});

describe("orders", () => {
  it("fulfil what matches their reservation and sell the rest; the second fact of one order is a duplicate", async () => {
    const opened = await stocked();
    const { inventory } = opened;
    await inventory.reserve({ id: "r", lines: [milk(4)] }, caller);
    const order = { order: "o", reservation: "r", lines: [{ sku: "milk", location: "shop", quantity: 6 }] };
    expect(await inventory.recordFacts([fact("order.completed", order)], caller)).toMatchObject({ accepted: 1 });
    expect(await inventory.recordFacts([fact("order.completed", order)], caller)).toMatchObject({ duplicates: 1 });
    expect(accepted(await inventory.reservation("r", caller)).status).toBe("fulfilled");
    expect(await totals(opened)).toMatchObject({ onHand: 4, reserved: 0, committed: 0 });
    await inventory.stop();
  });

  it("release what the reservation still holds only when final", async () => {
    const opened = await stocked();
    const { inventory } = opened;
    await inventory.reserve({ id: "r", lines: [milk(4)] }, caller);
    const order = (name: string, final: boolean) =>
      fact("order.completed", {
        order: name,
        reservation: "r",
        final,
        lines: [{ sku: "milk", location: "shop", quantity: 1 }],
      });
    await inventory.recordFacts([order("1", false)], caller);
    expect(await totals(opened)).toMatchObject({ onHand: 9, committed: 3 });
    await inventory.recordFacts([order("2", true)], caller);
    expect(await totals(opened)).toMatchObject({ onHand: 8, committed: 0 });
    expect(accepted(await inventory.reservation("r", caller))).toMatchObject({
      status: "fulfilled",
      releasedLines: [{ quantity: 2 }],
    });
    await inventory.stop();
  });
});

describe("limited credentials", () => {
  const shopper: Caller = { id: "shopper", ownReservations: true };
  const here: Caller = { id: "here", ownReservations: false, locations: new Set(["shop"]) };

  it("see and change only their own reservations, by orders too", async () => {
    const opened = await stocked();
    const { inventory } = opened;
    await inventory.reserve({ id: "r", lines: [milk(4)] }, caller);
    for (const answer of [
      inventory.reservation("r", shopper),
      inventory.confirm("r", {}, shopper),
      inventory.release("r", shopper),
      inventory.fulfil("r", undefined, shopper),
      inventory.extend("r", 9, shopper),
      inventory.amend("r", [milk(1)], shopper),
    ])
      expect(codeOf(await answer)).toBe("not-found");
    expect(codeOf(await inventory.reserve({ id: "r", lines: [milk(4)] }, shopper))).toBe("idempotency-key-reused");
    expect(accepted(await inventory.reservations({ limit: 9 }, shopper)).items).toEqual([]);
    const order = {
      order: "o",
      reservation: "r",
      final: true,
      lines: [{ sku: "milk", location: "shop", quantity: 1 }],
    };
    await inventory.recordFacts([fact("order.completed", order)], shopper);
    expect(accepted(await inventory.reservation("r", caller)).status).toBe("active");
    expect(await totals(opened)).toMatchObject({ onHand: 9, reserved: 4 });
    await inventory.stop();
  });

  it("source, see and speak only where they may", async () => {
    const opened = await stocked(
      fact("stock.received", { sku: "milk", location: "shop", quantity: 2 }),
      fact("stock.received", { sku: "milk", location: "depot", quantity: 8 }),
    );
    const { inventory } = opened;
    expect(codeOf(await inventory.reserve({ lines: [{ sku: "milk", quantity: 3 }] }, here))).toBe("insufficient-stock");
    expect(codeOf(await inventory.reserve({ lines: [milk(1, { location: "depot" })] }, here))).toBe("not-found");
    await inventory.reserve({ id: "both", lines: [{ sku: "milk", quantity: 9 }] }, caller);
    expect(codeOf(await inventory.reservation("both", here))).toBe("not-found");
    expect(codeOf(await inventory.reserve({ id: "both", lines: [{ sku: "milk", quantity: 9 }] }, here))).toBe(
      "idempotency-key-reused",
    );
    expect(accepted(await inventory.stock("milk", {}, here)).totals.onHand).toBe(2);
    const elsewhere = fact("stock.sold", { sku: "milk", location: "depot", quantity: 1 });
    expect(await inventory.recordFacts([elsewhere], here)).toMatchObject({ rejected: [{ code: "forbidden" }] });
    const spoken: Caller = { id: "till", ownReservations: false, sources: new Set(["other"]) };
    expect(await inventory.recordFacts([elsewhere], spoken)).toMatchObject({ rejected: [{ code: "forbidden" }] });
    await inventory.stop();
  });

  it("void only where they may, also when the void comes first", async () => {
    const opened = await stocked(
      fact("stock.received", { sku: "milk", location: "depot", quantity: 8 }, { id: "old" }),
    );
    const { inventory } = opened;
    const voided = (id: string) => fact("fact.voided", { source: "till", id, reason: "mistake" });
    expect(await inventory.recordFacts([voided("old")], here)).toMatchObject({ rejected: [{ code: "forbidden" }] });
    expect(await inventory.recordFacts([voided("next"), voided("near")], here)).toMatchObject({ accepted: 2 });
    await inventory.recordFacts(
      [
        fact("stock.sold", { sku: "milk", location: "depot", quantity: 1 }, { id: "next" }),
        fact("stock.received", { sku: "milk", location: "shop", quantity: 1 }, { id: "near" }),
      ],
      caller,
    );
    expect(await totals(opened, "milk", "depot")).toMatchObject({ onHand: 7 });
    expect(await totals(opened)).toMatchObject({ onHand: 0 });
    // Whoever may undo it still can, once.
    for (const onHand of [8, 8]) {
      expect(await inventory.recordFacts([voided("next")], caller)).toMatchObject({ accepted: 1 });
      expect(await totals(opened, "milk", "depot")).toMatchObject({ onHand });
    }
    expect(await inventory.recordFacts([voided("near")], caller)).toMatchObject({ accepted: 1 });
    expect(await totals(opened)).toMatchObject({ onHand: 0 });
    await inventory.stop();
  });

  it("void nothing by a word too early, neither an order of another place nor the void of whoever may", async () => {
    const opened = await stocked(fact("stock.received", { sku: "milk", location: "depot", quantity: 10 }));
    const { inventory } = opened;
    const voided = (id: string) => fact("fact.voided", { source: "till", id, reason: "mistake" });
    const order = (id: string, name: string) =>
      fact("order.completed", { order: name, lines: [{ sku: "milk", location: "depot", quantity: 2 }] }, { id });
    const tell = async (told: object, by = caller) => (await inventory.recordFacts([told], by)).duplicates;
    const onHand = async () => (await totals(opened, "milk", "depot")).onHand;
    await tell(voided("first"), here);
    expect([await tell(order("first", "o1")), await tell(order("again", "o1")), await onHand()]).toEqual([0, 1, 8]);
    await tell(voided("first"));
    expect([await onHand(), await tell(order("again", "o1")), await onHand()]).toEqual([10, 0, 8]);
    await tell(voided("second"), here);
    await tell(voided("second"));
    expect([await tell(order("second", "o2")), await onHand()]).toEqual([0, 8]);
    // Of several who may undo it at some places, the one whose place it turns out to be.
    for (const places of [["shop"], ["attic"], ["depot", "attic"], ["depot"]])
      await tell(voided("third"), { ...here, locations: new Set(places) });
    expect([await tell(order("third", "o3")), await onHand()]).toEqual([0, 8]);
    expect([await tell(order("fourth", "o3")), await onHand()]).toEqual([0, 6]);
    expect(await verifyLog(opened.storage)).toMatchObject({ findings: [] });
    await inventory.stop();
  });
});
