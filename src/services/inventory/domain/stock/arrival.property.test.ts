import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arrivals, comparable, expectFolds, expiredUnits, type Told } from "./arrival.fixture.ts";
import type { FactEventType, ToldFact } from "./index.ts";

/** Lots and when their dates end; `u` has none. Instants of the test are 0 to 30. */
const cutoffs: Readonly<Record<string, number>> = { a: 12, b: 18, c: 1000 };
const dates: Readonly<Record<string, string>> = { a: "2026-01-12", b: "2026-01-18", c: "2027-01-01" };
const end = 40;

type Fact = Exclude<Told, { voids: string }>;

/** What contract.md says a bag of facts comes to, whoever told it when. */
function oracle(bag: readonly Told[]) {
  const voided = new Set(bag.flatMap((fact) => ("voids" in fact ? [fact.voids] : [])));
  const facts = bag.filter((fact): fact is Fact => !("voids" in fact) && !voided.has(fact.id));
  const lots: Record<string, number> = {};
  const dated = new Set<string>();
  let loose = 0;
  const onHand = () => Object.values(lots).reduce((sum, units) => sum + units, loose);
  const endOf = (lot: string) => (dated.has(lot) ? (cutoffs[lot] ?? Infinity) : Infinity);
  const leave = (units: number, order: readonly string[]) => {
    let left = units;
    for (const lot of order) {
      const taken = Math.min(left, Math.max(0, lots[lot] ?? 0));
      lots[lot] = (lots[lot] ?? 0) - taken;
      left -= taken;
    }
    loose -= left;
  };
  const earliest = () => Object.keys(lots).sort((x, y) => endOf(x) - endOf(y) || (x < y ? -1 : 1));
  const sellableFirst = (at: number) => [
    ...earliest().filter((lot) => endOf(lot) > at),
    ...earliest().filter((lot) => endOf(lot) <= at),
  ];
  const isIn = ({ type, told }: Fact) =>
    ["StockReceived", "StockReturned", "StockArrived"].includes(type) || (told.delta ?? 0) > 0;
  // At one instant: what came in, what left lots by name, what left without, and then who counted saw all of it.
  const phase = (fact: Fact) => (fact.type === "StockCounted" ? 3 : isIn(fact) ? 0 : fact.told.lot ? 1 : 2);
  for (const fact of [...facts].sort((x, y) => x.at - y.at || phase(x) - phase(y))) {
    const { type, told, at } = fact;
    const units = Math.abs(told.delta ?? told.quantity ?? 0);
    const { lot } = told;
    if (lot && told.expiresOn) dated.add(lot);
    if (type === "StockHeldBack" || type === "StockPutBack" || type === "StockExpected") continue;
    if (type === "StockCounted" && lot) lots[lot] = units;
    else if (type === "StockCounted" && onHand() > units) leave(onHand() - units, earliest());
    else if (type === "StockCounted") loose += units - onHand();
    else if (lot) lots[lot] = (lots[lot] ?? 0) + (isIn(fact) ? units : -units);
    else if (isIn(fact)) loose += units;
    else leave(units, type === "StockAdjusted" ? earliest() : sellableFirst(at));
  }
  const held = (lot: string | undefined) =>
    facts
      .filter(({ told }) => told.lot === lot)
      .reduce((sum, { type, told: { quantity = 0, sellable } }) => {
        if (type === "StockHeldBack" || (type === "StockReturned" && sellable === false)) return sum + quantity;
        return type === "StockPutBack" ? sum - quantity : sum;
      }, 0);
  const names = [undefined, "a", "b", "c", "u"];
  const expired = Object.keys(lots).filter((lot) => endOf(lot) <= end);
  let incoming = 0;
  for (const reference of ["p", "q"]) {
    const told = (type: string) =>
      facts
        .filter((fact) => fact.type === type && fact.told.reference === reference)
        .reduce((sum, fact) => sum + (fact.told.quantity ?? 0), 0);
    incoming += Math.max(0, told("StockExpected") - told("StockReceived"));
  }
  return {
    onHand: onHand(),
    lots: Object.fromEntries(Object.entries(lots).filter(([, units]) => units !== 0)),
    heldBack: names.reduce((sum, lot) => sum + held(lot), 0),
    expired: expired.reduce((sum, lot) => sum + Math.max(0, (lots[lot] ?? 0) - held(lot)), 0),
    incoming,
  };
}

