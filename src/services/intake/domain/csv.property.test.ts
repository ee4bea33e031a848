import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { expect, it } from "vitest";
import { CsvReader } from "./csv.ts";

const character = fc.constantFrom("a", "é", "😀", " ", ",", ";", '"', "\n", "\r\n", "0");
const field = fc.array(character, { maxLength: 6 }).map((parts) => parts.join(""));
// A row of one empty field can't be told from a blank line by csv-parse.
const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 5 }), { maxLength: 8 });

function write(table: readonly (readonly string[])[], lineEnd: string, quoteAll: boolean): string {
  const quoted = (text: string) => (quoteAll || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return table.map((row) => row.map(quoted).join(",") + lineEnd).join("");
}

function readInPieces(text: string, cuts: readonly number[]) {
  const reader = new CsvReader(",");
  const bounds = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  const pieces = bounds.slice(1).map((end, index) => text.slice(bounds[index], end));
  return [...pieces.flatMap((piece) => reader.push(piece, false)), ...reader.push("", true)];
}

it("reads what csv-parse reads, however the text is cut, and every row at its line", () => {
  fc.assert(
    fc.property(
      rows,
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      fc.array(fc.nat(), { maxLength: 6 }),
      (table, end, quoteAll, cuts) => {
        const text = write(table, end, quoteAll);
        const read = readInPieces(text, cuts);
        const oracle: string[][] = parse(text, { relax_column_count: true, record_delimiter: end });
        expect(read.map(({ fields }) => fields)).toEqual(oracle);
        const lineOf = (row: number) => 1 + (write(table.slice(0, row), end, quoteAll).match(/\n/g)?.length ?? 0);
        expect(read.map(({ line }) => line)).toEqual(table.map((_, row) => lineOf(row)));
      },
    ),
    { numRuns: 2000 },
  );
});

it("gives the same rows for any text at all, however it is cut", () => {
  const text = fc
    .array(fc.constantFrom("a", ",", '"', '"', "\n", "\r"), { maxLength: 40 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat(), { maxLength: 6 }), (any, cuts) => {
      expect(readInPieces(any, cuts)).toEqual(new CsvReader(",").push(any, true));
    }),
    { numRuns: 5000 },
  );
});

it("reads on after a row that can't be read as if the file began there", () => {
  const text = fc
    .array(fc.constantFrom("a", ",", ",", '"', '"', '","', "\n", "\n"), { maxLength: 60 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat(), { maxLength: 3 }), (any, cuts) => {
      const rows = readInPieces(any, cuts);
      const broken = rows.findIndex(({ problem }) => problem !== undefined);
      if (broken < 0) return;
      const { line } = rows[broken]!;
      const rest = any.split("\n").slice(line).join("\n");
      const fresh = new CsvReader(",").push(rest, true).map((row) => ({ ...row, line: row.line + line }));
      expect(rows.slice(broken + 1)).toEqual(fresh);
    }),
    { numRuns: 5000 },
  );
});

it("takes time by the file's length, though every line opens a quote that none closes", () => {
  const reader = new CsvReader(",");
  const began = process.cpuUsage();
  let rows = 0;
  for (let piece = 0; piece < 30; piece += 1) rows += reader.push('x","z\n'.repeat(10_000), false).length;
  rows += reader.push("", true).length;
  expect(rows).toBe(300_000);
  expect(process.cpuUsage(began).user / 1000).toBeLessThan(15_000);
});
