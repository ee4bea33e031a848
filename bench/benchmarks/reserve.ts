import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContenderSpec } from "../contenders/contender.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { type Contestant, contest, type Outcome, runHead, runRows, type Shape, syncNote } from "../harness/contest.ts";
import { type DatabaseServer, startPostgres, startRedis } from "../harness/databases.ts";
import { type InProcessOptions, inProcess } from "../harness/in-process.ts";
import { pgbench } from "../harness/pgbench.ts";
import type { Bar, Chart, Section, Target } from "../harness/report.ts";
import { type Spread, spread } from "../harness/stats.ts";

/** Sets up in seconds, and a slow contender would need a minute for more. */
const fewSkus = 1000;
const manySkus = 10_000;

export const reserve: Benchmark = {
  name: "reserve",
  title: "Reserving, in process",
  secondsMax: 170,
  method: `Callers in one process, each waiting for its answer before it asks again, take one unit of one sku (hot) or of
10,000 in turn (spread; 1,000 for Medusa and Emmett, which take long to set up). Everyone answers once it is on disk.
Larder is called as a library on SQLite; PostgreSQL by \`pg\` with a pool as large as the callers are many, over a unix
socket, and by pgbench; Redis by a Lua script, with \`appendfsync always\`; Medusa's inventory module and Emmett by their
packages. Each contestant is a process of its own; they take turns, round after round, a quarter of each load being
warm-up. Ratios are taken within a round. The CPU of a contestant's process, callers and library or driver together, stands
under *server*.`,
  hasPeers: true,
  run: (settings) => withDatabases(settings, compare),
};

export interface Databases {
  readonly postgres: DatabaseServer | undefined;
  readonly redis: DatabaseServer | undefined;
  readonly folder: string;
}

