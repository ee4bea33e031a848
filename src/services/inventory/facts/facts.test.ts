import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accepted, caller, codeOf, fact, type Opened, openInventory } from "../fixture.ts";

const start = Date.parse("2026-01-01T12:00:00Z");
const time = (minutes: number) => ({ time: new Date(start + minutes * 60_000).toISOString() });
const voided = (id: string, minutes = 0) =>
  fact("fact.voided", { source: "till", id, reason: "mistake" }, time(minutes));

async function quantities({ inventory }: Opened, sku: string, location: string) {
  const stock = await inventory.stock(sku, { lots: true }, caller);
  const row = stock.ok ? stock.value.locations.find((one) => one.location === location) : undefined;
  const { onHand = 0, unavailable = 0, incoming = 0, lots = [] } = row ?? {};
  return {
    onHand,
    unavailable,
    incoming,
    lots: lots.map(({ lot, expiresOn, quantity }) => [lot, expiresOn, quantity]),
  };
}

describe("facts", () => {
  it("are known for ever by source and id, and by their content", async () => {
    const { inventory } = await openInventory();
    const one = fact("stock.received", { sku: "milk", location: "shop", quantity: 3 }, { id: "same" });
    const other = { ...one, data: { ...one.data, quantity: 4 } };
    expect(await inventory.recordFacts([one, one, other], caller)).toMatchObject({
      accepted: 1,
      duplicates: 1,
      rejected: [{ index: 2, id: "same", code: "event-id-reused" }],
    });
    await inventory.stop();
  });

  it("dated more than five minutes ahead take effect as of receipt, and say so", async () => {
    const { inventory } = await openInventory();
    const at = (ms: number) => ({ time: new Date(start + ms).toISOString() });
    const data = { sku: "milk", location: "shop", quantity: 1 };
    await inventory.recordFacts(
      [fact("stock.received", data, at(300_000)), fact("stock.received", data, at(300_001))],
      caller,
    );
    const { events } = accepted(await inventory.stockEvents("milk", { limit: 5 }, caller));
    expect(
      events.map(({ time: when, data: said }) => [Date.parse(when) - start, (said as { flags?: unknown }).flags]),
    ).toEqual([
      [0, ["clock-ahead"]],
      [300_000, undefined],
    ]);
    await inventory.stop();
  });

  it("that waited before they are judged count as of their receipt", async () => {
    const { inventory } = await openInventory();
    const data = { sku: "milk", location: "shop", quantity: 7 };
    const counted = fact("stock.counted", data);
    const ahead = fact("stock.received", { ...data, lot: "b" }, time(-4));
    // It was there ten minutes ago; what was sold since is not in the count.
    await inventory.recordFacts([fact("stock.sold", { ...data, quantity: 2 }, time(-5))], caller);
    const received = [start - 600_000, start - 600_000, start + 60_000];
    await inventory.recordFacts([counted, ahead, fact("stock.sold", data, { id: "now" })], caller, received);
    const { events } = accepted(await inventory.stockEvents("milk", { limit: 9 }, caller));
    const told = events.filter(({ type }) => !/\.(shortfall|out)\.v1$/.test(type));
    expect(
      told.map(({ type, time: when, data: said }) => [
        type,
        (Date.parse(when) - start) / 60_000,
        (said as { flags?: unknown }).flags,
      ]),
    ).toEqual([
      ["larder.stock.sold.v1", 0, undefined],
      ["larder.stock.received.v1", -10, ["clock-ahead"]],
      ["larder.stock.counted.v1", -10, undefined],
      ["larder.stock.sold.v1", -5, undefined],
    ]);
    // Received at another time it is the same fact.
    expect(await inventory.recordFacts([counted], caller)).toMatchObject({ accepted: 0, duplicates: 1 });
    await inventory.stop();
  });

  it("that would take a total beyond all reason are rejected, and leave nothing behind", async () => {
    const { inventory } = await openInventory();
    const huge = { sku: "milk", location: "shop", quantity: 1e12 };
    const many = Array.from({ length: 1000 }, () => fact("stock.received", huge));
    expect(await inventory.recordFacts(many, caller)).toMatchObject({ accepted: 1000, rejected: [] });
    const one = fact("stock.received", { ...huge, quantity: 1 });
    expect(await inventory.recordFacts([one], caller)).toMatchObject({
      accepted: 0,
      rejected: [{ code: "out-of-range" }],
    });
    const line = (sku: string) => ({ sku, location: "shop", quantity: 1 });
    await inventory.recordFacts(
      Array.from({ length: 1000 }, () => fact("stock.sold", { ...huge, sku: "rice" })),
      caller,
    );
    const order = fact("order.completed", { order: "o", lines: [line("milk"), line("rice")] });
    expect(await inventory.recordFacts([order], caller)).toMatchObject({ rejected: [{ code: "out-of-range" }] });
    expect(accepted(await inventory.stock("milk", {}, caller)).totals.onHand).toBe(1e15);
    await inventory.stop();
  });

  it("that leave less than was promised are recorded, with a shortfall", async () => {
    const { inventory } = await openInventory();
    await inventory.recordFacts([fact("stock.received", { sku: "milk", location: "shop", quantity: 5 })], caller);
    await inventory.reserve({ lines: [{ sku: "milk", quantity: 4, location: "shop" }] }, caller);
    await inventory.recordFacts([fact("stock.sold", { sku: "milk", location: "shop", quantity: 3 })], caller);
    const { events } = accepted(await inventory.stockEvents("milk", { limit: 2 }, caller));
    expect(events[0]?.type).toBe("larder.stock.out.v1");
    expect(events[1]).toMatchObject({ type: "larder.stock.shortfall.v1", data: { available: -2, onHand: 2 } });
    await inventory.stop();
  });
});

