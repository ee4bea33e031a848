/** Files that are bigger, wider or deeper than they look: an import's memory and time stay bounded. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { limits } from "../../src/kernel/index.ts";
import {
  checkItemMapping,
  checkMapping,
  type ImportSummary,
  importFacts,
  importItems,
} from "../../src/services/intake/index.ts";
import { nested } from "../fuzz/odd.ts";

const folder = mkdtempSync(join(tmpdir(), "larder-hostile-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fact = { type: "larder.stock.sold.v1", data: { sku: "{a}", location: "s1", quantity: 1 } };
const mappingOf = (format: object, more: object = {}) =>
  checkMapping({
    format,
    source: "s",
    id: "{a}",
    duplicates: "skip",
    time: { constant: "2026-01-01T00:00:00Z" },
    rules: [{ fact }],
    ...more,
  });

async function* pieces(...parts: readonly (string | Buffer | readonly [string, number])[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (Array.isArray(part)) for (let time = 0; time < part[1]; time += 1) yield Buffer.from(part[0]);
    else yield Buffer.from(part as string);
  }
}

interface Went {
  readonly summary?: ImportSummary;
  readonly problem?: string;
  readonly bytesRead: number;
  /** The most that memory outside of the engine's young heap had grown by at any batch. */
  readonly grownMb: number;
}

async function imported(bytes: AsyncIterable<Buffer>, mapping = mappingOf({ type: "csv" })): Promise<Went> {
  let [bytesRead, most] = [0, 0];
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1e6;
  };
  const before = used();
  async function* counted() {
    for await (const piece of bytes) {
      bytesRead += piece.length;
      most = Math.max(most, used());
      yield piece;
    }
  }
  const sink = {
    send: async (facts: readonly unknown[]) => {
      most = Math.max(most, used());
      return { accepted: facts.length, duplicates: 0, rejected: [] };
    },
  };
  const went = await importFacts({ mapping, input: { name: "hostile", folder, bytes: counted() }, sink }).then(
    (summary) => ({ summary }),
    (error: Error) => ({ problem: error.message }),
  );
  return { ...went, bytesRead, grownMb: most - before };
}

describe("an import", () => {
  it("gives up a line of 100 MB after the first", async () => {
    const { problem, bytesRead, grownMb } = await imported(pieces(["x".repeat(65_536), 1600]));
    expect(problem).toContain("longer than");
    expect(bytesRead).toBeLessThan(2 * limits.importRowCharsMax);
    expect(grownMb).toBeLessThan(100);
    const ndjson = await imported(pieces(['{"a":"', 1], ["x".repeat(65_536), 1600]), mappingOf({ type: "ndjson" }));
    expect(ndjson.bytesRead).toBeLessThan(2 * limits.importRowCharsMax);
  });

  it("gives up a million columns, and reads a hundred thousand", async () => {
    const header = (count: number) => Array.from({ length: count }, (_, index) => index.toString(36)).join(",");
    expect((await imported(pieces(header(1_000_000)))).problem).toContain("longer than");
    const began = process.cpuUsage();
    const { summary } = await imported(pieces(header(100_000), "\n", `${"1,".repeat(99_999)}1\n`, "too,few\n"));
    expect(summary).toMatchObject({ rows: 2, accepted: 1, rejected: [{ reason: "unreadable-row" }] });
    expect(process.cpuUsage(began).user / 1000).toBeLessThan(5000);
  });

  it("unpacks a bomb as it goes, and holds none of it", async () => {
    const row = `${"x".repeat(1000)}\n`;
    const bomb = gzipSync(`a\n${row.repeat(60_000)}`);
    expect(bomb.length).toBeLessThan(1_000_000);
    const { summary, grownMb } = await imported(pieces(bomb));
    expect(summary).toMatchObject({ rows: 60_000, repeated: 59_999 });
    expect(grownMb).toBeLessThan(250);
    const zeros = await imported(pieces(gzipSync(Buffer.alloc(100_000_000))));
    expect(zeros.problem).toContain("longer than");
  });

  it("takes a row of any depth for what it is", async () => {
    const rows = [5, 5000, 200_000].map((depth) => `{"a":${nested(depth, depth > 100)}}\n`);
    const { summary } = await imported(pieces(...rows), mappingOf({ type: "ndjson" }));
    expect(summary).toMatchObject({ rows: 3, accepted: 3 });
  });

  it("refuses a lookup table that holds more than it can", async () => {
    writeFileSync(
      join(folder, "lookup.csv.gz"),
      gzipSync(`k,v\n${Array.from({ length: 105 }, (_, index) => `${index},${"v".repeat(1_000_000)}\n`).join("")}`),
    );
    const lookups = [{ file: "lookup.csv.gz", key: "k", by: "a", columns: { v: "v" } }];
    const { problem } = await imported(pieces("a\n1\n"), mappingOf({ type: "csv" }, { lookups }));
    expect(problem).toContain(`over ${limits.importLookupCharsMax} characters`);
  });

  it("holds as many rows of one item as it may, and takes no longer for many barcodes of one", async () => {
    const mapping = checkItemMapping({
      format: { type: "csv" },
      rules: [{ item: { sku: "one", name: "One", unit: "each", gtins: ["{a}"] } }],
    });
    const sent: { readonly gtins?: readonly string[] }[] = [];
    const sink = {
      send: async (items: readonly { readonly gtins?: readonly string[] }[]) => {
        sent.push(...items);
        return { accepted: items.length, unchanged: 0, rejected: [] };
      },
    };
    const numbers = Array.from({ length: 50_000 }, (_, index) => `${index}\n`).join("");
    const began = process.cpuUsage();
    await importItems({ mapping, input: { name: "items", folder, bytes: pieces(`a\n${numbers}`) }, sink });
    expect(process.cpuUsage(began).user / 1000).toBeLessThan(5000);
    expect(sent.map(({ gtins }) => gtins?.length)).toEqual([limits.itemGtinsMax + 1]);
    const { importItemRowsMax } = limits;
    Object.assign(limits, { importItemRowsMax: 200_000 });
    const tooMany = importItems({
      mapping,
      input: {
        name: "items",
        folder,
        bytes: pieces("a\n", ["1\n".repeat(50_000), limits.importItemRowsMax / 50_000 + 1]),
      },
      sink,
    });
    await expect(tooMany).rejects.toThrow("Split it by sku");
    Object.assign(limits, { importItemRowsMax });
  });
});
