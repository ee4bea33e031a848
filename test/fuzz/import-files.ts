/** Mappings and files as suppliers send them: right, spoilt, or only fitting the schema. */
import { gzipSync } from "node:zlib";
import {
  FactMapping as FactMappingSchema,
  ItemMapping as ItemMappingSchema,
} from "../../src/services/intake/domain/mapping.ts";
import { locations, skus } from "./house.ts";
import { jsonText, mutateBytes, mutateValue, nested, oddText, oddValue } from "./odd.ts";
import type { Random } from "./random.ts";
import { type Schema, valueFor } from "./schema-values.ts";

const columns = ["sku", "place", "qty", "when", "doc", "a.b"] as const;

export interface File {
  readonly bytes: Buffer;
  /** The pieces in which it is read; the same file gives the same rows in any. */
  readonly pieces: number;
}

/** A mapping that works, one that fits the schema, or one that is spoilt. */
export function someMapping(random: Random, isItems: boolean): unknown {
  const right = isItems ? itemMapping(random) : factMapping(random);
  const kind = random.next();
  if (kind < 0.6) return right;
  if (kind < 0.85) return mutateValue(right, random);
  const schema = (isItems ? ItemMappingSchema : FactMappingSchema) as unknown as Schema;
  return valueFor(schema, "mapping", random, meaningOf, {});
}

function meaningOf(name: string, random: Random): unknown {
  if (name === "column" || name === "columns" || name === "number" || name === "key" || name === "by")
    return random.pick(columns);
  if (name === "matches") return random.pick(["a+", "(a+)+", "[", "(?<x>a)", "\\p{L}", "a{1,99999}", "(a|aa)+$"]);
  if (name === "format")
    return random.pick([
      "unix",
      "yyyy-MM-dd",
      "yyyy-MM-dd[ HH:mm]",
      "[",
      "yyyy yyyy",
      "d/M/yyyy h:mm a",
      "yyyy-MM-ddXXX",
      "q",
    ]);
  if (name === "zone") return random.pick(["Europe/Berlin", "UTC", "Nowhere/None", "+25:00"]);
  if (name === "source" || name === "id" || name === "from")
    return random.pick(["{sku}-{doc}", "{", "{{x}}", "row", "{nothing}", oddText(random)]);
  return undefined;
}

function formatOf(random: Random): object {
  const isCsv = random.chance(0.7);
  return {
    type: isCsv ? "csv" : "ndjson",
    ...(isCsv && random.chance(0.2) && { columns }),
    ...(isCsv && random.chance(0.2) && { delimiter: random.pick([";", "\t", "|"]) }),
    ...(random.chance(0.15) && { encoding: random.pick(["utf-8", "windows-1252", "utf-16le"]) }),
  };
}

function factMapping(random: Random): object {
  return {
    format: formatOf(random),
    source: random.pick(["supplier", "till"]),
    id: random.pick(["row", "{doc}", "{sku}/{doc}", "{a.b}"]),
    ...(random.chance(0.5) && { duplicates: random.pick(["keep", "skip"]) }),
    time: random.pick([
      { column: "when" },
      { column: "when", format: "yyyy-MM-dd HH:mm", zone: "Europe/Berlin" },
      { constant: "2026-11-20T00:00:00Z" },
      { column: "when", format: "unix" },
    ]),
    ...(random.chance(0.3) && { derive: { SKU: { from: "{sku}", apply: ["trim", "lower"] } } }),
    rules: [
      { when: [{ column: "qty", empty: true }], ignore: "nothing" },
      {
        when: [{ column: "qty", below: 0 }],
        fact: {
          type: "larder.stock.sold.v1",
          data: { sku: "{sku}", location: "{place}", quantity: { number: "qty", sign: "abs" } },
        },
      },
      {
        when: [{ column: "sku", matches: "[a-z]+" }],
        fact: {
          type: "larder.stock.received.v1",
          data: { sku: "{sku}", location: "{place}", quantity: { number: "qty", times: random.pick([1, 1000, 0.1]) } },
        },
      },
      {
        facts: [
          { type: "larder.stock.counted.v1", data: { sku: "{sku}", location: "{place}", quantity: { number: "qty" } } },
          {
            type: "larder.stock.expected.v1",
            data: { sku: "{sku}", location: "{place}", quantity: 5, reference: "{doc}" },
          },
        ],
      },
    ],
  };
}

function itemMapping(random: Random): object {
  return {
    format: formatOf(random),
    rules: [{ item: { sku: "{sku}", name: "{place}", unit: "each", ...(random.chance(0.5) && { gtins: ["{doc}"] }) } }],
  };
}

export function someFile(random: Random, mapping: unknown): File {
  const { type, delimiter, encoding } = ((mapping as { format?: object })?.format ?? {}) as {
    type?: unknown;
    delimiter?: unknown;
    encoding?: unknown;
  };
  const rows = random.list(0, 30, () => someRow(random));
  const text =
    type === "ndjson" ? ndjson(rows, random) : csv(rows, typeof delimiter === "string" ? delimiter : ",", random);
  let bytes: Buffer = Buffer.from(text, encoding === "utf-16le" ? "utf16le" : "utf8");
  if (random.chance(0.4)) bytes = mutateBytes(bytes, random);
  if (random.chance(0.2)) {
    bytes = random.chance(0.2) ? Buffer.concat([gzipSync(bytes), gzipSync(bytes)]) : gzipSync(bytes);
    if (random.chance(0.5)) bytes = mutateBytes(bytes, random, 1);
  }
  return { bytes, pieces: random.pick([1, 2, 7, 100]) };
}

function someRow(random: Random): string[] {
  const odd = (right: string) => (random.chance(0.95) ? right : oddText(random));
  return [
    odd(random.pick(skus)),
    odd(random.pick(locations)),
    odd(random.pick(["1", "-2", "3.0", " 4 ", "1,000", "", "1e3", "0", "1000000000000000"])),
    odd(random.pick(["2026-11-20T10:00:00Z", "2026-11-20 10:00", "1763719200", "2026-10-25 02:30", ""])),
    odd(`d${random.below(20)}`),
    odd("x"),
  ];
}

function csv(rows: readonly string[][], delimiter: string, random: Random): string {
  const end = random.pick(["\n", "\r\n"]);
  const quoted = (field: string) =>
    field.includes(delimiter) || /["\r\n]/.test(field) || random.chance(0.1)
      ? `"${field.replaceAll('"', '""')}"`
      : field;
  const lines = [[...columns], ...rows].map((row) => row.map(quoted).join(delimiter));
  return (random.chance(0.05) ? "\ufeff" : "") + lines.join(end) + (random.chance(0.5) ? end : "");
}

function ndjson(rows: readonly string[][], random: Random): string {
  const lines = rows.map(([sku, place, qty, when, doc, b]) => {
    const value = { sku, place, qty: random.chance(0.5) ? Number(qty) : qty, when, doc, a: { b } };
    if (random.chance(0.02)) return `{"sku":"a","qty":${nested(random.pick([50, 5000, 50_000]), true)}}`;
    return jsonText(random.chance(0.1) ? mutateValue(value, random) : random.chance(0.02) ? oddValue(random) : value);
  });
  return lines.join("\n");
}
