/**
 * Whether a JSON Schema may take the place of another one. What Larder takes in must go on taking whatever it took
 * (`inputBreaks`), and what it tells must go on being what those who read it were told to expect (`outputBreaks`). Both ask the same of two
 * schemas: is everything that one lets through let through by the other? The answer errs to the safe side: what can't be
 * judged is a break. It knows the keywords that Larder's schemas have, of JSON Schema 2020-12.
 */
import { isDeepStrictEqual } from "node:util";
import { Ajv } from "ajv";

export type Schema = Readonly<Record<string, unknown>>;

/** Why a sender of the old schema may be turned down by the new one, a line each; empty when none is. */
export function inputBreaks(released: Schema, current: Schema): readonly string[] {
  return escapes(released, current, "");
}

/**
 * Why a reader of the old schema may not understand what the new one tells. Readers pass over members that they don't
 * know, so that new ones are no break; but one that was told of may not go.
 */
export function outputBreaks(released: Schema, current: Schema): readonly string[] {
  return [...escapes(current, released, ""), ...missingMembers(released, current, "")];
}

const ajv = new Ajv({ strict: false, validateFormats: false });

/** What only says something to people, or names the schema. */
const notes = new Set(["$id", "$schema", "title", "description", "default", "examples", "deprecated"]);

/** How values that `from` lets through may not be let through by `into`. */
function escapes(from: Schema, into: Schema, path: string): string[] {
  if (isDeepStrictEqual(rulesOf(from), rulesOf(into))) return [];
  const finite = valuesOf(from);
  if (finite !== undefined) {
    const accepts = ajv.compile(into);
    return finite.flatMap((value) => (accepts(value) ? [] : [`${at(path)}: ${JSON.stringify(value)} has no place`]));
  }
  const branches = branchesOf(from);
  if (branches !== undefined) return branches.flatMap((branch) => escapes(branch, into, path));
  const choices = branchesOf(into);
  if (choices !== undefined) {
    const attempts = choices.map((choice) => escapes(from, choice, path));
    return attempts.some((found) => found.length === 0)
      ? []
      : [
          `${at(path)}: fits none of the forms that are left`,
          ...(attempts.toSorted((a, b) => a.length - b.length)[0] ?? []),
        ];
  }
  const wanted = valuesOf(into);
  if (wanted !== undefined)
    return [`${at(path)}: only ${wanted.map((value) => JSON.stringify(value)).join(", ")} is left`];
  return [
    ...typeEscapes(from, into, path),
    ...limitEscapes(from, into, path),
    ...memberEscapes(from, into, path),
    ...itemEscapes(from, into, path),
    ...otherEscapes(from, into, path),
  ];
}

/** A schema without what is for people, and without rules that say nothing. */
function rulesOf(schema: Schema): Schema {
  return Object.fromEntries(
    Object.entries(schema).flatMap(([name, value]) => {
      if (notes.has(name) || (name === "additionalProperties" && value === true)) return [];
      if (name === "properties") return [[name, mapped(value as Record<string, Schema>, rulesOf)]];
      if (name === "items") return [[name, rulesOf(value as Schema)]];
      if (name === "anyOf" || name === "oneOf") return [[name, (value as Schema[]).map(rulesOf)]];
      if (name === "required" || name === "enum") return [[name, new Set(value as unknown[])]];
      return [[name, value]];
    }),
  );
}

