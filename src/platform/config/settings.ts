/**
 * Every setting of a server, once: type, default, meaning. Its names follow from the member's: `logLevel` is `logLevel`
 * in the file, `LARDER_LOG_LEVEL` in the environment and `--log-level` on the command line. Names are public and never
 * reused; `docs/reference/configuration.md` is written from here.
 */

import { limits, parseDuration, type Static, type TSchema, Type } from "../../kernel/index.ts";
import { addressListProblem } from "../outbound/index.ts";

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const logFormats = ["auto", "json", "pretty"] as const;

interface Setting {
  readonly type: TSchema;
  readonly default: unknown;
  readonly description: string;
  /** Whether its value is never shown. */
  readonly secret?: boolean;
  /** What is allowed, in words; made from the type when absent. */
  readonly allowed?: string;
  /** Why a value that fits the type is refused all the same. */
  readonly check?: (value: unknown) => string | undefined;
}

export const schema = {
  port: {
    type: Type.Integer({ minimum: 0, maximum: 65_535 }),
    default: 8080,
    description: "TCP port of the API. 0 takes a free one, which is printed.",
  },
  host: {
    type: Type.String({ minLength: 1 }),
    default: "127.0.0.1",
    description:
      "Address to listen on. Set `0.0.0.0` or `::` to be reached from other machines; put TLS in front of it then.",
  },
  data: {
    type: Type.String({ minLength: 1 }),
    default: "./data",
    description: "Folder of the embedded store. One server at a time may open it.",
    allowed: "the path of a folder (the address of a database goes into LARDER_STORE)",
    check: folderProblem,
  },
  store: {
    type: Type.String(),
    default: "sqlite:",
    description:
      "Engine of the log: `sqlite:` keeps it in the data folder; `postgres://user:password@host:port/database` in a PostgreSQL database that several servers may share (docs/operations/postgresql.md); `memory:` forgets everything at the stop.",
    allowed: "`sqlite:`, `memory:` or `postgres://user:password@host:port/database`",
    check: storeProblem,
  },
  adminKey: {
    type: Type.Union([
      Type.Null(),
      Type.String({ minLength: limits.adminKeyLengthMin, maxLength: limits.tokenLengthMax }),
    ]),
    default: null,
    description:
      "Key of the administrator; a changed one replaces the former. Without it the first start makes a key and prints it once.",
    secret: true,
    allowed: `a text of at least ${limits.adminKeyLengthMin} characters, white space around it aside`,
    check: (key) =>
      typeof key === "string" && key.trim().length < limits.adminKeyLengthMin
        ? `has fewer than ${limits.adminKeyLengthMin} characters, white space around it aside`
        : undefined,
  },
  logLevel: {
    type: Type.Enum([...logLevels]),
    default: "info",
    description: "Least severity that is logged (to standard error). `debug` has a line for each request.",
    allowed: `one of ${logLevels.join(", ")}`,
  },
  logFormat: {
    type: Type.Enum([...logFormats]),
    default: "auto",
    description: "Form of the log: `json` lines or `pretty` for people; `auto` is pretty on a terminal, else json.",
    allowed: `one of ${logFormats.join(", ")}`,
  },
  target: {
    type: Type.String({ minLength: 1 }),
    default: "all",
    description: "Modules to run, by comma; `all` is every one. `larder serve --list-targets` lists them.",
  },
  peers: {
    type: Type.Union([Type.Null(), Type.String({ maxLength: 10_000 })]),
    default: null,
    description:
      "Where modules run that this process uses and does not run itself (docs/concepts/split.md). A name stands for all of its addresses, which are looked up again and again.",
    allowed: "modules and addresses, as `inventory=10.0.0.1:9090,10.0.0.2:9090;sync=sync.internal:9090`",
    check: peersProblem,
  },
  clusterPort: {
    type: Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 65_535 })]),
    default: null,
    description:
      "TCP port on which this process offers its modules to other processes of the same cluster, beside `grpc.health.v1`. Never to be reached by clients.",
    allowed: "a port",
  },
  clusterSecret: {
    type: Type.Union([
      Type.Null(),
      Type.String({ minLength: limits.adminKeyLengthMin, maxLength: limits.tokenLengthMax }),
    ]),
    default: null,
    description:
      "Known to all processes of a cluster and to nobody else: who knows it may do everything. Needed with `LARDER_CLUSTER_PORT` and `LARDER_PEERS`.",
    secret: true,
    allowed: `a text of at least ${limits.adminKeyLengthMin} printable ASCII characters, white space around it aside`,
    check: clusterSecretProblem,
  },
  clusterTls: {
    type: Type.Union([Type.Null(), Type.String({ minLength: 1 })]),
    default: null,
    description:
      "Folder with `cert.pem`, `key.pem` and `ca.pem`: processes of the cluster talk to each other by TLS, and each shows a certificate of the name `larder` that the authority has signed. Without it, anyone on the way between them can read along.",
    allowed: "the path of a folder",
  },
  grpcPort: {
    type: Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 65_535 })]),
    default: null,
    description: "TCP port of the API over gRPC (docs/guides/grpc.md). 0 takes a free one, which is printed.",
    allowed: "a port",
  },
  grpcTls: {
    type: Type.Union([Type.Null(), Type.String({ minLength: 1 })]),
    default: null,
    description: "Folder with `cert.pem` and `key.pem`: gRPC is spoken by TLS only.",
    allowed: "the path of a folder",
  },
  serverKey: {
    type: Type.Union([Type.Null(), Type.String({ pattern: "^[0-9a-f]{64}$" })]),
    default: null,
    description:
      "What secrets of webhooks are made from, and those of locations sealed with: the same for all processes of a cluster. Without it, `secret.key` in the data folder.",
    secret: true,
    allowed: "64 hexadecimal digits",
  },
  intakeFolder: {
    type: Type.Union([Type.Null(), Type.String({ minLength: 1 })]),
    default: null,
    description:
      "Folder whose CSV, NDJSON and EPCIS files are imported as they come (docs/guides/import-folder.md); made when it is not there. Whoever may write there speaks for every location.",
    allowed: "the path of a folder",
  },
  archiveAfter: {
    type: Type.Union([Type.Null(), Type.String({ pattern: "^[1-9]\\d{0,4}d$" })]),
    default: null,
    description:
      "Days after which events are moved into cold files, as `90d`, once a day. Without it that is done only by `larder archive`.",
    allowed: "a number of days, as `90d`",
  },
  archiveAt: {
    type: Type.String({ pattern: "^(?:[01]\\d|2[0-3]):[0-5]\\d$" }),
    default: "03:00",
    description: "Time of day, UTC, at which `LARDER_ARCHIVE_AFTER` moves events: a quiet hour.",
    allowed: "a time of day, as `03:00`",
  },
  cachedStates: {
    type: Type.Integer({ minimum: 100, maximum: 100_000_000 }),
    default: limits.cachedStatesMax,
    description:
      "Stocks and reservations kept in memory to decide on. More costs memory (about 1 kB each), fewer more reads of the log.",
  },
  outboundAllow: {
    type: Type.Union([Type.Null(), Type.String({ maxLength: 10_000 })]),
    default: null,
    description:
      "Addresses that outgoing calls (webhooks, pushes to warehouses) may reach beside public ones. Everyone who may configure such a call reaches them.",
    allowed: "addresses and CIDRs by comma, as `127.0.0.1,10.0.0.0/8,fd00::/8`",
    check: (list) => (list === null ? undefined : addressListProblem(String(list))),
  },
  operatorsFrom: {
    type: Type.Union([Type.Null(), Type.String({ maxLength: 10_000 })]),
    default: null,
    description:
      "Addresses of load balancers, kubelets and Prometheus, whose requests to `/livez`, `/readyz`, `/metrics`, `/docs` and `/openapi.json` need no key. What they pass on for others does, as their `X-Forwarded-For` tells.",
    allowed: "addresses and CIDRs by comma, as `127.0.0.1,10.0.0.0/8,fd00::/8`",
    check: (list) => (list === null ? undefined : addressListProblem(String(list))),
  },
  drainDelay: {
    type: Type.String(),
    default: "0ms",
    description:
      "How long a gateway that was told to stop goes on answering while `/readyz` says 503, so that load balancers turn to others first: twice the time in which they notice. It comes on top of the 10 s in which a server stops.",
    allowed: "a time such as `500ms` or `5s`, from 0 to 2 minutes",
    check: drainDelayProblem,
  },
  deliveryMaxAttempts: {
    type: Type.Integer({ minimum: 1, maximum: limits.deliveryAttemptsMax }),
    default: 60,
    description:
      "Attempts of one delivery to others before it becomes a dead letter: with the defaults after 6 hours on average, 12 at most.",
  },
  deliveryBackoff: {
    type: Type.String(),
    default: "500ms",
    description:
      "Longest wait before the second attempt of a delivery; doubled for each one after it, up to 15 minutes. Each wait is drawn from nothing up to it.",
    allowed: "a time such as `500ms`, `2s` or `1m`, from 1 ms to 1 hour",
    check: backoffProblem,
  },
  reconcileEvery: {
    type: Type.String(),
    default: "2h",
    description:
      "Time between two comparisons with the locations that get changes pushed; `off` compares only when asked.",
    allowed: "`off`, or a time such as `30m` or `2h`, from 1 minute to 24 hours",
    check: reconcileEveryProblem,
  },
  reconcileMode: {
    type: Type.Enum(["report", "correct"]),
    default: "correct",
    description:
      "What these comparisons do about what differs: `report` it, or `correct` it by sending ours again, or counting theirs where a location's `authority` is `theirs`.",
    allowed: "`report` or `correct`",
  },
  nats: {
    type: Type.Union([Type.Null(), Type.String({ maxLength: 10_000 })]),
    default: null,
    description:
      "NATS servers of one system to whose JetStream every recorded change is published (docs/guides/nats.md); `tls:` with TLS.",
    allowed: "addresses by comma, as `nats://user:password@host:4222`",
    check: (list) => (list === null ? undefined : natsProblem(String(list))),
  },
  natsCredentials: {
    type: Type.Union([Type.Null(), Type.String({ minLength: 1 })]),
    default: null,
    description: "File of NATS credentials (`.creds`), read at each connection.",
    allowed: "the path of a file",
  },
  natsKeep: {
    type: Type.String({ pattern: "^(?:[1-9]\\d{0,3}d|all)$" }),
    default: "7d",
    description: "For how long the stream in NATS keeps changes; an empty one is filled with those of that time.",
    allowed: "a number of days, as `7d`, or `all`",
  },
  natsReplicas: {
    type: Type.Integer({ minimum: 1, maximum: 5 }),
    default: 1,
    description: "Copies of the stream in a cluster of NATS servers, when Larder makes it.",
  },
  redis: {
    type: Type.Union([Type.Null(), Type.String({ maxLength: 10_000 })]),
    default: null,
    description:
      "Redis server that gets the availability of every stock, for readers in other languages (docs/guides/redis.md); `rediss:` with TLS.",
    allowed: "an address, as `redis://user:password@host:6379/0`",
    check: (url) => (url === null ? undefined : redisProblem(String(url))),
  },
  redisPrefix: {
    type: Type.String({ pattern: "^[\\w.:-]{1,64}$" }),
    default: "larder:",
    description: "What the names of all keys in Redis begin with: another one for each Larder that shares a Redis.",
    allowed: "up to 64 letters, digits and `_.:-`",
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof schema;
export type Settings = { readonly [Name in SettingName]: Static<(typeof schema)[Name]["type"]> };

export const settingNames = Object.keys(schema) as readonly SettingName[];

export function settingOf(name: SettingName): Setting {
  return schema[name];
}

export function isSecret(name: SettingName): boolean {
  return settingOf(name).secret === true;
}

/** Variables that begin with LARDER_ and are no setting of the server; they never stop its start. */
export const otherVariables = {
  LARDER_CONFIG: "Path of the settings file, as `--config`.",
  LARDER_URL: "The server that the commands of the client talk to, as `--url`.",
  LARDER_KEY: "The API key that the commands of the client use, as `--key`.",
  LARDER_SHARED_DATA: "Folder of the real data sets that the project's own checks import.",
} as const;

export function variableOf(name: SettingName): string {
  return `LARDER_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

export function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** An address would be made as a folder of that name, and its password told wherever the folder is. */
function folderProblem(folder: unknown): string | undefined {
  return /^[a-z]+:\/\//i.test(String(folder)) ? schema.data.allowed : undefined;
}

function peersProblem(text: unknown): string | undefined {
  return text === null || parsePeers(String(text)) !== undefined ? undefined : schema.peers.allowed;
}

/** The addresses of each module that `LARDER_PEERS` names; undefined when it can't be read. */
export function parsePeers(text: string): ReadonlyMap<string, readonly string[]> | undefined {
  const peers = new Map<string, readonly string[]>();
  for (const part of text.split(";")) {
    const match = /^\s*([a-z]+)\s*=\s*(\S.*?)\s*$/.exec(part);
    if (match === null) return undefined;
    const addresses = (match[2] ?? "").split(",").map((address) => address.trim());
    if (!addresses.every((address) => /^(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/.test(address))) return undefined;
    peers.set(match[1] ?? "", addresses);
  }
  return peers;
}

/** Metadata of gRPC carries it, which takes nothing else. */
function clusterSecretProblem(secret: unknown): string | undefined {
  if (secret === null) return undefined;
  const text = String(secret).trim();
  const isFine = text.length >= limits.adminKeyLengthMin && /^[\x20-\x7e]*$/.test(text);
  return isFine ? undefined : schema.clusterSecret.allowed;
}

function storeProblem(store: unknown): string | undefined {
  if (store === "sqlite:" || store === "memory:") return undefined;
  if (isPostgresUrl(String(store))) return undefined;
  return `${schema.store.allowed}${String(store).startsWith("dynamodb:") ? "; that engine comes later" : ""}`;
}

/** Whether a store is a PostgreSQL database. */
export function isPostgresUrl(store: string): boolean {
  return /^postgres(ql)?:\/\//.test(store) && URL.canParse(store) && new URL(store).pathname.length > 1;
}

function backoffProblem(text: unknown): string | undefined {
  const ms = parseDuration(String(text)) ?? 0;
  return ms >= 1 && ms <= limits.deliveryBackoffMsMax ? undefined : schema.deliveryBackoff.allowed;
}

function drainDelayProblem(text: unknown): string | undefined {
  const ms = parseDuration(String(text)) ?? Number.POSITIVE_INFINITY;
  return ms <= limits.drainDelayMsMax ? undefined : schema.drainDelay.allowed;
}

function reconcileEveryProblem(text: unknown): string | undefined {
  const ms = text === "off" ? limits.reconcileEveryMsMin : (parseDuration(String(text)) ?? 0);
  const isWithin = ms >= limits.reconcileEveryMsMin && ms <= limits.reconcileEveryMsMax;
  return isWithin ? undefined : schema.reconcileEvery.allowed;
}

function natsProblem(list: string): string | undefined {
  const isFine = list.split(",").every((url) => isAddress(url.trim(), ["nats:", "tls:"]));
  return isFine ? undefined : schema.nats.allowed;
}

function redisProblem(url: string): string | undefined {
  return isAddress(url, ["redis:", "rediss:"]) ? undefined : schema.redis.allowed;
}

function isAddress(text: string, protocols: readonly string[]): boolean {
  const url = URL.parse(text);
  return url !== null && protocols.includes(url.protocol) && url.hostname !== "";
}
