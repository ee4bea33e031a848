/** How a second version of a fact comes: shown with versions of this test's own, since there are none yet. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Type } from "../../../kernel/index.ts";
import { Identifier } from "../wire.ts";
import { factParser, parseFact } from "./parse.ts";
import { factSchemas } from "./schemas.ts";
import { type Upcasts, upcasts } from "./upcast.ts";

const sold = factSchemas["larder.stock.sold.v1"];

/** In v2 a sale says its lot, and its reference is a receipt number that v3 writes with a prefix. */
const schemas = {
  ...factSchemas,
  "larder.stock.sold.v2": Type.Object({ ...sold.properties, lot: Identifier }, { additionalProperties: false }),
  "larder.stock.sold.v3": Type.Object(
    { ...sold.properties, lot: Identifier, reference: Identifier },
    { additionalProperties: false },
  ),
};
const table: Upcasts = {
  "larder.stock.sold.v1": { to: "larder.stock.sold.v2", data: (data) => ({ lot: "unknown", ...data }) },
  "larder.stock.sold.v2": {
    to: "larder.stock.sold.v3",
    data: (data) => ({ ...data, reference: `receipt ${String(data["reference"] ?? "none")}` }),
  },
};
const parse = factParser(schemas, table);

const event = (type: string, data: object) => ({ specversion: "1.0", source: "till", id: "1", type, data });
const milk = { sku: "milk", location: "leeds", quantity: 2 };

describe("a second version of a fact", () => {
  it("reads what was sent in an older one, by as many steps as there are", () => {
    const told = (type: string, data: object) => {
      const read = parse(event(type, data));
      if (!read.ok) throw new Error(read.malformed.detail);
      return [read.fact.type, read.fact.data];
    };
    const newest = { kind: "stock", sku: "milk", location: "leeds" };
    expect(told("larder.stock.sold.v1", milk)).toEqual([
      "larder.stock.sold.v1",
      { ...newest, told: { quantity: 2, lot: "unknown", reference: "receipt none" } },
    ]);
    expect(told("larder.stock.sold.v2", { ...milk, lot: "a", reference: "9" })).toEqual([
      "larder.stock.sold.v2",
      { ...newest, told: { quantity: 2, lot: "a", reference: "receipt 9" } },
    ]);
    expect(told("larder.stock.sold.v3", { ...milk, lot: "a", reference: "9" })).toEqual([
      "larder.stock.sold.v3",
      { ...newest, told: { quantity: 2, lot: "a", reference: "9" } },
    ]);
  });

  it("leaves the digest of older facts as it was, so that one sent before and after the update is one", () => {
    const facts = fc.record({
      sku: fc.stringMatching(/^[a-z]{1,9}$/),
      location: fc.constantFrom("leeds", "york"),
      quantity: fc.integer({ min: 1, max: 99 }),
    });
    fc.assert(
      fc.property(facts, (data) => {
        const [before, after] = [parseFact, parse].map((read) => read(event("larder.stock.sold.v1", data)));
        expect(before?.ok && after?.ok && before.fact.print === after.fact.print).toBe(true);
      }),
    );
  });

  it("judges each by the schema of its own version", () => {
    expect(parse(event("larder.stock.sold.v1", { ...milk, lot: "a" })).ok).toBe(true);
    expect(parse(event("larder.stock.sold.v2", milk))).toMatchObject({
      ok: false,
      malformed: { detail: '/data: lacks "lot"' },
    });
  });
});

describe("a version that is not known", () => {
  it("is told from a type that is not known", () => {
    const detail = (type: string) => {
      const read = parseFact(event(type, milk));
      return read.ok ? "" : read.malformed.detail;
    };
    expect(detail("larder.stock.sold.v7")).toBe(
      "/type: version 7 of larder.stock.sold is not known here, but 1 is: its sender is newer than this server",
    );
    expect(detail("larder.stock.sold.v0")).toBe("/type: version 0 of larder.stock.sold is not known here, but 1 is");
    expect(detail("larder.stock.eaten.v1")).toContain('"larder.stock.eaten.v1" is not a fact that Larder knows');
  });
});

it("each step of the table leads from one known type to another, and all end in a newest one", () => {
  for (const [from, { to }] of Object.entries(upcasts)) {
    expect(Object.keys(factSchemas)).toEqual(expect.arrayContaining([from, to]));
    const seen = new Set([from]);
    for (let type = to; upcasts[type] !== undefined; type = upcasts[type]?.to ?? "") {
      expect(seen.has(type)).toBe(false);
      seen.add(type);
    }
  }
});
