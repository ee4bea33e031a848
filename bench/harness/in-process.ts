import type { ContenderSpec } from "../contenders/contender.ts";
import { plenty } from "../contenders/contender.ts";
import type { CallerRun } from "../processes/caller.ts";
import type { Settings } from "./benchmark.ts";
import { Child } from "./child.ts";
import type { Contestant, Run } from "./contest.ts";
import type { DatabaseServer } from "./databases.ts";
import type { Loaded } from "./load.ts";

/** What a caller's process tells after a run. */
export interface CallerAnswer extends Loaded {
  readonly callerCpuMs?: number;
  readonly databaseCpuMs?: number;
  readonly writtenBytes?: number;
  readonly residentBytes: number;
}

export interface InProcessOptions {
  readonly callers: readonly number[];
  readonly spreadSkus: number;
  readonly database?: DatabaseServer;
  /** For the process, such as a library that slows its syncs. */
  readonly env?: Readonly<Record<string, string>>;
  readonly perSecond?: number;
  readonly loadMs?: number;
}

/**
 * A contender in a process of its own, called from within it. A hot run asks for a sku that is new, so that each run
 * begins on the same; a spread run asks for all of its skus in turn.
 */
export async function inProcess(
  name: string,
  spec: ContenderSpec,
  options: InProcessOptions,
  settings: Settings,
): Promise<Contestant & { readonly child: Child }> {
  const { database, spreadSkus } = options;
  const child = new Child("caller.ts", options.env);
  const id = name.replace(/\W+/g, "-");
  const many = Array.from({ length: spreadSkus }, (_, index) => `${id}-spread-${index}`);
  try {
    await child.call("open", { ...spec, ...(database && { socket: database.socket, port: database.port }) });
    if (spreadSkus > 0) await child.call("prepare", { skus: many, units: plenty });
    // Compiles what the first round would otherwise run cold.
    const [first = 1] = options.callers;
    await child.call("prepare", { skus: [`${id}-warm`], units: plenty });
    const warm = { prefix: `${id}-warm`, skus: [`${id}-warm`], callers: first, milliseconds: settings.loadMs / 2 };
    await child.call("run", { ...warm, warmUpMs: 0 });
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    name,
    child,
    callers: options.callers,
    ...(spreadSkus === 0 && { shapes: ["hot"] as const }),
    async run(shape, callers, round) {
      const prefix = `${id}-${shape}-${callers}-${round}-${options.perSecond ?? ""}`;
      if (shape === "hot") await child.call("prepare", { skus: [prefix], units: plenty });
      const run: CallerRun = {
        prefix,
        skus: shape === "hot" ? [prefix] : many,
        callers,
        milliseconds: options.loadMs ?? settings.loadMs,
        warmUpMs: settings.loadMs / 4,
        ...(database && { database: database.pid }),
        ...(options.perSecond !== undefined && { perSecond: options.perSecond }),
      };
      return runOf(await child.call<CallerAnswer>("run", run));
    },
    stop: () => child.stop(),
  };
}

export function runOf({ done, refused, failed, firstError, seconds, p50Ms, p99Ms, ...used }: CallerAnswer): Run {
  if (done === 0) throw new Error(firstError ?? "nothing was reserved");
  const each = (totalMs: number | undefined) => (totalMs === undefined ? undefined : (totalMs * 1000) / done);
  const [server, database] = [each(used.callerCpuMs), each(used.databaseCpuMs)];
  return {
    perSecond: done / seconds,
    p50Ms,
    p99Ms,
    done,
    refused,
    failed,
    cpuUs: { ...(server !== undefined && { server }), ...(database !== undefined && { database }) },
    ...(used.writtenBytes !== undefined && { writtenBytes: used.writtenBytes / done }),
  };
}
