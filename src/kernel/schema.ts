import type Typebox from "typebox";

/** Names the members that may be absent, unseen by whoever reads a schema as JSON. */
const optional = Symbol("optional");
type Options = Readonly<Record<string, unknown>>;
type Schema = Record<string | symbol, unknown>;

const typeNames = { string: "string", number: "number", boolean: "boolean" } as const;

function object(properties: Readonly<Record<string, Schema>>, options?: Options): Schema {
  const required = Object.keys(properties).filter((name) => properties[name]?.[optional] !== true);
  return { type: "object", ...(required.length > 0 && { required }), properties, ...options };
}

const builders = {
  Array: (items: Schema, options?: Options): Schema => ({ type: "array", items, ...options }),
  Boolean: (options?: Options): Schema => ({ type: "boolean", ...options }),
  Enum: (values: readonly unknown[], options?: Options): Schema => ({ enum: values, ...options }),
  Integer: (options?: Options): Schema => ({ type: "integer", ...options }),
  Literal: (value: string | number | boolean, options?: Options): Schema => ({
    type: typeNames[typeof value as keyof typeof typeNames],
    const: value,
    ...options,
  }),
  Null: (options?: Options): Schema => ({ type: "null", ...options }),
  Number: (options?: Options): Schema => ({ type: "number", ...options }),
  Object: object,
  Optional: (schema: Schema): Schema => Object.defineProperty({ ...schema }, optional, { value: true }),
  Record: (names: Schema, values: Schema, options?: Options): Schema => ({
    type: "object",
    patternProperties: { [String(names["pattern"] ?? "^.*$")]: values },
    ...options,
  }),
  String: (options?: Options): Schema => ({ type: "string", ...options }),
  Union: (schemas: readonly Schema[], options?: Options): Schema => ({ anyOf: schemas, ...options }),
  Unknown: (options?: Options): Schema => ({ ...options }),
  Unsafe: (schema: Schema): Schema => schema,
};

/**
 * JSON Schemas that are TypeScript types too: TypeBox's own types and what its builders give, of those kinds that wire
 * forms and settings need. A process that starts does without the five hundred files of that library, which took an
 * eighth of its start (ADR 35).
 */
export const Type = builders as unknown as Pick<typeof Typebox, keyof typeof builders>;
