import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { Child } from "../harness/child.ts";
import type { Loaded } from "../harness/load.ts";
import { hasWrk, loadOverHttp, serveLarder } from "../harness/over-http.ts";
import type { Table, Target } from "../harness/report.ts";
import { type Spread, short, shortSpread, spread } from "../harness/stats.ts";
import type { Recording } from "../processes/inventory.ts";

export const growth: Benchmark = {
  name: "growth",
  title: "What growth costs",
  secondsMax: 120,
  method: `Reservations in process by 64 callers: on one sku whose history has 10, 1,000 and 100,000 events, in rounds that
take turns; on 10^3 to 10^6 skus in turn, with the memory of the process after a collection; and over HTTP with 16 to
1,000 connections. Facts in process, of 3,000 skus in turn where 500 states fit into memory, so that each state is read from
disk, while their histories grow.`,
  async run(settings) {
    const history = await byHistory(settings);
    const seldom = await bySeldom(settings);
    const connections = await byConnections(settings);
    const skus = await bySkus(settings); // last, as it takes the longest: what does not fit the time is left out
    return {
      tables: [history.table, seldom.table, skus.table, ...connections],
      targets: [...history.targets, ...seldom.targets, ...skus.targets],
    };
  },
};

type Reserved = Loaded & { readonly cpuUs: number };

