import type { Columns, Values } from "./columns.ts";
import { compileText } from "./fields.ts";
import type { Derived, Lookup, transforms } from "./mapping.ts";

/** The rows of a lookup file: by key, the wanted columns in the order the mapping lists them. */
export type LookupTable = ReadonlyMap<string, readonly string[]>;

/** Adds the lookups' columns to the set and gives, for each lookup, the function that fills them. */
export function compileLookups(
  lookups: readonly Lookup[],
  tables: readonly LookupTable[],
  columns: Columns,
): readonly ((values: Values) => readonly string[])[] {
  return lookups.map(({ key, by = key, columns: wanted }, index) => {
    const at = columns.indexOf(by, `lookups[${index}].by`);
    const nothing = Object.keys(wanted).map(() => "");
    for (const name of Object.keys(wanted)) columns.add(name);
    return (values) => tables[index]?.get(values[at] ?? "") ?? nothing;
  });
}

/** Adds the derived columns to the set, each after it was compiled, so that it sees only those before it. */
export function compileDerived(
  derived: Readonly<Record<string, Derived>>,
  columns: Columns,
): readonly ((values: Values) => string)[] {
  return Object.entries(derived).map(([name, { from, apply }]) => {
    const text = compileText(from, columns, `derive.${name}.from`);
    const steps = apply.map((transform) => effects[transform]);
    columns.add(name);
    return (values) => steps.reduce((value, step) => step(value), text(values));
  });
}

const effects: Readonly<Record<(typeof transforms)[number], (text: string) => string>> = {
  trim: (text) => text.trim(),
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  "gtin-14": (text) => (/^(?:\d{8}|\d{12}|\d{13})$/.test(text) ? text.padStart(14, "0") : text),
};