describe("voids through the whole inventory", () => {
  const kinds = fc.constantFrom(
    ["stock.received", { quantity: 4 }],
    ["stock.received", { quantity: 4, reference: "p" }],
    ["stock.received", { quantity: 3, lot: "a", expiresOn: "2025-12-31" }],
    ["stock.expected", { quantity: 6, reference: "p" }],
    ["stock.sold", { quantity: 2 }],
    ["stock.sold", { quantity: 2, lot: "a" }],
    ["stock.returned", { quantity: 1, sellable: false }],
    ["stock.adjusted", { delta: -1, reason: "damage" }],
    ["stock.held-back", { quantity: 2, reason: "recall" }],
    ["stock.counted", { quantity: 7 }],
    ["stock.counted", { quantity: 1, lot: "a" }],
    ["stock.dispatched", { quantity: 2, transfer: "t", to: "depot" }],
    ["stock.arrived", { quantity: 1, transfer: "u", from: "depot" }],
    ["order.completed", {}],
  ) as fc.Arbitrary<[string, object]>;

  it("leave what would be there had the voided facts never been told, before or after them", async () => {
    const bag = fc.array(fc.record({ kind: kinds, isVoided: fc.boolean(), early: fc.boolean() }), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(bag, async (all) => {
        const [opened, clean] = [await openInventory(), await openInventory()];
        for (const [index, { kind, isVoided, early }] of all.entries()) {
          const [type, data] = kind;
          const place = { sku: "milk", location: "shop" };
          const id = `f${index}`;
          const body =
            type === "order.completed" ? { order: id, lines: [{ ...place, quantity: 2 }] } : { ...place, ...data };
          const one = fact(type, body, { id, ...time(index - 60) });
          const told = isVoided ? (early ? [voided(id), one] : [one, voided(id)]) : [one];
          for (const each of told)
            expect(await opened.inventory.recordFacts([each], caller)).toMatchObject({ accepted: 1 });
          if (!isVoided) await clean.inventory.recordFacts([one], caller);
        }
        for (const location of ["shop", "depot"])
          expect(await quantities(opened, "milk", location)).toEqual(await quantities(clean, "milk", location));
        await Promise.all([opened.inventory.stop(), clean.inventory.stop()]);
      }),
      { numRuns: 150 },
    );
  });

  it("come to the same in one batch, however its facts and voids are mixed", async () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(order, fc.boolean(), async (places, together) => {
        const opened = await openInventory();
        const place = { sku: "milk", location: "shop" };
        const all = [
          fact("stock.received", { ...place, quantity: 9 }, { id: "r", ...time(-50) }),
          fact("stock.sold", { ...place, quantity: 2 }, { id: "s", ...time(-40) }),
          fact("stock.counted", { ...place, quantity: 5 }, { id: "c", ...time(-30) }),
          fact("stock.sold", { ...place, quantity: 1 }, { id: "t", ...time(-20) }),
          voided("c"),
          voided("s"),
        ];
        const told = places.map((index) => all[index]);
        if (together) await opened.inventory.recordFacts(told, caller);
        else for (const one of told) await opened.inventory.recordFacts([one], caller);
        expect(await quantities(opened, "milk", "shop")).toMatchObject({ onHand: 8 });
        await opened.inventory.stop();
      }),
      { numRuns: 60 },
    );
  });

  it("of what is voided already, or of a void, change nothing and are accepted", async () => {
    const opened = await openInventory();
    const place = { sku: "milk", location: "shop" };
    const undo = voided("r");
    await opened.inventory.recordFacts([fact("stock.received", { ...place, quantity: 9 }, { id: "r" }), undo], caller);
    const more = [voided("r"), voided(undo.id), voided("r")];
    expect(await opened.inventory.recordFacts(more, caller)).toMatchObject({ accepted: 3 });
    expect(await opened.inventory.recordFacts([undo], caller)).toMatchObject({ duplicates: 1 });
    expect(await quantities(opened, "milk", "shop")).toMatchObject({ onHand: 0, lots: [] });
    await opened.inventory.stop();
  });
});

