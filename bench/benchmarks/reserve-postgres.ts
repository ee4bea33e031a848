import { join } from "node:path";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { type Contestant, contest, type Outcome, runHead, runRows, type Shape, syncNote } from "../harness/contest.ts";
import { inProcess } from "../harness/in-process.ts";
import type { Section, Target } from "../harness/report.ts";
import { slowSync } from "../harness/slow-sync.ts";
import { type Databases, joining, withDatabases } from "./reserve.ts";

const method = `As in process, with Larder itself on the PostgreSQL that its peers use, by one process.`;
const peer = "PostgreSQL, statement, pool of 64";
/** The usual conditional update and insert, which hold the row while the client is asked on. */
const locking = "PostgreSQL, transaction, pool of 64";

export const reservePostgres: Benchmark = {
  name: "postgres",
  title: "Reserving on PostgreSQL",
  secondsMax: 90,
  method,
  run: (settings) => withDatabases(settings, (databases) => compare(databases, settings, "")),
};

export const reservePostgresSlowDisk: Benchmark = {
  name: "slow-postgres",
  title: "Reserving on PostgreSQL with a slower disk",
  secondsMax: 90,
  method: `${method} Every sync of PostgreSQL takes 1 ms longer.`,
  async run(settings) {
    const env = slowSync(1000);
    if (env !== undefined)
      return await withDatabases(settings, (databases) => compare(databases, settings, "syncs + 1 ms, "), env);
    const note = "Linux and a C compiler are needed to slow syncs down; not measured.";
    settings.say(`!! ${note}`);
    return { tables: [], targets: [], notes: [note] };
  },
};

async function compare({ postgres, folder }: Databases, settings: Settings, when: string): Promise<Section> {
  const notes: string[] = [];
  const contestants: Contestant[] = [];
  if (postgres === undefined) return { tables: [], targets: targets(undefined, when) };
  const spec = { kind: "larder-postgres", database: "one", folder: join(folder, "one") } as const;
  const enter = async (name: string, opening: Promise<Contestant>) =>
    void contestants.push(...(await joining(name, opening, settings, notes)));
  try {
    const callers = settings.isQuick ? [64] : [16, 64, 256];
    await enter(one, inProcess(one, spec, { callers, spreadSkus, database: postgres }, settings));
    const pool = { kind: "postgres", style: "statement", pool: 64 } as const;
    await enter(peer, inProcess(peer, pool, { callers: [64], spreadSkus, database: postgres }, settings));
    const rowLock = { kind: "postgres", style: "transaction", pool: 64 } as const;
    const shapes = { callers: [64], spreadSkus, database: postgres };
    await enter(locking, inProcess(locking, rowLock, shapes, settings));
    const outcome = await contest(contestants, settings);
    return {
      tables: [
        {
          title: "Reservations a second",
          head: runHead,
          rows: runRows(contestants, outcome),
        },
      ],
      targets: targets(outcome, when),
      notes: [syncNote(outcome), ...notes, ...outcome.failures],
      raw: Object.fromEntries(outcome.runs),
    };
  } finally {
    for (const contestant of contestants) await contestant.stop();
  }
}

const one = "Larder on PostgreSQL";
const spreadSkus = 10_000;

function targets(outcome: Outcome | undefined, when: string): Target[] {
  const against = (other: string, called: string, shape: Shape, atLeast: number): Target => {
    const seen = outcome?.ratio([one, shape, 64], [other, shape, 64]);
    const what = `${when}Larder on PostgreSQL against PostgreSQL's ${called}, 64, ${shape}`;
    return { what, atLeast, unit: "×", ...(seen === undefined ? { why: "the peer is missing" } : { seen }) };
  };
  return [
    against(peer, "one statement", "hot", 12),
    against(peer, "one statement", "spread", 3),
    ...(when === "" ? [] : [against(locking, "transaction", "hot", 30)]),
  ];
}
