import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Settings } from "./benchmark.ts";
import type { Contestant, Run } from "./contest.ts";
import type { DatabaseServer } from "./databases.ts";
import { percentile, sorted } from "./stats.ts";
import { endedChildrenCpuMs, treeCpuMs } from "./usage.ts";

const keep =
  "INSERT INTO reservation (id, sku, quantity, expires_at) VALUES (gen_random_uuid()::text, :sku, 1, now() + interval '15 minutes')";
const scripts = {
  transaction: `BEGIN;\nUPDATE stock SET free = free - 1 WHERE sku = :sku AND free >= 1;\n${keep};\nCOMMIT;\n`,
  statement: `WITH taken AS (UPDATE stock SET free = free - 1 WHERE sku = :sku AND free >= 1 RETURNING sku)
    INSERT INTO reservation (id, sku, quantity, expires_at)
    SELECT gen_random_uuid()::text, sku, 1, now() + interval '15 minutes' FROM taken;\n`,
} as const;

/** PostgreSQL under its own load generator, in C, over the unix socket, with prepared statements: its best case. */
export function pgbench(
  style: keyof typeof scripts,
  callers: readonly number[],
  database: DatabaseServer,
  { loadMs }: Settings,
): Contestant {
  const folder = mkdtempSync(join(tmpdir(), "larder-pgbench-"));
  chmodSync(folder, 0o777);
  const stem = `pgbench-${style}`;
  const psql = (sql: string) => run("psql", ["-q", ...where(database), "-c", sql], folder, database);
  const stock = (names: string) =>
    psql(`INSERT INTO stock SELECT name, 1000000000 FROM (${names}) AS n (name) ON CONFLICT DO NOTHING`);
  return {
    name: `PostgreSQL, ${style}, by pgbench`,
    callers,
    async run(shape, count, round) {
      const hot = `${stem}-${count}-${round}`;
      await stock(shape === "hot" ? `SELECT '${hot}'` : `SELECT '${stem}-' || generate_series(0, 9999)`);
      const script = join(folder, "script.sql");
      // pgbench puts variables into prepared statements as texts, so the name of the sku is made by the server.
      const sku = shape === "hot" ? `'${hot}'` : `('${stem}-' || :number)`;
      writeFileSync(script, `\\set number random(0, 9999)\n${scripts[style].replaceAll(":sku", sku)}`);
      const now = () => ({
        client: endedChildrenCpuMs(),
        database: treeCpuMs(database.pid),
      });
      const before = now();
      const seconds = Math.max(1, Math.round(loadMs / 1000));
      const load = ["-M", "prepared", "-c", String(count), "-j", "1", "-T", String(seconds), "-l", "-f", script];
      await run("pgbench", ["-n", ...where(database), ...load], folder, database);
      return runOf(takeLog(folder), seconds, before, now());
    },
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

function where({ socket, port }: DatabaseServer): string[] {
  return ["-h", socket, "-p", String(port), "-U", "bench", "postgres"];
}

async function run(program: string, args: string[], cwd: string, { programs }: DatabaseServer): Promise<void> {
  await promisify(execFile)(join(programs, program), args, { cwd, timeout: 60_000 });
}

/** Milliseconds of each transaction, from the files that pgbench has left; they are removed. */
function takeLog(folder: string): Float64Array {
  const latencies: number[] = [];
  for (const name of readdirSync(folder).filter((file) => file.startsWith("pgbench_log"))) {
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      const microseconds = line.split(" ", 3)[2];
      if (microseconds !== undefined) latencies.push(Number(microseconds) / 1000);
    }
    rmSync(join(folder, name));
  }
  return sorted(latencies);
}

interface Usage {
  readonly client: number | undefined;
  readonly database: number | undefined;
}

function runOf(latencies: Float64Array, seconds: number, before: Usage, after: Usage): Run {
  const done = latencies.length;
  const each = (name: keyof Usage) => (((after[name] ?? 0) - (before[name] ?? 0)) * 1000) / done;
  const isKnown = before.database !== undefined;
  return {
    perSecond: done / seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    done,
    refused: 0,
    failed: 0,
    cpuUs: isKnown ? { client: each("client"), database: each("database") } : {},
  };
}
