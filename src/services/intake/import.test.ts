import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../kernel/index.ts";
import {
  type CloudEvent,
  checkItemMapping,
  checkMapping,
  type FactSink,
  ImportError,
  type ImportInput,
  type ImportProgress,
  type ItemDraft,
  importFacts,
  importItems,
  MappingError,
  openInput,
  RejectsFile,
} from "./index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-intake-"));
});
afterAll(() => rm(folder, { recursive: true }));

const mapping = checkMapping({
  format: { type: "csv" },
  source: "tills",
  id: "{id}",
  time: { column: "at" },
  rules: [
    { when: [{ column: "sku", equals: "bag" }], reject: "no product" },
    { fact: { type: "larder.stock.sold.v1", data: { sku: "{sku}", location: "1", quantity: { number: "qty" } } } },
  ],
});
const at = "2026-11-21T09:30:00Z";
const header = "id,sku,qty,at\n";
const line = (id: number, sku = "milk", qty = "1") => `${id},${sku},${qty},${at}\n`;

function input(text: string | Uint8Array, pieceBytes = 10_000): ImportInput {
  const bytes = Buffer.from(text);
  async function* pieces() {
    for (let from = 0; from < bytes.length; from += pieceBytes) yield bytes.subarray(from, from + pieceBytes);
  }
  return { name: "test", folder, bytes: pieces(), bytesTotal: bytes.length };
}

/** Keeps what it is sent, and knows again what it knows; refuses the ids it is told to. */
class MemorySink implements FactSink {
  readonly facts = new Map<string, CloudEvent>();
  readonly batches: number[] = [];
  readonly #refused: ReadonlySet<string>;

  constructor(refused: readonly string[] = []) {
    this.#refused = new Set(refused);
  }

