/** That the models of a very large chain say what arithmetic says where arithmetic can. */
import { expect, it } from "vitest";
import { numbers } from "../test/journeys/chance.ts";
import { costs, fullest, locationsOf, simulateLock } from "./scale.ts";

it("serves full appends one after another when more is asked than one lock bears", () => {
  const full = costs.flushMs + 1 + costs.unitMs * costs.unitsMax;
  const { perSecond, units } = simulateLock({ processes: 4, syncMs: 1, perSecond: 200_000, seconds: 5 }, numbers(1));
  expect(units).toBeGreaterThan(costs.unitsMax * 0.98);
  expect(perSecond / ((costs.unitsMax * 1000) / full)).toBeCloseTo(1, 1);
});

it("keeps one who comes rarely waiting for nothing but its own append", () => {
  const alone = costs.flushMs + 1 + costs.unitMs + 2 * costs.handOverMs;
  const { p50Ms, units } = simulateLock({ processes: 1, syncMs: 1, perSecond: 5, seconds: 200 }, numbers(1));
  expect(units).toBeCloseTo(1, 1);
  expect(p50Ms).toBeCloseTo(alone, 1);
});

it("can't bring the fullest shard below the average, nor below the largest location", () => {
  const sizes = locationsOf(2000, 0.5, 0.1);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeCloseTo(1, 6);
  for (const shards of [4, 16, 64]) {
    const { byHash, bySize } = fullest(sizes, shards, numbers(shards));
    expect(bySize).toBeGreaterThanOrEqual(Math.max(1, 0.1 * shards) - 1e-9);
    expect(byHash).toBeGreaterThanOrEqual(bySize - 1e-9);
  }
});