async function withInventory<T>(work: (child: Child) => Promise<T>, options: { cachedStatesMax?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "larder-growth-"));
  const child = new Child("inventory.ts", {}, ["--expose-gc"]);
  try {
    await child.call("open", { folder, ...options });
    return await work(child);
  } finally {
    await child.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function byHistory({ isQuick, rounds, loadMs, say }: Settings): Promise<{ table: Table; targets: Target[] }> {
  const lengths = isQuick ? [10, 1000] : [10, 1000, 100_000];
  return await withInventory(async (child) => {
    for (const length of lengths) {
      const recording: Recording = { from: length * 10, count: length, skus: 1, sku: `history-${length}` };
      await child.call("record", recording);
    }
    await child.call("record", { from: 1, count: 1, skus: 1, sku: "warm" } satisfies Recording);
    const warm = { callers: 64, milliseconds: loadMs, warmUpMs: 0, sku: "warm", skus: 1, prefix: "warm" };
    await child.call("reserve", warm);
    const runs = new Map<number, Reserved[]>(lengths.map((length) => [length, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [length, taken] of runs) {
        const sku = `history-${length}`;
        const load = { callers: 64, milliseconds: loadMs / 2, warmUpMs: loadMs / 4, sku, skus: 1 };
        taken.push(await child.call<Reserved>("reserve", { ...load, prefix: `${sku}-${round}` }));
      }
    }
    const rows = [...runs].map(([length, taken]) => [
      length.toLocaleString("en"),
      shortSpread(spread(taken.map(({ done, seconds }) => done / seconds))),
      shortSpread(spread(taken.map(({ cpuUs }) => cpuUs))),
      short(spread(taken.map(({ p99Ms }) => p99Ms)).median),
    ]);
    for (const row of rows) say(`history of ${row[0]}: ${row[1]}/s, ${row[2]} µs`);
    const [short_ = [], long = []] = [runs.get(lengths[0] ?? 0), runs.get(lengths.at(-1) ?? 0)];
    const longest = (lengths.at(-1) ?? 0).toLocaleString("en");
    const seen: Spread = spread(long.map(({ cpuUs }, round) => cpuUs / (short_[round]?.cpuUs ?? Number.NaN)));
    return {
      table: {
        title: "As the history of a sku grows",
        head: ["events before", "reservations a second", "CPU µs each", "p99 ms"],
        rows,
      },
      targets: [{ what: `CPU of a reservation, history of ${longest} against 10`, atMost: 1.2, unit: "×", seen }],
    };
  });
}

/** Facts of stocks that are never in memory when they come. */
async function bySeldom({ isQuick, say }: Settings): Promise<{ table: Table; targets: Target[] }> {
  const skus = 3000;
  const lengths = isQuick ? [5, 20] : [10, 30, 100];
  const measured = 3; // events of each sku
  return await withInventory(
    async (child) => {
      const rows: string[][] = [];
      const costs: number[] = [];
      let from = 0;
      const record = async (count: number) => {
        const recording: Recording = { from, count, skus, sku: "seldom-" };
        from += count;
        return await child.call<{ milliseconds: number; cpuMs: number }>("record", recording, 120_000);
      };
      for (const length of lengths) {
        await record(length * skus - from);
        const { milliseconds, cpuMs } = await record(measured * skus);
        costs.push((cpuMs * 1000) / (measured * skus));
        rows.push([
          length.toLocaleString("en"),
          ...[(measured * skus) / (milliseconds / 1000), costs.at(-1) ?? 0].map(short),
        ]);
        say(`history of ${rows.at(-1)?.[0]}, seldom in memory: ${rows.at(-1)?.[1]}/s, ${rows.at(-1)?.[2]} µs`);
      }
      const what = `CPU of a fact of a stock not in memory, history of ${lengths.at(-1)} against ${lengths[0]}`;
      const ratio = (costs.at(-1) ?? Number.NaN) / (costs[0] ?? Number.NaN);
      return {
        table: {
          title: "As the histories of stocks grow that are not in memory",
          head: ["events before", "facts a second", "CPU µs each"],
          rows,
        },
        targets: [{ what, atMost: 1.2, unit: "×", seen: spread([ratio]) }],
      };
    },
    // A request of 1,000 facts has all its states in memory, and those of the one before it.
    { cachedStatesMax: 500 },
  );
}

async function bySkus(settings: Settings): Promise<{ table: Table; targets: Target[] }> {
  const { isQuick, isLarge, isLate, loadMs, say } = settings;
  const sizes = isQuick ? [1000, 10_000] : [1000, 10_000, 100_000, 1_000_000];
  return await withInventory(async (child) => {
    const rows: string[][] = [];
    let seen: Spread | undefined;
    let made = 0;
    for (const size of sizes) {
      if (isLate() && !isLarge) break;
      const recording: Recording = { from: made, count: size - made, skus: size, sku: "sku-" };
      await child.call("record", recording, 400_000);
      made = size;
      const load = { callers: 64, milliseconds: loadMs, warmUpMs: loadMs / 3, sku: "sku-", skus: size };
      const taken = await child.call<Reserved>("reserve", { ...load, prefix: `size-${size}` });
      const bytes = await child.call<number>("memory");
      rows.push([
        size.toLocaleString("en"),
        short(taken.done / taken.seconds),
        short(taken.cpuUs),
        short(taken.p99Ms),
        short(bytes / 1e6),
      ]);
      say(`${rows.at(-1)?.join(", ")} MB`);
      if (size === 1_000_000) seen = spread([bytes / 1e6]);
    }
    const head = ["skus", "reservations a second", "CPU µs each", "p99 ms", "resident MB"];
    const figure = seen === undefined ? { why: "left out" } : { seen };
    const targets = [{ what: "memory with a million skus", atMost: 2000, unit: "MB", ...figure }];
    return { table: { title: "As skus grow", head, rows }, targets };
  });
}

async function byConnections({ isQuick, loadMs, say }: Settings): Promise<Table[]> {
  if (!hasWrk) return [];
  const counts = isQuick ? [16, 256] : [16, 64, 256, 1000];
  const server = await serveLarder({});
  try {
    await server.prepare(Array.from({ length: 10_000 }, (_, index) => `wide-${index}`));
    const what = { kind: "reserve", sku: "wide-", skus: 10_000, milliseconds: loadMs + 500 } as const;
    await loadOverHttp(server, { ...what, connections: 64, prefix: "warm" });
    const rows: string[][] = [];
    for (const connections of counts) {
      const run = await loadOverHttp(server, { ...what, connections, prefix: `wide-${connections}` });
      const cells = [run.perSecond, run.p50Ms, run.p99Ms, run.cpuUs.server ?? Number.NaN, run.failed];
      rows.push([connections.toLocaleString("en"), ...cells.map(short)]);
      say(`${connections} connections: ${short(run.perSecond)}/s`);
    }
    const head = ["connections", "reservations a second", "p50 ms", "p99 ms", "server CPU µs", "failed"];
    return [{ title: "As connections grow", head, rows }];
  } finally {
    await server.stop();
  }
}
