/**
 * A server is killed (`kill -9`) under load, again and again, and each time what its clients were told is compared with
 * what the log says afterwards: nothing acknowledged is lost, nothing is oversold, nothing takes effect twice.
 *
 * `npm run crash:kill -- 2000` for a night; `kill.test.ts` does a few. Every other time, where there is a C compiler,
 * the power fails with the process: what was written and never synced is lost, sector by sector (disk-shim.c).
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { numbers, pause } from "../journeys/chance.ts";
import { larder } from "../journeys/larder.ts";
import { Server } from "../journeys/server.ts";
import { Book, expiryMsMax, type LogLine } from "./book.ts";
import { Client } from "./clients.ts";
import { Disk } from "./disk.ts";

const clients = 8;
/** Milliseconds of load before a kill, at most; on a machine so slow that little was answered by then, more. */
const loadMsMax = 300;
/** Answers before a kill, from none to this. */
const answersMax = 20;
const answersMsMax = 5000;
/** Milliseconds within which a server that was killed is promised to be ready again. */
export const readyMsMax = 2000;
/** Milliseconds that a sync takes longer, so that many a kill falls between a write and its sync. */
const syncMs = 4;

export interface KillReport {
  readonly findings: readonly string[];
  readonly operations: number;
  readonly answered: number;
  readonly refused: number;
  /** Sent, and never answered at all. */
  readonly unknown: number;
  readonly events: number;
  readonly powerFailures: number;
  /** Sectors that were written, not synced, and lost. */
  readonly sectorsLost: number;
  /** Milliseconds from starting the process to the first 200 of /readyz, ascending; the first start is not in. */
  readonly readyMs: readonly number[];
}

export async function killCycles(
  cycles: number,
  seed: number,
  say: (line: string) => void = () => undefined,
): Promise<KillReport> {
  const random = numbers(seed);
  const book = new Book();
  const launch = { env: {} };
  const server = new Server(launch);
  const disk = Disk.make(server.folder, server.data);
  Object.assign(launch.env, disk?.env);
  disk?.slowDown(syncMs);
  const readyMs: number[] = [];
  const lines: string[] = [];
  let [position, powerFailures, sectorsLost] = ["", 0, 0];
  try {
    const all = Array.from({ length: clients }, (_, index) => new Client(`c${index}`, server, book, seed + index));
    for (let cycle = 0; cycle < cycles && book.findings.length === 0; cycle += 1) {
      const took = await start(server);
      if (cycle > 0) readyMs.push(took);
      position = await readOn(server, book, position, lines);
      let isOver = false;
      const load = all.map((client) => client.run(() => isOver));
      await underLoad(all, random);
      const killed = server.end("SIGKILL");
      isOver = true;
      await Promise.all([killed, ...load]);
      if (disk !== undefined && random() < 0.5) {
        const keeps = Math.floor(random() * 3) / 2;
        sectorsLost += disk.losePower(() => random() < keeps);
        powerFailures += 1;
      }
      if (cycle % 50 === 49)
        say(`${cycle + 1} kills, ${book.entries.length} requests, ${book.findings.length} findings`);
    }
    readyMs.push(await start(server));
    await pause(expiryMsMax);
    await readOn(server, book, position, lines);
    book.compare(true);
    for (const sku of book.skus()) await compareStock(server, book, sku);
    await server.end("SIGTERM");
    book.findings.push(...(await compareFolder(server.data, lines)));
  } finally {
    await server.stop();
  }
  const { entries } = book;
  const answers = entries.flatMap(({ answer }) => answer ?? []);
  return {
    findings: book.findings,
    operations: entries.length,
    answered: answers.length,
    refused: answers.filter(({ status }) => status === 409).length,
    unknown: entries.length - answers.length,
    events: lines.length,
    powerFailures,
    sectorsLost,
    readyMs: readyMs.sort((a, b) => a - b),
  };
}

/** Waits for the moment of the next kill. */
async function underLoad(all: readonly Client[], random: () => number): Promise<void> {
  const answers = () => all.reduce((sum, client) => sum + client.answers, 0);
  const enough = answers() + Math.floor(random() * (answersMax + 1));
  const from = performance.now();
  await pause(20 + random() * loadMsMax);
  while (answers() < enough && performance.now() - from < answersMsMax) await pause(1);
}

async function start(server: Server): Promise<number> {
  const from = performance.now();
  await server.start();
  while ((await server.call("GET", "/readyz")).status !== 200) await pause(5);
  return performance.now() - from;
}

/** Reads what the log has come to hold, and compares what was answered until now with it. */
async function readOn(server: Server, book: Book, after: string, lines: string[]): Promise<string> {
  const news = await server.changes(after);
  for (const line of news) {
    lines.push(JSON.stringify(line));
    book.read(line as unknown as LogLine);
  }
  book.compare();
  return news.at(-1)?.position ?? after;
}

async function compareStock(server: Server, book: Book, sku: string): Promise<void> {
  const { onHand, reserved, committed } = book.stock(sku);
  const { body } = await server.call("GET", `/v1/availability?sku=${sku}`);
  const [item] = body.items;
  if (item.onHand !== onHand || item.available !== onHand - reserved - committed)
    book.findings.push(
      `availability of ${sku} is ${JSON.stringify(item)}, the log gives ${onHand - reserved - committed}`,
    );
}

/** What the folder holds at the end: all that was read on the way, and nothing that `verify` objects to. */
async function compareFolder(data: string, lines: readonly string[]): Promise<string[]> {
  const verified = await larder(["verify", "--data", data, "--json"]);
  const findings = verified.code === 0 ? [] : [`verify: ${verified.out}${verified.err}`];
  const out = join(data, "..", "export.ndjson");
  await larder(["export", "--data", data, "--out", out]);
  const exported = readFileSync(out, "utf8").split("\n");
  const at = lines.findIndex((line, index) => line !== exported[index]);
  if (at >= 0) findings.push(`what was read as event ${at + 1} (${lines[at]}) became ${exported[at]}`);
  return findings;
}

export function percentile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

export function describeKills(report: KillReport): string {
  const { readyMs } = report;
  const at = (share: number) => percentile(readyMs, share);
  return [
    `${report.operations} requests: ${report.answered} answered (${report.refused} refused), ${report.unknown} never; `,
    `${report.events} events; ${report.powerFailures} power failures lost ${report.sectorsLost} sectors; `,
    `ready again after ${at(0)}/${at(0.5)}/${at(0.9)}/${at(0.99)}/${at(1)} ms (min, p50, p90, p99, max)`,
  ].join("");
}

if (import.meta.main) {
  const [cycles = "2000", seed = String(Date.now() % 1e9), ...more] = process.argv.slice(2);
  if (!/^\d+$/.test(cycles) || !/^\d+$/.test(seed) || more.length > 0) {
    console.error("Give the number of kills and a seed, as in: npm run crash:kill -- 50 7");
    process.exit(2);
  }
  if (spawnSync("cc", ["--version"]).status !== 0) console.log("no C compiler: the power never fails here");
  const from = performance.now();
  const report = await killCycles(Number(cycles), Number(seed), console.log);
  console.log(
    `${cycles} kills, seed ${seed}, ${((performance.now() - from) / 1000).toFixed(0)} s: ${describeKills(report)}`,
  );
  for (const finding of report.findings) console.log(`  ${finding}`);
  const isReadySoon = percentile(report.readyMs, 0.5) <= readyMsMax;
  if (!isReadySoon) console.log(`  half of the starts took longer than ${readyMsMax} ms`);
  process.exitCode = report.findings.length === 0 && isReadySoon ? 0 : 1;
}