/** The first sentence of contract.md's Counts, for bags that count no single lot. */
function countedOnHand(bag: readonly Told[]): number {
  const voided = new Set(bag.flatMap((fact) => ("voids" in fact ? [fact.voids] : [])));
  const facts = bag.filter((fact): fact is Fact => !("voids" in fact) && !voided.has(fact.id));
  const counts = facts.filter(({ type }) => type === "StockCounted").sort((x, y) => y.at - x.at);
  const since = counts[0]?.at ?? Number.NEGATIVE_INFINITY;
  let units = counts[0]?.told.quantity ?? 0;
  for (const { type, at, told } of facts) {
    if (at <= since) continue;
    if (["StockReceived", "StockReturned", "StockArrived"].includes(type)) units += told.quantity ?? 0;
    if (["StockSold", "StockDispatched"].includes(type)) units -= told.quantity ?? 0;
    if (type === "StockAdjusted") units += told.delta ?? 0;
  }
  return units;
}

const quantity = fc.integer({ min: 1, max: 9 });
const lotName = fc.constantFrom("a", "b", "c", "u");
const maybeLot = fc.option(lotName, { nil: undefined, freq: 2 });

interface Shape {
  readonly type: FactEventType;
  readonly told: ToldFact;
}

function shape(type: FactEventType, told: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Shape> {
  return fc.record(told).map((members) => {
    const present = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
    return { type, told: present as ToldFact };
  });
}

const delta = fc.integer({ min: -9, max: 9 }).filter((units) => units !== 0);
const reference = fc.constantFrom("p", "q");

/** Facts whose lots may be named or not: `lot` makes the choice. */
function shapes(lot: fc.Arbitrary<string | undefined>, counted: fc.Arbitrary<string | undefined>) {
  return fc.oneof(
    {
      weight: 3,
      arbitrary: shape("StockReceived", { quantity, lot, reference: fc.option(reference, { nil: undefined }) }),
    },
    { weight: 3, arbitrary: shape("StockSold", { quantity, lot }) },
    shape("StockReturned", { quantity, lot, sellable: fc.constantFrom(true, false, undefined) }),
    shape("StockAdjusted", { delta, lot }),
    shape("StockDispatched", { quantity, lot }),
    shape("StockArrived", { quantity, lot }),
    shape("StockHeldBack", { quantity, lot }),
    shape("StockPutBack", { quantity, lot }),
    { weight: 2, arbitrary: shape("StockCounted", { quantity: fc.integer({ min: 0, max: 20 }), lot: counted }) },
    shape("StockExpected", { quantity, reference }),
  );
}

/**
 * A bag of facts with voids of some. Receipts of a dated lot tell its date, other facts don't; no two counts have one
 * `asOf`, because those contradict each other.
 */
function bags(lot: fc.Arbitrary<string | undefined>, counted: fc.Arbitrary<string | undefined>, maxLength: number) {
  const fact = fc.tuple(shapes(lot, counted), fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 3 }));
  return fc.array(fact, { minLength: 1, maxLength }).map((all) => {
    const bag: Told[] = [];
    const countedAt = new Set<number>();
    for (const [index, [{ type, told }, time, chance]] of all.entries()) {
      const at = type === "StockCounted" ? time * 2 : time * 2 + (chance % 2);
      if (type === "StockCounted" && countedAt.has(at)) continue;
      if (type === "StockCounted") countedAt.add(at);
      const expiresOn = type === "StockReceived" && told.lot !== undefined ? dates[told.lot] : undefined;
      const cutoff = expiresOn && told.lot ? cutoffs[told.lot] : undefined;
      const id = `f${index}`;
      bag.push({ id, type, at, told: { ...told, ...(expiresOn && { expiresOn }) }, ...(cutoff && { cutoff }) });
      if (chance === 3) bag.push({ id: `v${index}`, voids: id });
    }
    return bag;
  });
}

function ordersOf<T>(bag: readonly T[], seed: number): T[][] {
  if (bag.length <= 4) return permutations(bag);
  const orders = [[...bag], [...bag].reverse()];
  let state = seed;
  for (let round = 0; round < 6; round += 1) {
    const order = [...bag];
    for (let index = order.length - 1; index > 0; index -= 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      const other = state % (index + 1);
      [order[index], order[other]] = [order[other] as T, order[index] as T];
    }
    orders.push(order);
  }
  return orders;
}

function permutations<T>(all: readonly T[]): T[][] {
  if (all.length === 0) return [[]];
  return all.flatMap((first, index) => permutations(all.toSpliced(index, 1)).map((rest) => [first, ...rest]));
}

/** Lets facts arrive one instant after the other, from `start`; records what has expired by the end. */
function arriveAll(order: readonly Told[], start: number): Arrivals {
  const arrivals = new Arrivals();
  for (const [index, fact] of order.entries()) arrivals.arrive(fact, start + index);
  arrivals.lapse(end);
  return arrivals;
}

function unitsOf(lots: ReadonlyMap<string, { readonly quantity: number }>): Record<string, number> {
  return Object.fromEntries(
    [...lots].map(([name, { quantity }]) => [name, quantity]).filter(([, units]) => units !== 0),
  );
}

