/**
 * What a module is to the runtime, and how several of them start and stop. The table itself stands in modules.ts; here
 * nothing is known of any service.
 */
import { didYouMean } from "../config/index.ts";
import type { Methods, Peers } from "../grpc/index.ts";
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

/** How the interface of a module is offered to other processes, and what stands for it there. */
export interface Publication<Resources, Interface, Offer> {
  /** Its methods (`platform/grpc`). */
  readonly methods: Methods<Interface>;
  /** The interface of one that runs elsewhere; every method called as the table says unless given. */
  readonly connect?: (peers: Peers, resources: Resources) => Interface;
  /** Without it no process can do its work. */
  readonly isVital?: true;
  /** Whether another process does the work, which only one of them does at a time, and so knows how it stands. */
  readonly isElsewhere?: (offer: Offer) => boolean;
}

/**
 * A row of the table. `needs` are parts of the platform that have to be opened for it, in this process. `uses` are the
 * modules whose published interface it is given: they run in this process, or in others that `LARDER_PEERS` names, and it
 * can't tell. What it `mayUse` is undefined where it runs nowhere. `beside` are modules that must run in this process.
 */
export interface Module<Resources, Offers, Interfaces, Name extends keyof Offers> {
  readonly about: string;
  readonly needs: readonly (keyof Resources & string)[];
  readonly uses: readonly (keyof Interfaces & string)[];
  readonly mayUse?: readonly (keyof Interfaces & string)[];
  readonly beside?: readonly (keyof Offers & string)[];
  /** Absent for one that nobody in another process may use. */
  readonly published?: Name extends keyof Interfaces ? Publication<Resources, Interfaces[Name], Offers[Name]> : never;
  start(resources: Resources, uses: Interfaces, beside: Offers): Promise<Running<Offers[Name]>>;
}

export type ModuleTable<Resources, Offers, Interfaces> = {
  readonly [Name in keyof Offers]: Module<Resources, Offers, Interfaces, Name>;
};

/** What choosing looks at in a row. */
interface Dependencies {
  readonly uses: readonly string[];
  readonly mayUse?: readonly string[];
  readonly beside?: readonly string[];
}

/** The rows that a target names, and those that they use and that run `elsewhere`; the problem is a sentence for the operator. */
export function chooseModules(
  target: string,
  table: Readonly<Record<string, Dependencies>>,
  elsewhere: ReadonlySet<string> = new Set(),
): { readonly names: readonly string[]; readonly remote: readonly string[] } | { readonly problem: string } {
  const known = Object.keys(table);
  const chosen = new Set(target === "all" ? known : target.split(",").map((name) => name.trim()));
  for (const name of [...chosen, ...elsewhere]) {
    if (known.includes(name)) continue;
    return {
      problem: `There is no target ${JSON.stringify(name)}.${didYouMean(name, known)} There are: all, ${known.join(", ")}.`,
    };
  }
  const remote = new Set<string>();
  for (const name of chosen) {
    const { uses = [], mayUse = [], beside = [] } = table[name] ?? {};
    const apart = beside.filter((used) => !chosen.has(used));
    const missing = uses.filter((used) => !chosen.has(used) && !elsewhere.has(used));
    const wanted = `--target=${[...chosen, ...apart, ...missing].join(",")}`;
    if (apart.length > 0)
      return { problem: `The target ${name} needs ${apart.join(" and ")} in the same process: ${wanted}.` };
    if (missing.length > 0)
      return {
        problem: `The target ${name} uses ${missing.join(" and ")}. Run that in the same process, by ${wanted}, or say by LARDER_PEERS where it runs.`,
      };
    for (const used of [...uses, ...mayUse]) if (!chosen.has(used) && elsewhere.has(used)) remote.add(used);
  }
  return { names: startOrder(chosen, table), remote: [...remote] };
}

/** Each module after those that it uses, else in the order of the table. */
function startOrder(chosen: ReadonlySet<string>, table: Readonly<Record<string, Dependencies>>): readonly string[] {
  const ordered = new Set<string>();
  const add = (name: string) => {
    const { uses = [], mayUse = [], beside = [] } = table[name] ?? {};
    for (const used of [...uses, ...mayUse, ...beside]) if (chosen.has(used)) add(used);
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

/**
 * Starts modules one after the other; `remote` is what they use of other processes. When one fails, those already
 * started are stopped again.
 */
export async function startModules<Resources, Offers extends object, Interfaces extends object>(
  names: readonly string[],
  table: ModuleTable<Resources, Offers, Interfaces>,
  resources: Resources,
  logger: Logger,
  remote: Partial<Interfaces> = {},
): Promise<RunningModules<Offers>> {
  const offers: Partial<Offers> = {};
  const interfaces: Record<string, unknown> = { ...remote };
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
      const module = await table[name].start(resources, interfaces as Interfaces, offers as Offers);
      offers[name] = module.offer;
      interfaces[name] = module.offer;
      running.push({ name, module });
      logger.debug({ module: name }, "started");
    }
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  return { offers, stop, checks: () => Object.assign({}, ...running.map(({ module }) => module.checks?.() ?? {})) };
}
