/**
 * What a module is to the runtime, and how several of them start and stop. The table itself stands in modules.ts; here
 * nothing is known of any service.
 */
import { didYouMean } from "../config/index.ts";
import type { Logger } from "../telemetry/index.ts";

/** Something that has to hold before a server takes work; what is `ok` may still have something to say. */
export interface Check {
  readonly ok: boolean;
  /** Someone has to do something, although the server does its work: `larder doctor` calls it trouble. */
  readonly needsSomeone?: boolean;
  readonly detail?: string;
}

/** By name. */
export type Checks = Readonly<Record<string, Check>>;

/** A started module: what it offers to others, and how it ends. */
export interface Running<Offer> {
  readonly offer: Offer;
  readonly checks?: () => Checks;
  /** Stops taking work, finishes what it has, then resolves. */
  stop(): Promise<void>;
}

/**
 * A row of the table. `needs` are parts of the platform that have to be opened for it, in this process; `uses` are the
 * modules whose interface it is given.
 */
export interface Module<Resources, Offers, Name extends keyof Offers> {
  readonly about: string;
  readonly needs: readonly (keyof Resources & string)[];
  readonly uses: readonly (keyof Offers & string)[];
  start(resources: Resources, offers: Offers): Promise<Running<Offers[Name]>>;
}

export type ModuleTable<Resources, Offers> = {
  readonly [Name in keyof Offers]: Module<Resources, Offers, Name>;
};

/** The rows that a target names; the problem is a sentence for the operator. */
export function chooseModules(
  target: string,
  table: Readonly<Record<string, { readonly uses: readonly string[] }>>,
): { readonly names: readonly string[] } | { readonly problem: string } {
  const known = Object.keys(table);
  const chosen = new Set(target === "all" ? known : target.split(",").map((name) => name.trim()));
  for (const name of chosen) {
    if (known.includes(name)) continue;
    return {
      problem: `There is no target ${JSON.stringify(name)}.${didYouMean(name, known)} There are: all, ${known.join(", ")}.`,
    };
  }
  for (const name of chosen) {
    const missing = (table[name]?.uses ?? []).filter((used) => !chosen.has(used));
    if (missing.length === 0) continue;
    return {
      problem: `The target ${name} uses ${missing.join(" and ")}, which must run in the same process: --target=${[...chosen, ...missing].join(",")}.`,
    };
  }
  return { names: startOrder(chosen, table) };
}

/** Each module after those that it uses, else in the order of the table. */
function startOrder(
  chosen: ReadonlySet<string>,
  table: Readonly<Record<string, { readonly uses: readonly string[] }>>,
): readonly string[] {
  const ordered = new Set<string>();
  const add = (name: string) => {
    for (const used of table[name]?.uses ?? []) add(used);
    ordered.add(name);
  };
  for (const name of Object.keys(table)) if (chosen.has(name)) add(name);
  return [...ordered];
}

export interface RunningModules<Offers> {
  readonly offers: Partial<Offers>;
  checks(): Checks;
  /** Stops all, the last one started first. Goes on where one fails, and throws the first failure at the end. */
  stop(): Promise<void>;
}

/** Starts modules one after the other. When one fails, those already started are stopped again. */
export async function startModules<Resources, Offers extends object>(
  names: readonly string[],
  table: ModuleTable<Resources, Offers>,
  resources: Resources,
  logger: Logger,
): Promise<RunningModules<Offers>> {
  const offers: Partial<Offers> = {};
  const running: { readonly name: string; readonly module: Running<unknown> }[] = [];

  async function stop(): Promise<void> {
    const failures: unknown[] = [];
    for (const { name, module } of running.splice(0).reverse()) {
      try {
        await module.stop();
        logger.debug({ module: name }, "stopped");
      } catch (error) {
        logger.error({ module: name, err: error }, "did not stop cleanly");
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  try {
    for (const name of names as readonly (keyof Offers & string)[]) {
      const module = await table[name].start(resources, offers as Offers);
      offers[name] = module.offer;
      running.push({ name, module });
      logger.debug({ module: name }, "started");
    }
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  return { offers, stop, checks: () => Object.assign({}, ...running.map(({ module }) => module.checks?.() ?? {})) };
}
