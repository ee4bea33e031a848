import { join } from "node:path";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { type Contestant, contest, type Outcome, runHead, runRows, type Shape, syncNote } from "../harness/contest.ts";
import { inProcess } from "../harness/in-process.ts";
import type { Section, Target } from "../harness/report.ts";
import { severalProcesses } from "../harness/several.ts";
import { slowSync } from "../harness/slow-sync.ts";
import { type Databases, joining, withDatabases } from "./reserve.ts";

const method = `As in process, with Larder itself on the PostgreSQL that its peers use: by one process, and by two and four
that share the log. Several processes ask for one sku together in a hot run, and each for its own share of 10,000 in a
spread run.`;
const peer = "PostgreSQL, statement, pool of 64";

export const reservePostgres: Benchmark = {
  name: "postgres",
  title: "Reserving on PostgreSQL, by one and by several processes",
  secondsMax: 90,
  method,
  run: (settings) => withDatabases(settings, compare),
};

export const reservePostgresSlowDisk: Benchmark = {
  name: "slow-postgres",
  title: "Reserving on PostgreSQL with a slower disk",
  secondsMax: 90,
  method: `${method} Every sync of PostgreSQL takes 1 ms longer.`,
  async run(settings) {
    const env = slowSync(1000);
    if (env !== undefined) return await withDatabases(settings, compare, env);
    const note = "Linux and a C compiler are needed to slow syncs down; not measured.";
    settings.say(`!! ${note}`);
    return { tables: [], targets: [], notes: [note] };
  },
};

async function compare({ postgres, folder }: Databases, settings: Settings): Promise<Section> {
  const notes: string[] = [];
  const contestants: Contestant[] = [];
  if (postgres === undefined) return { tables: [], targets: targets(undefined) };
  const specOf = (database: string, process: number) =>
    ({ kind: "larder-postgres", database, folder: join(folder, `${database}-${process}`) }) as const;
  const enter = async (name: string, opening: Promise<Contestant>) =>
    void contestants.push(...(await joining(name, opening, settings, notes)));
  try {
    const callers = settings.isQuick ? [64] : [16, 64, 256];
    await enter(one, inProcess(one, specOf("one", 0), { callers, spreadSkus, database: postgres }, settings));
    const pool = { kind: "postgres", style: "statement", pool: 64 } as const;
    await enter(peer, inProcess(peer, pool, { callers: [64], spreadSkus, database: postgres }, settings));
    for (const count of settings.isQuick ? [2] : [2, 4]) {
      const name = `Larder on PostgreSQL, ${count} processes`;
      const specs = Array.from({ length: count }, (_, process) => specOf(`of-${count}`, process));
      const options = { callers: [64], spreadSkus, database: postgres };
      await enter(name, severalProcesses(name, specs, options, settings));
    }
    const outcome = await contest(contestants, settings);
    return {
      tables: [
        {
          title: "Reservations a second; callers are those of each process",
          head: runHead,
          rows: runRows(contestants, outcome),
        },
      ],
      targets: targets(outcome),
      notes: [syncNote(outcome), ...notes, ...outcome.failures],
      raw: Object.fromEntries(outcome.runs),
    };
  } finally {
    for (const contestant of contestants) await contestant.stop();
  }
}

const one = "Larder on PostgreSQL, 1 process";
const spreadSkus = 10_000;

function targets(outcome: Outcome | undefined): Target[] {
  const against = (shape: Shape, atLeast: number): Target => {
    const seen = outcome?.ratio([one, shape, 64], [peer, shape, 64]);
    const what = `Larder on PostgreSQL against PostgreSQL's one statement, 64, ${shape}`;
    return { what, atLeast, unit: "×", ...(seen === undefined ? { why: "the peer is missing" } : { seen }) };
  };
  return [against("hot", 12), against("spread", 3)];
}
