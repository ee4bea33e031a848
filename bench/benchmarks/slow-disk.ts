import { join } from "node:path";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { type Contestant, contest, runHead, runRows } from "../harness/contest.ts";
import { inProcess } from "../harness/in-process.ts";
import type { Section } from "../harness/report.ts";
import { slowSync } from "../harness/slow-sync.ts";
import { type Databases, joining, withDatabases } from "./reserve.ts";

export const slowDisk: Benchmark = {
  name: "slow-disk",
  title: "Reserving on a slower disk",
  secondsMax: 45,
  method: `As in process, with 64 callers, and every sync made to take 1 ms longer for all of them, by a library that is
loaded before their own: what a network disk costs.`,
  async run(settings) {
    const env = slowSync(1000);
    if (env === undefined) {
      const note = "Linux and a C compiler are needed to slow syncs down; not measured.";
      settings.say(`!! ${note}`);
      return { tables: [], targets: [], notes: [note] };
    }
    return await withDatabases(settings, (databases) => compare(databases, settings, env), env);
  },
};

async function compare(
  { postgres, redis, folder }: Databases,
  settings: Settings,
  env: Readonly<Record<string, string>>,
): Promise<Section> {
  const notes: string[] = [];
  const contestants: Contestant[] = [];
  const open = async (name: string, ...[spec, extra]: [Parameters<typeof inProcess>[1], object?]) => {
    const options = { callers: [64], spreadSkus: 10_000, env, ...extra };
    contestants.push(...(await joining(name, inProcess(name, spec, options, settings), settings, notes)));
  };
  try {
    await open("Larder", { kind: "larder", folder: join(folder, "larder") }, { callers: [64, 256] });
    if (redis !== undefined) await open("Redis", { kind: "redis" }, { database: redis });
    if (postgres !== undefined) {
      for (const style of ["statement", "transaction"] as const) {
        const spec = { kind: "postgres", style, pool: 64 } as const;
        await open(`PostgreSQL, ${style}, pool of 64`, spec, { database: postgres });
      }
    }
    const outcome = await contest(contestants, settings);
    const peer = "PostgreSQL, statement, pool of 64";
    const seen = outcome.ratio(["Larder", "hot", 64], [peer, "hot", 64]);
    return {
      tables: [{ title: "Reservations a second, syncs + 1 ms", head: runHead, rows: runRows(contestants, outcome) }],
      targets: [
        {
          what: "syncs + 1 ms, hot, 64, against PostgreSQL's one statement",
          atLeast: 30,
          unit: "×",
          ...(seen === undefined ? { why: "the peer is missing" } : { seen }),
        },
      ],
      notes: [...notes, ...outcome.failures],
      raw: Object.fromEntries(outcome.runs),
    };
  } finally {
    for (const contestant of contestants) await contestant.stop();
  }
}
