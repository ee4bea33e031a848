import { limits } from "../../kernel/index.ts";
import { CsvReader } from "./domain/csv.ts";
import type { FileFormat } from "./domain/mapping.ts";
import { MappingError } from "./domain/mapping-error.ts";
import { NdjsonReader } from "./domain/ndjson.ts";
import { occurrenceIn, rejectedColumns, rejectedWidth } from "./domain/rejected.ts";
import { LineTooLong, type Row, type RowReader } from "./domain/rows.ts";
import { ImportError } from "./failure.ts";
import { firstBytes, from, unpacked } from "./input.ts";

/** A file as rows under named columns. */
export interface Table {
  readonly columns: readonly string[];
  /** Rows in the order of the file, many at a time. May be read once. */
  readonly rows: AsyncIterable<readonly Row[]>;
}

/**
 * Opens a file as a table. The columns of a CSV file are its header's or the mapping's; those of NDJSON are the ones the
 * mapping asks for (`asked`), since every line may have others. A CSV row with another number of fields than there are
 * columns is a row with a problem. A rejects file is read as the rows that it holds. Throws `ImportError`, `MappingError`.
 */
export async function openTable(
  bytes: AsyncIterable<Uint8Array>,
  format: FileFormat,
  asked: readonly string[],
  onBytes: (count: number) => void = () => undefined,
): Promise<Table> {
  const pieces = decoded(unpacked(bytes, onBytes), format.encoding ?? "utf-8");
  if (format.type === "ndjson") return { columns: asked, rows: read(pieces, new NdjsonReader(asked)) };

  const batches = read(pieces, new CsvReader(format.delimiter ?? ","));
  const first = await firstBatch(batches);
  const width = rejectedWidth(first[0]?.fields ?? []);
  // A rejects file has a header, also where the mapping says that files have none.
  if (format.columns !== undefined && width === 0) return tableOf(format.columns, 0, joined(first, batches));
  const [header, ...rest] = first;
  if (header === undefined) throw new ImportError("input-damaged", "The file is empty: it has not even a header.");
  if (header.problem !== undefined) throw new ImportError("input-damaged", `The header line: ${header.problem}.`);
  const columns = header.fields.slice(width).map((name) => name.trim());
  const seen = new Set<string>();
  const twice = columns.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined)
    throw new MappingError("format", `the header has the column "${twice}" twice; name the columns`);
  return tableOf(format.columns ?? columns, width, joined(rest, batches));
}

/** Rows of so many columns, before which a rejects file has some of its own. */
function tableOf(columns: readonly string[], ownWidth: number, batches: AsyncIterable<readonly Row[]>): Table {
  const rows = ownWidth === 0 ? batches : withoutOwn(batches, ownWidth);
  return { columns, rows: measured(rows, columns.length) };
}

async function* withoutOwn(batches: AsyncIterable<readonly Row[]>, width: number) {
  for await (const rows of batches) {
    yield rows.map((row): Row => {
      if (row.problem !== undefined) return row;
      const { fields, ...rest } = row;
      return { ...rest, fields: fields.slice(width), ...occurrenceIn(fields.slice(0, width)[rejectedColumns.length]) };
    });
  }
}

/** In UTF-8 when the bytes begin with its mark, as rejects do, whatever the mapping says. */
async function* decoded(bytes: AsyncGenerator<Uint8Array>, encoding: string): AsyncGenerator<string> {
  const beginning = await firstBytes(bytes, utf8Mark.length);
  const isMarked = beginning.subarray(0, utf8Mark.length).equals(utf8Mark);
  // Drops a byte order mark by itself.
  const decoder = new TextDecoder(isMarked ? "utf-8" : encoding);
  for await (const piece of from(beginning, bytes)) yield decoder.decode(piece, { stream: true });
  yield decoder.decode();
}

const utf8Mark = Buffer.from([0xef, 0xbb, 0xbf]);

async function* read(pieces: AsyncIterable<string>, reader: RowReader): AsyncGenerator<readonly Row[]> {
  try {
    for await (const piece of pieces) {
      const rows = reader.push(piece, false);
      if (rows.length > 0) yield rows;
    }
    yield reader.push("", true);
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    throw new ImportError("input-damaged", `${error.message}: is it the file the mapping describes?`, { cause: error });
  }
}

async function firstBatch(batches: AsyncGenerator<readonly Row[]>): Promise<readonly Row[]> {
  for (;;) {
    const { done, value } = await batches.next();
    if (done === true) return [];
    if (value.length > 0) return value;
  }
}

async function* joined(first: readonly Row[], rest: AsyncGenerator<readonly Row[]>) {
  yield first;
  yield* rest;
}

async function* measured(batches: AsyncIterable<readonly Row[]>, width: number) {
  for await (const rows of batches) yield rows.map((row) => (row.fields.length === width ? row : misfit(row, width)));
}

function misfit(row: Row, width: number): Row {
  if (row.problem !== undefined) return row;
  return { ...row, problem: `has ${row.fields.length} fields where there are ${width} columns` };
}

/** Reads a lookup file into memory: by key, the wanted columns. Of rows with one key the first counts. */
export async function readLookup(
  bytes: AsyncIterable<Uint8Array>,
  lookup: { readonly file: string; readonly key: string; readonly columns: Readonly<Record<string, string>> },
  path: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const table = await openTable(bytes, { type: "csv" }, []);
  const place = (name: string) => {
    const index = table.columns.indexOf(name);
    if (index >= 0) return index;
    throw new MappingError(path, `${lookup.file} has no column "${name}"; it has ${table.columns.join(", ")}`);
  };
  const key = place(lookup.key);
  const wanted = Object.values(lookup.columns).map(place);
  const found = new Map<string, readonly string[]>();
  let chars = 0;
  for await (const rows of table.rows) {
    for (const { fields, problem } of rows) {
      const name = fields[key];
      if (problem !== undefined || name === undefined || found.has(name)) continue;
      const values = wanted.map((index) => fields[index] ?? "");
      found.set(name, values);
      chars += values.reduce((sum, value) => sum + value.length, name.length);
    }
    if (chars > limits.importLookupCharsMax) {
      throw new ImportError("lookup-unusable", `${lookup.file} holds over ${limits.importLookupCharsMax} characters.`);
    }
    if (found.size > limits.importLookupRowsMax) {
      throw new ImportError("lookup-unusable", `${lookup.file} has over ${limits.importLookupRowsMax} rows.`);
    }
  }
  return found;
}