  async send(facts: readonly CloudEvent[]) {
    this.batches.push(facts.length);
    await new Promise((resolve) => setTimeout(resolve, this.batches.length % 2 === 0 ? 1 : 5));
    const rejected = facts.flatMap(({ id }, index) =>
      this.#refused.has(id) ? [{ index, id, code: "invalid-fact", detail: "told to" }] : [],
    );
    const known = facts.filter(({ id }) => this.facts.has(id)).length;
    for (const fact of facts) if (!this.#refused.has(fact.id)) this.facts.set(fact.id, fact);
    return {
      accepted: facts.length - known - rejected.length,
      duplicates: known,
      rejected,
      position: String(this.facts.size),
    };
  }
}

const manyLines = (count: number) => header + Array.from({ length: count }, (_, index) => line(index + 1)).join("");

describe("importFacts", () => {
  it("sends every row once, in batches below the limit, and sums up", async () => {
    const sink = new MemorySink();
    const summary = await importFacts({ input: input(manyLines(2500)), mapping, sink });
    expect(summary).toMatchObject({ rows: 2500, made: 2500, accepted: 2500, duplicates: 0, isComplete: true });
    expect(summary.position).toBe("2500");
    // Two batches are on their way at once, and either may come first.
    const ids = [...sink.facts.keys()].map(Number).sort((a, b) => a - b);
    expect(ids).toEqual(Array.from({ length: 2500 }, (_, index) => index + 1));
    expect(Math.max(...sink.batches)).toBeLessThanOrEqual(1000);
    const again = await importFacts({ input: input(manyLines(2500)), mapping, sink });
    expect(again).toMatchObject({ accepted: 0, duplicates: 2500 });
  });

  it.each([
    ["gzip", (text: string) => gzipSync(text)],
    [
      "gzip of several members",
      (text: string) => Buffer.concat([gzipSync(text.slice(0, 99)), gzipSync(text.slice(99))]),
    ],
    ["a byte order mark", (text: string) => Buffer.from(`\ufeff${text}`)],
    ["CRLF", (text: string) => Buffer.from(text.replaceAll("\n", "\r\n"))],
  ])("reads %s", async (_, pack) => {
    for (const pieceBytes of [1, 7, 100_000]) {
      const sink = new MemorySink();
      await importFacts({ input: input(pack(manyLines(30)), pieceBytes), mapping, sink });
      expect(sink.facts.size).toBe(30);
    }
  });

  it("reads other encodings, and characters cut in two", async () => {
    const latin = checkMapping({ ...mapping, format: { type: "csv", encoding: "windows-1252" } });
    for (const [map, encoding] of [
      [mapping, "utf8"],
      [latin, "latin1"],
    ] as const) {
      const sink = new MemorySink();
      await importFacts({ input: input(Buffer.from(header + line(1, "crème"), encoding), 1), mapping: map, sink });
      expect(sink.facts.get("1")?.data["sku"]).toBe("crème");
    }
  });

  it("opens a file only when it is read", async () => {
    const path = join(folder, "moved.csv");
    await writeFile(path, header);
    const { bytes } = await openInput(path);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await rm(path);
    await expect(buffer(bytes)).rejects.toThrow("ENOENT");
  });

  it("reads NDJSON and files without a header", async () => {
    const json = checkMapping({ ...mapping, format: { type: "ndjson" } });
    const bare = checkMapping({
      ...mapping,
      format: { type: "csv", delimiter: ";", columns: ["id", "sku", "qty", "at"] },
    });
    const sinks = [new MemorySink(), new MemorySink()] as const;
    await importFacts({ input: input(`{"id":1,"sku":"milk","qty":2,"at":"${at}"}\n`), mapping: json, sink: sinks[0] });
    await importFacts({ input: input(`1;milk;2;${at}`), mapping: bare, sink: sinks[1] });
    expect([...sinks[0].facts]).toEqual([...sinks[1].facts]);
    expect(sinks[0].facts.size).toBe(1);
  });

  it("writes rejects of every kind in the order of their lines, in the form of the input", async () => {
    const text = `${header}${line(1)}2,bag,1,${at}\n3,milk,some,${at}\n4,"mi\nlk\n${line(5)}6,milk,1\n${line(7, '"a ""b"""')}`;
    const rejects = new RejectsFile(join(folder, "rejects.csv"), mapping.format);
    const summary = await importFacts({ input: input(text), mapping, sink: new MemorySink(["1", "7"]), rejects });
    expect(await rejects.close()).toBe(true);
    expect(await readFile(rejects.path, "utf8")).toBe(
      [
        "rejected line,rejected reason,id,sku,qty,at",
        `2,invalid-fact: told to,1,milk,1,${at}`,
        `3,no product,2,bag,1,${at}`,
        `4,"not-a-number: qty is ""some"", which makes no whole number",3,milk,some,${at}`,
        '5,unreadable-row: there is text after a closing quote,"4,""mi"',
        "6,unreadable-row: has 1 fields where there are 4 columns,lk",
        "8,unreadable-row: has 3 fields where there are 4 columns,6,milk,1",
        `9,invalid-fact: told to,7,"a ""b""",1,${at}`,
        "",
      ].join("\n"),
    );
    expect(summary).toMatchObject({ rows: 8, made: 3, accepted: 1, rejectedCount: 7 });
    expect(summary.rejected).toContainEqual({ by: "server", reason: "invalid-fact", count: 2 });
    expect(summary.rejected).toContainEqual({ by: "row", reason: "unreadable-row", count: 3 });
    expect(summary.rejected).toContainEqual({ by: "rule", reason: "no product", count: 1 });
  });

  it("writes rejects so that the same mapping takes them once they are put right", async () => {
    // Two facts of one row, both turned down; and columns that are called as ours are.
    const sold = (location: string) => ({
      type: "larder.stock.sold.v1",
      data: { sku: "{sku}", location, quantity: { number: "qty" } },
    });
    const rules = [{ when: [{ column: "reason", equals: "gift" }], facts: [sold("1"), sold("2")] }];
    for (const format of [{ type: "csv" }, { type: "ndjson" }] as const) {
      const odd = checkMapping({ source: "tills", id: "{id}", time: { column: "at" }, format, rules });
      const row = { id: "1", sku: "milk", qty: "2", at, reason: "gift" };
      const csv = `${Object.keys(row).join(",")}\n${Object.values(row).join(",")}\n`;
      const text = format.type === "csv" ? csv : `${JSON.stringify(row)}\n`;
      const all = new MemorySink();
      await importFacts({ input: input(text), mapping: odd, sink: all });
      const rejects = new RejectsFile(join(folder, `again.${format.type}`), odd.format);
      await importFacts({ input: input(text), mapping: odd, sink: new MemorySink([...all.facts.keys()]), rejects });
      await rejects.close();
      const sink = new MemorySink();
      const again = await importFacts({ input: input(await readFile(rejects.path)), mapping: odd, sink });
      expect([format.type, again]).toMatchObject([format.type, { rows: 1, accepted: 2, rejectedCount: 0 }]);
      expect([...sink.facts]).toEqual([...all.facts]);
    }
  });

  it("writes rejects of NDJSON as NDJSON, and no file when there are none", async () => {
    const json = checkMapping({ ...mapping, format: { type: "ndjson" } });
    const rejects = new RejectsFile(join(folder, "rejects.ndjson"), json.format);
    await importFacts({
      input: input('{"id":1,"sku":"bag"}\nnonsense\n'),
      mapping: json,
      sink: new MemorySink(),
      rejects,
    });
    await rejects.close();
    expect(
      (await readFile(rejects.path, "utf8"))
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text)),
    ).toEqual([
      { line: 1, reason: "no product", row: { id: 1, sku: "bag" } },
      { line: 2, reason: "unreadable-row: is not a JSON object", row: "nonsense" },
    ]);
    const none = new RejectsFile(join(folder, "none.csv"), mapping.format);
    await importFacts({ input: input(manyLines(1)), mapping, sink: new MemorySink(), rejects: none });
    expect(await none.close()).toBe(false);
  });

