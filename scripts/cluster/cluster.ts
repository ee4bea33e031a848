/**
 * Larder as several processes on real servers, all on this machine: what `npm run cluster` starts, and what the tests of
 * a cluster run on.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Child } from "./child.ts";
import { choosePorts, type Ports, portOf, takenPorts } from "./ports.ts";
import { type Common, frontsOf, larderProcess, type ProcessOptions, processesOf, type Shape } from "./processes.ts";
import { findProgram, missingMessage } from "./programs.ts";
import { ClusterError, haproxy, makeFolder, nats, type Place, postgres, prometheus, redis } from "./services.ts";

export interface ClusterOptions {
  readonly folder: string;
  readonly shape: Shape;
  /** Only what Larder stands on, without Larder. */
  readonly servicesOnly?: boolean;
  readonly withPrometheus?: boolean;
  readonly ports: "fixed" | "free";
  /** Puts something between Larder and the port of PostgreSQL, and gives its port. */
  readonly postgresVia?: (port: number) => Promise<number>;
  readonly processes?: Readonly<Record<string, ProcessOptions>>;
  readonly say: (line: string) => void;
}

/** What a folder keeps, so that the next start finds the same database, key and secrets. */
interface Kept {
  readonly databasePassword: string;
  readonly adminKey: string;
  readonly clusterSecret: string;
  readonly serverKey: string;
}

const needed = ["postgres", "nats-server", "redis-server", "haproxy"] as const;

/** Why a cluster can't be started here: servers that are not installed. Undefined when all are there. */
export function whyNoCluster(): string | undefined {
  return missingMessage(needed);
}

export class Cluster {
  readonly url: string;
  readonly adminKey: string;
  readonly ports: Ports;
  /** Where Larder finds its log, and the other servers. */
  readonly common: Common;
  /** In the order of their start. */
  readonly services: readonly Child[];
  readonly processes: ReadonlyMap<string, Child>;
  readonly #letGo: () => void;
  readonly #fronts: readonly string[];
  readonly #say: (line: string) => void;

  private constructor(options: ClusterOptions, ports: Ports, postgresPort: number, letGo: () => void) {
    this.#letGo = letGo;
    const { shape } = options;
    const names = options.servicesOnly === true ? [] : processesOf(shape);
    const place: Place = { folder: resolve(options.folder), say: options.say };
    const kept = keptIn(makeFolder(place.folder));
    makeFolder(join(place.folder, "logs"));
    const port = (name: Parameters<typeof portOf>[1]) => portOf(ports, name);
    const database = postgres(place, port("postgres"), kept.databasePassword);
    const hasPrometheus = options.withPrometheus === true && findProgram("prometheus") !== undefined;
    if (options.withPrometheus === true && !hasPrometheus) options.say("Prometheus is not installed, and left out");
    this.services = [
      database.child,
      nats(place, port("nats"), port("natsMonitor")),
      redis(place, port("redis")),
      haproxy(place, shape === "split" ? "haproxy.cfg" : "whole-servers.cfg", {
        LARDER_HTTP_BIND: port("http"),
        LARDER_GRPC_BIND: port("grpc"),
        LARDER_STATS_BIND: port("stats"),
        ...Object.fromEntries(frontsOf(shape).flatMap((name) => frontVariables(name, ports))),
      }),
      ...(hasPrometheus ? [prometheus(place, port("prometheus"), targetsOf(names, ports), port("stats"))] : []),
    ];
    this.common = {
      store: database.url(postgresPort),
      nats: `nats://127.0.0.1:${port("nats")}`,
      redis: `redis://127.0.0.1:${port("redis")}`,
      adminKey: kept.adminKey,
      clusterSecret: kept.clusterSecret,
      serverKey: kept.serverKey,
    };
    this.processes = new Map(
      names.map((name) => [name, larderProcess(shape, name, place, ports, this.common, options.processes?.[name])]),
    );
    this.url = `http://127.0.0.1:${port("http")}`;
    this.adminKey = kept.adminKey;
    this.ports = ports;
    this.#fronts = names.length === 0 ? [] : frontsOf(shape);
    this.#say = options.say;
  }

