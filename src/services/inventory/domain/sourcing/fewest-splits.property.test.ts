import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Demand, type PlanRequest, planSourcing, type Supply } from "./index.ts";

/*
 * Orders over more locations than trying every way to hand out the units could manage. Without dates a set of locations
 * serves lines of one sku when every group of lines finds enough at the locations permitted to any of them (Hall); the
 * oracle looks at every group and every set.
 */

interface Case {
  readonly demands: readonly Demand[];
  readonly supplies: readonly Supply[];
  readonly priorities: readonly number[];
}

function cases(locationsMin: number, locationsMax: number): fc.Arbitrary<Case> {
  return fc.integer({ min: locationsMin, max: locationsMax }).chain((count) => {
    const locations = Array.from({ length: count }, (_, index) => `l${String(index).padStart(2, "0")}`);
    const demand = fc.record({
      sku: fc.constantFrom("milk", "milk", "eggs"),
      quantity: fc.integer({ min: 1, max: 12 }),
      locations: fc.option(fc.subarray(locations, { minLength: 1 }), { nil: undefined }),
    });
    const capacities = fc.array(fc.nat(6), { minLength: count, maxLength: count });
    return fc.record({
      demands: fc.array(demand, { minLength: 1, maxLength: 5 }).map((all) =>
        all.map(({ locations: permitted, ...rest }, line) => ({
          line,
          ...rest,
          ...(permitted && { locations: permitted }),
        })),
      ),
      supplies: fc.record({ milk: capacities, eggs: capacities }).map((bySku) =>
        Object.entries(bySku).flatMap(([sku, all]) =>
          all.map((capacity, index) => ({
            sku,
            location: locations[index] ?? "",
            capacity,
            dated: [],
            lots: [],
          })),
        ),
      ),
      priorities: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: count, maxLength: count }),
    });
  });
}

function requestOf({ demands, supplies, priorities }: Case, allowPartial: boolean): PlanRequest {
  const places = supplies
    .slice(0, priorities.length)
    .map(({ location }, index) => ({ location, priority: priorities[index] ?? 0 }));
  return { demands, supplies, places, strategy: "fewest-splits", allowPartial };
}

function groups<T>(all: readonly T[]): T[][] {
  return Array.from({ length: 2 ** all.length }, (_, mask) => all.filter((_, index) => mask & (1 << index)));
}

/** The most units of a sku that a set of locations gives: the least, over groups, of what the group finds and the others ask. */
function most({ demands, supplies }: Case, sku: string, open: ReadonlySet<string>): number {
  const lines = demands.filter((demand) => demand.sku === sku);
  const here = supplies.filter((supply) => supply.sku === sku && open.has(supply.location));
  return Math.min(
    ...groups(lines).map((group) => {
      const found = here.filter(({ location }) => group.some(({ locations }) => locations?.includes(location) ?? true));
      const others = lines.filter((line) => !group.includes(line));
      return total(found.map(({ capacity }) => capacity)) + total(others.map(({ quantity }) => quantity));
    }),
  );
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

function goalOf(generated: Case, open: ReadonlySet<string>): string {
  return ["milk", "eggs"].map((sku) => most(generated, sku, open)).join();
}

function namesOf({ supplies, priorities }: Case): string[] {
  return supplies.slice(0, priorities.length).map(({ location }) => location);
}

describe("fewest-splits over many locations", () => {
  it("finds a smallest set, and of those one of least priority", () => {
    fc.assert(
      fc.property(cases(1, 7), fc.boolean(), (generated, allowPartial) => {
        const { allocations } = planSourcing(requestOf(generated, allowPartial));
        fc.pre(allocations.length > 0);
        const names = namesOf(generated);
        const goal = goalOf(generated, new Set(names));
        const weight = (set: readonly string[]) =>
          set.length * 1000 + total(set.map((name) => generated.priorities[names.indexOf(name)] ?? 0));
        const serving = groups(names).filter((set) => goalOf(generated, new Set(set)) === goal);
        const used = [...new Set(allocations.map(({ location }) => location))];
        expect(weight(used)).toBe(Math.min(...serving.map(weight)));
      }),
      { numRuns: 300 },
    );
  });

  it("chooses greedily among more than 12, says so, serves all there is, and keeps no location it could do without", () => {
    fc.assert(
      fc.property(cases(13, 30), fc.boolean(), (generated, allowPartial) => {
        const plan = planSourcing(requestOf(generated, allowPartial));
        const goal = goalOf(generated, new Set(namesOf(generated)));
        const asked = ["milk", "eggs"].map((sku) =>
          total(generated.demands.filter((demand) => demand.sku === sku).map(({ quantity }) => quantity)),
        );
        expect(plan.short.length === 0).toBe(goal === asked.join());
        fc.pre(plan.allocations.length > 0);
        const served = ["milk", "eggs"].map((sku) =>
          total(plan.allocations.filter((allocation) => allocation.sku === sku).map(({ quantity }) => quantity)),
        );
        expect(served.join()).toBe(goal);
        const used = [...new Set(plan.allocations.map(({ location }) => location))];
        for (const spare of used) {
          expect(goalOf(generated, new Set(used.filter((name) => name !== spare)))).not.toBe(goal);
        }
        const candidates = new Set(
          generated.demands.flatMap(({ sku, locations }) =>
            generated.supplies
              .filter((supply) => supply.sku === sku && supply.capacity > 0)
              .map(({ location }) => location)
              .filter((location) => locations?.includes(location) ?? true),
          ),
        );
        const isGreedy = plan.notes.some((note) => note.includes("greedily"));
        expect(isGreedy).toBe(candidates.size > 12 && (used.length > 1 || plan.short.length > 0));
      }),
      { numRuns: 300 },
    );
  });
});