  it("sends nothing in a dry run, and tells what it would", async () => {
    const sink = new MemorySink();
    const summary = await importFacts({ input: input(manyLines(5) + line(6, "bag")), mapping, sink, dryRun: true });
    expect(summary).toMatchObject({ rows: 6, made: 5, accepted: 0, rejectedCount: 1 });
    expect(sink.batches).toEqual([]);
  });

  it("tells its progress, and stops when asked", async () => {
    const seen: ImportProgress[] = [];
    let clock = 0;
    const now = () => {
      clock += 300;
      return clock;
    };
    const stop = new AbortController();
    const onProgress = (progress: ImportProgress) => {
      seen.push(progress);
      if (progress.rows > 1000) stop.abort();
    };
    const sink = new MemorySink();
    const summary = await importFacts({
      input: input(manyLines(5000)),
      mapping,
      sink,
      onProgress,
      now,
      signal: stop.signal,
    });
    expect(summary.isComplete).toBe(false);
    expect(summary.rows).toBeLessThan(2000);
    const [first, second] = seen;
    expect(first?.bytesRead).toBe(10_000);
    expect(second?.bytesRead).toBe(20_000);
    expect(first?.secondsLeft).toBeCloseTo(((first?.seconds ?? 0) * ((first?.bytesTotal ?? 0) - 10_000)) / 10_000);
  });

  it("fails with how far it came when the sink does, and sends nothing more", async () => {
    let calls = 0;
    const sink: FactSink = {
      send: async (facts) => {
        calls += 1;
        if (calls > 1) throw new ImportError("server-refused", "no more");
        return { accepted: facts.length, duplicates: 0, rejected: [] };
      },
    };
    const failure = await importFacts({ input: input(manyLines(20_000)), mapping, sink }).catch((error) => error);
    expect(failure).toBeInstanceOf(ImportError);
    expect(failure.summary).toMatchObject({ isComplete: false });
    expect(failure.summary.accepted).toBeGreaterThan(900);
    expect(calls).toBeLessThanOrEqual(limits.importBatchesInFlight + 2);
  });

  it("records what was read before a file turns out to be cut off, and writes its rejects", async () => {
    const sink = new MemorySink();
    const rejects = new RejectsFile(join(folder, "cut.csv"), mapping.format);
    const rows = Array.from({ length: 500 }, (_, id) => line(id, createHash("sha256").update(`${id}`).digest("hex")));
    const packed = gzipSync(`${header}1000,bag,1,${at}\n${rows.join("")}`);
    const cut = input(packed.subarray(0, packed.length - 4000));
    const failure = await importFacts({ input: cut, mapping, sink, rejects }).catch((error) => error);
    expect(failure).toMatchObject({ code: "input-damaged", summary: { isComplete: false, rejectedCount: 1 } });
    await rejects.close();
    expect(await readFile(rejects.path, "utf8")).toContain("1000,bag");
    expect(sink.facts.size).toBeGreaterThan(100);
    expect(failure.summary.accepted).toBe(sink.facts.size);
    // All that was read: the next row is the one that was cut.
    expect(failure.summary.rows).toBe(sink.facts.size + 1);
  });

  it("says what is wrong with a file that the mapping does not fit", async () => {
    const run = (text: string | Uint8Array) => importFacts({ input: input(text), mapping, sink: new MemorySink() });
    await expect(run("id,sku,at\n")).rejects.toThrow(
      new MappingError("rules[1].fact.data.quantity", 'there is no column "qty"; there are id, sku, at'),
    );
    await expect(run("")).rejects.toThrow("The file is empty");
    await expect(run('id,"sku\n')).rejects.toThrow("The header line: a quoted field is not closed");
    await expect(run("id,id\n")).rejects.toThrow('the header has the column "id" twice');
    await expect(run(gzipSync(manyLines(500)).subarray(0, 400))).rejects.toThrow("gzip data is damaged or cut off");
    await expect(openInput(join(folder, "absent.csv"))).rejects.toThrow("absent.csv does not exist");
  });