function mapped<T, R>(record: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

/** All values that a schema lets through, where it lists them. */
function valuesOf(schema: Schema): readonly unknown[] | undefined {
  if ("const" in schema) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

/** The schemas of which a value has to fit one, where there is a choice and nothing beside it. */
function branchesOf(schema: Schema): readonly Schema[] | undefined {
  const { anyOf, type, ...rest } = schema as { anyOf?: Schema[]; type?: unknown } & Schema;
  if (Array.isArray(anyOf) && type === undefined && Object.keys(rest).every((name) => notes.has(name))) return anyOf;
  if (!Array.isArray(type)) return undefined;
  return type.map((one: unknown) => ({ ...schema, type: one }));
}

function typeEscapes(from: Schema, into: Schema, path: string): string[] {
  const [was, is] = [from["type"], into["type"]];
  if (is === undefined || was === is || (was === "integer" && is === "number")) return [];
  return [`${at(path)}: ${was === undefined ? "anything" : String(was)} has become ${String(is)}`];
}

/** Keywords whose lower value lets more through, and those whose higher one does. */
const floors = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"] as const;
const ceilings = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"] as const;

function limitEscapes(from: Schema, into: Schema, path: string): string[] {
  const found: string[] = [];
  const compare = (name: string, isTighter: (was: number, is: number) => boolean) => {
    const [was, is] = [from[name], into[name]];
    if (typeof is !== "number" || (typeof was === "number" && !isTighter(was, is))) return;
    found.push(`${at(path)}: ${name} was ${was === undefined ? "not there" : String(was)} and is ${is}`);
  };
  for (const name of floors) compare(name, (was, is) => is > was);
  for (const name of ceilings) compare(name, (was, is) => is < was);
  return found;
}

function memberEscapes(from: Schema, into: Schema, path: string): string[] {
  const [was, is] = [propertiesOf(from), propertiesOf(into)];
  const found: string[] = [];
  const [needed, given] = [namesOf(into["required"]), new Set(namesOf(from["required"]))];
  for (const name of needed) if (!given.has(name)) found.push(`${at(path)}: ${name} is required now, and was not`);
  for (const [name, member] of Object.entries(was)) {
    const taken = is[name] ?? othersOf(into);
    if (taken === false) found.push(`${at(path)}: ${name} is not taken any more`);
    else found.push(...escapes(member, taken, `${path}/${name}`));
  }
  const others = othersOf(from);
  if (others === false) return found;
  // What may stand beside the members that were described.
  for (const [name, member] of Object.entries(is)) {
    if (!(name in was)) found.push(...escapes(others, member, `${path}/${name}`));
  }
  const takenOthers = othersOf(into);
  if (takenOthers === false) found.push(`${at(path)}: other members are not taken any more`);
  else found.push(...escapes(others, takenOthers, `${path}/*`));
  return found;
}

function propertiesOf(schema: Schema): Readonly<Record<string, Schema>> {
  return (schema["properties"] ?? {}) as Record<string, Schema>;
}

function namesOf(required: unknown): readonly string[] {
  return (required ?? []) as string[];
}

/** What a member may be that is not described; false when there may be none. */
function othersOf(schema: Schema): Schema | false {
  const { additionalProperties = true } = schema as { additionalProperties?: boolean | Schema };
  return additionalProperties === true ? {} : additionalProperties;
}

function itemEscapes(from: Schema, into: Schema, path: string): string[] {
  const [was = {}, is] = [from["items"], into["items"]] as [Schema | undefined, Schema | undefined];
  return is === undefined ? [] : escapes(was, is, `${path}/[]`);
}

/** Keywords that only an equal one is known to be no tighter than. */
const others = new Set(["type", "properties", "required", "additionalProperties", "items", ...floors, ...ceilings]);

function otherEscapes(from: Schema, into: Schema, path: string): string[] {
  return Object.keys(into).flatMap((name) => {
    if (notes.has(name) || others.has(name) || isDeepStrictEqual(from[name], into[name])) return [];
    return [
      `${at(path)}: ${name} is ${JSON.stringify(into[name])}, and was ${JSON.stringify(from[name]) ?? "not there"}`,
    ];
  });
}

/** Members that the old schema told of and the new one does not. */
function missingMembers(released: Schema, current: Schema, path: string): string[] {
  const is = propertiesOf(current);
  return Object.entries(propertiesOf(released)).flatMap(([name, member]) => {
    const now = is[name];
    if (now === undefined) return [`${at(path)}: ${name} is not told any more`];
    return missingMembers(member, now, `${path}/${name}`);
  });
}

function at(path: string): string {
  return path === "" ? "/" : path;
}
