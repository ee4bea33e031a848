import { writers } from "../contenders/log-writers.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { Child } from "../harness/child.ts";
import type { Section } from "../harness/report.ts";
import { slowSync } from "../harness/slow-sync.ts";
import { median, short } from "../harness/stats.ts";
import type { Writing } from "../processes/writer.ts";

export const syncWriters: Benchmark = {
  name: "sync-writers",
  title: "Where the disk syncs",
  secondsMax: 300,
  isExtra: true,
  method: `Callers in a loop, each waiting for its own event to be durable, over three ways to write a log and Larder's
engine, with syncs that take 0, 0.1, 1 and 10 ms longer than this disk's; and how long the event loop stood still
meanwhile. Each run is a process of its own; those of one row take turns. What was decided on it:
[ADR 3](adr/0003-where-the-disk-syncs.md).`,
  run,
};

async function run({ rounds, isQuick, isLate, say }: Settings): Promise<Section> {
  const canSlow = slowSync(0) !== undefined;
  const delays = !canSlow || isQuick ? [0] : [0, 100, 1000, 10_000];
  const rows: string[][] = [];
  for (const delayUs of delays) {
    const env = delayUs === 0 ? {} : (slowSync(delayUs) ?? {});
    for (const callers of [64, 256]) {
      const taken = new Map<string, Writing[]>(Object.keys(writers).map((writer) => [writer, []]));
      for (let round = 0; round < rounds && !(round > 0 && isLate()); round += 1) {
        for (const [writer, figures] of taken) figures.push(await measure(writer, callers, isQuick ? 300 : 1000, env));
      }
      for (const [writer, figures] of taken) {
        const middle = (name: keyof Writing) => short(median(figures.map((one) => one[name])));
        const columns = ["perSecond", "p50Ms", "p99Ms", "loopP99Ms", "loopMaxMs"] as const;
        rows.push([writer, String(delayUs / 1000), String(callers), ...columns.map(middle)]);
      }
      say(`+ ${delayUs / 1000} ms, ${callers} callers: done`);
    }
  }
  const head = ["writer", "sync + ms", "callers", "events/s", "p50 ms", "p99 ms", "loop p99 ms", "loop max ms"];
  const notes = canSlow ? [] : ["No C compiler, or not Linux: only this disk's own syncs were measured."];
  return { tables: [{ title: "Durable events a second", head, rows }], targets: [], notes };
}

/** In a process of its own, so that nothing is warm and its syncs are slowed from the start. */
async function measure(
  writer: string,
  callers: number,
  milliseconds: number,
  env: Readonly<Record<string, string>>,
): Promise<Writing> {
  const child = new Child("writer.ts", env);
  try {
    return await child.call<Writing>("write", { writer, callers, milliseconds });
  } finally {
    await child.stop();
  }
}
