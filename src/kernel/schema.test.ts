import fc from "fast-check";
import Typebox, { type TSchema } from "typebox";
import { expect, it } from "vitest";
import { Type } from "./schema.ts";

type Builders = typeof Type;
type Make = (builders: Builders) => TSchema;

const options = fc.option(
  fc.record(
    { description: fc.string(), minimum: fc.integer(), additionalProperties: fc.boolean() },
    { requiredKeys: [] },
  ),
  { nil: undefined },
);
const members = fc.string({ minLength: 1, maxLength: 3 }).filter((name) => !(name in {}));

const { schema } = fc.letrec<{ schema: Make; member: Make }>((tie) => ({
  member: fc.tuple(tie("schema"), fc.boolean()).map(
    ([make, isOptional]): Make =>
      (b) =>
        isOptional ? b.Optional(make(b)) : make(b),
  ),
  schema: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.tuple(fc.constantFrom("Boolean", "Integer", "Null", "Number", "String", "Unknown"), options).map(
      ([kind, said]): Make =>
        (b) =>
          b[kind](said),
    ),
    fc.tuple(fc.oneof(fc.string(), fc.integer(), fc.boolean()), options).map(
      ([value, said]): Make =>
        (b) =>
          b.Literal(value, said),
    ),
    fc.tuple(fc.uniqueArray(fc.string(), { minLength: 1 }), options).map(
      ([values, said]): Make =>
        (b) =>
          b.Enum(values, said),
    ),
    fc.constant<Make>((b) => b.Unsafe({ $ref: "Named#" })),
    fc.tuple(tie("schema"), options).map(
      ([items, said]): Make =>
        (b) =>
          b.Array(items(b), said),
    ),
    fc.tuple(fc.array(tie("schema")), options).map(
      ([parts, said]): Make =>
        (b) =>
          b.Union(
            parts.map((part) => part(b)),
            said,
          ),
    ),
    fc.tuple(fc.option(fc.constantFrom("^a$", "^[0-9]+$"), { nil: undefined }), tie("schema"), options).map(
      ([pattern, values, said]): Make =>
        (b) =>
          b.Record(b.String(pattern === undefined ? {} : { pattern }), values(b), said),
    ),
    fc.tuple(fc.dictionary(members, tie("member")), options).map(
      ([parts, said]): Make =>
        (b) =>
          b.Object(Object.fromEntries(Object.entries(parts).map(([name, make]) => [name, make(b)])), said),
    ),
  ),
}));

it("builds what TypeBox builds, whose types it has", () => {
  fc.assert(
    fc.property(schema, (make) => {
      expect(JSON.stringify(make(Type))).toBe(JSON.stringify(make(Typebox)));
    }),
  );
});

it("leaves a schema that is made optional as it is elsewhere", () => {
  const name = Type.String();
  const first = Type.Object({ name: Type.Optional(name) });
  expect(first).not.toHaveProperty("required");
  expect(Type.Object({ name })).toHaveProperty("required", ["name"]);
});
