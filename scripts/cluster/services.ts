/** What Larder stands on in a cluster, each as a process of its own in a folder of its own, on loopback alone. */
import { type ExecFileSyncOptions, execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child } from "./child.ts";
import { isListening, statusOf } from "./net.ts";
import { findProgram, missingMessage, type ProgramName } from "./programs.ts";

export const home = fileURLToPath(new URL("../..", import.meta.url));

export interface Place {
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** A cluster can't be started as it was asked for; the message is for whoever asked. */
export class ClusterError extends Error {}

export function programOf(name: ProgramName): string {
  const path = findProgram(name);
  if (path === undefined) throw new ClusterError(missingMessage([name]));
  return path;
}

export interface Postgres {
  readonly child: Child;
  readonly url: (port?: number) => string;
}

const database = "larder";

/**
 * PostgreSQL with a database `larder`, made when the folder is new. It refuses to run as root, so root runs it as the
 * user `postgres`.
 */
export function postgres({ folder, say }: Place, port: number, password: string): Postgres {
  const server = programOf("postgres");
  const home = makeFolder(join(folder, "postgres"));
  const data = join(home, "data");
  const user = process.getuid?.() === 0 ? userNamed("postgres") : undefined;
  if (user !== undefined) {
    chownSync(home, user.uid, user.gid);
    reachable(home, user);
  }
  if (!existsSync(join(data, "PG_VERSION"))) makeDatabase(dirname(server), data, password, user);
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: "200",
    shared_buffers: "128MB",
    max_wal_size: "2GB",
  };
  const args = ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const child = new Child(
    {
      name: "postgres",
      command: server,
      args,
      cwd: home,
      ...(user && { user }),
      log: join(folder, "logs", "postgres.log"),
      // Its fast shutdown: it ends its sessions, and goes.
      stopSignal: "SIGINT",
      isReady: () => takesSessions(port),
    },
    say,
  );
  return { child, url: (at = port) => `postgres://larder:${password}@127.0.0.1:${at}/${database}` };
}

/** Whether PostgreSQL begins sessions: while it recovers it listens, and turns everybody away. */
function takesSessions(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const words = Buffer.from("user\0larder\0database\0postgres\0\0");
    const hello = Buffer.alloc(8 + words.length);
    hello.writeInt32BE(hello.length, 0);
    hello.writeInt32BE(3 << 16, 4);
    words.copy(hello, 8);
    const socket = connect(port, "127.0.0.1", () => socket.write(hello));
    // `R` asks for a password, `E` is an error.
    socket.once("data", (data: Buffer) => {
      resolve(data.toString("latin1", 0, 1) === "R");
      socket.destroy();
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}

function makeDatabase(programs: string, data: string, password: string, user?: UserIds): void {
  const secret = join(dirname(data), "password");
  writeFileSync(secret, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) chownSync(secret, user.uid, user.gid);
  const options: ExecFileSyncOptions = {
    ...user,
    cwd: dirname(data),
    // What it says is part of the error, if there is one.
    stdio: "pipe",
    timeout: 60_000,
  };
  const auth = ["-A", "scram-sha-256", `--pwfile=${secret}`];
  execFileSync(join(programs, "initdb"), ["-D", data, "-U", "larder", "-E", "UTF8", "--locale=C", ...auth], options);
  // Without a client program, which not every package has.
  const input = `create database ${database};\n`;
  execFileSync(join(programs, "postgres"), ["--single", "-D", data, "postgres"], { ...options, input });
}

interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

function userNamed(name: string): UserIds {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined)
    throw new ClusterError(`PostgreSQL does not run as root, and there is no user ${name}: run this as another user.`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** Another user must be able to come to the folder. */
function reachable(folder: string, { uid, gid }: UserIds): void {
  try {
    execFileSync("/bin/ls", [folder], { uid, gid, stdio: "ignore" });
  } catch {
    throw new ClusterError(
      `PostgreSQL runs as the user postgres here, who can't come to ${folder}: choose a folder elsewhere by --data.`,
    );
  }
}

export function nats({ folder, say }: Place, port: number, monitorPort: number): Child {
  const store = makeFolder(join(folder, "nats"));
  return new Child(
    {
      name: "nats",
      command: programOf("nats-server"),
      args: ["-a", "127.0.0.1", "-p", String(port), "-m", String(monitorPort), "-js", "-sd", store],
      log: join(folder, "logs", "nats.log"),
      isReady: async () => (await statusOf(monitorPort, "/healthz")) === 200,
    },
    say,
  );
}

/** Redis without a file: what it holds can be made anew from the log. */
export function redis({ folder, say }: Place, port: number): Child {
  const data = makeFolder(join(folder, "redis"));
  const settings = { bind: "127.0.0.1", port: String(port), dir: data, save: "", appendonly: "no" };
  return new Child(
    {
      name: "redis",
      command: programOf("redis-server"),
      args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      log: join(folder, "logs", "redis.log"),
      isReady: () => isListening(port),
    },
    say,
  );
}

/** HAProxy with a configuration that Larder ships; its variables, but for PATH, are addresses. */
export function haproxy(
  { folder, say }: Place,
  config: "haproxy.cfg" | "whole-servers.cfg",
  ports: Readonly<Record<`LARDER_${string}`, number>>,
): Child {
  const addresses = Object.entries(ports).map(([name, port]) => [name, `127.0.0.1:${port}`]);
  const { LARDER_HTTP_BIND: http = 0, LARDER_STATS_BIND: stats = 0 } = ports;
  return new Child(
    {
      name: "haproxy",
      command: programOf("haproxy"),
      args: ["-db", "-f", join(home, "deploy", "haproxy", config)],
      env: { PATH: process.env["PATH"] ?? "", ...Object.fromEntries(addresses) },
      log: join(folder, "logs", "haproxy.log"),
      // SIGUSR1 would wait for the last feed to end.
      stopSignal: "SIGTERM",
      isReady: async () => (await isListening(http)) && (await statusOf(stats, "/metrics")) === 200,
    },
    say,
  );
}

/** Prometheus with Larder's rules; `larder` are the processes that it asks, by name, with their ports. */
export function prometheus(
  { folder, say }: Place,
  port: number,
  larder: Readonly<Record<string, number>>,
  haproxyPort: number,
): Child {
  const place = makeFolder(join(folder, "prometheus"));
  const config = join(place, "prometheus.json");
  const targets = Object.entries(larder).map(([process, at]) => ({
    targets: [`127.0.0.1:${at}`],
    labels: { process },
  }));
  const settings = {
    global: { scrape_interval: "5s", evaluation_interval: "5s" },
    rule_files: [join(home, "deploy", "prometheus", "*.rules.yaml")],
    scrape_configs: [
      { job_name: "larder", static_configs: targets },
      { job_name: "haproxy", static_configs: [{ targets: [`127.0.0.1:${haproxyPort}`] }] },
    ],
  };
  // JSON is YAML too.
  writeFileSync(config, JSON.stringify(settings));
  return new Child(
    {
      name: "prometheus",
      command: programOf("prometheus"),
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(place, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--storage.tsdb.retention.time=1d",
      ],
      log: join(folder, "logs", "prometheus.log"),
      isReady: async () => (await statusOf(port, "/-/ready")) === 200,
    },
    say,
  );
}

export function makeFolder(path: string): string {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o755);
  return path;
}