/** Starts what databases there are, and says loudly which there are not. */
export async function withDatabases(
  settings: Settings,
  work: (databases: Databases, settings: Settings) => Promise<Section>,
  env: Readonly<Record<string, string>> = {},
): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-"));
  const started: DatabaseServer[] = [];
  const missing: string[] = [];
  const start = async (name: string, opened: Promise<DatabaseServer | undefined>) => {
    const server = await opened;
    if (server === undefined) {
      missing.push(`${name} is not installed here: its rows are missing.`);
      settings.say(`!! ${name} IS NOT INSTALLED: nothing is compared with it`);
    } else {
      started.push(server);
      settings.tookPart(name, server.version);
    }
    return server;
  };
  try {
    const postgres = await start("PostgreSQL", startPostgres(env));
    const redis = await start("Redis", startRedis(env));
    const section = await work({ postgres, redis, folder }, settings);
    return { ...section, notes: [...(section.notes ?? []), ...missing] };
  } finally {
    for (const server of started) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Opens a contestant; one that can't be is left out, and said so. */
export async function joining<T>(name: string, opening: Promise<T>, settings: Settings, notes: string[]): Promise<T[]> {
  try {
    return [await opening];
  } catch (error) {
    const why = String(error).split("\n")[0];
    notes.push(`${name} could not take part: ${why}`);
    settings.say(`!! ${name} COULD NOT TAKE PART: ${why}`);
    return [];
  }
}

async function compare({ postgres, redis, folder }: Databases, settings: Settings): Promise<Section> {
  const notes: string[] = [];
  const contestants: Contestant[] = [];
  const open = async (name: string, spec: ContenderSpec, options: Partial<InProcessOptions> = {}) => {
    const opening = inProcess(name, spec, { callers: all, spreadSkus: manySkus, ...options }, settings);
    contestants.push(...(await joining(name, opening, settings, notes)));
  };
  // A quick look opens half of them, and asks each once.
  const [all, pools] = settings.isQuick
    ? [[16], [16]]
    : [
        [16, 64],
        [16, 64],
      ];
  const most = settings.isQuick ? all : [...all, 256];
  const slow = { callers: [16], spreadSkus: settings.isQuick ? 20 : fewSkus };
  try {
    await open("Larder", { kind: "larder", folder: join(folder, "larder") }, { callers: most });
    if (redis !== undefined) await open("Redis", { kind: "redis" }, { callers: most, database: redis });
    if (postgres !== undefined) {
      for (const style of ["transaction", "statement"] as const) {
        for (const pool of pools) {
          const name = `PostgreSQL, ${style}, pool of ${pool}`;
          await open(name, { kind: "postgres", style, pool }, { callers: [pool], database: postgres });
        }
        contestants.push(pgbench(style, all, postgres, settings));
      }
      await open("Medusa", { kind: "medusa" }, { ...slow, database: postgres });
      await open("Emmett on PostgreSQL", { kind: "emmett-postgresql" }, { ...slow, database: postgres });
    }
    await open(
      "Emmett on SQLite",
      { kind: "emmett-sqlite", folder: join(folder, "emmett") },
      { ...slow, callers: [1] },
    );

    const outcome = await contest(contestants, settings);
    const oversold = await oversell(contestants, settings);
    return {
      tables: [
        { title: "Reservations a second", head: runHead, rows: runRows(contestants, outcome) },
        {
          title: "50 units, 16 callers with 10 attempts each",
          head: ["who", "accepted", "oversold"],
          rows: oversold.map(([name, accepted]) => [name, String(accepted), String(accepted - 50)]),
        },
      ],
      targets: targets(outcome, oversold),
      notes: [syncNote(outcome), ...notes, ...outcome.failures],
      chart: chartOf("Reservations a second in process, 16 callers", contestants, outcome, 16),
      raw: Object.fromEntries(outcome.runs),
    };
  } finally {
    for (const contestant of contestants) await contestant.stop();
  }
}

/** How many of 160 attempts at 50 units each contestant lets through; pgbench has no say in it, nor who takes one caller only. */
async function oversell(contestants: readonly Contestant[], settings: Settings): Promise<[string, number][]> {
  const counts: [string, number][] = [];
  for (const contestant of contestants) {
    if (!("child" in contestant) || !contestant.callers.some((count) => count >= 16)) continue;
    const { name, child } = contestant as Contestant & { child: { call(method: string, of: object): Promise<number> } };
    try {
      counts.push([name, await child.call("oversell", { sku: `${name}-scarce` })]);
    } catch (error) {
      settings.say(`${name} did not get through the scarce stock: ${String(error).split("\n")[0]}`);
    }
  }
  return counts;
}

function targets(outcome: Outcome, oversold: readonly (readonly [string, number])[]): Target[] {
  const ratio = (what: string, atLeast: number, shape: Shape, callers: number, peer: string): Target => {
    const seen = outcome.ratio(["Larder", shape, callers], [peer, shape, callers]);
    return { what, atLeast, unit: "×", ...(seen === undefined ? { why: "the peer is missing" } : { seen }) };
  };
  const hotAgainstSpread = (callers: number): Target => {
    const seen = outcome.ratio(["Larder", "hot", callers], ["Larder", "spread", callers]);
    return { what: `hot against spread, ${callers} callers`, atLeast: 0.8, unit: "×", ...(seen && { seen }) };
  };
  const ours = oversold.find(([name]) => name === "Larder")?.[1];
  return [
    ratio("hot, 16, against PostgreSQL's transaction", 25, "hot", 16, "PostgreSQL, transaction, pool of 16"),
    ratio("hot, 16, against PostgreSQL's one statement", 15, "hot", 16, "PostgreSQL, statement, pool of 16"),
    ratio("spread, 16, against PostgreSQL's one statement", 5, "spread", 16, "PostgreSQL, statement, pool of 16"),
    ratio("hot, 16, against Redis", 1.5, "hot", 16, "Redis"),
    ratio("hot, 256, against Redis", 1.5, "hot", 256, "Redis"),
    hotAgainstSpread(16),
    hotAgainstSpread(64),
    hotAgainstSpread(256),
    {
      what: "units oversold of 50",
      atMost: 0,
      unit: "",
      ...(ours === undefined ? { why: "not measured" } : { seen: spread([ours - 50]) }),
    },
  ];
}

/** Hot and spread side by side, for one number of callers. */
export function chartOf(title: string, contestants: readonly Contestant[], outcome: Outcome, callers: number): Chart {
  const groups = (["hot", "spread"] as const).map((shape) => ({
    label: shape === "hot" ? "one hot sku" : "spread over many",
    bars: contestants.flatMap(({ name, callers: counts }): Bar[] => {
      // Those that take fewer at once are shown with what they take.
      const count = Math.max(...counts.filter((each) => each <= callers));
      const runs = outcome.of(name, shape, count);
      if (runs.length === 0) return [];
      const value: Spread = spread(runs.map(({ perSecond }) => perSecond));
      const label = count === callers ? name : `${name} (${count} at once)`;
      return [{ label, value, isOurs: name.startsWith("Larder") }];
    }),
  }));
  return { title, unit: "reservations/s", groups };
}
