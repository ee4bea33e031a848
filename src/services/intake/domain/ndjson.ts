import { limits } from "../../../kernel/index.ts";
import { LineTooLong, notUtf8, type Row, type RowReader, replacementCharacter } from "./rows.ts";

/**
 * Reads one JSON object a line. Columns are members by name; `a.b` is member b of member a. Texts stand as they are,
 * numbers and booleans as JSON writes them, null and what is missing as the empty text, lists and objects as JSON. Throws `LineTooLong`.
 */
export class NdjsonReader implements RowReader {
  readonly #paths: readonly (readonly string[])[];
  #rest = "";
  #line = 1;

  constructor(columns: readonly string[]) {
    this.#paths = columns.map((column) => column.split("."));
  }

  push(piece: string, isLast: boolean): Row[] {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = isLast ? "" : (lines.pop() ?? "");
    const first = this.#line;
    this.#line += lines.length;
    if (this.#rest.length > limits.importRowCharsMax) throw new LineTooLong(this.#line);
    return lines.flatMap((text, index) => this.#row(text.trim(), first + index) ?? []);
  }

  #row(text: string, line: number): Row | undefined {
    if (text === "") return undefined;
    if (text.length > limits.importRowCharsMax) throw new LineTooLong(line);
    if (text.includes(replacementCharacter)) return { line, fields: [], text, problem: notUtf8 };
    const value = parseObject(text);
    if (value === undefined) return { line, fields: [], text, problem: "is not a JSON object" };
    try {
      return { line, text, fields: this.#paths.map((path) => asText(member(value, path))) };
    } catch {
      // Only writing a value of tens of thousands of levels can fail.
      return { line, fields: [], text, problem: "nests too deep" };
    }
  }
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function member(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) =>
      typeof inner === "object" && inner !== null && Object.hasOwn(inner, name) ? Reflect.get(inner, name) : undefined,
    value,
  );
}

function asText(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}
