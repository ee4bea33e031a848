/**
 * The server of the journeys as several processes on PostgreSQL, where `LARDER_JOURNEY_MODE=split` says so: two that decide,
 * two gateways behind HAProxy, one each of the rest. Whoever holds a `Serving` can't tell.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type Child, findProgram, haproxy, haproxySays } from "../../scripts/cluster/index.ts";
import { startPostgres, type TestPostgres } from "../postgres.ts";
import { freePort, type Launch, type Serving, serve } from "./larder.ts";
import { isSplit } from "./mode.ts";

let postgres: Promise<TestPostgres> | undefined;
/** By data folder: a server that starts again on the same one finds the same database. */
const databases = new Map<string, Promise<string>>();

if (isSplit) afterAll(async () => await (await postgres)?.stop());

async function newDatabase(): Promise<string> {
  postgres ??= startPostgres().then((server) => {
    if (server === undefined) throw new Error("the journeys of split processes need a PostgreSQL");
    return server;
  });
  return await (await postgres).database();
}

/** What each process runs. Clients come to the gateways by HAProxy; where there is none, to the first of them. */
const layout = {
  "inventory-1": "inventory",
  "inventory-2": "inventory",
  sync: "sync,reconciliation",
  relay: "relay",
  intake: "intake",
  "gateway-1": "gateway,identity",
  "gateway-2": "gateway,identity",
} as const;

type Name = keyof typeof layout;
const names = Object.keys(layout) as readonly Name[];

/** Where others find each module. */
const homes: Readonly<Record<string, readonly Name[]>> = {
  inventory: ["inventory-1", "inventory-2"],
  sync: ["sync"],
  reconciliation: ["sync"],
  relay: ["relay"],
  intake: ["intake"],
};

const shared = { LARDER_CLUSTER_SECRET: randomBytes(24).toString("hex"), LARDER_SERVER_KEY: "0a".repeat(32) };

/** A kind of work that one or more of the processes do. */
export type Part = "inventory" | "gateway" | "sync" | "relay" | "intake";

/** Who does it; of several that do, each crashes in its turn. */
const doers: Readonly<Record<Part, readonly Name[]>> = {
  inventory: ["inventory-1", "inventory-2"],
  gateway: ["gateway-1", "gateway-2"],
  sync: ["sync"],
  relay: ["relay"],
  intake: ["intake"],
};

export interface SplitServing extends Serving {
  /** Addresses of all processes: each tells its own health and metrics. */
  readonly addresses: readonly string[];
  /** Where the log is. */
  readonly store: string;
  /** Kills one process that does this (`kill -9`), starts it again, and waits until it is ready. */
  crash(part: Part): Promise<void>;
}

/** Has the next start on a data folder find an empty database. */
export function forgetDatabase(data: string): void {
  databases.delete(data);
}

/** Starts all processes on the database of a data folder, and waits until they answer and know each other. */
export async function serveSplit(
  data: string,
  env: Readonly<Record<string, string>>,
  launch: Launch,
): Promise<SplitServing> {
  let database = databases.get(data);
  if (database === undefined) {
    database = newDatabase();
    databases.set(data, database);
  }
  const store = { LARDER_STORE: await database, ...shared };
  const ports = new Map<Name, number>();
  for (const name of names) ports.set(name, await freePort());
  const processes = new Map<Name, Serving>();
  const proxy = findProgram("haproxy") === undefined ? undefined : await proxyOf(data, env["LARDER_PORT"]);
  const start = async (name: Name) => {
    const targets: readonly string[] = layout[name].split(",");
    const peers = Object.entries(homes)
      .filter(([module]) => !targets.includes(module))
      .map(([module, where]) => `${module}=${where.map((one) => `127.0.0.1:${ports.get(one)}`).join(",")}`);
    const own = {
      LARDER_TARGET: layout[name],
      LARDER_CLUSTER_PORT: String(ports.get(name)),
      LARDER_PEERS: peers.join(";"),
      // Where the journey wants somebody to listen, that is the proxy, or the first gateway.
      ...((proxy !== undefined || name !== "gateway-1") && { LARDER_PORT: "0", LARDER_GRPC_PORT: "0" }),
      ...proxy?.behind[name],
    };
    processes.set(name, await serve(join(data, name), { ...store, ...env, ...own }, [], launch));
  };
  const first = () => processes.get("gateway-1") as Serving;
  const becomesUp = async (name: Name) => {
    if (proxy?.behind[name] !== undefined) await haproxySays(proxy.statsPort, name, "UP");
  };
  const crashed = new Map<Part, number>();
  await Promise.all(names.map(start));
  await Promise.all([...processes.values()].map(({ url }) => ready(url)));
  await proxy?.child.start();
  await Promise.all(names.map(becomesUp));
  return {
    get url() {
      return proxy?.url ?? first().url;
    },
    get child() {
      return first().child;
    },
    get greeting() {
      return first().greeting;
    },
    get addresses() {
      return [...processes.values()].map(({ url }) => url);
    },
    store: store.LARDER_STORE,
    log: () => [...processes].map(([name, { log }]) => log().replace(/^/gm, `${name}: `)).join("\n"),
    async end(signal) {
      const codes = await Promise.all([...processes.values()].map((process) => process.end(signal)));
      await proxy?.child.stop();
      return codes.find((code) => code !== 0) ?? 0;
    },
    async crash(part) {
      const times = crashed.get(part) ?? 0;
      crashed.set(part, times + 1);
      const name = doers[part][times % doers[part].length] as Name;
      await processes.get(name)?.end("SIGKILL");
      await start(name);
      await ready(processes.get(name)?.url ?? "");
      await becomesUp(name);
    },
  };
}

interface Proxy {
  readonly child: Child;
  readonly url: string;
  readonly statsPort: number;
  /** Where those listen that stand behind it. */
  readonly behind: Partial<Readonly<Record<Name, Readonly<Record<string, string>>>>>;
}

/** HAProxy, as it is shipped; where the journey wants a server to listen, if it says so. */
async function proxyOf(data: string, wanted: string | undefined): Promise<Proxy> {
  const folder = join(data, "proxy");
  mkdirSync(join(folder, "logs"), { recursive: true });
  const port = wanted === undefined || wanted === "0" ? await freePort() : Number(wanted);
  const statsPort = await freePort();
  const [http1, http2, grpc1, grpc2] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const child = haproxy({ folder, say: () => undefined }, "haproxy.cfg", {
    LARDER_HTTP_BIND: port,
    LARDER_GRPC_BIND: await freePort(),
    LARDER_STATS_BIND: statsPort,
    LARDER_GATEWAY_1: http1,
    LARDER_GATEWAY_1_GRPC: grpc1,
    LARDER_GATEWAY_2: http2,
    LARDER_GATEWAY_2_GRPC: grpc2,
  });
  const at = (http: number, grpc: number) => ({ LARDER_PORT: String(http), LARDER_GRPC_PORT: String(grpc) });
  const behind = { "gateway-1": at(http1, grpc1), "gateway-2": at(http2, grpc2) };
  return { child, url: `http://127.0.0.1:${port}`, statsPort, behind };
}

async function ready(url: string): Promise<void> {
  const end = performance.now() + 30_000;
  for (;;) {
    const answer = await fetch(`${url}/readyz`);
    if (answer.status === 200) return;
    const text = await answer.text();
    if (performance.now() > end) throw new Error(`it does not get ready: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