function expectSums({ stock }: Arrivals, looseHeldBack: number): void {
  let heldBack = looseHeldBack;
  for (const lot of stock.lots.values()) heldBack += lot.heldBack;
  expect(stock.unavailable).toBe(heldBack + expiredUnits(stock));
}

const start = fc.integer({ min: 0, max: 25 });
const seed = fc.integer({ min: 1, max: 1e9 });

describe("facts in any order of arrival", () => {
  it("come to the on hand, hold-backs and incoming that the contract says", () => {
    fc.assert(
      fc.property(bags(maybeLot, maybeLot, 9), start, seed, (bag, from, shuffle) => {
        const expected = oracle(bag);
        const hasLotCount = bag.some((fact) => !("voids" in fact) && fact.type === "StockCounted" && fact.told.lot);
        if (!hasLotCount) expect(expected.onHand).toBe(countedOnHand(bag));
        for (const order of ordersOf(bag, shuffle)) {
          const arrivals = arriveAll(order, from);
          const { onHand, unavailable, incoming } = arrivals.stock;
          const heldBack = unavailable - expiredUnits(arrivals.stock);
          const { expired: _expired, lots: _lots, ...totals } = expected;
          expect({ onHand, heldBack, incoming }).toEqual(totals);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("come to the same lots and the same unavailable when every movement names its lot", () => {
    fc.assert(
      fc.property(bags(lotName, lotName, 9), start, seed, (bag, from, shuffle) => {
        const expected = oracle(bag);
        for (const order of ordersOf(bag, shuffle)) {
          const arrivals = arriveAll(order, from);
          const { onHand, unavailable, lots } = arrivals.stock;
          expect({
            onHand,
            unavailable,
            lots: unitsOf(lots),
          }).toEqual({
            onHand: expected.onHand,
            unavailable: expected.heldBack + expected.expired,
            lots: expected.lots,
          });
          expectSums(arrivals, 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("come to the contract's lots when they arrive in the order of time", () => {
    fc.assert(
      fc.property(bags(maybeLot, maybeLot, 9), (bag) => {
        const rank = (fact: Fact) =>
          fact.type === "StockCounted"
            ? 3
            : (fact.told.delta ?? 1) > 0 && !["StockSold", "StockDispatched"].includes(fact.type)
              ? 0
              : fact.told.lot
                ? 1
                : 2;
        const facts = bag
          .filter((fact): fact is Fact => !("voids" in fact))
          .sort((a, b) => a.at - b.at || rank(a) - rank(b));
        const { stock } = arriveAll([...facts, ...bag.filter((fact) => "voids" in fact)], 0);
        const lots = unitsOf(stock.lots);
        const { lots: expectedLots, expired } = oracle(bag);
        expect({ lots, expired: expiredUnits(stock) }).toEqual({ lots: expectedLots, expired });
      }),
      { numRuns: 600 },
    );
  });

  it("leave a state that folds from scratch and from any snapshot", () => {
    fc.assert(
      fc.property(bags(maybeLot, maybeLot, 12), start, seed, fc.nat(20), (bag, from, shuffle, snapshotAt) => {
        for (const order of ordersOf(bag, shuffle).slice(0, 4)) expectFolds(arriveAll(order, from), snapshotAt);
      }),
      { numRuns: 150 },
    );
  });
});

describe("lots, by example", () => {
  const told = (id: string, type: FactEventType, at: number, members: ToldFact, cutoff?: number): Fact => ({
    id,
    type,
    at,
    told: members,
    ...(cutoff !== undefined && { cutoff }),
  });
  const lot = "a";
  const expiresOn = "2026-01-12";

  it("a unit that comes back to a lot that was used up has the lot's date again", () => {
    const { stock } = arriveAll(
      [
        told("1", "StockReceived", 1, { quantity: 5, lot, expiresOn }, 12),
        told("2", "StockSold", 2, { quantity: 5, lot }),
        told("3", "StockReturned", 3, { quantity: 1, lot }),
      ],
      1,
    );
    expect(stock.lots.get(lot)).toMatchObject({ quantity: 1, expiresOn, expired: true });
    expect(stock.unavailable).toBe(1);
  });

  it("of two dates told for one lot the earlier holds, until what told it is voided", () => {
    const early = told("1", "StockReceived", 1, { quantity: 5, lot, expiresOn }, 12);
    const late = told("2", "StockReceived", 2, { quantity: 5, lot, expiresOn: "2026-02-12" }, 1000);
    for (const order of permutations<Told>([early, late])) {
      expect(arriveAll(order, 1).stock.lots.get(lot)).toMatchObject({ quantity: 10, expiresOn, expired: true });
    }
    for (const order of permutations<Told>([early, late, { id: "v", voids: "1" }])) {
      for (const start of [1, 20]) {
        const { stock } = arriveAll(order, start);
        expect(stock.lots.get(lot)).toMatchObject({ quantity: 5, expiresOn: "2026-02-12", expired: false });
        expect(stock.unavailable).toBe(0);
      }
    }
  });

  it("a receipt that a count of its lot contains still tells the date, also to a hold-back that is taken back", () => {
    const bag = [
      told("1", "StockCounted", 0, { quantity: 0, lot }),
      told("2", "StockReceived", 0, { quantity: 1, lot, expiresOn }, 12),
      told("3", "StockPutBack", 0, { quantity: 1, lot }),
      told("4", "StockAdjusted", 0, { delta: 1, lot }),
    ];
    for (const order of permutations<Told>(bag)) {
      const { stock } = arriveAll(order, 0);
      expect([stock.onHand, stock.unavailable, expiredUnits(stock)]).toEqual([0, 0, 1]);
    }
  });

  it("a receipt that a count contains still tells the date of its lot", () => {
    const arrivals = arriveAll(
      [
        told("1", "StockCounted", 5, { quantity: 3 }),
        told("2", "StockReceived", 1, { quantity: 3, lot, expiresOn }, 12),
        told("3", "StockReturned", 6, { quantity: 2, lot }),
      ],
      6,
    );
    expect(arrivals.stock.lots.get(lot)).toMatchObject({ quantity: 2, expiresOn });
    expect(arrivals.stock.onHand).toBe(5);
  });

  it("the last units of a lot whose date has passed leave no shortfall: they were not for sale", () => {
    const arrivals = new Arrivals();
    arrivals.arrive(told("1", "StockReceived", 1, { quantity: 2, lot, expiresOn }, 12), 1);
    arrivals.arrive(told("2", "StockReceived", 1, { quantity: 1 }), 1);
    // Nothing has recorded yet that the date has passed.
    arrivals.arrive(told("3", "StockAdjusted", 14, { delta: -2, lot }), 14);
    expect(arrivals.history.map(({ event }) => event.type)).not.toContain("ShortfallFound");
    arrivals.arrive(told("4", "StockSold", 15, { quantity: 2 }), 15);
    const shortfall = arrivals.history.find(({ event }) => event.type === "ShortfallFound");
    expect(shortfall?.event.data).toMatchObject({ available: -1, onHand: -1 });
  });

  it("a shortfall does not count a lot whose date has passed, unrecorded, and goes away with what told it", () => {
    const arrivals = new Arrivals();
    arrivals.arrive(told("1", "StockReceived", 1, { quantity: 5, lot, expiresOn }, 12), 1);
    arrivals.arrive(told("2", "StockSold", 2, { quantity: 3 }), 2);
    arrivals.arrive({ id: "v", voids: "1" }, 14);
    const shortfall = arrivals.history.find(({ event }) => event.type === "ShortfallFound");
    expect(shortfall?.event.data).toMatchObject({ available: -3, onHand: -3 });
  });

  it("a loss that a count finds leaves the earliest lot first, whatever its date; a gain belongs to none", () => {
    const all = [
      told("1", "StockReceived", 1, { quantity: 5, lot: "b", expiresOn: "2026-01-18" }, 18),
      told("2", "StockReceived", 2, { quantity: 5, lot, expiresOn }, 12),
    ];
    const loss = arriveAll([...all, told("3", "StockCounted", 14, { quantity: 7 })], 14);
    expect([...loss.stock.lots].map(([name, { quantity: units }]) => [name, units])).toEqual([
      ["b", 5],
      ["a", 2],
    ]);
    const gain = arriveAll([...all, told("3", "StockCounted", 14, { quantity: 12 })], 14);
    expect(gain.stock.onHand).toBe(12);
    expect([...gain.stock.lots.values()].reduce((sum, { quantity: units }) => sum + units, 0)).toBe(10);
  });
});

describe("expected receipts", () => {
  it("never leave incoming below zero, and are remembered past those that were forgotten", () => {
    const arrivals = new Arrivals();
    const arrive = (id: string, type: FactEventType, units: number, name: string) =>
      arrivals.arrive({ id, type, at: 1, told: { quantity: units, reference: name } }, 1);
    arrive("1", "StockExpected", 5, "p");
    arrive("2", "StockReceived", 8, "p");
    for (let index = 0; index < 300; index += 1) arrive(`o${index}`, "StockReceived", 1, `other-${index}`);
    expect(arrivals.stock.receipts.has("p")).toBe(false);
    expect(arrivals.stock.incoming).toBe(0);
    arrive("3", "StockExpected", 4, "p"); // 9 expected, 8 received
    expect(arrivals.stock.incoming).toBe(1);
    arrivals.arrive({ id: "v", voids: "2" }, 1);
    expect(arrivals.stock.incoming).toBe(9);
    expectFolds(arrivals, 150);
    expect(comparable(arrivals.stock)).toBeDefined();
  });
});
