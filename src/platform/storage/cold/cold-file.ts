/**
 * The form of a cold file: Parquet, a row for each event, sorted by sequence, compressed by zstd.
 *
 * `seq`, `check` and `body` come first in each row group, so that one read fetches what the log is read back from: the
 * stored text of a unit stands in the row of its first event, with its checksum. All other columns are for whoever
 * queries the file, and are never read here. Row groups are small and hold whole units; the footer says of each what it
 * holds, and a checksum of those three columns, so that nothing damaged reaches the decoder.
 */
import { crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type FileMetaData, parquetMetadata, parquetRead, type SchemaElement } from "hyparquet";
import { ByteWriter, type ColumnSource, ParquetWriter } from "hyparquet-writer";
import type { Instant } from "../../../kernel/index.ts";
import type { RecordedEvent, Sequence } from "../port.ts";
import type { StoredUnit } from "../unit.ts";
import type { ColdColumn } from "./columns.ts";

/** Of a row group: its first unit, and where the columns are that the log is read back from. */
export interface GroupPlace {
  readonly sequence: Sequence;
  readonly at: Instant;
  readonly start: number;
  readonly end: number;
  readonly crc32: number;
}

/** A file's own description: what its footer says. */
export interface ColdFooter {
  readonly metadata: FileMetaData;
  readonly groups: readonly GroupPlace[];
}

/** A stored unit in a cold file. */
export interface ColdRow {
  readonly seq: Sequence;
  readonly check: number;
  readonly body: string;
}

const groupsKey = "larder.groups";
const logColumns = ["seq", "check", "body"];
const compress = (bytes: Uint8Array) => zstdCompressSync(bytes);
const decompress = (bytes: Uint8Array) => zstdDecompressSync(bytes);

/** What every event has, for whoever queries the files. */
const commonColumns: readonly ColdColumn[] = [
  { name: "recorded_at", kind: "instant", of: ({ unit }) => unit.recordedAt },
  { name: "stream", kind: "text", of: ({ stream }) => stream },
  { name: "version", kind: "whole", of: ({ version }) => version },
  { name: "type", kind: "text", of: ({ type }) => type },
  { name: "schema", kind: "whole", of: ({ schema }) => schema },
  { name: "command", kind: "text", of: ({ unit }) => unit.command },
  { name: "actor", kind: "text", of: ({ unit }) => unit.actor },
  { name: "fact_source", kind: "text", of: ({ unit }) => unit.fact?.source },
  { name: "fact_id", kind: "text", of: ({ unit }) => unit.fact?.id },
  { name: "fact_type", kind: "text", of: ({ unit }) => unit.fact?.type },
  { name: "fact_time", kind: "instant", of: ({ unit }) => unit.fact?.time },
];

const schemaOf = {
  text: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  whole: { type: "INT64" },
  instant: { type: "INT64", converted_type: "TIMESTAMP_MILLIS" },
} as const satisfies Record<ColdColumn["kind"], Partial<SchemaElement>>;

/** Writes one file, in memory: compressed it is a tenth of the log. */
export class ColdFileWriter {
  readonly #bytes = new ByteWriter();
  readonly #columns: readonly ColdColumn[];
  readonly #parquet: ParquetWriter;
  readonly #groups: GroupPlace[] = [];

