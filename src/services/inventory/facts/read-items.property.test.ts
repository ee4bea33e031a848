import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseFact } from "./parse.ts";
import { itemsOf, readBatch, readItem } from "./read-items.ts";
import { type FactType, factSchemas } from "./schemas.ts";

const name = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom("milk", "crème brûlée", "cre\u0301me", "a/b", "日本", "😀", '"\\') },
  { weight: 1, arbitrary: fc.constantFrom(" outer ", "", "half \ud83d") },
);
const date = fc.constantFrom("2028-02-29", "2026-12-31");
const time = fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T01:00:00.123456+01:00");
const quantity = fc.integer({ min: 1, max: 1000 });
const members: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  ...{ sku: name, location: name, lot: name, reference: name, transfer: name, to: name, from: name, reason: name },
  ...{ order: name, reservation: name, source: name, id: name, quantity, expiresOn: date, dueOn: date, asOf: time },
  gtin: fc.constant("04006381333931"),
  delta: fc.oneof(quantity, fc.integer({ min: -1000, max: -1 })),
  sellable: fc.boolean(),
  final: fc.boolean(),
  lines: fc.array(fc.record({ sku: name, location: name, quantity }), { minLength: 1, maxLength: 4 }),
};

/** Data as the schema of a type has them; its item by one of its two names. */
function dataOf(type: FactType): fc.Arbitrary<object> {
  const { properties, required = [] } = factSchemas[type] as { properties: object; required?: readonly string[] };
  const byName = Object.entries(members).filter(([member]) => member in properties && member !== "gtin");
  const isOfItem = "gtin" in properties;
  const data = fc.record(Object.fromEntries(byName), {
    requiredKeys: [...required, ...(isOfItem ? ["sku"] : [])] as never[],
  }) as fc.Arbitrary<Record<string, unknown>>;
  if (!isOfItem) return data;
  return fc
    .tuple(data, fc.boolean(), members["gtin"] as fc.Arbitrary<unknown>)
    .map(([{ sku, ...rest }, isSku, gtin]) => (isSku ? { sku, ...rest } : { gtin, ...rest }));
}

const types = Object.keys(factSchemas) as FactType[];
const fact = fc
  .constantFrom(...types)
  .chain((type) =>
    fc.record(
      { specversion: fc.constant("1.0"), id: name, source: name, type: fc.constant(type), time, data: dataOf(type) },
      { requiredKeys: ["specversion", "id", "source", "type", "data"] },
    ),
  );
const junk = fc.oneof(
  fc.jsonValue(),
  fact.map((sent) => ({ ...sent, specversion: "0.3" })),
  fact.map((sent) => ({ ...sent, time: "noon" })),
  fact.map((sent) => ({ ...sent, data: { ...sent.data, quantity: 1.5, more: true } })),
);
const batch = fc.array(fc.oneof({ weight: 9, arbitrary: fact }, { weight: 1, arbitrary: junk }), { maxLength: 12 });

/** What is told of an item by whoever has it as JSON, which knows neither `undefined` nor a zero below zero. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("a batch that another thread has read", () => {
  it("says of every item what is read of it here", () => {
    const accepted = new Map<string, number>();
    let rejected = 0;
    fc.assert(
      fc.property(batch, (items) => {
        const json = JSON.stringify(items);
        const text = readBatch(json);
        // Left to the ordinary way for what may stand in it.
        if (text === undefined) return;
        const here = (JSON.parse(json) as unknown[]).map((item) => plain(parseFact(item)));
        const there = itemsOf(text).map((item) => readItem(item));
        expect(there).toEqual(here);
        for (const read of there) {
          if (read.ok) accepted.set(read.fact.type, (accepted.get(read.fact.type) ?? 0) + 1);
          else rejected += 1;
        }
      }),
      { numRuns: 500 },
    );
    for (const type of types) expect([type, (accepted.get(type) ?? 0) > 5]).toEqual([type, true]);
    expect(rejected).toBeGreaterThan(50);
  });

  it("is left to the ordinary way when it is none", () => {
    expect(readBatch("[{}")).toBeUndefined();
    expect(readBatch("{}")).toBeUndefined();
    expect(readBatch('"facts"')).toBeUndefined();
    expect(readBatch('[{"__proto__": 1}]')).toBeUndefined();
    expect(readBatch('[{"\\u005f_proto__": 1}]')).toBeUndefined();
    expect(readBatch(`${"[".repeat(5000)}${"]".repeat(5000)}`)).toBeUndefined();
    expect(readBatch(JSON.stringify(Array.from({ length: 1001 }, () => ({}))))).toBeUndefined();
  });
});
