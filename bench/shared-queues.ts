/**
 * Figures of the queues on PostgreSQL, by one process and by two, beside those in SQLite: messages sent, and received and
 * acknowledged, a second. `node bin/larder.js --tool bench/shared-queues.ts` takes about two minutes; the engines take
 * turns, and the median of the rounds is told.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "./harness/child.ts";
import { startPostgres } from "./harness/databases.ts";
import { treeCpuMs } from "./harness/usage.ts";
import type { QueueUsage, QueueWork } from "./processes/queue.ts";

const rounds = Number(process.argv[2] ?? 5);
const count = 20_000;

interface Case {
  readonly title: string;
  readonly act: "send" | "handle";
  readonly work: Pick<QueueWork, "batch" | "callers">;
}
const cases: readonly Case[] = [
  { title: "sent, 100 at a time", act: "send", work: { batch: 100, callers: 1 } },
  { title: "received and acknowledged, 100 at a time", act: "handle", work: { batch: 100, callers: 1 } },
  { title: "sent, one at a time by 64 callers", act: "send", work: { batch: 1, callers: 64 } },
  { title: "received and acknowledged, 10 at a time by 16 callers", act: "handle", work: { batch: 10, callers: 16 } },
];

const home = mkdtempSync(join(tmpdir(), "larder-bench-queues-"));
const server = await startPostgres();
if (server === undefined) throw new Error("there is no PostgreSQL here");
const url = `postgres://bench@127.0.0.1:${server.port}/postgres`;

const contenders: { readonly name: string; readonly processes: readonly Child[]; readonly server: number }[] = [];
async function contender(name: string, processes: number, options: object, server: number): Promise<void> {
  const children = Array.from({ length: processes }, () => new Child("queue.ts"));
  for (const child of children) await child.call("open", options);
  contenders.push({ name, processes: children, server });
}

/** Messages a second, and microseconds of CPU for one: of our processes, and of the server. */
interface Figure {
  readonly rate: number;
  readonly ours: number;
  readonly servers: number;
}
const figures = new Map<string, Figure[]>();

try {
  await contender("SQLite, one process", 1, { folder: join(home, "data") }, 0);
  await contender("PostgreSQL, one process", 1, { url }, server.pid);
  await contender("PostgreSQL, two processes", 2, { url }, server.pid);
  for (let round = 0; round <= rounds; round += 1) {
    for (const { name, processes, server } of contenders) {
      const queue = `${name} ${round}`;
      await processes[0]?.call("declare", { queue });
      for (const { title, act, work } of cases) {
        const share = count / processes.length;
        const [from, cpu] = [performance.now(), treeCpuMs(server) ?? 0];
        const usages = await Promise.all(
          processes.map((child, index) =>
            child.call<QueueUsage>(act, { ...work, queue, name: `${title} ${index}`, count: share }),
          ),
        );
        const figure = {
          rate: (count / (performance.now() - from)) * 1000,
          ours: (usages.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / count) * 1000,
          servers: (((treeCpuMs(server) ?? 0) - cpu) / count) * 1000,
        };
        // The first round only warms up.
        if (round > 0) figures.set(`${title}|${name}`, [...(figures.get(`${title}|${name}`) ?? []), figure]);
      }
    }
  }
  for (const { title } of cases) {
    console.log(title);
    for (const { name } of contenders) {
      const all = figures.get(`${title}|${name}`) ?? [];
      const of = (key: keyof Figure) => median(all.map((figure) => figure[key]));
      const spread = all.map(({ rate }) => Math.round(rate)).sort((a, b) => a - b);
      console.log(
        `  ${name}: ${Math.round(of("rate")).toLocaleString("en")}/s [${spread[0]}..${spread.at(-1)}], ` +
          `CPU ${of("ours").toFixed(1)} µs ours, ${of("servers").toFixed(1)} µs the server's`,
      );
    }
  }
} finally {
  for (const { processes } of contenders) for (const child of processes) await child.stop();
  await server.stop();
  rmSync(home, { recursive: true });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
