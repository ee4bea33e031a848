import { type ContenderSpec, plenty } from "../contenders/contender.ts";
import type { CallerRun } from "../processes/caller.ts";
import type { Settings } from "./benchmark.ts";
import { Child } from "./child.ts";
import type { Contestant, Run } from "./contest.ts";
import type { DatabaseServer } from "./databases.ts";
import { type CallerAnswer, runOf } from "./in-process.ts";

export interface SeveralOptions {
  /** Of each process. */
  readonly callers: readonly number[];
  /** Of all processes together, each of which asks for its own share. */
  readonly spreadSkus: number;
  readonly database: DatabaseServer;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * One contender by several processes on one store, which work at the same time. In a hot run all of them ask for one
 * sku; in a spread run each for its own share of many, as where requests are routed by sku.
 */
export async function severalProcesses(
  name: string,
  specs: readonly ContenderSpec[],
  { callers, spreadSkus, database, env }: SeveralOptions,
  settings: Settings,
): Promise<Contestant> {
  const children: Child[] = [];
  const stop = async () => void (await Promise.all(children.map((child) => child.stop())));
  const id = name.replace(/\W+/g, "-");
  const shares = specs.map((_spec, share) =>
    Array.from({ length: Math.ceil(spreadSkus / specs.length) }, (_sku, index) => `${id}-${share}-${index}`),
  );
  try {
    for (const [index, spec] of specs.entries()) {
      const child = new Child("caller.ts", env);
      children.push(child);
      await child.call("open", { ...spec, socket: database.socket, port: database.port });
      await child.call("prepare", { skus: shares[index], units: plenty });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name,
    callers,
    stop,
    async run(shape, count, round) {
      const prefix = `${id}-${shape}-${count}-${round}`;
      if (shape === "hot") await children[0]?.call("prepare", { skus: [prefix], units: plenty });
      const runs = await Promise.all(
        children.map(async (child, index) => {
          const run: CallerRun = {
            prefix: `${prefix}-${index}`,
            skus: shape === "hot" ? [prefix] : (shares[index] ?? []),
            callers: count,
            milliseconds: settings.loadMs,
            warmUpMs: settings.loadMs / 4,
            ...(index === 0 && { database: database.pid }),
          };
          return runOf(await child.call<CallerAnswer>("run", run));
        }),
      );
      return together(runs);
    },
  };
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
