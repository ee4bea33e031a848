import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { numbers, unitOf } from "../../../platform/storage/samples.ts";
import type { StockOptions } from "../api.ts";
import { accepted, caller, fact, type Opened, openInventory, withTurns } from "../fixture.ts";
import { inventoryTagging } from "../reservations/lists.ts";

const start = Date.parse("2026-01-01T12:00:00Z");
const minute = 60_000;
const instant = (minutes: number) => new Date(start + minutes * minute).toISOString();

/** All of a stock's answer that does not say when it was asked. */
async function view({ inventory }: Opened, options: StockOptions = {}) {
  const stock = await inventory.stock("milk", { lots: true, ...options }, caller);
  return stock.ok ? stock.value.locations : [];
}

const place = { sku: "milk", location: "shop" };
const kinds = fc.constantFrom<[string, object]>(
  ["stock.received", { quantity: 6 }],
  ["stock.received", { quantity: 3, lot: "a", expiresOn: "2026-01-01" }],
  ["stock.received", { quantity: 3, lot: "b", expiresOn: "2027-01-01", reference: "p" }],
  ["stock.expected", { quantity: 5, reference: "p" }],
  ["stock.sold", { quantity: 2 }],
  ["stock.sold", { quantity: 1, lot: "b" }],
  ["stock.returned", { quantity: 1, sellable: false }],
  ["stock.held-back", { quantity: 1, reason: "recall", lot: "a" }],
  ["stock.adjusted", { delta: -1, reason: "damage" }],
  ["stock.counted", { quantity: 5 }],
  ["stock.counted", { quantity: 2, lot: "b" }],
);

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("fact" as const), kind: kinds, late: fc.nat(400) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("reserve" as const), quantity: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("confirm" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("void" as const), which: fc.nat(9) }) },
);

/** What was told, and what was answered after each step. */
interface Life {
  readonly opened: Opened;
  readonly told: {
    readonly one: ReturnType<typeof fact>;
    readonly at: number;
    readonly step: number;
    voidedAt: number;
  }[];
  readonly answers: { readonly time: string; readonly seen: Awaited<ReturnType<typeof view>> }[];
}

async function live(steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): Promise<Life> {
  const opened = await openInventory();
  const { inventory, clock } = opened;
  const told: Life["told"] = [];
  const answers: Life["answers"] = [];
  for (const [index, one] of steps.entries()) {
    clock.now = start + index * 100 * minute + 30_000; // a lot's date ends on the way
    if (one.do === "fact") {
      // Each fact has a time of its own.
      const at = index * 100 - one.late + index / 1000;
      const made = fact(...(one.kind.with(1, { ...place, ...one.kind[1] }) as [string, object]), {
        time: new Date(start + Math.round(at * minute)).toISOString(),
      });
      told.push({ one: made, at: Math.round(at * minute), step: index, voidedAt: Number.POSITIVE_INFINITY });
      expect(await inventory.recordFacts([made], caller)).toMatchObject({ accepted: 1 });
    } else if (one.do === "reserve") {
      await inventory.reserve(
        { id: `r${index}`, ttlSeconds: 9000, lines: [{ ...place, quantity: one.quantity }] },
        caller,
      );
    } else if (one.do === "confirm") await inventory.confirm(`r${one.which}`, {}, caller);
    else {
      const target = told[one.which];
      if (target === undefined) continue;
      target.voidedAt = Math.min(target.voidedAt, index);
      await inventory.recordFacts(
        [fact("fact.voided", { source: "till", id: target.one.id, reason: "mistake" })],
        caller,
      );
    }
    // At the very instant it belongs to what is known; the later answer is the one that is asked for again.
    expect(await view(opened, { knownAt: new Date(clock.now).toISOString() })).toEqual(await view(opened));
    clock.now += 1;
    answers.push({ time: new Date(clock.now).toISOString(), seen: await view(opened) });
  }
  return { opened, told, answers };
}