describe("transfers", () => {
  const dispatched = (data: object, minutes = -50) =>
    fact("stock.dispatched", { sku: "milk", location: "depot", transfer: "t", to: "shop", ...data }, time(minutes));
  const arrived = (data: object, minutes = -10) =>
    fact("stock.arrived", { sku: "milk", location: "shop", transfer: "t", from: "depot", ...data }, time(minutes));

  it("are incoming while under way; the first arrival closes them and records what is short", async () => {
    const opened = await openInventory();
    const { inventory } = opened;
    await inventory.recordFacts([dispatched({ quantity: 10 })], caller);
    expect(await quantities(opened, "milk", "depot")).toMatchObject({ onHand: -10 });
    expect(await quantities(opened, "milk", "shop")).toMatchObject({ onHand: 0, incoming: 10 });
    await inventory.recordFacts([arrived({ quantity: 8 })], caller);
    expect(await quantities(opened, "milk", "shop")).toMatchObject({ onHand: 8, incoming: 0 });
    const [event] = await opened.storage.readStream("transfer-t", 1);
    expect(event).toMatchObject({ type: "TransferArrived", data: { quantity: 8, difference: -2 } });
    const reading = async (minutes: number) =>
      accepted(await inventory.stock("milk", { at: time(minutes).time }, caller)).totals.incoming;
    expect([await reading(-51), await reading(-50), await reading(-11), await reading(-10)]).toEqual([0, 10, 10, 0]);
    await inventory.stop();
  });

  it("take lots and their dates along, named or not", async () => {
    const opened = await openInventory();
    const { inventory } = opened;
    const received = (lot: string, expiresOn: string) =>
      fact("stock.received", { sku: "milk", location: "depot", quantity: 5, lot, expiresOn }, time(-60));
    await inventory.recordFacts([received("b", "2026-02-02"), received("a", "2026-01-09")], caller);
    await inventory.recordFacts([dispatched({ quantity: 7 }), arrived({ quantity: 6 })], caller);
    expect(await quantities(opened, "milk", "depot")).toMatchObject({ lots: [["b", "2026-02-02", 3]] });
    expect(await quantities(opened, "milk", "shop")).toMatchObject({
      onHand: 6,
      incoming: 0,
      lots: [
        ["a", "2026-01-09", 5],
        ["b", "2026-02-02", 1],
      ],
    });
    await inventory.recordFacts(
      [fact("stock.counted", { sku: "milk", location: "shop", lot: "a", quantity: 4 }, time(-5))],
      caller,
    );
    await inventory.recordFacts([fact("stock.sold", { sku: "milk", location: "shop", quantity: 1 }, time(-8))], caller);
    expect(await quantities(opened, "milk", "shop")).toMatchObject({
      onHand: 5,
      lots: [
        ["a", "2026-01-09", 4],
        ["b", "2026-02-02", 1],
      ],
    });
    await inventory.stop();
  });

  it("know the date of a lot that arrives by its name alone, and close whatever lots are named", async () => {
    const opened = await openInventory();
    const { inventory } = opened;
    await inventory.recordFacts([dispatched({ quantity: 4, lot: "a", expiresOn: "2026-01-09" })], caller);
    await inventory.recordFacts([arrived({ quantity: 3, lot: "a" }), arrived({ quantity: 1, lot: "z" })], caller);
    expect(await quantities(opened, "milk", "shop")).toMatchObject({
      onHand: 4,
      incoming: 0,
      lots: [
        ["a", "2026-01-09", 3],
        ["z", null, 1],
      ],
    });
    await inventory.stop();
  });

  it("come to the same on hand and incoming in every order, voids included", async () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5, maxLength: 5 });
    const all = () => {
      const facts = [dispatched({ quantity: 5 }), dispatched({ quantity: 3 }, -40), arrived({ quantity: 6 })];
      return [...facts, voided(facts[2]?.id ?? ""), voided(facts[0]?.id ?? "")];
    };
    await fc.assert(
      fc.asyncProperty(order, async (places) => {
        const opened = await openInventory();
        const facts = all();
        for (const place of places) await opened.inventory.recordFacts([facts[place]], caller);
        expect(await quantities(opened, "milk", "shop")).toMatchObject({ onHand: 0, incoming: 3 });
        expect(await quantities(opened, "milk", "depot")).toMatchObject({ onHand: -3, incoming: 0 });
        await opened.inventory.stop();
      }),
      { numRuns: 60 },
    );
  });
});

