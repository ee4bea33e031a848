import { type ContenderSpec, plenty } from "../contenders/contender.ts";
import type { CallerRun } from "../processes/caller.ts";
import type { Settings } from "./benchmark.ts";
import { Child } from "./child.ts";
import type { Run } from "./contest.ts";
import type { DatabaseServer } from "./databases.ts";
import { type CallerAnswer, runOf } from "./in-process.ts";

/** What each of several processes asks for, at the same time. */
export interface Workload {
  /** Of each process. */
  readonly callers: number;
  /** The skus of one of them. */
  readonly skusOf: (process: number) => readonly string[];
  /** The share of calls that are carts of three, of which two skus are any of all processes'. */
  readonly cartShare?: number;
}

/** One contender by several processes on one store. */
export class Several {
  readonly #children: Child[] = [];
  readonly #database: DatabaseServer;
  readonly #prepared = new Set<string>();

  private constructor(database: DatabaseServer) {
    this.#database = database;
  }

  static async open(specs: readonly ContenderSpec[], database: DatabaseServer): Promise<Several> {
    const several = new Several(database);
    try {
      for (const spec of specs) {
        const child = new Child("caller.ts");
        several.#children.push(child);
        await child.call("open", { ...spec, socket: database.socket, port: database.port });
      }
    } catch (error) {
      await several.stop();
      throw error;
    }
    return several;
  }

  async run({ callers, skusOf, cartShare = 0 }: Workload, prefix: string, settings: Settings): Promise<Run> {
    const shares = this.#children.map((_child, index) => skusOf(index));
    const all = [...new Set(shares.flat())];
    const isNew = all.filter((sku) => !this.#prepared.has(sku));
    await this.#children[0]?.call("prepare", { skus: isNew, units: plenty });
    for (const sku of isNew) this.#prepared.add(sku);
    const runs = await Promise.all(
      this.#children.map(async (child, index) => {
        const run: CallerRun = {
          prefix: `${prefix}-${index}`,
          skus: shares[index] ?? [],
          ...(cartShare > 0 && { carts: { every: Math.round(1 / cartShare), others: all } }),
          callers,
          milliseconds: settings.loadMs,
          warmUpMs: settings.loadMs / 4,
          ...(index === 0 && { database: this.#database.pid }),
        };
        return runOf(await child.call<CallerAnswer>("run", run));
      }),
    );
    return together(runs);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
  }
}

function together(runs: readonly Run[]): Run {
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0);
  const done = sum((run) => run.done);
  const database = runs[0]?.cpuUs.database;
  return {
    perSecond: sum(({ perSecond }) => perSecond),
    p50Ms: sum(({ p50Ms }) => p50Ms) / runs.length,
    p99Ms: Math.max(...runs.map(({ p99Ms }) => p99Ms)),
    done,
    refused: sum(({ refused }) => refused),
    failed: sum(({ failed }) => failed),
    cpuUs: {
      server: sum(({ cpuUs, done: own }) => (cpuUs.server ?? 0) * own) / done,
      ...(database !== undefined && { database: (database * (runs[0]?.done ?? 0)) / done }),
    },
  };
}
