import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Columns } from "./domain/columns.ts";
import { factMapper, itemMapper, type Surroundings } from "./domain/mapper.ts";
import type { Row } from "./domain/rows.ts";
import { checkItemMapping, checkMapping } from "./mapping.ts";

const digest = (text: string) => hash("sha256", text, "base64url").slice(0, 22);
const surroundings = (columns: readonly string[], lookups: Surroundings["lookups"] = []): Surroundings => ({
  columns: Columns.of(columns),
  lookups,
  digest,
});
const row = (...fields: string[]): Row => ({ line: 2, fields });

const sold = {
  type: "larder.stock.sold.v1",
  data: { sku: "{sku}", location: "shop", quantity: { number: "qty" } },
};
const base = {
  format: { type: "csv" },
  source: "tills",
  id: "{id}",
  time: { column: "at" },
  rules: [{ fact: sold }],
};
const columns = ["id", "sku", "qty", "at"];
const time = "2026-11-21T09:30:00Z";

function mapAll(mapping: unknown, ...rows: Row[]) {
  const map = factMapper(checkMapping(mapping), surroundings(columns));
  return rows.map(map);
}

describe("factMapper", () => {
  it("makes a CloudEvent of a row", () => {
    expect(mapAll(base, row("7", "milk", "2", "2026-11-21T10:30:00+01:00"))).toEqual([
      {
        kind: "yields",
        made: [
          {
            specversion: "1.0",
            id: "7",
            source: "tills",
            type: "larder.stock.sold.v1",
            time: "2026-11-21T09:30:00.000Z",
            data: { sku: "milk", location: "shop", quantity: 2 },
          },
        ],
      },
    ]);
  });

  it("lets the first rule that fits decide, and rejects what none fits", () => {
    const rules = [
      { when: [{ column: "qty", equalsNumber: 0 }], ignore: "nothing moved" },
      { when: [{ column: "sku", startsWith: "X" }], reject: "no product" },
      {
        when: [
          { column: "qty", above: 0 },
          { column: "sku", in: ["milk", "bread"] },
        ],
        fact: sold,
      },
    ];
    expect(
      mapAll({ ...base, rules }, row("1", "X1", "0.0", time), row("2", "X1", "1", time), row("3", "eggs", "1", time)),
    ).toEqual([
      { kind: "ignored", reason: "nothing moved" },
      { kind: "rejected", by: "rule", reason: "no product" },
      { kind: "rejected", by: "row", reason: "no-rule-fits", detail: "no rule of the mapping fits the row" },
    ]);
  });

  it.each([
    [{ equals: "milk" }, "milk", "Milk"],
    [{ in: ["milk", "bread"] }, "bread", "eggs"],
    [{ startsWith: "mi" }, "milk", "smilk"],
    [{ matches: "m.*|b" }, "b", "bread"],
    [{ empty: true }, "  ", "x"],
    [{ below: 0 }, "-0.5", "0"],
    [{ above: 1 }, "+2", "1"],
    [{ equalsNumber: 0 }, "0.00", "1"],
    [{ equals: "milk", not: true }, "bread", "milk"],
    [{ below: 0, not: true }, "0", "-1"],
    [{ below: 0, not: true }, "1", "no number"],
    [{ above: 0 }, "1", "0x10"],
  ])("tests %j", (test, passes, fails) => {
    const rules = [{ when: [{ column: "sku", ...test }], ignore: "fits" }, { ignore: "does not" }];
    expect(mapAll({ ...base, rules }, row("1", passes, "1", time), row("1", fails, "1", time))).toEqual([
      { kind: "ignored", reason: "fits" },
      { kind: "ignored", reason: "does not" },
    ]);
  });

  it.each([
    [{ number: "qty" }, "3.00", 3],
    [{ number: "qty" }, " +3 ", 3],
    [{ number: "qty" }, ".00", 0],
    [{ number: "qty", sign: "negate" }, "-5", 5],
    [{ number: "qty", sign: "negate" }, "0", 0],
    [{ number: "qty", sign: "abs" }, "-5", 5],
    [{ number: "qty", times: 1000 }, "2.3", 2300],
    [{ number: "qty", times: 1000 }, "600000.001", 600_000_001],
    [{ number: "qty", times: 1000 }, "1.1", 1100],
  ])("reads the number %j of %s", (quantity, text, expected) => {
    const rules = [{ fact: { ...sold, data: { ...sold.data, quantity } } }];
    const [mapped] = mapAll({ ...base, rules }, row("1", "milk", text, time));
    const found = mapped?.kind === "yields" ? mapped.made[0]?.data["quantity"] : mapped;
    expect(Object.is(found, expected)).toBe(true);
  });

  it.each([
    ["2.5", time, "not-a-number"],
    ["", time, "not-a-number"],
    ["1e3", time, "not-a-number"],
    ["2000000000000", time, "not-a-number"],
    ["1", "yesterday", "not-a-time"],
  ])("rejects a row with quantity %j at %j", (qty, at, reason) => {
    expect(mapAll(base, row("1", "milk", qty, at))).toMatchObject([{ kind: "rejected", by: "row", reason }]);
  });

  it("rejects a row whose id or sku comes out empty, and leaves out what else does", () => {
    const rules = [{ fact: { ...sold, data: { ...sold.data, lot: "{lot}" } } }];
    const map = factMapper(checkMapping({ ...base, rules }), surroundings([...columns, "lot"]));
    expect(map(row("", "milk", "1", time, "L1"))).toMatchObject({
      reason: "empty-field",
      detail: "id comes out empty",
    });
    expect(map(row("1", "", "1", time, "L1"))).toMatchObject({ reason: "empty-field", detail: "sku comes out empty" });
    const mapped = map(row("1", "milk", "1", time, ""));
    expect(mapped.kind === "yields" && mapped.made[0]?.data).toEqual({ sku: "milk", location: "shop", quantity: 1 });
  });

  it("numbers the facts of one row", () => {
    const rules = [{ facts: [sold, sold, sold] }];
    const [mapped] = mapAll({ ...base, rules }, row("7", "milk", "1", time));
    expect(mapped?.kind === "yields" && mapped.made.map(({ id }) => id)).toEqual(["7", "7/2", "7/3"]);
  });

  it("fills columns from lookups and derives others, each from those before it", () => {
    const mapping = checkMapping({
      ...base,
      lookups: [{ file: "names.csv", key: "sku", columns: { kind: "department" } }],
      derive: {
        sku: { from: "{sku}", apply: ["trim", "upper"] },
        both: { from: "{sku}-{kind}{{}}", apply: ["lower"] },
      },
      rules: [{ fact: { ...sold, data: { ...sold.data, sku: "{sku}", reference: "{both}" } } }],
    });
    const map = factMapper(mapping, surroundings(columns, [new Map([[" milk", ["Dairy"]]])]));
    const data = [row("1", " milk", "1", time), row("1", "bread", "1", time)].map((each) => {
      const mapped = map(each);
      return mapped.kind === "yields" && mapped.made[0]?.data;
    });
    expect(data).toMatchObject([
      { sku: "MILK", reference: "milk-dairy{}" },
      { sku: "BREAD", reference: "bread-{}" },
    ]);
  });
});