describe("the past", () => {
  it("as it was known then is what was answered then", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const { opened, answers } = await live(steps);
        for (const { time, seen } of answers) expect(await view(opened, { knownAt: time })).toEqual(seen);
        await opened.inventory.stop();
      }),
      { numRuns: 60 },
    );
  });

  it("by what is known now, or was then, is what the facts in force by then add up to", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 10 }),
        fc.nat(9),
        fc.nat(9),
        async (steps, at, known) => {
          const { opened, told, answers } = await live(steps);
          const asked = answers[at % answers.length];
          const knownStep = known % steps.length;
          const knownAt = new Date(start + knownStep * 100 * minute + 30_001).toISOString();
          for (const options of [{ at: asked?.time ?? "" }, { at: asked?.time ?? "", knownAt }]) {
            const until = Date.parse(options.at) - start;
            const isKnown = (index: number) => !("knownAt" in options) || index <= knownStep;
            const clean = await openInventory({ clock: { now: Date.parse(options.at) } });
            const inForce = told.filter(
              (one) => one.at <= until && isKnown(one.step) && (one.voidedAt > steps.length || !isKnown(one.voidedAt)),
            );
            // In the order of their times, so that lots are taken as they were.
            for (const { one } of inForce.toSorted((a, b) => a.at - b.at))
              await clean.inventory.recordFacts([one], caller);
            const essence = (rows: Awaited<ReturnType<typeof view>>) =>
              rows.map(({ onHand, unavailable, incoming, lots }) => ({ onHand, unavailable, incoming, lots }));
            const nothing = { onHand: 0, unavailable: 0, incoming: 0, lots: [] };
            const [found = nothing] = essence(await view(opened, options));
            const [expected = nothing] = essence(await view(clean));
            expect(found).toEqual(expected);
            await clean.inventory.stop();
          }
          const [row] = await view(opened, { at: asked?.time ?? "" });
          const [then] = asked?.seen ?? [];
          expect([row?.reserved ?? 0, row?.committed ?? 0]).toEqual([then?.reserved ?? 0, then?.committed ?? 0]);
          await opened.inventory.stop();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("has nothing under way that arrived, by another clock, before it was dispatched", async () => {
    const opened = await openInventory();
    opened.clock.now = start + 100 * minute;
    const sent = { sku: "milk", transfer: "t", quantity: 5 };
    await opened.inventory.recordFacts(
      [
        fact("stock.dispatched", { ...sent, location: "a", to: "b" }, { time: instant(20) }),
        fact("stock.arrived", { ...sent, location: "b", from: "a" }, { time: instant(18) }),
        fact("stock.dispatched", { ...sent, transfer: "u", location: "a", to: "b" }, { time: instant(10) }),
      ],
      caller,
    );
    const incoming = async (minutes: number) =>
      (await view(opened, { at: instant(minutes) })).find(({ location }) => location === "b")?.incoming;
    expect([await incoming(5), await incoming(15), await incoming(19), await incoming(30)]).toEqual([0, 5, 5, 5]);
    await opened.inventory.stop();
  });

  it("lets others have their turn while a long history is read", async () => {
    const storage = new MemoryStorage({ tagging: inventoryTagging });
    const data = { at: start, fact: { quantity: 1 }, change: { onHand: 1 }, balance: { onHand: 1 } };
    const stream = "stock-shop/milk";
    const facts = numbers(9000).map(() => ({ stream, type: "StockReceived", schema: 1, data }));
    await storage.append([unitOf("c1", { [stream]: 0 }, facts)]);
    const { inventory } = await openInventory({ storage });
    for (const options of [{ at: instant(1) }, { knownAt: instant(1) }]) {
      const { value, turns } = await withTurns(inventory.stock("milk", options, caller));
      expect(accepted(value).locations).toMatchObject([{ location: "shop", onHand: 9000, version: 9000 }]);
      expect(turns).toBeGreaterThan(3);
    }
    await inventory.stop();
  });

  it("is refused where its time can't be read", async () => {
    const { inventory } = await openInventory();
    await inventory.recordFacts([fact("stock.received", { ...place, quantity: 1 })], caller);
    for (const options of [{ at: "yesterday" }, { knownAt: "2026-02-30T00:00:00Z" }])
      expect(await inventory.stock("milk", options, caller)).toMatchObject({ rejection: { code: "invalid-request" } });
    expect(accepted(await inventory.stock("milk", { knownAt: instant(-9) }, caller)).locations).toEqual([]);
    await inventory.stop();
  });
});

describe("the trail", () => {
  it("pages through several locations, newest first, without gaps or repeats, whatever is recorded meanwhile", async () => {
    const places = ["depot", "shop", "yard"];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...places), { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 1, max: 7 }),
        fc.option(fc.constantFrom(...places), { nil: undefined }),
        async (at, limit, only) => {
          const { inventory, storage } = await openInventory();
          for (const location of at)
            await inventory.recordFacts([fact("stock.received", { sku: "milk", location, quantity: 1 })], caller);
          const all = (await storage.readLog(0, 1000)).flatMap(({ events }) => events);
          const wanted = all
            .filter(
              ({ stream }) => stream.startsWith("stock-") && (only === undefined || stream === `stock-${only}/milk`),
            )
            .map(({ seq }) => `memory-${seq}`)
            .reverse();
          const seen: string[] = [];
          let cursor: string | undefined;
          do {
            const query = { limit, ...(only && { location: only }), ...(cursor && { cursor }) };
            const page = accepted(await inventory.stockEvents("milk", query, caller));
            expect(page.events.length).toBeLessThanOrEqual(limit);
            seen.push(...page.events.map(({ id }) => id));
            cursor = page.next;
            await inventory.recordFacts(
              [fact("stock.received", { sku: "milk", location: "shop", quantity: 1 })],
              caller,
            );
          } while (cursor !== undefined);
          expect(seen).toEqual(wanted);
          await inventory.stop();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuses a cursor that it has not given", async () => {
    const { inventory } = await openInventory();
    await inventory.recordFacts([fact("stock.received", { ...place, quantity: 1 })], caller);
    for (const cursor of ["?", "W1tdXQ", "eyJhIjoxfQ", "W1sic2hvcCIsLTFdXQ"])
      expect(await inventory.stockEvents("milk", { limit: 5, cursor }, caller)).toMatchObject({
        rejection: { code: "invalid-request" },
      });
    await inventory.stop();
  });
});
