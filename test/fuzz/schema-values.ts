/** Values that fit a JSON Schema of the OpenAPI document, with names that mean something to the server. */
import type { Random } from "./random.ts";

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
}

/** What names mean: for each the texts or numbers that may stand under it. */
export type Meanings = (name: string, random: Random) => unknown;

/** A value that fits `schema`; members that may be left out are left out half of the time. */
export function valueFor(
  schema: Schema,
  name: string,
  random: Random,
  meanings: Meanings,
  named: Readonly<Record<string, Schema>>,
): unknown {
  const inner = (of: Schema, under: string) => valueFor(of, under, random, meanings, named);
  if (schema.$ref !== undefined) return inner(named[schema.$ref.split("/").at(-1)!]!, name);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return random.pick(schema.enum);
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants !== undefined) return inner(random.pick(variants), name);
  const type = Array.isArray(schema.type) ? random.pick(schema.type) : schema.type;
  const meant = type === "array" || type === "object" ? undefined : meanings(name, random);
  switch (type) {
    case "string":
      return typeof meant === "string" ? meant : random.pick(["a", "b", "some text", "\u00e9", "\u{1f600}"]);
    case "integer":
    case "number":
      return typeof meant === "number" ? meant : numberWithin(schema, type, random);
    case "boolean":
      return random.chance(0.5);
    case "null":
      return null;
    case "array": {
      const least = schema.minItems ?? 0;
      const made = random.list(least, Math.min(schema.maxItems ?? 4, least + 3), () => inner(schema.items ?? {}, name));
      return schema.uniqueItems ? [...new Set(made)] : made;
    }
    case "object":
      return Object.fromEntries(members(schema, random).map(([member, of]) => [member, inner(of, member)]));
    default:
      return meant ?? random.below(5);
  }
}

/** Members that seldom go together with the others. */
const rare = new Set(["lot", "sellableUntil", "locations", "gtin", "expiresAt", "sources", "ownReservations"]);

function members({ properties = {}, required = [], patternProperties = {} }: Schema, random: Random) {
  const known = Object.entries(properties).filter(
    ([member]) => required.includes(member) || random.chance(rare.has(member) ? 0.1 : 0.5),
  );
  const others = Object.values(patternProperties).flatMap((of) =>
    random.list(1, 3, (index) => [`m${index}`, of] as const),
  );
  return [...known, ...others];
}

function numberWithin({ minimum, maximum, exclusiveMinimum }: Schema, type: string, random: Random): number {
  const least = minimum ?? exclusiveMinimum ?? -10;
  const greatest = maximum ?? least + 1000;
  if (random.chance(0.1)) return random.pick([exclusiveMinimum === undefined ? least : least + 1, greatest]);
  const near = least + 1 + random.below(Math.max(1, Math.min(20, greatest - least)));
  return type === "number" && random.chance(0.5) ? Math.min(greatest, near + 0.5) : Math.min(greatest, near);
}
