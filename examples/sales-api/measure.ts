/**
 * How fast the sales API answers while Larder runs, stands still, is back, is dead, and is back again, round after round.
 * Starts all that it needs, on free ports and in a folder of its own: `npm run example:sales-api`, with the arrivals a second
 * (10,000), the seconds of each phase (5), and the rounds (3) behind it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Connection } from "../../bench/harness/connection.ts";
import { load } from "../../bench/harness/load.ts";
import { shortSpread, spread } from "../../bench/harness/stats.ts";
import { Larder } from "../../sdk/src/index.ts";
import { freePort } from "../../test/journeys/larder.ts";
import { location, skus } from "./till.ts";

const key = "the key of the sales API's measurement";
const connections = 64;

interface Measured {
  readonly checksPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that said they were stale, in per cent. */
  readonly stalePercent: number;
  readonly failed: number;
}

/** Runs the phases as often as told, and gives what was measured in each, by its name. */
async function measure(perSecond: number, seconds: number, rounds: number): Promise<Map<string, Measured[]>> {
  const folder = mkdtempSync(join(tmpdir(), "larder-sales-api-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment = { ...process.env, LARDER_URL: url, LARDER_KEY: key, LARDER_ADMIN_KEY: key, PORT: "0" };
  const children: ChildProcess[] = [];
  const run = (file: string, ...args: string[]) => {
    const script = fileURLToPath(new URL(file, import.meta.url));
    const flags = ["--disable-warning=ExperimentalWarning", script, ...args];
    const child = spawn(process.execPath, flags, { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    return child;
  };
  const startLarder = async () => {
    const child = run(
      "../../src/main.ts",
      "serve",
      "--json",
      "--port",
      String(port),
      "--data",
      join(folder, "data"),
      "--log-level",
      "warn",
    );
    await firstLine(child);
    return child;
  };
  try {
    let server = await startLarder();
    await new Larder({ url, key, source: "/docks/1" }).record(
      skus.map((sku) => ({
        id: sku,
        type: "larder.stock.received.v1" as const,
        data: { sku, location, quantity: 1000 },
      })),
    );
    run("till.ts");
    const api = await firstLine(run("server.ts"));
    const { hostname, port: apiPort } = new URL(api);
    const open = () => Connection.open(hostname, Number(apiPort));
    const pool = await Promise.all(Array.from({ length: connections }, open));

    const measured = new Map<string, Measured[]>();
    const phase = async (name: string) => {
      const before = measured.get(name) ?? [];
      measured.set(name, [...before, await measuredPhase(pool, perSecond, seconds)]);
    };
    await measuredPhase(pool, perSecond, seconds); // Code that runs for the first time is slow.
    for (let round = 0; round < rounds; round += 1) {
      await phase("Larder runs");
      server.kill("SIGSTOP");
      await phase("Larder stands still (SIGSTOP)");
      server.kill("SIGCONT");
      await phase("Larder goes on");
      const gone = once(server, "exit");
      server.kill("SIGKILL");
      await gone;
      await phase("Larder is dead (SIGKILL)");
      server = await startLarder();
      await phase("Larder was started again");
    }
    for (const connection of pool) connection.close();
    return measured;
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measuredPhase(pool: readonly Connection[], perSecond: number, seconds: number): Promise<Measured> {
  const idle = [...pool];
  let [checks, stale] = [0, 0];
  const check = async (turn: number) => {
    // In turn: one that is never used is closed by the other side after a while.
    const connection = idle.shift();
    if (connection === undefined) throw new Error("more checks at once than connections");
    const path = `/availability?sku=${skus[(turn * 31) % skus.length]}&location=${location}`;
    const { status, body } = await connection.ask(`GET ${path} HTTP/1.1\r\nHost: sales\r\n\r\n`);
    idle.push(connection);
    if (status !== 200) throw new Error(`answered ${status}`);
    checks += 1;
    if (body.includes('"stale":true')) stale += 1;
    return true;
  };
  const plan = { callers: pool.length, milliseconds: seconds * 1000, warmUpMs: 0, perSecond };
  const { done, failed, p50Ms, p99Ms } = await load(plan, check);
  return { checksPerSecond: done / seconds, p50Ms, p99Ms, stalePercent: (100 * stale) / Math.max(1, checks), failed };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("nothing to read from");
  const ended = once(child, "exit").then(([code]) =>
    Promise.reject(new Error(`${child.spawnargs.at(-1)} ended: ${code}`)),
  );
  const lines = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const [line] = await Promise.race([lines, ended]);
  return line;
}

if (import.meta.main) {
  const [perSecond = 10_000, seconds = 5, rounds = 3] = process.argv.slice(2).map(Number);
  const before = loadavg()[0] ?? 0;
  const measured = await measure(perSecond, seconds, rounds);
  const lines = [...measured].map(([phase, all]) => {
    const of = (figure: keyof Measured) => shortSpread(spread(all.map((one) => one[figure])));
    const failed = all.reduce((sum, one) => sum + one.failed, 0);
    return `| ${phase} | ${of("checksPerSecond")} | ${of("p50Ms")} | ${of("p99Ms")} | ${of("stalePercent")} | ${failed} |`;
  });
  process.stdout.write(
    `${cpus().length} cores, load average ${before.toFixed(1)} before. ${perSecond} arrivals/s over ${connections} connections, ${rounds} rounds of ${seconds} s a phase; median [least..most].

| | checks/s | p50, ms | p99, ms | stale, % | failed |
| --- | ---: | ---: | ---: | ---: | ---: |
${lines.join("\n")}
`,
  );
}
