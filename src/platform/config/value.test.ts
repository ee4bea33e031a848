import fc from "fast-check";
import { Check } from "typebox/schema";
import { expect, it } from "vitest";
import { schema } from "./settings.ts";
import { fits } from "./value.ts";

const given = fc.oneof(
  fc.constantFrom(null, "all", "1d", "2d", "90d", "00:30", "24:00", "debug", "json", "correct", "0".repeat(64)),
  fc.string({ unit: "binary", maxLength: 70 }),
  fc
    .tuple(fc.constantFrom("a", "é", "😀"), fc.integer({ min: 9_999, max: 10_001 }))
    .map(([unit, times]) => unit.repeat(times)),
  fc.integer({ min: -1, max: 7 }),
  fc.integer({ min: 65_534, max: 65_537 }),
  fc.integer(),
  fc.double(),
  fc.anything(),
);

it.each(Object.entries(schema))("takes for %s what its schema says", (_name, { type }) => {
  fc.assert(
    fc.property(given, (value) => {
      expect(fits(type, value)).toBe(Check(type, value));
    }),
  );
});
