import { join } from "node:path";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { type Contestant, contest, type Outcome, runHead, runRows, type Shape, syncNote } from "../harness/contest.ts";
import type { Section, Target } from "../harness/report.ts";
import { Several } from "../harness/several.ts";
import { type Databases, withDatabases } from "./reserve.ts";

export const severalPostgres: Benchmark = {
  name: "several",
  title: "Several processes on one PostgreSQL",
  secondsMax: 150,
  method: `One, two and four processes of Larder that share one log, each with 64 callers, all at the same time. Hot: all of
them ask for one sku, or each for one of its own, which is where no process ever meets another: the most that sub-quotas of one
sku could bring. Spread: each asks for its own share of 10,000 skus, as where requests are routed by sku; of that, 10 and 50 % of the calls
are carts of three skus, two of which are any of all processes'.`,
  run: (settings) => withDatabases(settings, compare),
};

interface Named {
  readonly name: string;
  readonly shape: Shape;
  /** The skus of one process out of so many, in one round. */
  readonly skusOf: (process: number, processes: number, round: number) => readonly string[];
  readonly cartShare?: number;
}

const callers = 64;
const spreadSkus = 10_000;
const shareOf = (process: number, processes: number) =>
  Array.from({ length: spreadSkus / processes }, (_sku, index) => `${process}-of-${processes}-${index}`);

const together = "one sku together";
const apart = "one sku each";
const spreadOnly = "own skus";
const workloads: readonly Named[] = [
  { name: together, shape: "hot", skusOf: (_process, processes, round) => [`hot-${processes}-${round}`] },
  { name: apart, shape: "hot", skusOf: (process, processes, round) => [`own-${process}-of-${processes}-${round}`] },
  { name: spreadOnly, shape: "spread", skusOf: shareOf },
  { name: "10 % carts", shape: "spread", skusOf: shareOf, cartShare: 0.1 },
  { name: "50 % carts", shape: "spread", skusOf: shareOf, cartShare: 0.5 },
];
const counts = [1, 2, 4];

async function compare({ postgres, folder }: Databases, settings: Settings): Promise<Section> {
  if (postgres === undefined) return { tables: [], targets: targets(undefined) };
  const contestants: Contestant[] = [];
  const opened: Several[] = [];
  try {
    for (const count of settings.isQuick ? [2] : counts) {
      const database = `of-${count}`;
      const specs = Array.from(
        { length: count },
        (_spec, process) =>
          ({ kind: "larder-postgres", database, folder: join(folder, `${database}-${process}`) }) as const,
      );
      const several = await Several.open(specs, postgres);
      opened.push(several);
      for (const { name, shape, skusOf, cartShare = 0 } of workloads) {
        contestants.push({
          name: nameOf(count, name),
          callers: [callers],
          shapes: [shape],
          run: (_shape, _callers, round) => {
            const workload = { callers, skusOf: (process: number) => skusOf(process, count, round), cartShare };
            return several.run(workload, `${count}-${name.replace(/\W+/g, "-")}-${round}`, settings);
          },
          stop: async () => undefined,
        });
      }
    }
    const outcome = await contest(contestants, settings);
    return {
      tables: [
        {
          title: "Reservations a second, all processes together; callers are those of each",
          head: runHead,
          rows: runRows(contestants, outcome),
        },
      ],
      targets: targets(outcome),
      notes: [syncNote(outcome), ...outcome.failures],
      raw: Object.fromEntries(outcome.runs),
    };
  } finally {
    for (const several of opened) await several.stop();
  }
}

function nameOf(count: number, workload: string): string {
  return `${count} ${count === 1 ? "process" : "processes"}, ${workload}`;
}

/** What meeting on one sku costs, against never meeting; and what a second process brings where skus differ. */
function targets(outcome: Outcome | undefined): Target[] {
  const against = (what: string, one: string, other: string, shape: Shape, atLeast: number): Target => {
    const seen = outcome?.ratio([one, shape, callers], [other, shape, callers]);
    return { what, atLeast, unit: "×", ...(seen === undefined ? { why: "the peer is missing" } : { seen }) };
  };
  const [pair, four] = [2, 4].map((count) => (name: string) => nameOf(count, name));
  if (pair === undefined || four === undefined) return [];
  return [
    against("two processes on one sku, against one sku each", pair(together), pair(apart), "hot", 0.8),
    against("four processes on one sku, against one sku each", four(together), four(apart), "hot", 0.8),
    against("two processes where skus differ, against one", pair(spreadOnly), nameOf(1, spreadOnly), "spread", 1),
  ];
}
