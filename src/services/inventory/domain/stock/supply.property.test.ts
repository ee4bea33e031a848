import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arrivals } from "./arrival.fixture.ts";
import { type HoldLine, type LotChange, lotsForHolds, supplyOf } from "./index.ts";

const dates = ["2026-01-10", "2026-01-20", "2026-01-30", "9999-12-31"] as const;
const now = 100;

interface Shelf {
  /** Units of lot `l0`, `l1`, … and the index of its date; 4 for none. */
  readonly lots: readonly { readonly units: number; readonly date: number; readonly heldBack: number }[];
  readonly loose: number;
}

type Ask = Pick<HoldLine, "quantity" | "sellableUntil" | "lot">;

const shelf: fc.Arbitrary<Shelf> = fc.record({
  lots: fc.array(
    fc.record({ units: fc.integer({ min: 1, max: 4 }), date: fc.nat(4), heldBack: fc.constantFrom(0, 0, 0, 1) }),
    { maxLength: 3 },
  ),
  loose: fc.nat(4),
});

const ask: fc.Arbitrary<Ask> = fc.oneof(
  fc.record({ quantity: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    quantity: fc.integer({ min: 1, max: 4 }),
    sellableUntil: fc.constantFrom(...dates, "2026-01-15", "2026-02-15"),
  }),
  fc.record({ quantity: fc.integer({ min: 1, max: 4 }), lot: fc.constantFrom("l0", "l1", "l2") }),
);

function stockOf({ lots, loose }: Shelf): Arrivals {
  const arrivals = new Arrivals();
  for (const [index, { units, date, heldBack }] of lots.entries()) {
    const lot = `l${index}`;
    const dated = dates[date] === undefined ? {} : { expiresOn: dates[date] };
    const cutoff = dates[date] === undefined ? {} : { cutoff: 1000 + date };
    arrivals.arrive(
      { id: `r${index}`, type: "StockReceived", at: 1, told: { quantity: units, lot, ...dated }, ...cutoff },
      1,
    );
    if (heldBack > 0)
      arrivals.arrive({ id: `h${index}`, type: "StockHeldBack", at: 1, told: { quantity: heldBack, lot } }, 1);
  }
  if (loose > 0) arrivals.arrive({ id: "loose", type: "StockReceived", at: 1, told: { quantity: loose } }, 1);
  return arrivals;
}

/** The single units on a shelf that may be sold: each of a lot, with its date. */
function unitsOn({ lots, loose }: Shelf): { readonly lot: string | undefined; readonly date: string | undefined }[] {
  const units = lots.flatMap(({ units: count, date, heldBack }, index) =>
    Array.from({ length: Math.max(0, count - heldBack) }, () => ({
      lot: `l${index}`,
      date: dates[date] as string | undefined,
    })),
  );
  return [...units, ...Array.from({ length: loose }, () => ({ lot: undefined, date: undefined }))];
}

/** Whether every unit asked for can have a unit of its own on the shelf: augmenting paths, unit by unit. */
function canServe(on: ReturnType<typeof unitsOn>, asks: readonly Ask[]): boolean {
  const wanted = asks.flatMap((one) => Array.from({ length: one.quantity }, () => one));
  const givenTo = new Map<number, number>();
  const find = (index: number, seen: Set<number>): boolean =>
    on.some((unit, place) => {
      const one = wanted[index] as Ask;
      const serves =
        (one.lot === undefined || one.lot === unit.lot) &&
        (one.sellableUntil === undefined || unit.date === undefined || unit.date >= one.sellableUntil);
      if (!serves || seen.has(place)) return false;
      seen.add(place);
      const other = givenTo.get(place);
      if (other !== undefined && !find(other, seen)) return false;
      givenTo.set(place, index);
      return true;
    });
  return wanted.every((_, index) => find(index, new Set()));
}

/** What `supplyOf` says of one more ask, read as its documentation says. */
function isOffered(arrivals: Arrivals, one: Ask, own?: string, time = now): boolean {
  const { capacity, dated, lots } = supplyOf(arrivals.stock, time, own);
  const named = lots.find(({ lot }) => lot === one.lot);
  if (one.lot !== undefined && (named === undefined || named.capacity < one.quantity)) return false;
  const until = one.lot === undefined ? one.sellableUntil : (named?.from ?? "9999-12-31");
  const isCovered = dated.every(({ from, capacity: units }, index) => {
    const before = dated[index - 1]?.from;
    const counts = until !== undefined && (from <= until || before === undefined || before < until);
    return !counts || units >= one.quantity;
  });
  return capacity >= one.quantity && isCovered;
}

function hold(arrivals: Arrivals, id: string, asks: readonly Ask[], expiresAt = 10_000): void {
  const holds = asks.map((one, line) => ({ line, ...one }));
  arrivals.record([{ type: "StockReserved", data: { reservation: id, expiresAt, holds } }], now);
}

