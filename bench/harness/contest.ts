/** Those that are compared take turns, round after round, so that the machine's moods hit all alike. */

import type { Settings } from "./benchmark.ts";
import { probeSync } from "./disk.ts";
import { type Spread, short, shortSpread, spread } from "./stats.ts";

export type Shape = "hot" | "spread";

/** What one stretch of load on one contestant showed. */
export interface Run {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly done: number;
  readonly refused: number;
  readonly failed: number;
  /** Microseconds of CPU for each operation: of who asks, who answers, and the database behind. */
  readonly cpuUs: { readonly client?: number; readonly server?: number; readonly database?: number };
  /** Bytes that the disk was made to write for each operation, by who answers and the database behind it. */
  readonly writtenBytes?: number;
}

export interface Contestant {
  readonly name: string;
  /** Loads that it takes part in. */
  readonly callers: readonly number[];
  readonly shapes?: readonly Shape[];
  run(shape: Shape, callers: number, round: number): Promise<Run>;
  stop(): Promise<void>;
}

/** Runs of each load, in the order of the rounds; undefined where a contestant failed. */
export class Outcome {
  readonly runs = new Map<string, (Run | undefined)[]>();
  /** Median and worst of the disk's sync latency, probed before each run. */
  readonly syncMs: number[] = [];
  readonly failures: string[] = [];

  of(name: string, shape: Shape, callers: number): readonly Run[] {
    return (this.runs.get(keyOf(name, shape, callers)) ?? []).filter((run) => run !== undefined);
  }

  add(name: string, shape: Shape, callers: number, round: number, run: Run | undefined): void {
    const key = keyOf(name, shape, callers);
    const rounds = this.runs.get(key) ?? [];
    rounds[round] = run;
    this.runs.set(key, rounds);
  }

  /** How often one did in a round what the other did in the same; undefined when they never met. */
  ratio(one: readonly [string, Shape, number], other: readonly [string, Shape, number]): Spread | undefined {
    const [ours = [], theirs = []] = [this.runs.get(keyOf(...one)), this.runs.get(keyOf(...other))];
    const ratios = ours.flatMap((run, round) => {
      const against = theirs[round];
      return run === undefined || against === undefined || against.perSecond === 0
        ? []
        : run.perSecond / against.perSecond;
    });
    return ratios.length === 0 ? undefined : spread(ratios);
  }
}

function keyOf(name: string, shape: Shape, callers: number): string {
  return `${name} | ${shape} | ${callers}`;
}

/**
 * Every contestant at every load of its own, in as many rounds as there are, or as fit the time: the first is always
 * finished. The order turns by one each round. One that has failed twice is left out from then on, and said so.
 */
export async function contest(contestants: readonly Contestant[], settings: Settings): Promise<Outcome> {
  const outcome = new Outcome();
  const failed = new Map<Contestant, number>();
  for (let round = 0; round < settings.rounds && !(round > 0 && settings.isLate()); round += 1) {
    const turned = contestants.map((_each, index) => contestants[(index + round) % contestants.length]);
    for (const contestant of turned) {
      if (contestant === undefined || (failed.get(contestant) ?? 0) >= 2) continue;
      const shown: string[] = [];
      for (const callers of contestant.callers) {
        for (const shape of contestant.shapes ?? (["hot", "spread"] as const)) {
          outcome.syncMs.push(probeSync().p50Ms);
          try {
            const run = await contestant.run(shape, callers, round);
            outcome.add(contestant.name, shape, callers, round, run);
            shown.push(`${shape} ${callers}: ${short(run.perSecond)}`);
          } catch (error) {
            failed.set(contestant, (failed.get(contestant) ?? 0) + 1);
            const why = `${contestant.name}, ${shape}, ${callers} callers: ${String(error).split("\n")[0]}`;
            outcome.failures.push(why);
            settings.say(`failed: ${why}`);
          }
        }
      }
      settings.say(`round ${round + 1}, ${contestant.name}: ${shown.join(", ")}`);
    }
  }
  return outcome;
}

export const runHead = [
  "who",
  "load",
  "callers",
  "a second: median [min..max]",
  "p50 ms",
  "p99 ms",
  "CPU µs: client",
  "server",
  "database",
  "bytes written",
];

/** A row of figures for each load of each contestant. */
export function runRows(contestants: readonly Contestant[], outcome: Outcome): string[][] {
  return contestants.flatMap(({ name, callers, shapes = ["hot", "spread"] }) =>
    shapes.flatMap((shape) =>
      callers.flatMap((count) => {
        const runs = outcome.of(name, shape, count);
        return runs.length === 0 ? [] : [[name, shape, String(count), ...figures(runs)]];
      }),
    ),
  );
}

export function figures(runs: readonly Run[]): string[] {
  const middle = (of: (run: Run) => number | undefined) => {
    const values = runs.flatMap((run) => of(run) ?? []);
    return values.length === 0 ? "–" : short(spread(values).median);
  };
  return [
    shortSpread(spread(runs.map(({ perSecond }) => perSecond))),
    middle(({ p50Ms }) => p50Ms),
    middle(({ p99Ms }) => p99Ms),
    middle(({ cpuUs }) => cpuUs.client),
    middle(({ cpuUs }) => cpuUs.server),
    middle(({ cpuUs }) => cpuUs.database),
    middle(({ writtenBytes }) => writtenBytes),
  ];
}

export function syncNote({ syncMs }: Outcome): string {
  const { median, min, max } = spread(syncMs);
  return `The disk took ${median.toFixed(3)} ms [${min.toFixed(3)}..${max.toFixed(3)}] to sync 4 KiB (median of 60, probed before each run).`;
}
