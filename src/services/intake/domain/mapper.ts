import {
  accept,
  beginningOf,
  formatInstant,
  limits,
  parseInstant,
  type Result,
  reject,
} from "../../../kernel/index.ts";
import type { Columns, Values } from "./columns.ts";
import { compileConditions, type Test } from "./conditions.ts";
import { compileDerived, compileLookups, type LookupTable } from "./derive.ts";
import { compileField, compileText, type Field, type RowProblem, type Text } from "./fields.ts";
import type { FactMapping, FactRule, FactTemplate, ItemMapping, ItemTemplate, TimeField } from "./mapping.ts";
import { MappingError } from "./mapping-error.ts";
import {
  type Occurrence,
  Occurrences,
  occurrenceDigestLength,
  occurrenceText,
  parseOccurrence,
} from "./occurrences.ts";
import type { Row } from "./rows.ts";
import { timeParser } from "./time-format.ts";

/** A fact as it is sent: CloudEvents 1.0, structured mode. */
export interface CloudEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: string;
  readonly data: Readonly<Record<string, string | number | boolean>>;
}

/** An item as it is sent to `POST /v1/items:batch`. */
export interface ItemDraft {
  readonly sku: string;
  readonly name: string;
  readonly unit: string;
  readonly gtins?: readonly string[];
  readonly plu?: string;
}

/**
 * What becomes of a row. `repeated`: the mapping leaves out rows whose id an earlier row had. `occurrence`: which it is of the
 * rows of its id, where the mapping keeps them all (`Row.occurrence`).
 */
export type Mapped<T> = (
  | { readonly kind: "yields"; readonly made: readonly T[] }
  | { readonly kind: "rejected"; readonly by: "rule" | "row"; readonly reason: string; readonly detail?: string }
  | { readonly kind: "ignored"; readonly reason: string }
  | { readonly kind: "repeated" }
) & { readonly occurrence?: string | (() => string) };

export type Mapper<T> = (row: Row) => Mapped<T>;

/** What mapping needs from outside: the file's columns, the tables looked up, and a collision-free digest of a text. */
export interface Surroundings {
  readonly columns: Columns;
  readonly lookups: readonly LookupTable[];
  readonly digest: (text: string) => string;
}

/** Compiles a mapping to one function, once per file. The function keeps count of ids. Throws `MappingError`. */
export function factMapper(mapping: FactMapping, around: Surroundings): Mapper<CloudEvent> {
  const derive = prepare(mapping, around);
  const time = compileTime(mapping.time, around.columns);
  const id = compileId(mapping, around);
  const seen = new Occurrences();
  const rules = compileRules(mapping.rules, around.columns, (rule, path) => {
    if (rule.fact !== undefined && rule.facts !== undefined) throw new MappingError(path, "has both fact and facts");
    const templates = rule.facts ?? (rule.fact && [rule.fact]);
    return templates?.map((template, index) => {
      const place = rule.facts === undefined ? `${path}.fact` : `${path}.facts[${index}]`;
      return { type: template.type, data: compileData(template, around.columns, place) };
    });
  });

  const make = (templates: readonly FactMaker[], { values, row, number: known }: Numbered): Mapped<CloudEvent> => {
    const at = time(values);
    if (!at.ok) return rejected(at.rejection);
    const bodies: CloudEvent["data"][] = [];
    for (const template of templates) {
      const data = template.data(values);
      if (!data.ok) return rejected(data.rejection);
      bodies.push(data.value);
    }
    const { id: text, rowId = text } = known ?? { id: id(values, row) };
    if (text.trim() === "") return rejected({ reason: "empty-field", detail: "id comes out empty" });
    if (mapping.duplicates === "skip" && seen.note(text) > 1) return { kind: "repeated" };
    const made = bodies.map((data, index): CloudEvent => {
      const type = templates[index]?.type ?? "";
      return { specversion: "1.0", id: nthId(rowId, index), source: mapping.source, type, time: at.value, data };
    });
    return { kind: "yields", made };
  };
  if (mapping.duplicates !== "keep") return (row) => mapRow(row, derive, rules, make);
  // Before anything is decided about the row: one that is put right later keeps its number, and those after it theirs.
  const digestOf = (text: string) => around.digest(text).slice(0, occurrenceDigestLength);
  const number = (values: Values, row: Row): RowNumber => {
    const text = id(values, row);
    if (typeof row.occurrence === "string") return numberAgain(text, row.occurrence);
    const nth = seen.note(text);
    const occurrence = () => occurrenceText({ number: nth, of: digestOf(text) });
    return { id: text, rowId: nth === 1 ? text : `${text}~${nth}`, occurrence };
  };
  /** One that was put right in what its id is made of is told by what it was from all that have the new id. */
  const numberAgain = (text: string, given: string): RowNumber => {
    const own = digestOf(text);
    const { number: nth, of = own }: Occurrence = parseOccurrence(given) ?? { number: seen.note(text) };
    const mark = of === own ? (nth === 1 ? "" : `~${nth}`) : `~${nth}~${of}`;
    return { id: text, rowId: `${text}${mark}`, occurrence: occurrenceText({ number: nth, of }) };
  };
  return (row) => mapRow(row, derive, rules, make, number);
}

