import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseFact } from "./parse.ts";
import { itemsOf, readBatch, readItem } from "./read-items.ts";

const name = fc.oneof(
  fc.constantFrom("milk", "crème brûlée", "a/b", " outer ", "", "half \ud83d", "日本"),
  fc.string(),
);
const told = fc.record(
  {
    sku: name,
    gtin: fc.constantFrom("4006381333931", "1"),
    location: name,
    quantity: fc.oneof(fc.integer(), fc.double(), fc.constantFrom(-0, 1e21)),
    delta: fc.integer(),
    reason: name,
    lot: name,
    expiresOn: fc.constantFrom("2026-02-29", "2028-02-29", "soon"),
    asOf: fc.constantFrom("2026-01-01T00:00:00Z", "then"),
    reference: name,
    [fc.sample(fc.string(), { numRuns: 1, seed: 1 })[0] ?? "x"]: fc.jsonValue(),
  },
  { requiredKeys: ["location"] },
);
const fact = fc.record(
  {
    specversion: fc.constantFrom("1.0", "0.3"),
    id: name,
    source: name,
    type: fc.constantFrom(
      "larder.stock.received.v1",
      "larder.stock.sold.v1",
      "larder.stock.counted.v1",
      "larder.stock.adjusted.v1",
      "larder.fact.voided.v1",
      "larder.order.completed.v1",
      "larder.stock.sold.v2",
    ),
    time: fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T01:00:00.123456+01:00", "noon"),
    data: fc.oneof({ weight: 5, arbitrary: told }, { weight: 1, arbitrary: fc.jsonValue() }),
  },
  { requiredKeys: ["specversion", "id", "source", "type", "data"] },
);
const batch = fc.array(fc.oneof({ weight: 9, arbitrary: fact }, { weight: 1, arbitrary: fc.jsonValue() }));

/** What is told of an item by whoever has it as JSON. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("a batch that another thread has read", () => {
  it("says of every item what is read of it here", () => {
    let read = 0;
    fc.assert(
      fc.property(batch, (items) => {
        const json = JSON.stringify(items);
        const text = readBatch(json);
        // Left to the ordinary way for what may stand in it.
        if (text === undefined) return;
        read += 1;
        const sent: readonly unknown[] = JSON.parse(json);
        expect(itemsOf(text).map((item) => readItem(item))).toEqual(sent.map((item) => plain(parseFact(item))));
      }),
      { numRuns: 500 },
    );
    expect(read).toBeGreaterThan(100);
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