  /**
   * Starts everything, and resolves when every part is ready. What was started is ended again when a part does not come up.
   *
   * Throws `ClusterError` when something is missing on this machine or a port is taken.
   */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const missing = whyNoCluster();
    if (missing !== undefined) throw new ClusterError(missing);
    const letGo = holdFolder(resolve(options.folder));
    try {
      return await Cluster.#startIn(options, letGo);
    } catch (error) {
      letGo();
      throw error;
    }
  }

  static async #startIn(options: ClusterOptions, letGo: () => void): Promise<Cluster> {
    const ports = await choosePorts(options.ports, processesOf(options.shape));
    const taken = await takenPorts(ports);
    if (taken.length > 0) {
      throw new ClusterError(
        `Ports of the cluster are taken: ${taken.join(", ")}. End what has them, or take other ones by --free-ports.`,
      );
    }
    const postgresPort = portOf(ports, "postgres");
    const cluster = new Cluster(options, ports, (await options.postgresVia?.(postgresPort)) ?? postgresPort, letGo);
    try {
      await cluster.#start();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  process(name: string): Child {
    const child = this.processes.get(name);
    if (child === undefined) throw new Error(`there is no process ${name}`);
    return child;
  }

  service(name: string): Child {
    const child = this.services.find((each) => each.name === name);
    if (child === undefined) throw new Error(`there is no service ${name}`);
    return child;
  }

  /** Ends everything in good order: those who answer first, then what they stand on. */
  async stop(): Promise<void> {
    await Promise.all(this.#fronts.map((name) => this.process(name).stop()));
    await Promise.all([...this.processes.values()].map((child) => child.stop()));
    await Promise.all(this.services.map((child) => child.stop()));
    this.#letGo();
  }

  /** Restarts those that clients come to, one after the other, as a new version is brought in: nobody is to notice. */
  async rollFronts(): Promise<void> {
    for (const name of this.#fronts) {
      const front = this.process(name);
      const code = await front.stop();
      if (code !== 0) throw new Error(`${name} ended with ${code}`);
      await front.start();
      await this.becomes(name, "UP");
    }
  }

  /** Waits until HAProxy thinks so of a gateway. */
  async becomes(name: string, state: "UP" | "DOWN"): Promise<void> {
    await haproxySays(portOf(this.ports, "stats"), name, state);
  }

  async #start(): Promise<void> {
    this.#say(`starting ${this.services.map(({ name }) => name).join(", ")}`);
    await Promise.all(this.services.map((child) => child.start()));
    if (this.processes.size === 0) return;
    this.#say(`starting ${[...this.processes.keys()].join(", ")}`);
    // All at once: each waits for those that it uses.
    await Promise.all([...this.processes.values()].map((child) => child.start()));
    await Promise.all(this.#fronts.map((name) => this.becomes(name, "UP")));
  }
}

/** Waits until HAProxy's page says this of a server: `UP`, `DOWN`. */
export async function haproxySays(statsPort: number, name: string, state: string, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${statsPort}/;csv`);
    const [head = "", ...rows] = (await answer.text()).trim().split("\n");
    const found = rows.find((row) => /^(gateways|servers),/.test(row) && row.split(",")[1] === name) ?? "";
    const seen = found.split(",")[head.split(",").indexOf("status")];
    if (seen === state) return;
    if (performance.now() > end) throw new Error(`HAProxy says ${seen} of ${name}, not ${state}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

/** What HAProxy's configuration calls the addresses of one that clients come to, as `LARDER_GATEWAY_1_GRPC`. */
function frontVariables(name: string, ports: Ports): readonly (readonly [`LARDER_${string}`, number])[] {
  const variable = `LARDER_${name.toUpperCase().replace("-", "_")}` as const;
  return [
    [variable, portOf(ports, `${name}-http`)],
    [`${variable}_GRPC`, portOf(ports, `${name}-grpc`)],
  ];
}

function targetsOf(names: readonly string[], ports: Ports): Readonly<Record<string, number>> {
  return Object.fromEntries(names.map((name) => [name, portOf(ports, `${name}-http`)]));
}

/**
 * Lets one cluster at a time have a folder, by SQLite's lock on an empty database, which the kernel lets go of however the process
 * ends. Gives what ends it.
 */
function holdFolder(folder: string): () => void {
  const lock = new DatabaseSync(join(makeFolder(folder), "lock.db"));
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch {
    lock.close();
    throw new ClusterError(`Another cluster has ${folder}: stop it, or name another folder by --data.`);
  }
  let isHeld = true;
  return () => {
    if (isHeld) lock.close();
    isHeld = false;
  };
}

/** Reads what the folder keeps, or makes it. */
function keptIn(folder: string): Kept {
  const path = join(folder, "cluster.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as Kept;
  const secret = () => randomBytes(32).toString("base64url");
  const kept: Kept = {
    databasePassword: secret(),
    adminKey: `lk_${secret()}`,
    clusterSecret: secret(),
    serverKey: randomBytes(32).toString("hex"),
  };
  writeFileSync(path, `${JSON.stringify(kept, undefined, 2)}\n`, { mode: 0o600 });
  return kept;
}