  constructor(columns: readonly ColdColumn[], kept: Readonly<Record<string, string>>) {
    this.#columns = [...commonColumns, ...columns];
    const leaves: SchemaElement[] = [
      { name: "seq", type: "INT64", repetition_type: "REQUIRED" },
      { name: "check", type: "INT64", repetition_type: "OPTIONAL" },
      { name: "body", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
      ...this.#columns.map(
        ({ name, kind }): SchemaElement => ({ name, ...schemaOf[kind], repetition_type: "OPTIONAL" }),
      ),
    ];
    this.#parquet = new ParquetWriter({
      writer: this.#bytes,
      schema: [{ name: "root", num_children: leaves.length }, ...leaves],
      codec: "ZSTD",
      compressors: { ZSTD: compress },
      kvMetadata: Object.entries(kept).map(([key, value]) => ({ key, value })),
      createdBy: "larder",
    });
  }

  /** Adds units as one row group. */
  add(units: readonly { readonly unit: StoredUnit; readonly check: number }[]): void {
    const [first] = units;
    if (first === undefined) return;
    const events = units.flatMap(({ unit }) => unit.events);
    const data: ColumnSource[] = [
      { name: "seq", data: events.map(({ seq }) => BigInt(seq)), encoding: "DELTA_BINARY_PACKED" },
      { name: "check", data: inFirstRow(units, ({ check }) => BigInt(check)), encoding: "PLAIN", statistics: false },
      { name: "body", data: inFirstRow(units, ({ unit }) => unit.body), encoding: "PLAIN", statistics: false },
      ...this.#columns.map((column) => ({ name: column.name, data: valuesOf(column, events) })),
    ];
    const start = this.#bytes.offset;
    // Nothing is awaited by a writer into memory.
    void this.#parquet.write({ columnData: data, rowGroupSize: events.length });
    const chunks = this.#parquet.row_groups.at(-1)?.columns ?? [];
    const lengths = chunks.slice(0, logColumns.length).map(({ meta_data }) => Number(meta_data?.total_compressed_size));
    const end = start + lengths.reduce((sum, length) => sum + length, 0);
    this.#groups.push({
      sequence: first.unit.seq,
      at: first.unit.meta.recordedAt,
      start,
      end,
      crc32: crc32(this.#bytes.getBytes().subarray(start, end)),
    });
  }

  finish(): { readonly bytes: Uint8Array; readonly footer: { readonly start: number; readonly crc32: number } } {
    this.#parquet.kvMetadata?.push({ key: groupsKey, value: JSON.stringify(this.#groups) });
    const start = this.#bytes.offset;
    void this.#parquet.finish();
    const bytes = this.#bytes.getBytes();
    return { bytes, footer: { start, crc32: crc32(bytes.subarray(start)) } };
  }
}

/** A value for each unit, in the row of its first event. */
function inFirstRow<Row extends { readonly unit: StoredUnit }, Value>(
  units: readonly Row[],
  of: (row: Row) => Value,
): (Value | undefined)[] {
  return units.flatMap((row) => row.unit.events.map((_, index) => (index === 0 ? of(row) : undefined)));
}

function valuesOf({ kind, of }: ColdColumn, events: readonly RecordedEvent[]): unknown[] {
  return events.map((event) => {
    const value = of(event);
    if (value === undefined || kind === "text") return value;
    if (!Number.isSafeInteger(value)) return undefined;
    return kind === "instant" ? new Date(value) : BigInt(value);
  });
}

/** Reads a footer: the bytes from where it begins up to the end of the file. */
export function readFooter(bytes: Uint8Array): ColdFooter {
  const metadata = parquetMetadata(bufferOf(bytes));
  const groups = metadata.key_value_metadata?.find(({ key }) => key === groupsKey)?.value;
  return { metadata, groups: JSON.parse(groups ?? "") };
}

/** Reads the units of a row group from the bytes that its place names. */
export async function readGroup({ metadata }: ColdFooter, index: number, bytes: Uint8Array): Promise<ColdRow[]> {
  const group = metadata.row_groups[index];
  if (group === undefined) throw new Error(`there is no row group ${index}`);
  const start = Number(group.columns[0]?.meta_data?.data_page_offset);
  const buffer = bufferOf(bytes);
  const columns = new Map<string, readonly unknown[]>();
  await parquetRead({
    file: {
      byteLength: start + bytes.length,
      slice: (from, to = start + bytes.length) => buffer.slice(from - start, to - start),
    },
    metadata: { ...metadata, row_groups: [group], num_rows: group.num_rows },
    columns: logColumns,
    compressors: { ZSTD: decompress },
    onChunk: ({ columnName, columnData }) =>
      columns.set(columnName, [...(columns.get(columnName) ?? []), ...Array.from(columnData)]),
  });
  const [seqs = [], checks = [], bodies = []] = logColumns.map((name) => columns.get(name));
  return seqs.flatMap((seq, row) => {
    const body = bodies[row];
    return typeof body === "string" ? [{ seq: Number(seq), check: Number(checks[row]), body }] : [];
  });
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
