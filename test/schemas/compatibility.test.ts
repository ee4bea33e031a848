import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inputBreaks, outputBreaks, type Schema } from "../../scripts/schema-compatibility.ts";

const text = { type: "string" };
const whole = { type: "integer", minimum: 1, maximum: 100 };
const closed = (properties: Record<string, Schema>, required: string[] = [], rest: Schema = {}): Schema => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
  ...rest,
});
const open = (properties: Record<string, Schema>, required: string[] = [], rest: Schema = {}): Schema => ({
  type: "object",
  properties,
  required,
  ...rest,
});
const fact = closed({ sku: text, quantity: whole, lot: text }, ["sku", "quantity"]);
const lines = (item: Schema, rest: Schema = {}) =>
  closed({ lines: { type: "array", items: item, ...rest } }, ["lines"]);
const event = open({ sku: text, quantity: whole, from: { enum: ["a", "b"] }, lot: text }, ["sku", "quantity", "from"]);

type Change = readonly [what: string, released: Schema, current: Schema];

const goodInputs: readonly Change[] = [
  ["nothing", fact, fact],
  ["a description", fact, { ...fact, description: "other words", title: "t" }],
  ["a new optional field", fact, closed({ ...(fact["properties"] as object), note: text }, ["sku", "quantity"])],
  ["a required field is optional", fact, closed({ sku: text, quantity: whole, lot: text }, ["sku"])],
  ["required fields in another order", fact, closed({ sku: text, quantity: whole, lot: text }, ["quantity", "sku"])],
  ["a higher maximum", closed({ n: whole }), closed({ n: { ...whole, maximum: 1000 } })],
  ["a lower minimum", closed({ n: whole }), closed({ n: { ...whole, minimum: 0 } })],
  ["no limits", closed({ n: whole }), closed({ n: { type: "integer" } })],
  ["an integer becomes a number", closed({ n: { type: "integer" } }), closed({ n: { type: "number" } })],
  ["a longer text", closed({ t: { ...text, maxLength: 5 } }), closed({ t: { ...text, maxLength: 50 } })],
  ["a pattern goes", closed({ t: { ...text, pattern: "^a" } }), closed({ t: text })],
  ["one more value", closed({ r: { enum: ["a"] } }), closed({ r: { enum: ["a", "b"] } })],
  ["values become any text", closed({ r: { enum: ["a", "b"] } }), closed({ r: text })],
  ["a constant becomes a choice", closed({ r: { const: "a" } }), closed({ r: { enum: ["b", "a"] } })],
  ["null is taken too", closed({ t: text }), closed({ t: { anyOf: [text, { type: "null" }] } })],
  ["null is taken too, by type", closed({ t: text }), closed({ t: { type: ["string", "null"] } })],
  ["a closed object opens", closed({ t: text }), open({ t: text })],
  ["a member of any kind", closed({ t: text }), closed({ t: {} })],
  ["longer lists", lines(text, { maxItems: 5 }), lines(text, { maxItems: 50 })],
  ["more in items", lines(closed({ a: text }, ["a"])), lines(closed({ a: text, b: text }, ["a"]))],
  ["a rule goes", { ...fact, oneOf: [{ required: ["sku"] }] }, fact],
  ["a rule stays", { ...fact, oneOf: [{ required: ["sku"] }] }, { ...fact, oneOf: [{ required: ["sku"] }] }],
  ["more forms", { anyOf: [text, whole] }, { anyOf: [whole, { type: "null" }, text] }],
  ["a form is wider", { anyOf: [text, whole] }, { anyOf: [text, { type: "number" }] }],
];

