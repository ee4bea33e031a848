import { limits } from "../../../kernel/index.ts";
import { rowOfRejectedLine } from "./rejected.ts";
import { LineTooLong, notUtf8, type Row, type RowReader, replacementCharacter } from "./rows.ts";

/**
 * Reads one JSON object a line. Columns are members by name; `a.b` is member b of member a. Texts stand as they are,
 * numbers and booleans as JSON writes them (integers of any length digit by digit), null and what is missing as the empty
 * text, lists and objects as JSON. A line of a rejects file is read as the row that it holds. Throws `LineTooLong`.
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
    const value = parseObject(text);
    const rejected = value && rowOfRejectedLine(value, text);
    if (rejected === undefined) return this.#rowOf(value, text, line);
    const { occurrence } = rejected;
    const row = this.#rowOf(parseObject(rejected.text), rejected.text, line);
    return occurrence === undefined ? row : { ...row, occurrence };
  }

  #rowOf(value: object | undefined, text: string, line: number): Row {
    if (text.includes(replacementCharacter)) return { line, fields: [], text, problem: notUtf8 };
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
    const value = /\d{16}/.test(text) ? exactJson.parse(text, exactInteger) : JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** ECMAScript's "JSON.parse source text access", which Node has and TypeScript's library doesn't yet. */
const exactJson = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
};

/** Ids may be integers that no number here can hold: two of them would be one. They keep their digits. */
function exactInteger(_key: string, value: unknown, { source = "" }: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) return value;
  return exactJson.rawJSON(source);
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
