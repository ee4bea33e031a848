import { globSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { EpcisMapping } from "./domain/epcis/mapping.ts";
import { FactMapping, ItemMapping } from "./domain/mapping.ts";
import { checkItemMapping, checkMapping, readEpcisMapping, readItemMapping, readMapping } from "./mapping.ts";

const fact = { type: "larder.stock.sold.v1", data: { sku: "{sku}", location: "shop", quantity: { number: "qty" } } };
const good = {
  format: { type: "csv" },
  source: "tills",
  id: "{id}",
  time: { column: "at" },
  rules: [{ fact }],
};
const withRule = (rule: object) => ({ ...good, rules: [rule] });
const withData = (data: object) => withRule({ fact: { ...fact, data: { ...fact.data, ...data } } });

describe("the schemas of mappings", () => {
  it("are right by the schema of schemas, which is not looked into when they are used", () => {
    const ajv = new Ajv();
    for (const schema of [FactMapping, ItemMapping, EpcisMapping])
      expect(ajv.validateSchema(schema), JSON.stringify(ajv.errors)).toBe(true);
  });
});

describe("a mapping", () => {
  it("passes when it is right", () => {
    expect(checkMapping(good)).toBe(good);
  });

  it.each([
    [
      { ...good, source: undefined, format: { type: "xls" } },
      '"source" is missing\nformat.type: must be one of csv, ndjson',
    ],
    [{ ...good, colour: 1 }, '"colour" is unknown here; known are $schema, description, format'],
    [{ ...good, format: { type: "ndjson", delimiter: ";" } }, "format.delimiter: is for csv only"],
    [{ ...good, format: { type: "csv", delimiter: ";;" } }, "format.delimiter: must NOT have more than 1 characters"],
    [{ ...good, id: "row" }, 'duplicates: is needed with "id": "row"'],
    [{ ...good, id: "{id" }, 'id: a brace in "{id" has no partner'],
    [{ ...good, time: {} }, "time: needs a column or a constant"],
    [{ ...good, time: { constant: "noon" } }, 'time.constant: "noon" is no RFC 3339 time'],
    [{ ...good, time: { constant: "2026-11-21T09:30:00Z", column: "at" } }, "time: has a constant, so nothing else"],
    [{ ...good, time: { column: "at", format: "yyyy-QQ-dd" } }, 'time.format: "QQ" is unknown'],
    [{ ...good, time: { column: "at", format: "yyyy-MM-dd", zone: "Mars" } }, 'time.zone: "Mars" is no time zone'],
    [{ ...good, derive: { sku: { from: "{sku}", apply: ["reverse"] } } }, "derive.sku.apply[0]: must be one of trim"],
    [{ ...good, rules: [] }, "rules: must NOT have fewer than 1 items"],
    [withRule({}), "rules[0]: needs exactly one of what it makes"],
    [withRule({ fact, reject: "no" }), "rules[0]: needs exactly one of what it makes"],
    [withRule({ fact, facts: [fact] }), "rules[0]: has both fact and facts"],
    [withRule({ fact: { ...fact, type: "larder.stock.vanished.v1" } }), "rules[0].fact.type: must be one of"],
    [withRule({ fact: { ...fact, data: { sku: "a" } } }), 'rules[0].fact.data: needs "location"'],
    [withRule({ fact: { ...fact, data: { location: "a" } } }), 'rules[0].fact.data: needs "sku" or "gtin"'],
    [withData({ quantity: { column: "qty" } }), 'rules[0].fact.data.quantity: "number" is missing'],
    [withData({ quantity: { number: "qty", sign: "minus" } }), "rules[0].fact.data.quantity.sign: must be one of"],
    [
      withRule({ when: [{ column: "a" }], ignore: "x" }),
      'rules[0].when[0]: needs exactly one test of "a", and has none',
    ],
    [withRule({ when: [{ column: "a", equals: "", above: 1 }], ignore: "x" }), "has equals, above"],
    [withRule({ when: [{ column: "a", matches: "(" }], ignore: "x" }), "rules[0].when[0].matches: Invalid regular"],
  ])("is refused with its place: %#", (mapping, message) => {
    expect(() => checkMapping(JSON.parse(JSON.stringify(mapping)))).toThrow(message);
  });

  it("of items is refused with its place", () => {
    const rules = [{ item: { sku: "{sku", name: "n", unit: "each" } }];
    expect(() => checkItemMapping({ format: { type: "csv" }, rules })).toThrow('rules[0].item.sku: a brace in "{sku"');
  });

  it("that does not exist or is no JSON is named", async () => {
    await expect(readMapping("nowhere.json")).rejects.toThrow("nowhere.json does not exist");
    await expect(readMapping(import.meta.filename)).rejects.toThrow("mapping.test.ts is not JSON");
  });
});

it("every example is right", async () => {
  const folder = join(import.meta.dirname, "../../../examples");
  const files = globSync("*/*.json", { cwd: folder });
  expect(files.length).toBeGreaterThanOrEqual(8);
  for (const file of files) {
    if (file.startsWith("epcis")) {
      expect((await readEpcisMapping(join(folder, file))).source).toBe("examples/epcis");
      continue;
    }
    const read = file.endsWith("items.json") ? readItemMapping : readMapping;
    expect((await read(join(folder, file))).rules.length).toBeGreaterThan(0);
  }
});