const badInputs: readonly Change[] = [
  [
    "a new required field",
    fact,
    closed({ sku: text, quantity: whole, lot: text, till: text }, ["sku", "quantity", "till"]),
  ],
  [
    "an optional field is required",
    fact,
    closed({ sku: text, quantity: whole, lot: text }, ["sku", "quantity", "lot"]),
  ],
  ["a field is not taken any more", fact, closed({ sku: text, quantity: whole }, ["sku", "quantity"])],
  ["a field is renamed", fact, closed({ sku: text, units: whole, lot: text }, ["sku"])],
  ["another type", closed({ n: text }), closed({ n: whole })],
  ["a number becomes an integer", closed({ n: { type: "number" } }), closed({ n: { type: "integer" } })],
  ["a lower maximum", closed({ n: whole }), closed({ n: { ...whole, maximum: 99 } })],
  ["a first maximum", closed({ n: { type: "integer" } }), closed({ n: { type: "integer", maximum: 99 } })],
  ["a higher minimum", closed({ n: whole }), closed({ n: { ...whole, minimum: 2 } })],
  ["a shorter text", closed({ t: { ...text, maxLength: 5 } }), closed({ t: { ...text, maxLength: 4 } })],
  ["a text may not be empty", closed({ t: text }), closed({ t: { ...text, minLength: 1 } })],
  ["a first pattern", closed({ t: text }), closed({ t: { ...text, pattern: "^a" } })],
  ["another pattern", closed({ t: { ...text, pattern: "^a" } }), closed({ t: { ...text, pattern: "^b" } })],
  ["a format", closed({ t: text }), closed({ t: { ...text, format: "identifier" } })],
  ["one value less", closed({ r: { enum: ["a", "b"] } }), closed({ r: { enum: ["a"] } })],
  ["any text becomes values", closed({ r: text }), closed({ r: { enum: ["a"] } })],
  ["null is not taken any more", closed({ t: { anyOf: [text, { type: "null" }] } }), closed({ t: text })],
  ["null is not taken any more, by type", closed({ t: { type: ["string", "null"] } }), closed({ t: text })],
  ["an open object closes", open({ t: text }), closed({ t: text })],
  ["an open object describes a member", open({}), open({ t: text })],
  ["a member of any kind gets a type", closed({ t: {} }), closed({ t: text })],
  ["shorter lists", lines(text, { maxItems: 5 }), lines(text, { maxItems: 4 })],
  ["lists may not be empty", lines(text), lines(text, { minItems: 1 })],
  ["items need more", lines(closed({ a: text })), lines(closed({ a: text }, ["a"]))],
  ["items each once", lines(text), lines(text, { uniqueItems: true })],
  ["items get a type", lines({}), lines(text)],
  ["a rule comes", fact, { ...fact, oneOf: [{ required: ["sku"] }, { required: ["lot"] }] }],
  ["a value is forbidden", closed({ n: whole }), closed({ n: { ...whole, not: { const: 5 } } })],
  ["one form less", { anyOf: [text, whole] }, { anyOf: [text] }],
  ["deep down", closed({ a: closed({ b: closed({ c: whole }) }) }), closed({ a: closed({ b: closed({ c: text }) }) })],
];

const goodOutputs: readonly Change[] = [
  ["nothing", event, event],
  [
    "a new optional member",
    event,
    open({ ...(event["properties"] as object), note: text }, ["sku", "quantity", "from"]),
  ],
  [
    "a new member that is always there",
    event,
    open({ ...(event["properties"] as object), note: text }, ["sku", "quantity", "from", "note"]),
  ],
  [
    "an optional member is always there",
    event,
    open(event["properties"] as Record<string, Schema>, ["sku", "quantity", "from", "lot"]),
  ],
  [
    "a narrower number",
    event,
    open({ ...(event["properties"] as object), quantity: { ...whole, maximum: 10 } }, ["sku", "quantity", "from"]),
  ],
  [
    "one value less",
    event,
    open({ ...(event["properties"] as object), from: { enum: ["a"] } }, ["sku", "quantity", "from"]),
  ],
  ["a text of few values", open({ t: text }), open({ t: { enum: ["a", "b"] } })],
  ["null comes no more", open({ t: { anyOf: [text, { type: "null" }] } }), open({ t: text })],
  [
    "more in items",
    open({ l: { type: "array", items: open({ a: text }) } }),
    open({ l: { type: "array", items: open({ a: text, b: text }) } }),
  ],
];

const badOutputs: readonly Change[] = [
  [
    "a member is gone",
    event,
    open({ sku: text, quantity: whole, from: { enum: ["a", "b"] } }, ["sku", "quantity", "from"]),
  ],
  [
    "a member that was always there is optional",
    event,
    open(event["properties"] as Record<string, Schema>, ["sku", "from"]),
  ],
  ["another type", event, open({ ...(event["properties"] as object), quantity: text }, ["sku", "quantity", "from"])],
  [
    "a new value",
    event,
    open({ ...(event["properties"] as object), from: { enum: ["a", "b", "c"] } }, ["sku", "quantity", "from"]),
  ],
  ["values become any text", open({ r: { enum: ["a"] } }), open({ r: text })],
  ["an integer becomes a number", open({ n: { type: "integer" } }), open({ n: { type: "number" } })],
  ["null comes", open({ t: text }), open({ t: { anyOf: [text, { type: "null" }] } })],
  [
    "a new form",
    open({ t: { anyOf: [open({ a: text }, ["a"]), open({ b: text }, ["b"])] } }, ["t"]),
    open({ t: { anyOf: [open({ a: text }, ["a"]), open({ b: text }, ["b"]), open({ c: text }, ["c"])] } }, ["t"]),
  ],
  ["a member inside is gone", open({ o: open({ a: text, b: text }) }), open({ o: open({ a: text }) })],
  [
    "a member of items is gone",
    open({ l: { type: "array", items: open({ a: text, b: text }) } }),
    open({ l: { type: "array", items: open({ a: text }) } }),
  ],
  [
    "higher numbers",
    event,
    open({ ...(event["properties"] as object), quantity: { ...whole, maximum: 1000 } }, ["sku", "quantity", "from"]),
  ],
];

