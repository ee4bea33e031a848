import fc from "fast-check";
import { expect, it } from "vitest";
import { event, otherEvent, strangeNames } from "../samples.ts";
import { subjectOf, tokenOf } from "./subjects.ts";

it("names partition, location, sku and type, each as tokens of its own", () => {
  expect(subjectOf(event(1, "milk-1l", 1))).toBe("larder.changes.7.leeds.milk-1l.stock.sold.v1");
  expect(subjectOf(event(1, "v1.2 *", 1, "ü"))).toBe("larder.changes.7.%C3%BC.v1%2E2%20%2A.stock.sold.v1");
  expect(subjectOf(otherEvent(1))).toBe("larder.changes.3.-.-.reservation.status-changed.v1");
});

it("gives each name a token that NATS takes, and no two the same", () => {
  expect(new Set(strangeNames.map(tokenOf)).size).toBe(strangeNames.length);
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 20 }), (name) => {
      const token = tokenOf(name);
      expect(token).toMatch(/^[\w%-]+$/);
      expect(token).not.toBe(tokenOf(undefined));
      if (name !== "-") expect(decodeURIComponent(token)).toBe(name.toWellFormed());
    }),
  );
});