  it("looks columns up in a file beside the imported one", async () => {
    await writeFile(join(folder, "names.csv.gz"), gzipSync('sku,name\nmilk,"Milk, fresh"\nmilk,again\n'));
    const lookup = { file: "names.csv.gz", key: "sku", columns: { title: "name" } };
    const rules = [{ when: [{ column: "title", equals: "Milk, fresh" }], ignore: "found" }, { ignore: "not found" }];
    const looking = checkMapping({ ...mapping, lookups: [lookup], rules });
    const summary = await importFacts({
      input: input(header + line(1) + line(2, "eggs")),
      mapping: looking,
      sink: new MemorySink(),
    });
    expect(summary.ignored).toEqual([
      { reason: "found", count: 1 },
      { reason: "not found", count: 1 },
    ]);
    const lost = checkMapping({ ...looking, lookups: [{ ...lookup, file: "lost.csv" }] });
    await expect(importFacts({ input: input(header), mapping: lost, sink: new MemorySink() })).rejects.toThrow(
      "The mapping looks up lost.csv, which is not in",
    );
    const wrong = checkMapping({ ...looking, lookups: [{ ...lookup, key: "code", by: "sku" }] });
    await expect(importFacts({ input: input(header), mapping: wrong, sink: new MemorySink() })).rejects.toThrow(
      'lookups[0]: names.csv.gz has no column "code"; it has sku, name',
    );
  });

  it("makes the same ids from a row for ever: the first 22 characters of its SHA-256 in base64url", async () => {
    const sink = new MemorySink();
    const byRow = checkMapping({ ...mapping, id: "row", duplicates: "keep" });
    await importFacts({ input: input(header + line(1) + line(1)), mapping: byRow, sink });
    const id = createHash("sha256").update(`["1","milk","1","${at}"]`).digest("base64url").slice(0, 22);
    expect(id).toBe("CNT0NxlmpuYX1KLLU8KPe0");
    expect([...sink.facts.keys()]).toEqual([id, `${id}~2`]);
  });
});

describe("importItems", () => {
  const items = checkItemMapping({
    format: { type: "csv" },
    rules: [{ item: { sku: "{sku}", name: "{name}", unit: "each", gtins: ["{gtin}"] } }],
  });

  it("merges the rows of a sku, wherever they stand, and rejects all rows of an item that is refused", async () => {
    const sent: ItemDraft[] = [];
    const sink = {
      send: async (batch: readonly ItemDraft[]) => {
        sent.push(...batch);
        const index = batch.findIndex(({ sku }) => sku === "b");
        const rejected = [{ index, sku: "b", code: "invalid-check-digit", detail: "should be 4" }];
        return { accepted: batch.length - 2, unchanged: 1, rejected };
      },
    };
    const rejects = new RejectsFile(join(folder, "items.csv"), items.format);
    const text = "sku,name,gtin\na,A,1\nb,B,2\na,other,3\nc,C,\nb,B,2\na,A,1\n";
    const summary = await importItems({ input: input(text), mapping: items, sink, rejects });
    expect(sent).toEqual([
      { sku: "a", name: "A", unit: "each", gtins: ["1", "3"] },
      { sku: "b", name: "B", unit: "each", gtins: ["2"] },
      { sku: "c", name: "C", unit: "each" },
    ]);
    expect(summary).toMatchObject({ rows: 6, made: 3, accepted: 1, duplicates: 1, repeated: 3, rejectedCount: 2 });
    await rejects.close();
    expect(await readFile(rejects.path, "utf8")).toBe(
      "rejected line,rejected reason,sku,name,gtin\n3,invalid-check-digit: should be 4,b,B,2\n6,invalid-check-digit: should be 4,b,B,2\n",
    );
  });

  it("takes two ways to write one sku for one item, as the server does", async () => {
    const sent: ItemDraft[] = [];
    const sink = {
      send: async (batch: readonly ItemDraft[]) => {
        sent.push(...batch);
        return { accepted: batch.length, unchanged: 0, rejected: [] };
      },
    };
    const text = "sku,name,gtin\ne\u0301clair,first,1\n\u00e9clair,second,2\n";
    const summary = await importItems({ input: input(text), mapping: items, sink });
    expect(sent).toMatchObject([{ name: "first", gtins: ["1", "2"] }]);
    expect(summary).toMatchObject({ rows: 2, made: 1, repeated: 1 });
  });
});
