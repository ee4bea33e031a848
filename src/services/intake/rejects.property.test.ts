import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CsvReader } from "./domain/csv.ts";
import {
  checkMapping,
  type FactMapping,
  type FactSink,
  type FactSinkReceipt,
  importFacts,
  RejectsFile,
} from "./index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-rejects-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Sold {
  readonly id: string;
  readonly sku: string;
  readonly qty: string;
}

/** Few values, so that rows repeat each other; some are turned down for themselves, by a rule, or by the server. */
const row: fc.Arbitrary<Sold> = fc.record({
  id: fc.constantFrom("1", "2"),
  sku: fc.constantFrom("crème", 'a "b"', "bag", "refused", " x;y,z"),
  qty: fc.constantFrom("1", "2", "wrong"),
});
const formats = {
  csv: { type: "csv" },
  "without a header": { type: "csv", delimiter: ";", columns: ["id", "sku", "qty"] },
  "of another encoding": { type: "csv", encoding: "windows-1252" },
  "in UTF-16": { type: "csv", encoding: "utf-16le" },
  ndjson: { type: "ndjson" },
} as const;
type Form = keyof typeof formats;

const mappingOf = (form: Form, id: string) =>
  checkMapping({
    format: formats[form],
    source: "tills",
    id,
    duplicates: "keep",
    time: { constant: "2026-11-21T09:30:00Z" },
    rules: [
      { when: [{ column: "sku", equals: "bag" }], reject: "no product" },
      { fact: { type: "larder.stock.sold.v1", data: { sku: "{sku}", location: "1", quantity: { number: "qty" } } } },
    ],
  });

function fileOf(form: Form, rows: readonly Sold[]): Buffer {
  // A space that JSON would not write: rows are known by their text.
  if (form === "ndjson") return Buffer.from(rows.map((one) => `${JSON.stringify(one)} \n`.replace(":", ": ")).join(""));
  const delimiter = form === "without a header" ? ";" : ",";
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const lines = rows.map((one) => Object.values(one).map(quoted).join(delimiter));
  const text = [...(form === "without a header" ? [] : ["id,sku,qty"]), ...lines].map((line) => `${line}\n`).join("");
  return Buffer.from(text, form === "of another encoding" ? "latin1" : form === "in UTF-16" ? "utf16le" : "utf8");
}

let files = 0;

/** The facts that are recorded, by their ids, and the rejects. `ledger` is what was recorded before, and is kept up. */
async function imported(content: Buffer, mapping: FactMapping, refused: string, ledger = new Map<string, string>()) {
  const recorded = new Map<string, unknown>();
  const sink: FactSink = {
    send: async (facts) => {
      const rejected: FactSinkReceipt["rejected"][number][] = [];
      for (const [index, { id, data }] of facts.entries()) {
        const text = JSON.stringify(data);
        const isReused = (ledger.get(id) ?? text) !== text;
        if (data["sku"] === refused) rejected.push({ index, id, code: "unknown-item", detail: "told to" });
        else if (isReused) rejected.push({ index, id, code: "event-id-reused", detail: "says something else" });
        else {
          recorded.set(id, data);
          ledger.set(id, text);
        }
      }
      return { accepted: facts.length - rejected.length, duplicates: 0, rejected };
    },
  };
  files += 1;
  const rejects = new RejectsFile(join(folder, `rejects-${files}`), mapping.format);
  const bytes = (async function* () {
    yield content;
  })();
  await importFacts({ input: { name: "test", folder, bytes }, mapping, sink, rejects });
  const hasRejects = await rejects.close();
  return { recorded, rejects: hasRejects ? await readFile(rejects.path) : undefined };
}

it.each(Object.keys(formats) as Form[])(
  "rejects that were put right come to what the file put right comes to: %s",
  async (form) => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), async (rows) => {
        const mapping = mappingOf(form, "{id}");
        const first = await imported(fileOf(form, rows), mapping, "refused");
        const right = Buffer.from(first.rejects?.toString().replaceAll("wrong", "7") ?? fileOf(form, rows));
        const second = await imported(right, mapping, "nobody");
        const whole = await imported(
          fileOf(
            form,
            rows.map((one) => ({ ...one, qty: one.qty.replace("wrong", "7") })),
          ),
          mapping,
          "nobody",
        );
        expect(new Map([...first.recorded, ...second.recorded])).toEqual(whole.recorded);
      }),
      { numRuns: 60 },
    );
  },
);

const known: fc.Arbitrary<Sold> = fc.record({
  id: fc.constantFrom("1", "2"),
  sku: fc.constantFrom("crème", 'a "b"'),
  qty: fc.constantFrom("1", "2"),
});

/** A rejects file whose rows say something else now; those that get nothing stay as they are. */
function putRight(form: Form, rejects: Buffer, rows: readonly (Sold | undefined)[]): Buffer {
  const text = rejects.toString();
  const of = (index: number) => rows[index % rows.length];
  if (form === "ndjson") {
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const right = lines.map((line, index) => ({ ...line, row: of(index) ?? line.row }));
    return Buffer.from(right.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }
  const delimiter = form === "without a header" ? ";" : ",";
  const [header, ...lines] = new CsvReader(delimiter).push(text.replace("\ufeff", ""), true);
  const right = lines.map(({ fields }, index) => [
    ...fields.slice(0, 3),
    ...Object.values(of(index) ?? fields.slice(3)),
  ]);
  const written = [header?.fields ?? [], ...right].map((fields) =>
    fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(delimiter),
  );
  return Buffer.from(`${text.startsWith("\ufeff") ? "\ufeff" : ""}${written.join("\n")}\n`);
}

it.each((Object.keys(formats) as Form[]).flatMap((form) => ["{id}/{sku}", "row"].map((id) => [form, id] as const)))(
  "rejects that were put right in any column are recorded once each, however often they are imported: %s, %s",
  async (form, id) => {
    const product = row.filter(({ sku }) => sku !== "bag");
    const rows = fc.array(product, { minLength: 1, maxLength: 12 });
    const some = fc.array(fc.option(product, { nil: undefined }), { minLength: 1, maxLength: 12 });
    const right = fc.array(known, { minLength: 12, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(rows, some, right, async (first, second, third) => {
        const mapping = mappingOf(form, id);
        const ledger = new Map<string, string>();
        const twice = async (content: Buffer) => {
          await imported(content, mapping, "refused", ledger);
          return await imported(content, mapping, "refused", ledger);
        };
        const { rejects } = await twice(fileOf(form, first));
        const still = rejects && (await twice(putRight(form, rejects, second))).rejects;
        const left = still && (await twice(putRight(form, still, third))).rejects;
        expect(left).toBeUndefined();
        expect(ledger.size).toBe(first.length);
      }),
      { numRuns: 60 },
    );
  },
);

it.each(Object.keys(formats) as Form[])(
  "rejects are the rows that they were, also where a row is known by all that it says: %s",
  async (form) => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), async (rows) => {
        const mapping = mappingOf(form, "row");
        const first = await imported(fileOf(form, rows), mapping, "refused");
        const again = first.rejects === undefined ? undefined : await imported(first.rejects, mapping, "refused");
        // Turned down again they are the same file again but for the lines they stand on.
        const rest = again?.rejects === undefined ? undefined : await imported(again.rejects, mapping, "nobody");
        const whole = await imported(fileOf(form, rows), mapping, "nobody");
        const both = new Map([...first.recorded, ...(again?.recorded ?? []), ...(rest?.recorded ?? [])]);
        expect(both).toEqual(whole.recorded);
      }),
      { numRuns: 60 },
    );
  },
);
