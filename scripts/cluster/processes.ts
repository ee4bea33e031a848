/** Larder's own processes in a cluster, and how each is started. */
import { join } from "node:path";
import { Child } from "./child.ts";
import { statusOf } from "./net.ts";
import { type Ports, portOf } from "./ports.ts";
import { home, makeFolder, type Place } from "./services.ts";

/** Name and modules of each process: two that decide, two that answer, so that one of them may go; one each of the rest. */
export const layout = {
  "inventory-1": "inventory",
  "inventory-2": "inventory",
  intake: "intake",
  relay: "relay",
  sync: "sync,reconciliation",
  "gateway-1": "gateway,identity",
  "gateway-2": "gateway,identity",
} as const;

export type ProcessName = keyof typeof layout;
export const processNames = Object.keys(layout) as readonly ProcessName[];

/** Where each module is that others use. */
const homes = {
  inventory: ["inventory-1", "inventory-2"],
  intake: ["intake"],
  relay: ["relay"],
  sync: ["sync"],
  reconciliation: ["sync"],
} as const;

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
  /** What it is started by, as `["faketime", "+10m"]`. */
  readonly under?: readonly string[];
}

export function larderProcess(
  name: ProcessName,
  { folder, say }: Place,
  ports: Ports,
  common: Common,
  { env = {}, under = [] }: ProcessOptions = {},
): Child {
  const port = portOf(ports, `${name}-http`);
  const isGateway = name.startsWith("gateway");
  const peers = Object.entries(homes).flatMap(([module, where]) =>
    layout[name].split(",").includes(module)
      ? []
      : [`${module}=${where.map((other) => `127.0.0.1:${portOf(ports, `${other}-cluster`)}`).join(",")}`],
  );
  const line = [
    ...under,
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
        LARDER_TARGET: layout[name],
        LARDER_STORE: common.store,
        LARDER_DATA: makeFolder(join(folder, "larder", name)),
        LARDER_PORT: String(port),
        LARDER_CLUSTER_PORT: String(portOf(ports, `${name}-cluster`)),
        LARDER_CLUSTER_SECRET: common.clusterSecret,
        LARDER_SERVER_KEY: common.serverKey,
        LARDER_PEERS: peers.join(";"),
        LARDER_LOG_FORMAT: "json",
        LARDER_DRAIN_DELAY: `${drainDelayMs}ms`,
        ...(isGateway && {
          LARDER_GRPC_PORT: String(portOf(ports, `${name}-grpc`)),
          LARDER_ADMIN_KEY: common.adminKey,
        }),
        ...(name === "relay" && { LARDER_NATS: common.nats, LARDER_REDIS: common.redis }),
        ...env,
      },
      log: join(folder, "logs", `${name}.log`),
      stopMsMax: drainDelayMs + 12_000,
      isReady: async () => (await statusOf(port, "/readyz")) === 200,
    },
    say,
  );
}
