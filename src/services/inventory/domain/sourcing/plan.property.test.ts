import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Allocation,
  type Demand,
  endOfDates,
  type Plan,
  type PlanRequest,
  planSourcing,
  type Supply,
} from "./index.ts";

/*
 * The oracle below shares no code with the planner: it holds allocations against the definition of a supply's limits,
 * and finds what is possible by trying every way to hand out the units.
 */

const locations = ["leeds", "york", "hull", "bath"];
const dates = ["2026-12-01", "2026-12-05", "2026-12-09"];
const askDates = ["2026-11-30", "2026-12-01", "2026-12-03", "2026-12-09", "2026-12-10"];
const skus = ["milk", "eggs"];
const strategyNames = ["priority", "fewest-splits", "most-stock", "nearest", "earliest-expiry"] as const;

function lastsUntil(demand: Demand, supply: Supply): string | undefined {
  if (demand.lot === undefined) return demand.sellableUntil;
  return supply.lots.find(({ lot }) => lot === demand.lot)?.from ?? endOfDates;
}

/** Whether an ask counts against an entry of `dated`: the next one at or after its date, and all before that. */
function counts(until: string | undefined, supply: Supply, index: number): boolean {
  if (until === undefined) return false;
  return supply.dated.every(({ from }, earlier) => earlier >= index || from < until);
}

function mayServe(demand: Demand, supply: Supply): boolean {
  if (demand.sku !== supply.sku) return false;
  if (demand.locations !== undefined && !demand.locations.includes(supply.location)) return false;
  const lot = supply.lots.find((known) => known.lot === demand.lot);
  if (demand.lot !== undefined && lot === undefined) return false;
  return !(lot?.from !== undefined && demand.sellableUntil !== undefined && lot.from < demand.sellableUntil);
}

type Taken = readonly { readonly demand: Demand; readonly units: number }[];

function fits(supply: Supply, taken: Taken): boolean {
  const sum = (of: (demand: Demand) => boolean) =>
    taken.reduce((total, { demand, units }) => total + (of(demand) ? units : 0), 0);
  return (
    taken.every(({ demand, units }) => units === 0 || mayServe(demand, supply)) &&
    sum(() => true) <= supply.capacity &&
    supply.dated.every(
      ({ capacity }, index) => sum((demand) => counts(lastsUntil(demand, supply), supply, index)) <= capacity,
    ) &&
    supply.lots.every(({ lot, capacity }) => sum((demand) => demand.lot === lot) <= capacity)
  );
}

/** Every way to split up to `units` over a number of places. */
function splits(units: number, places: number): number[][] {
  if (places === 0) return [[]];
  return Array.from({ length: units + 1 }, (_, first) =>
    splits(units - first, places - 1).map((rest) => [first, ...rest]),
  ).flat();
}