/** As `factMapper`, for items. Rows of one sku are merged by whoever sends them. */
export function itemMapper(mapping: ItemMapping, around: Surroundings): Mapper<ItemDraft> {
  const derive = prepare(mapping, around);
  const rules = compileRules(
    mapping.rules,
    around.columns,
    (rule, path) => rule.item && compileItem(rule.item, around.columns, `${path}.item`),
  );
  const make = (item: (values: Values) => Checked<ItemDraft>, { values }: Numbered): Mapped<ItemDraft> => {
    const draft = item(values);
    return draft.ok ? { kind: "yields", made: [draft.value] } : rejected(draft.rejection);
  };
  return (row) => mapRow(row, derive, rules, make);
}

type Checked<T> = Result<T, RowProblem>;

interface FactMaker {
  readonly type: string;
  readonly data: (values: Values) => Checked<CloudEvent["data"]>;
}

interface Rule<M> {
  readonly fits: Test;
  /** What the rule makes, or what else becomes of a row that it fits. */
  readonly outcome: { readonly maker: M } | { readonly mapped: Mapped<never> };
}

/** Where rows of one id are counted: the id, that of this one of them, and which it is (`Row.occurrence`). */
interface RowNumber {
  readonly id: string;
  readonly rowId: string;
  readonly occurrence: string | (() => string);
}

/** A row with its values. */
interface Numbered {
  readonly row: Row;
  readonly values: Values;
  readonly number?: RowNumber;
}

function mapRow<M, T>(
  row: Row,
  derive: (fields: Values) => Values,
  rules: readonly Rule<M>[],
  make: (maker: M, numbered: Numbered) => Mapped<T>,
  numberOf?: (values: Values, row: Row) => RowNumber,
): Mapped<T> {
  if (row.problem !== undefined) return rejected({ reason: "unreadable-row", detail: row.problem });
  const values = derive(row.fields);
  const outcome = rules.find(({ fits }) => fits(values))?.outcome ?? noRuleFits;
  if (numberOf === undefined) return "maker" in outcome ? make(outcome.maker, { row, values }) : outcome.mapped;
  const number = numberOf(values, row);
  const mapped = "maker" in outcome ? make(outcome.maker, { row, values, number }) : outcome.mapped;
  return { ...mapped, occurrence: number.occurrence };
}

/** Adds the mapping's own columns to the set, and gives the function that fills them. */
function prepare(mapping: FactMapping | ItemMapping, { columns, lookups }: Surroundings): (fields: Values) => Values {
  const tables = compileLookups(mapping.lookups ?? [], lookups, columns);
  const derivations = compileDerived(mapping.derive ?? {}, columns);
  if (tables.length === 0 && derivations.length === 0) return (fields) => fields;
  return (fields) => {
    const values = [...fields];
    for (const find of tables) values.push(...find(values));
    for (const derive of derivations) values.push(derive(values));
    return values;
  };
}

function compileRules<R extends Pick<FactRule, "when" | "reject" | "ignore">, M>(
  rules: readonly R[],
  columns: Columns,
  compileMaker: (rule: R, path: string) => M | undefined,
): readonly Rule<M>[] {
  return rules.map((rule, index) => {
    const path = `rules[${index}]`;
    const maker = compileMaker(rule, path);
    const outcomes: Rule<M>["outcome"][] = [];
    if (maker !== undefined) outcomes.push({ maker });
    if (rule.reject !== undefined) outcomes.push({ mapped: { kind: "rejected", by: "rule", reason: rule.reject } });
    if (rule.ignore !== undefined) outcomes.push({ mapped: { kind: "ignored", reason: rule.ignore } });
    const [outcome] = outcomes;
    if (outcome === undefined || outcomes.length > 1) {
      throw new MappingError(path, "needs exactly one of what it makes (fact, facts or item), reject or ignore");
    }
    return { fits: compileConditions(rule.when ?? [], columns, `${path}.when`), outcome };
  });
}