describe("ids of rows", () => {
  const a = row("1", "milk", "1", time);
  const b = row("2", "milk", "1", time);
  const ids = (mapping: unknown) =>
    mapAll(mapping, a, b, a, a).map((mapped) => (mapped.kind === "yields" ? mapped.made[0]?.id : mapped.kind));

  it("are for ever: what a row's hash is was recorded with every fact that was imported", () => {
    expect(ids({ ...base, id: "row", duplicates: "keep" })).toEqual([
      "CNT0NxlmpuYX1KLLU8KPe0",
      "ZMsMNqHFIuLDiT_y1I1IQp",
      "CNT0NxlmpuYX1KLLU8KPe0~2",
      "CNT0NxlmpuYX1KLLU8KPe0~3",
    ]);
  });

  it("leave out rows that repeat an earlier one when they are to be skipped", () => {
    const [first, second, ...others] = ids({ ...base, id: "row", duplicates: "skip" });
    expect(first).not.toBe(second);
    expect(others).toEqual(["repeated", "repeated"]);
  });

  it("stand as they are when a template makes them and nothing is said about duplicates", () => {
    expect(ids(base)).toEqual(["1", "2", "1", "1"]);
  });

  it("tell fields apart however they are cut", () => {
    const keep = { ...base, id: "row", duplicates: "keep" };
    const [one, other] = mapAll(keep, row("1", 'a","b', "1", time), row('1","a', "b", "1", time));
    expect(one?.kind === "yields" && one.made[0]?.id).not.toBe(other?.kind === "yields" && other.made[0]?.id);
  });

  it("are of the text of an NDJSON row", () => {
    const keep = { ...base, id: "row", duplicates: "keep" };
    const [one] = mapAll(keep, { ...a, text: '{"a":1}' });
    expect(one?.kind === "yields" && one.made[0]?.id).toBe(digest('{"a":1}'));
  });
});

describe("itemMapper", () => {
  it("makes an item, without the codes that are empty", () => {
    const mapping = checkItemMapping({
      format: { type: "csv" },
      derive: { gtin: { from: "{barcode}", apply: ["gtin-14"] } },
      rules: [{ item: { sku: "{sku}", name: "{name}", unit: "each", gtins: ["{gtin}", "{case}"], plu: "{plu}" } }],
    });
    const map = itemMapper(mapping, surroundings(["sku", "name", "barcode", "case", "plu"]));
    expect([
      map(row("m1", "Milk", "40170725", "", "")),
      map(row("m2", "Apple", "", "", "3000")),
      map(row("m3", "", "1", "2", "3")),
    ]).toEqual([
      { kind: "yields", made: [{ sku: "m1", name: "Milk", unit: "each", gtins: ["00000040170725"] }] },
      { kind: "yields", made: [{ sku: "m2", name: "Apple", unit: "each", plu: "3000" }] },
      { kind: "rejected", by: "row", reason: "empty-field", detail: "name comes out empty" },
    ]);
  });
});