/** All that lines of one sku can get from supplies: the units of each line, for every way to hand them out. */
function outcomes(demands: readonly Demand[], supplies: readonly Supply[]): number[][] {
  let partial = [{ units: [] as number[], taken: supplies.map(() => [] as Taken) }];
  for (const demand of demands) {
    const ways = splits(demand.quantity, supplies.length);
    const next = new Map<string, (typeof partial)[number]>();
    for (const { units, taken } of partial) {
      for (const way of ways) {
        const after = supplies.map((_, index) => [...(taken[index] ?? []), { demand, units: way[index] ?? 0 }]);
        if (!supplies.every((supply, index) => fits(supply, after[index] ?? []))) continue;
        const served = [...units, way.reduce((sum, part) => sum + part, 0)];
        next.set(JSON.stringify(after.map((place) => place.map(({ units: part }) => part))), {
          units: served,
          taken: after,
        });
      }
    }
    partial = [...next.values()];
  }
  return partial.map(({ units }) => units);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** The most units of each sku that the lines of an order can get from some locations. */
function most(request: PlanRequest, open: readonly string[]): number[] {
  return skus.map((sku) => {
    const demands = request.demands.filter((demand) => demand.sku === sku);
    const supplies = request.supplies.filter((supply) => supply.sku === sku && open.includes(supply.location));
    return Math.max(...outcomes(demands, supplies).map(sum));
  });
}

function subsets(all: readonly string[]): string[][] {
  const [first, ...others] = all;
  if (first === undefined) return [[]];
  return subsets(others).flatMap((set) => [set, [first, ...set]]);
}

const supplyOf = (sku: string, location: string): fc.Arbitrary<Supply> =>
  fc
    .record({
      capacity: fc.nat(4),
      limits: fc.option(fc.array(fc.nat(4), { minLength: 4, maxLength: 4 })),
      lots: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { maxLength: 2 }),
      lotCapacities: fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
      lotDates: fc.array(fc.option(fc.constantFrom(...dates), { nil: undefined }), { minLength: 3, maxLength: 3 }),
    })
    .map(({ capacity, limits, lots, lotCapacities, lotDates }) => ({
      sku,
      location,
      capacity,
      dated:
        limits === null ? [] : [...dates, endOfDates].map((from, index) => ({ from, capacity: limits[index] ?? 0 })),
      lots: lots.map((lot, index) => ({
        lot,
        from: limits === null ? undefined : lotDates[index],
        capacity: lotCapacities[index] ?? 0,
      })),
    }));

const demandOf = (line: number): fc.Arbitrary<Demand> =>
  fc.record(
    {
      line: fc.constant(line),
      sku: fc.constantFrom("milk", "milk", "eggs"),
      quantity: fc.integer({ min: 1, max: 3 }),
      locations: fc.shuffledSubarray(locations.slice(0, 3), { minLength: 1 }),
      sellableUntil: fc.constantFrom(...askDates),
      lot: fc.constantFrom("a", "b", "c"),
    },
    { requiredKeys: ["line", "sku", "quantity"] },
  );

const supplies = fc
  .tuple(...skus.flatMap((sku) => locations.slice(0, 3).map((location) => fc.option(supplyOf(sku, location)))))
  .map((all) => all.filter((supply) => supply !== null));

const places = fc.array(
  fc.record({
    location: fc.constantFrom(...locations),
    priority: fc.integer({ min: 1, max: 3 }),
    position: fc.record({ lat: fc.double({ min: 50, max: 55, noNaN: true }), lon: fc.constant(0) }),
  }),
);

const requests: fc.Arbitrary<PlanRequest> = fc.record({
  demands: fc
    .integer({ min: 1, max: 3 })
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, line) => demandOf(line)))),
  supplies,
  places,
  strategy: fc.constantFrom(...strategyNames),
  near: fc.constant({ lat: 53, lon: 0 }),
  allowPartial: fc.boolean(),
});

function unitsOf(plan: Plan, line: number): number {
  return sum(plan.allocations.filter((allocation) => allocation.line === line).map(({ quantity }) => quantity));
}

function takenFrom(supply: Supply, request: PlanRequest, allocations: readonly Allocation[]): Taken {
  return allocations
    .filter(({ sku, location }) => sku === supply.sku && location === supply.location)
    .map(({ line, quantity }) => ({
      demand: request.demands.find((demand) => demand.line === line)!,
      units: quantity,
    }));
}

const runs = { numRuns: 400 };