describe("what a stock can still promise", () => {
  it("is exactly what its lots can serve, beside all that was promised before", () => {
    fc.assert(
      fc.property(shelf, fc.array(ask, { maxLength: 8 }), (on, asks) => {
        const arrivals = stockOf(on);
        const taken: Ask[] = [];
        for (const [index, one] of asks.entries()) {
          const isFeasible = canServe(unitsOn(on), [...taken, one]);
          expect([one, isOffered(arrivals, one)]).toEqual([one, isFeasible]);
          if (!isFeasible) continue;
          hold(arrivals, `r${index}`, [one]);
          taken.push(one);
        }
      }),
      { numRuns: 1500 },
    );
  });

  it("counts what has lapsed as free, and a reservation's own holds as its own", () => {
    fc.assert(
      fc.property(shelf, fc.array(ask, { maxLength: 4 }), ask, fc.boolean(), (on, asks, more, lapsed) => {
        const arrivals = stockOf(on);
        const taken: Ask[] = [];
        for (const [index, one] of asks.entries()) {
          if (!canServe(unitsOn(on), [...taken, one])) continue;
          hold(arrivals, `r${index}`, [one]);
          taken.push(one);
        }
        if (!canServe(unitsOn(on), [...taken, more])) return;
        hold(arrivals, "own", [more], lapsed ? now : 10_000);
        expect(isOffered(arrivals, more, "own")).toBe(true);
        const bigger = { ...more, quantity: more.quantity + 1 };
        expect(isOffered(arrivals, bigger, "own")).toBe(canServe(unitsOn(on), [...taken, bigger]));
        expect(isOffered(arrivals, more)).toBe(
          canServe(unitsOn(on), lapsed ? [...taken, more] : [...taken, more, more]),
        );
      }),
      { numRuns: 1500 },
    );
  });

  it("lets a reservation keep what it holds when less is left, but no more", () => {
    const arrivals = stockOf({ lots: [{ units: 5, date: 1, heldBack: 0 }], loose: 0 });
    hold(arrivals, "own", [{ quantity: 4, sellableUntil: dates[1] }], 500);
    arrivals.arrive({ id: "lost", type: "StockAdjusted", at: 2, told: { delta: -3 } }, 2);
    const asking = (quantity: number, sellableUntil?: string) =>
      isOffered(arrivals, { quantity, ...(sellableUntil !== undefined && { sellableUntil }) }, "own");
    expect([asking(4, dates[1]), asking(3, dates[0]), asking(5), asking(3, dates[2])]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(supplyOf(arrivals.stock, 500, "own").capacity).toBe(2);
  });
});

/** Hold-backs and put-backs that need not match: some name a lot, some none, a put-back may come first. */
const blocked = fc.array(
  fc.record({
    type: fc.constantFrom("StockHeldBack" as const, "StockPutBack" as const),
    units: fc.integer({ min: 1, max: 4 }),
    lot: fc.constantFrom(undefined, "l0", "l1"),
  }),
  { maxLength: 4 },
);

describe("what is promised beside hold-backs and put-backs that name other lots", () => {
  it("is there, in the lot that was asked for and until the date that was asked for, also after dates have passed", () => {
    fc.assert(
      fc.property(
        shelf,
        blocked,
        fc.array(ask, { maxLength: 6 }),
        fc.constantFrom(now, 1001, 1002),
        (on, blocks, asks, time) => {
          const arrivals = stockOf(on);
          for (const [index, { type, units, lot }] of blocks.entries())
            arrivals.arrive(
              { id: `b${index}`, type, at: 1, told: { quantity: units, ...(lot !== undefined && { lot }) } },
              1,
            );
          const unitsThere = unitsOn({ ...on, lots: on.lots.map((lot) => ({ ...lot, heldBack: 0 })) });
          const fresh = unitsThere.filter(
            ({ date }) => date === undefined || 1000 + dates.indexOf(date as never) > time,
          );
          const taken: Ask[] = [];
          for (const [index, one] of asks.entries()) {
            if (!isOffered(arrivals, one, undefined, time)) continue;
            hold(arrivals, `r${index}`, [one]);
            taken.push(one);
          }
          expect([taken, canServe(fresh, taken)]).toEqual([taken, true]);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe("fulfilling what was promised", () => {
  it("never takes a unit that another open hold needs, in whatever order they are served", () => {
    fc.assert(
      fc.property(
        shelf,
        fc.array(fc.array(ask, { minLength: 1, maxLength: 2 }), { maxLength: 5 }),
        fc.nat(),
        (on, carts, seed) => {
          const arrivals = stockOf(on);
          const open = new Map<string, readonly Ask[]>();
          for (const [index, cart] of carts.entries()) {
            if (!canServe(unitsOn(on), [...[...open.values()].flat(), ...cart])) continue;
            hold(arrivals, `r${index}`, cart);
            open.set(`r${index}`, cart);
          }
          let left = unitsOn(on);
          const order = [...open.keys()];
          for (let at = seed; order.length > 0; at = (at * 31 + 7) % 1009) {
            const id = order.splice(at % order.length, 1)[0] as string;
            const cart = open.get(id) ?? [];
            open.delete(id);
            const lots = lotsForHolds(arrivals.stock, cart, now);
            const quantity = cart.reduce((sum, one) => sum + one.quantity, 0);
            const holds = cart.map((one, line) => ({ line, quantity: one.quantity }));
            const data = {
              reservation: id,
              at: now,
              holds,
              quantity,
              from: "reserved" as const,
              change: { onHand: -quantity, lots },
            };
            arrivals.record([{ type: "StockFulfilled", data }], now);
            const before = left;
            left = leftAfter(before, lots, quantity);
            const gone = before.filter((unit) => !left.includes(unit));
            expect([id, canServe(gone, cart)]).toEqual([id, true]);
            expect(canServe(left, [...open.values()].flat())).toBe(true);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});

function leftAfter(units: ReturnType<typeof unitsOn>, lots: readonly LotChange[], quantity: number) {
  const left = [...units];
  const drop = (lot: string | undefined) => {
    const index = left.findIndex((unit) => unit.lot === lot);
    expect(index).toBeGreaterThanOrEqual(0);
    left.splice(index, 1);
  };
  for (const { lot, quantity: taken = 0 } of lots) for (let unit = 0; unit < -taken; unit += 1) drop(lot);
  for (let loose = quantity + lots.reduce((sum, part) => sum + (part.quantity ?? 0), 0); loose > 0; loose -= 1)
    drop(undefined);
  return left;
}
