import { limits } from "../../../kernel/index.ts";
import { LineTooLong, notUtf8, type Row, type RowReader, replacementCharacter } from "./rows.ts";

type Record = { readonly fields: string[]; readonly end: number };
type Broken = { readonly problem: string };

/**
 * Reads CSV as RFC 4180 has it, and a little more kindly: lines end in LF or CRLF, quotes inside an unquoted field stand
 * for themselves, blank lines are passed over. The first row is like any other: the caller knows whether it is a header.
 *
 * A row that can't be read (an unclosed quote, text after a closing one) costs its first line only: reading goes on at
 * the next, so that one stray quote does not swallow a file. Throws `LineTooLong`.
 *
 * Why not csv-parse: it counts a CRLF inside quotes as two lines, so every line number after it is wrong; after an
 * unclosed quote it gives up the rest of the file; and it takes 6 µs a row where this takes 2, unpacking included (npm run bench -- --only facts).
 * It is the oracle of this file's property test.
 */
export class CsvReader implements RowReader {
  readonly #delimiter: string;
  readonly #failed = new FailedPath();
  #rest = "";
  #line = 1;
  /** Characters of the file before the text that is being read. */
  #before = 0;

  constructor(delimiter: string) {
    this.#delimiter = delimiter;
  }

  push(piece: string, isLast: boolean): Row[] {
    const text = this.#rest + piece;
    const isDamaged = text.includes(replacementCharacter);
    const rows: Row[] = [];
    let at = 0;
    let quote = -2;
    while (at < text.length) {
      if (quote !== -1 && quote < at) quote = text.indexOf('"', at);
      const newline = text.indexOf("\n", at);
      const lineEnd = newline < 0 ? text.length : newline;
      if (lineEnd - at > limits.importRowCharsMax) throw new LineTooLong(this.#line);
      if (newline < 0 && !isLast) break;

      const hasQuote = quote !== -1 && quote < lineEnd;
      const record = hasQuote ? this.#quoted(text, at, isLast) : this.#plain(text, at, lineEnd);
      if (record === undefined) break;
      if ("problem" in record) {
        rows.push({ line: this.#line, fields: [], text: text.slice(at, lineEnd), problem: record.problem });
        this.#line += 1;
        at = lineEnd + 1;
        continue;
      }
      const isBlank = record.fields.length === 1 && record.fields[0] === "" && !hasQuote;
      if (!isBlank) rows.push(this.#row(record.fields, isDamaged));
      this.#line += hasQuote ? newlines(text, at, record.end) : 1;
      at = record.end;
    }
    this.#rest = isLast ? "" : text.slice(at);
    this.#before += at;
    return rows;
  }

  #row(fields: string[], isDamaged: boolean): Row {
    if (isDamaged && fields.some((field) => field.includes(replacementCharacter))) {
      return { line: this.#line, fields: [], text: fields.join(this.#delimiter), problem: notUtf8 };
    }
    return { line: this.#line, fields };
  }

  /** A row without quotes, the common case: `lineEnd` is where its LF stands, or the end of the text. */
  #plain(text: string, start: number, lineEnd: number): Record {
    const end =
      lineEnd < text.length && text.charCodeAt(lineEnd - 1) === carriageReturn && lineEnd > start
        ? lineEnd - 1
        : lineEnd;
    return { fields: text.slice(start, end).split(this.#delimiter), end: lineEnd + 1 };
  }

  /** A row with quotes, which may span lines; undefined when its end has not come yet. `hops`: see `FailedPath`. */
  #quoted(text: string, start: number, isLast: boolean, hops = true): Record | Broken | undefined {
    const fields: string[] = [];
    const starts: number[] = [];
    let hasHopped = false;
    let at = start;
    const broken = (problem: string): Broken => {
      this.#failed.note(starts);
      return { problem };
    };
    for (;;) {
      const last = hops && !hasHopped ? this.#failed.lastAfter(this.#before + at) : undefined;
      if (last !== undefined) {
        hasHopped = true;
        at = last - this.#before;
      }
      starts.push(this.#before + at);
      const field = text.startsWith('"', at) ? quotedField(text, at) : this.#bareField(text, at);
      const isComplete = field.end < text.length || isLast;
      if (!isComplete || field.value === undefined) {
        const isHopeless = isLast || text.length - start > limits.importRowCharsMax;
        return isHopeless ? broken("a quoted field is not closed") : undefined;
      }
      fields.push(field.value);
      if (text.startsWith(this.#delimiter, field.end)) {
        at = field.end + 1;
        continue;
      }
      const end = afterLineEnd(text, field.end, isLast);
      if (end === "more") return undefined;
      if (end === "none") return broken("there is text after a closing quote");
      return hasHopped ? this.#quoted(text, start, isLast, false) : { fields, end };
    }
  }

  #bareField(text: string, start: number): Field {
    const delimiter = orEnd(text, text.indexOf(this.#delimiter, start));
    const newline = orEnd(text, text.indexOf("\n", start));
    if (delimiter < newline) return { value: text.slice(start, delimiter), end: delimiter };
    const hasReturn = newline > start && text.charCodeAt(newline - 1) === carriageReturn;
    const end = hasReturn && newline < text.length ? newline - 1 : newline;
    return { value: text.slice(start, end), end };
  }
}

/**
 * Where the fields began of the last row that could not be read. What is read from the beginning of one of them on goes
 * the same way to the same end, so the rows on the lines after it hop from there to the last of them: else a file whose
 * every line opens a quote would be read through to `limits.importRowCharsMax` again for each line.
 */
class FailedPath {
  /** Ascending. */
  #starts: number[] = [];

  /** The last of the path when `start` is on it and before that. */
  lastAfter(start: number): number | undefined {
    const last = this.#starts.at(-1);
    if (last === undefined || start >= last) return undefined;
    return this.#starts[this.#place(start)] === start ? last : undefined;
  }

  /** Takes the path of another row, which may go on from where the former one ended. */
  note(starts: readonly number[]): void {
    const [first = 0] = starts;
    const hop = starts.indexOf(this.#starts.at(-1) ?? -1);
    if (hop < 0) {
      this.#starts = [...starts];
      return;
    }
    const passed = this.#place(first);
    // Cut off seldom: moving what stays costs more than keeping it.
    if (passed > this.#starts.length / 2) this.#starts.splice(0, passed);
    for (const start of starts.slice(hop + 1)) this.#starts.push(start);
  }

  /** How many are before `start`. */
  #place(start: number): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const carriageReturn = 13;

/** `value` is undefined when the field has no end in the text; `end` is where what follows it begins. */
type Field = { readonly value: string | undefined; readonly end: number };

function quotedField(text: string, start: number): Field {
  let hasEscapes = false;
  for (let from = start + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return { value: undefined, end: text.length };
    if (text.startsWith('"', quote + 1)) {
      hasEscapes = true;
      from = quote + 2;
      continue;
    }
    const value = text.slice(start + 1, quote);
    return { value: hasEscapes ? value.replaceAll('""', '"') : value, end: quote + 1 };
  }
}

/** Where the next line begins when a line ends at `at`; `more` when only the text to come can tell. */
function afterLineEnd(text: string, at: number, isLast: boolean): number | "more" | "none" {
  if (at >= text.length || text.startsWith("\n", at)) return at + 1;
  if (text.startsWith("\r\n", at)) return at + 2;
  if (text.startsWith("\r", at) && at + 1 === text.length) return isLast ? at + 1 : "more";
  return "none";
}

function newlines(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = text.indexOf("\n", start); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

function orEnd(text: string, index: number): number {
  return index < 0 ? text.length : index;
}
