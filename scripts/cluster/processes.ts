/** Larder's own processes in a cluster, and how each is started. */
import { join } from "node:path";
import { Child } from "./child.ts";
import { statusOf } from "./net.ts";
import { type Ports, portOf } from "./ports.ts";
import { home, makeFolder, type Place } from "./services.ts";

/** Name and modules of each process, by the shape of the cluster. */
export const shapes = {
  /** Two that decide, two that answer, so that one of them may go; one each of the rest. */
  split: {
    "inventory-1": "inventory",
    "inventory-2": "inventory",
    intake: "intake",
    relay: "relay,sinks",
    sync: "sync,reconciliation",
    "gateway-1": "gateway,identity",
    "gateway-2": "gateway,identity",
  },
  /** Each does everything. */
  whole: { "server-1": "all", "server-2": "all" },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type Shape = keyof typeof shapes;

/** Names of the processes of a shape, in the order of their start. */
export function processesOf(shape: Shape): readonly string[] {
  return Object.keys(shapes[shape]);
}

/** Those of them that clients come to. */
export function frontsOf(shape: Shape): readonly string[] {
  return processesOf(shape).filter(isFront);
}

function isFront(name: string): boolean {
  return /^(gateway|server)-/.test(name);
}

/** What each module uses of others, which then run elsewhere. */
const uses: Readonly<Record<string, readonly string[]>> = {
  intake: ["inventory"],
  relay: ["inventory"],
  sync: ["inventory"],
  gateway: ["inventory", "intake", "relay", "sync", "reconciliation"],
};

/** Where the modules are that a process uses and does not run, as `LARDER_PEERS` says it; empty when there are none. */
function peersOf(shape: Shape, name: string, ports: Ports): string {
  const processes: Readonly<Record<string, string>> = shapes[shape];
  const own = new Set((processes[name] ?? "").split(","));
  if (own.has("all")) return "";
  const wanted = new Set([...own].flatMap((module) => uses[module] ?? []).filter((module) => !own.has(module)));
  const homes = (module: string) =>
    Object.keys(processes).filter((other) => processes[other]?.split(",").includes(module));
  const addresses = (module: string) => homes(module).map((other) => `127.0.0.1:${portOf(ports, `${other}-cluster`)}`);
  return [...wanted].map((module) => `${module}=${addresses(module).join(",")}`).join(";");
}

/** Milliseconds that a gateway goes on answering after it was told to stop: HAProxy notices within one second. */
const drainDelayMs = 2000;

/** What all processes of a cluster have in common. */
export interface Common {
  readonly store: string;
  readonly nats: string;
  readonly redis: string;
  readonly adminKey: string;
  readonly clusterSecret: string;
  readonly serverKey: string;
}

export interface ProcessOptions {
  /** Settings of this process beside those that it needs. */
  readonly env?: Readonly<Record<string, string>>;
}

export function larderProcess(
  shape: Shape,
  name: string,
  { folder, say }: Place,
  ports: Ports,
  common: Common,
  { env = {} }: ProcessOptions = {},
): Child {
  const port = portOf(ports, `${name}-http`);
  const targets: Readonly<Record<string, string>> = shapes[shape];
  const target = targets[name] ?? "";
  const peers = peersOf(shape, name, ports);
  const line = [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    "--max-semi-space-size=64",
    join(home, "src", "main.ts"),
    ...["serve", "--json"],
  ];
  return new Child(
    {
      name,
      command: line[0] ?? "",
      args: line.slice(1),
      cwd: home,
      env: {
        PATH: process.env["PATH"] ?? "",
        LARDER_TARGET: target,
        LARDER_STORE: common.store,
        LARDER_DATA: makeFolder(join(folder, "larder", name)),
        LARDER_PORT: String(port),
        LARDER_LOG_FORMAT: "json",
        LARDER_SERVER_KEY: common.serverKey,
        ...(shape === "split" && {
          LARDER_CLUSTER_PORT: String(portOf(ports, `${name}-cluster`)),
          LARDER_CLUSTER_SECRET: common.clusterSecret,
        }),
        // Whole servers stand behind a configuration without gRPC: it has no sku to choose by.
        ...(name.startsWith("gateway") && { LARDER_GRPC_PORT: String(portOf(ports, `${name}-grpc`)) }),
        ...(peers !== "" && { LARDER_PEERS: peers }),
        ...(/all|sinks/.test(target) && { LARDER_NATS: common.nats, LARDER_REDIS: common.redis }),
        ...(isFront(name) && { LARDER_ADMIN_KEY: common.adminKey, LARDER_DRAIN_DELAY: `${drainDelayMs}ms` }),
        ...env,
      },
      log: join(folder, "logs", `${name}.log`),
      stopMsMax: drainDelayMs + 12_000,
      isReady: async () => (await statusOf(port, "/readyz")) === 200,
    },
    say,
  );
}