describe("what may be sent", () => {
  it.each(goodInputs)("may change: %s", (_what, released, current) => {
    expect(inputBreaks(released, current)).toEqual([]);
  });
  it.each(badInputs)("may not change: %s", (_what, released, current) => {
    expect(inputBreaks(released, current)).not.toEqual([]);
  });
});

describe("what is told", () => {
  it.each(goodOutputs)("may change: %s", (_what, released, current) => {
    expect(outputBreaks(released, current)).toEqual([]);
  });
  it.each(badOutputs)("may not change: %s", (_what, released, current) => {
    expect(outputBreaks(released, current)).not.toEqual([]);
  });
});

it("says where and what", () => {
  expect(inputBreaks(lines(closed({ a: whole })), lines(closed({ a: { ...whole, maximum: 9 } }, ["a"])))).toEqual([
    "/lines/[]: a is required now, and was not",
    "/lines/[]/a: maximum was 100 and is 9",
  ]);
});

const values: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("", "a", "b", "ab", "abcdef", null, true, 0, 1, 2, 5, 1.5, -3),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3 }),
  ),
})).value;

const schemas: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Schema>({}, { type: "null" }, { type: "boolean" }, { const: "a" }, { enum: ["a", "b", 1] }),
    fc.record(
      {
        type: fc.constant("string"),
        minLength: fc.nat(2),
        maxLength: fc.integer({ min: 1, max: 6 }),
        pattern: fc.constantFrom("^a", "b$"),
      },
      { requiredKeys: ["type"] },
    ),
    fc.record(
      {
        type: fc.constantFrom("integer", "number"),
        minimum: fc.integer({ min: -3, max: 2 }),
        maximum: fc.integer({ min: 1, max: 5 }),
        not: fc.constant({ const: 0 }),
      },
      { requiredKeys: ["type"] },
    ),
    fc.record(
      {
        type: fc.constant("array"),
        items: tie("schema"),
        minItems: fc.nat(1),
        maxItems: fc.integer({ min: 1, max: 3 }),
      },
      { requiredKeys: ["type"] },
    ),
    fc.record(
      {
        type: fc.constant("object"),
        properties: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("schema"), { maxKeys: 3 }),
        required: fc.uniqueArray(fc.constantFrom("a", "b"), { maxLength: 2 }),
        additionalProperties: fc.oneof(fc.constantFrom<boolean | Schema>(true, false), tie("schema")),
      },
      { requiredKeys: ["type"] },
    ),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc.constantFrom<Schema>({ type: ["string", "null"] }, { type: ["integer", "string"] }),
  ),
})).schema;

it("never passes a schema that turns away a value which the old one took, and finds none in what is equal", () => {
  // Two schemas that have nothing to do with each other rarely follow: most pairs are one and a part of it made anew.
  const pairs = fc.oneof(
    fc.tuple(schemas, schemas),
    fc.tuple(schemas, schemas).map(([a, b]): [Schema, Schema] => [a, { anyOf: [b, a] }]),
    fc.tuple(schemas, schemas, schemas).map(([a, b, c]): [Schema, Schema] => [
      { type: "object", properties: { a, b } },
      { type: "object", properties: { a, b: c } },
    ]),
  );
  let passed = 0;
  fc.assert(
    fc.property(pairs, fc.array(values, { minLength: 30, maxLength: 30 }), ([released, current], samples) => {
      expect(inputBreaks(released, structuredClone(released))).toEqual([]);
      if (inputBreaks(released, current).length > 0) return;
      passed += 1;
      const ajv = new Ajv({ strict: false });
      const [took, takes] = [ajv.compile(released), ajv.compile(current)];
      for (const value of samples) if (took(value)) expect(takes(value), JSON.stringify(value)).toBe(true);
    }),
    { numRuns: 150 },
  );
  expect(passed).toBeGreaterThan(20);
});