describe("planSourcing, over generated orders", () => {
  it("never allocates more than is there, nor where a line may not go", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { allocations } = planSourcing(request);
        for (const supply of request.supplies) expect(fits(supply, takenFrom(supply, request, allocations))).toBe(true);
        for (const { sku, location, quantity } of allocations) {
          expect(quantity).toBeGreaterThan(0);
          expect(request.supplies.some((supply) => supply.sku === sku && supply.location === location)).toBe(true);
        }
      }),
      runs,
    );
  });

  it("serves an order whole exactly when its permitted locations can", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const plan = planSourcing({ ...request, allowPartial: false });
        const asked = sum(request.demands.map(({ quantity }) => quantity));
        const isPossible = sum(most(request, locations)) === asked;
        expect(plan.short.length === 0).toBe(isPossible);
        for (const { line, quantity } of request.demands) expect(unitsOf(plan, line)).toBe(isPossible ? quantity : 0);
      }),
      runs,
    );
  });

  it("names in a refusal lines without which the rest could be served", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const whole = { ...request, allowPartial: false };
        const { short } = planSourcing(whole);
        const rest = request.demands.filter(({ line }) => short.every((shortage) => shortage.line !== line));
        expect(planSourcing({ ...whole, demands: rest }).short).toEqual([]);
        for (const { line, available } of short) {
          // Beside the lines before it that are not short, the line can get just what the refusal says.
          const before = rest.filter((demand) => demand.line < line);
          const demand = request.demands.find((each) => each.line === line)!;
          const siblings = [...before.filter(({ sku }) => sku === demand.sku), demand];
          const ofSku = request.supplies.filter(({ sku }) => sku === demand.sku);
          const withEarlierWhole = outcomes(siblings, ofSku).filter((units) =>
            siblings.every(({ quantity }, index) => index === siblings.length - 1 || units[index] === quantity),
          );
          expect(available).toBe(Math.max(...withEarlierWhole.map((units) => units.at(-1) ?? 0)));
        }
      }),
      runs,
    );
  });

  it("gives a partial order as many units of each sku as there are, and the lines before others what they can get", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const plan = planSourcing({ ...request, allowPartial: true });
        for (const [index, sku] of skus.entries()) {
          const demands = request.demands.filter((demand) => demand.sku === sku);
          const got = demands.map(({ line }) => unitsOf(plan, line));
          expect(sum(got)).toBe(most(request, locations)[index]);
          if (request.strategy === "fewest-splits") continue;
          const all = outcomes(
            demands,
            request.supplies.filter((supply) => supply.sku === sku),
          );
          const first = all.reduce((best, units) => (firstIsBetter(units, best) ? units : best));
          expect(got).toEqual(first);
        }
        const short = request.demands.filter(({ line, quantity }) => unitsOf(plan, line) < quantity);
        expect(plan.short.map(({ line, available }) => [line, available])).toEqual(
          short.map(({ line }) => [line, unitsOf(plan, line)]),
        );
      }),
      runs,
    );
  });

  it("uses, with fewest-splits, no more locations than any way to serve as much", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const plan = planSourcing({ ...request, strategy: "fewest-splits" });
        fc.pre(plan.allocations.length > 0);
        const goal = most(request, locations).join();
        const least = Math.min(
          ...subsets(locations.slice(0, 3))
            .filter((open) => most(request, open).join() === goal)
            .map((open) => open.length),
        );
        expect(new Set(plan.allocations.map(({ location }) => location)).size).toBe(least);
      }),
      runs,
    );
  });

  it("gives the same plan whatever the order of supplies and places", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const unique = [...new Map(request.places.map((place) => [place.location, place])).values()];
        const plan = planSourcing({ ...request, places: unique });
        expect(
          planSourcing({ ...request, places: unique.toReversed(), supplies: request.supplies.toReversed() }),
        ).toEqual(plan);
      }),
      runs,
    );
  });

  it("lists allocations by line, once for each location, each with its reason", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { allocations } = planSourcing(request);
        const lines = allocations.map(({ line }) => line);
        expect(lines).toEqual(lines.toSorted((a, b) => a - b));
        expect(new Set(allocations.map(({ line, location }) => `${line} ${location}`)).size).toBe(allocations.length);
        for (const { because } of allocations) expect(because).not.toBe("");
      }),
      runs,
    );
  });
});

function firstIsBetter(a: readonly number[], b: readonly number[]): boolean {
  const index = a.findIndex((units, line) => units !== b[line]);
  return index !== -1 && (a[index] ?? 0) > (b[index] ?? 0);
}