/** A row's time as RFC 3339. Rows that follow each other often share it, so the last one is kept. */
function compileTime(field: TimeField, columns: Columns): (values: Values) => Checked<string> {
  if (field.constant !== undefined) {
    const instant = parseInstant(field.constant);
    if (instant === undefined) throw new MappingError("time.constant", `"${field.constant}" is no RFC 3339 time`);
    if (Object.keys(field).length > 1) throw new MappingError("time", "has a constant, so nothing else fits beside it");
    const time = accept(formatInstant(instant));
    return () => time;
  }
  if (field.column === undefined) throw new MappingError("time", "needs a column or a constant");
  const { column, format = "rfc3339" } = field;
  const index = columns.indexOf(column, "time.column");
  const parse = timeParser(format, field.zone ?? "UTC", "time");
  let last: { readonly text: string; readonly time: Checked<string> } | undefined;
  return (values) => {
    const text = values[index] ?? "";
    if (text === last?.text) return last.time;
    const instant = parse(text);
    if (instant === undefined)
      return reject({ reason: "not-a-time", detail: `${column} is "${text}", not as ${format}` });
    last = { text, time: accept(formatInstant(instant)) };
    return last.time;
  };
}

/** What a row's facts are known by, but for what tells it from others of the same. */
function compileId({ id, duplicates }: FactMapping, around: Surroundings): (values: Values, row: Row) => string {
  if (id === "row" && duplicates === undefined) {
    throw new MappingError(
      "duplicates",
      'is needed with "id": "row": "keep" or "skip" rows that repeat an earlier one',
    );
  }
  return id === "row" ? rowDigest(around) : compileText(id, around.columns, "id");
}

/** Facts that were imported are told by this digest for ever: it must never change. */
function rowDigest({ digest }: Surroundings): (values: Values, row: Row) => string {
  return (_, row) => digest(row.text ?? JSON.stringify(row.fields));
}

/** A row's first fact has the row's id, the next ones say which they are. */
function nthId(rowId: string, index: number): string {
  return index === 0 ? rowId : `${rowId}/${index + 1}`;
}

/** Members that every fact of a row must have, whatever else it says; a void names another fact instead. */
const requiredMembers = (type: string) =>
  type === "larder.fact.voided.v1" ? ["source", "id", "reason"] : ["location"];

function compileData(template: FactTemplate, columns: Columns, path: string) {
  const fields = Object.entries(template.data).map(([name, value]): readonly [string, Field] => [
    name,
    compileField(value, columns, `${path}.data.${name}`),
  ]);
  const required = new Set(requiredMembers(template.type));
  for (const name of required) {
    if (!(name in template.data)) throw new MappingError(`${path}.data`, `needs "${name}"`);
  }
  const namesItem = "sku" in template.data || "gtin" in template.data || template.type === "larder.fact.voided.v1";
  if (!namesItem) throw new MappingError(`${path}.data`, 'needs "sku" or "gtin"');

  return (values: Values): Checked<CloudEvent["data"]> => {
    const data: Record<string, string | number | boolean> = {};
    for (const [name, field] of fields) {
      const result = field(values);
      if (!result.ok) return result;
      if (result.value !== "") data[name] = result.value;
      else if (required.has(name) || name === "sku") return comesOutEmpty(name);
    }
    return accept(data);
  };
}

function compileItem(template: ItemTemplate, columns: Columns, path: string) {
  const text = (name: "sku" | "name" | "unit" | "plu"): Text =>
    compileText(template[name] ?? "", columns, `${path}.${name}`);
  const [sku, name, unit, plu] = [text("sku"), text("name"), text("unit"), text("plu")];
  const gtins = (template.gtins ?? []).map((gtin, index) => compileText(gtin, columns, `${path}.gtins[${index}]`));
  return (values: Values): Checked<ItemDraft> => {
    const draft = { sku: sku(values), name: beginningOf(name(values), limits.textLengthMax), unit: unit(values) };
    for (const [member, value] of Object.entries(draft)) {
      if (value === "") return comesOutEmpty(member);
    }
    const codes = gtins.map((gtin) => gtin(values)).filter((gtin) => gtin !== "");
    const pluCode = plu(values);
    return accept({ ...draft, ...(codes.length > 0 && { gtins: codes }), ...(pluCode !== "" && { plu: pluCode }) });
  };
}

function comesOutEmpty(name: string): Checked<never> {
  return reject({ reason: "empty-field", detail: `${name} comes out empty` });
}

function rejected(problem: RowProblem): Mapped<never> {
  return { kind: "rejected", by: "row", reason: problem.reason, detail: problem.detail };
}

const noRuleFits: { readonly mapped: Mapped<never> } = {
  mapped: rejected({ reason: "no-rule-fits", detail: "no rule of the mapping fits the row" }),
};
