import { accept, limits, type Result, reject } from "../../../kernel/index.ts";
import type { Columns, Values } from "./columns.ts";
import type { FieldValue, NumberField } from "./mapping.ts";
import { MappingError } from "./mapping-error.ts";

/** What is wrong with a row. */
export interface RowProblem {
  readonly reason: "unreadable-row" | "not-a-number" | "not-a-time" | "empty-field" | "no-rule-fits";
  readonly detail: string;
}

export type Text = (values: Values) => string;

/** A text with columns in braces. Throws `MappingError`. */
export function compileText(template: string, columns: Columns, path: string): Text {
  const pieces = template.match(/\{\{|\}\}|\{[^{}]*\}|[^{}]+|[{}]/g) ?? [];
  const parts = pieces.map((piece): string | number => {
    if (piece === "{{" || piece === "}}") return piece.charAt(0);
    if (piece === "{" || piece === "}") throw new MappingError(path, `a brace in "${template}" has no partner`);
    return piece.startsWith("{") ? columns.indexOf(piece.slice(1, -1), path) : piece;
  });
  const [first] = parts;
  if (parts.length === 0) return () => "";
  if (parts.length === 1) return typeof first === "number" ? (values) => values[first] ?? "" : () => first ?? "";
  return (values) => {
    let text = "";
    for (const part of parts) text += typeof part === "number" ? (values[part] ?? "") : part;
    return text;
  };
}

export type Field = (values: Values) => Result<string | number | boolean, RowProblem>;

/** Throws `MappingError`. */
export function compileField(value: FieldValue, columns: Columns, path: string): Field {
  if (typeof value === "object") return compileNumber(value, columns, path);
  if (typeof value !== "string") {
    const constant = accept(value);
    return () => constant;
  }
  const text = compileText(value, columns, path);
  return (values) => accept(text(values));
}

function compileNumber(field: NumberField, columns: Columns, path: string): Field {
  const index = columns.indexOf(field.number, path);
  const times = field.times ?? 1;
  const signed = { keep: (n: number) => n, negate: (n: number) => 0 - n, abs: Math.abs }[field.sign ?? "keep"];
  return (values) => {
    const text = values[index] ?? "";
    const whole = wholeNumber(text, times);
    if (whole !== undefined) return accept(signed(whole));
    return reject({ reason: "not-a-number", detail: `${field.number} is "${text}", which makes no whole number` });
  };
}

/** The number a text writes (optional sign, digits, a decimal point); undefined when it writes none. */
export function parseNumber(text: string): number | undefined {
  return /^\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*$/.test(text) ? Number(text) : undefined;
}

/** A number times a factor, when that is whole but for the rounding of binary fractions (2.3 kg are 2,300 g). */
function wholeNumber(text: string, times: number): number | undefined {
  const number = parseNumber(text);
  if (number === undefined) return undefined;
  const product = number * times;
  const whole = Math.round(product);
  const isWhole = Math.abs(product - whole) <= 4 * Number.EPSILON * Math.max(1, Math.abs(product));
  return isWhole && Math.abs(whole) <= limits.quantityMax ? whole + 0 : undefined;
}
