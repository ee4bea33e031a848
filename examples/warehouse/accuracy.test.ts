import { expect, it } from "vitest";
import { experiment } from "./accuracy.ts";

it("the beginning of the experiment: pushed figures are wrong for a small part of the time that polled ones are", async () => {
  const result = await experiment({ seed: 5, lostShare: 0, changes: 200 });
  expect(result).toMatchObject({ changes: 200, found: 0 });
  expect(result.faults).toBeGreaterThan(0);
  expect(result.discrepancySeconds.pushed).toBeGreaterThan(0);
  expect(result.lower).toBeGreaterThan(0.94);
  expect(result.servable.pushed).toBeGreaterThanOrEqual(0.997);
}, 60_000);
