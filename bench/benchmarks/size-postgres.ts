import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Postgres } from "../../src/platform/postgres/index.ts";
import type { AppendUnit } from "../../src/platform/storage/index.ts";
import { openPostgresStorage } from "../../src/platform/storage/postgres/index.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { startPostgres } from "../harness/databases.ts";
import type { Section } from "../harness/report.ts";
import { percentile, short, sorted } from "../harness/stats.ts";

export const sizePostgres: Benchmark = {
  name: "size-postgres",
  title: "A long log on PostgreSQL",
  secondsMax: 120,
  isExtra: true,
  method: `The PostgreSQL engine below everything else: 10^6 facts (10^7 with \`--large\`) of one event each over 10,000 stocks, each with an
id that is remembered for ever, a thousand an append as an import makes them. What the tables and their indexes have grown to
after it, and how long appends and looks take on top of them.`,
  run,
};

const stocks = 10_000;
const unitsEach = 1000;

async function run(settings: Settings): Promise<Section> {
  const server = await startPostgres();
  if (server === undefined) {
    settings.say("!! PostgreSQL IS NOT INSTALLED: nothing is measured");
    return { tables: [], targets: [], notes: ["PostgreSQL is not installed here: not measured."] };
  }
  settings.tookPart("PostgreSQL", server.version);
  const folder = mkdtempSync(join(tmpdir(), "larder-size-"));
  const url = `postgres://bench@127.0.0.1:${server.port}/postgres`;
  const postgres = new Postgres({ url, name: "larder-bench" });
  try {
    const total = settings.isQuick ? 20_000 : settings.isLarge ? 10_000_000 : 1_000_000;
    const storage = await openPostgresStorage({ url, folder });
    const versions = new Int32Array(stocks);
    let taken: number[] = [];
    const appendMany = async (from: number, upto: number) => {
      taken = [];
      const began = performance.now();
      for (let at = from; at < upto; at += unitsEach) {
        const sent = performance.now();
        const units = Array.from({ length: unitsEach }, (_unit, index) => receipt(at + index, versions));
        const outcomes = await storage.append(units);
        if (outcomes.some(({ ok }) => !ok)) throw new Error("an append was refused");
        taken.push(performance.now() - sent);
        if ((at + unitsEach) % 1_000_000 === 0) settings.say(`${((at + unitsEach) / 1e6).toFixed(0)} million`);
      }
      return ((upto - from) * 1000) / (performance.now() - began);
    };
    const rows: string[][] = [];
    const first = Math.min(total, 100_000);
    rows.push(["facts a second, the first 100,000", short(await appendMany(0, first))]);
    if (total > first) await appendMany(first, total);
    rows.push(["facts a second, on top of them all", short(await appendMany(total, total + first))]);
    const ordered = sorted(taken);
    rows.push([
      "an append of 1,000, on top of them all: p50, p99, ms",
      [0.5, 0.99].map((share) => short(percentile(ordered, share))).join(", "),
    ]);
    const looks = Array.from({ length: 1000 }, (_look, index) => claimOf(index * 97));
    const looked = performance.now();
    const found = await storage.findClaims(looks);
    if (found.includes(undefined)) throw new Error("an id was forgotten");
    rows.push(["1,000 known ids looked up, ms", short(performance.now() - looked)]);
    await storage.close();
    const again = performance.now();
    const opened = await openPostgresStorage({ url, folder });
    rows.push(["opened again, ms", short(performance.now() - again)]);
    await opened.close();
    return {
      tables: [
        { title: `${total.toLocaleString("en")} facts`, head: ["what", "figure"], rows },
        {
          title: "Bytes a fact",
          head: ["table", "rows", "indexes", "together"],
          rows: await sizes(postgres, total + first),
        },
      ],
      targets: [],
    };
  } finally {
    await postgres.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What each table takes for one fact. */
async function sizes(postgres: Postgres, facts: number): Promise<string[][]> {
  const found = await postgres.query<{ name: string; table: string; indexes: string }>(
    `SELECT CASE WHEN relname LIKE 'log_0%' THEN 'log' ELSE relname END AS name,
       sum(pg_table_size(c.oid))::text AS table, sum(pg_indexes_size(c.oid))::text AS indexes
     FROM pg_class c WHERE relnamespace = 'larder'::regnamespace AND relkind = 'r' GROUP BY 1 ORDER BY 2 DESC`,
  );
  const each = (bytes: number) => short(bytes / facts);
  const parts = found
    .map(({ name, table, indexes }) => ({ name, table: Number(table), indexes: Number(indexes) }))
    .filter(({ table, indexes }) => (table + indexes) / facts >= 0.5);
  const all = [...parts, { name: "all", ...totals(parts) }];
  return all.map(({ name, table, indexes }) => [name, each(table), each(indexes), each(table + indexes)]);
}

function totals(parts: readonly { readonly table: number; readonly indexes: number }[]) {
  const sum = (of: (part: { table: number; indexes: number }) => number) =>
    parts.reduce((all, part) => all + of(part), 0);
  return { table: sum(({ table }) => table), indexes: sum(({ indexes }) => indexes) };
}

function receipt(number: number, versions: Int32Array): AppendUnit {
  const place = (number * 7919) % stocks;
  const stream = `stock-store 1-sku ${place}`;
  const version = versions[place] ?? 0;
  versions[place] = version + 1;
  const key = claimOf(number);
  return {
    meta: { command: `c-${number}`, recordedAt: 1_763_719_200_000 + number, actor: "key-1" },
    expected: [{ stream, version }],
    claims: [{ key, print: key.slice(0, 16) }],
    events: [
      {
        stream,
        type: "StockSold",
        schema: 1,
        data: {
          quantity: 1,
          occurredAt: 1_763_719_200_000 + number,
          source: "till 4",
          id: `receipt ${number}`,
          delta: -1,
        },
      },
    ],
  };
}

function claimOf(number: number): string {
  return createHash("sha256").update(`receipt ${number}`).digest("hex").slice(0, 32);
}