describe("policies", () => {
  it("hold for the very first fact and the very first promise of a stock", async () => {
    const { storage, inventory } = await openInventory();
    await inventory.setPolicy("milk", { safetyStock: 2, backorderLimit: 5 }, caller);
    await inventory.recordFacts([fact("stock.sold", { sku: "milk", location: "shop", quantity: 1 })], caller);
    const shortfall = (await storage.readStream("stock-shop/milk")).find(({ type }) => type === "ShortfallFound");
    expect(shortfall?.data).toMatchObject({ available: -3, onHand: -1 });
    const lines = [{ sku: "milk", location: "depot", quantity: 3 }];
    expect(codeOf(await inventory.reserve({ id: "r1", lines }, caller))).toBe("ok"); // −2 available, 5 may be owed
    expect(codeOf(await inventory.reserve({ id: "r2", lines }, caller))).toBe("insufficient-stock");
    await inventory.stop();
  });

  it("are set and applied in one unit, so that no crash comes between", async () => {
    const { storage, inventory } = await openInventory();
    for (const location of ["shop", "depot"])
      await inventory.recordFacts([fact("stock.received", { sku: "milk", location, quantity: 9 })], caller);
    const head = storage.head();
    await inventory.setPolicy("milk", { safetyStock: 2 }, caller);
    const units = await storage.readLog(head, 100);
    expect(units.map(({ events }) => events.map(({ type }) => type))).toEqual([
      ["PolicySet", "PolicyApplied", "PolicyApplied"],
    ]);
    await inventory.stop();
  });

  it("hold for stocks that begin while they are set", async () => {
    const { inventory } = await openInventory();
    const [receipt, policy] = await Promise.all([
      inventory.recordFacts([fact("stock.received", { sku: "milk", location: "shop", quantity: 9 })], caller),
      inventory.setPolicy("milk", { safetyStock: 2 }, caller),
    ]);
    expect([receipt.accepted, policy.ok]).toEqual([1, true]);
    await inventory.recordFacts([fact("stock.received", { sku: "milk", location: "depot", quantity: 9 })], caller);
    await inventory.setPolicy("milk", { location: "depot", safetyStock: 3 }, caller);
    const { locations } = accepted(await inventory.stock("milk", {}, caller));
    expect(locations.map(({ location, safetyStock, available }) => [location, safetyStock, available])).toEqual([
      ["depot", 3, 6],
      ["shop", 2, 7],
    ]);
    await inventory.stop();
  });
});
