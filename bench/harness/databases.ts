/** Database servers of this machine, started in folders of their own and stopped with the measurement. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endProcess } from "./child.ts";
import { started } from "./tidy.ts";

export interface DatabaseServer {
  readonly version: string;
  /** The process whose descendants serve. */
  readonly pid: number;
  /** Folder of its unix socket. */
  readonly socket: string;
  /** Its port on the loopback interface; 0 when it has none. */
  readonly port: number;
  /** Folder of its programs. */
  readonly programs: string;
  stop(): Promise<void>;
}

/** Milliseconds that a database may take to come up. */
const startMsMax = 20_000;

/**
 * PostgreSQL as Debian packs it, with its own settings but for those that say where it is and that many may come:
 * `synchronous_commit` is on. Undefined when there is none. It refuses to run as root, so there it runs as `postgres`.
 */
export async function startPostgres(env: Readonly<Record<string, string>> = {}): Promise<DatabaseServer | undefined> {
  const programs = postgresPrograms();
  if (programs === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "larder-pg-"));
  const user = process.getuid?.() === 0 ? userIds("postgres") : {};
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o755);
  const data = join(folder, "data");
  execFileSync(join(programs, "initdb"), ["-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"], {
    ...user,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: startMsMax,
  });
  const port = await freePort();
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: folder,
    max_connections: "300",
    shared_buffers: "256MB",
    max_wal_size: "4GB",
    synchronous_commit: "on",
    fsync: "on",
    log_min_messages: "fatal",
  };
  const args = ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const server = started(
    spawn(join(programs, "postgres"), args, { ...user, env: { ...process.env, ...env }, stdio: "ignore" }),
  );
  const stop = async () => {
    // SIGINT is PostgreSQL's fast shutdown: it ends its sessions and goes.
    await endProcess(server, "SIGINT");
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(join(folder, `.s.PGSQL.${port}`));
    const version = execFileSync(join(programs, "postgres"), ["--version"], { encoding: "utf8" }).split(" ")[2] ?? "";
    return { version, pid: server.pid ?? 0, socket: folder, port, programs, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Redis with an append-only file that is synced before every answer. Undefined when there is none. */
export async function startRedis(env: Readonly<Record<string, string>> = {}): Promise<DatabaseServer | undefined> {
  const program = ["/usr/bin/redis-server", "/usr/local/bin/redis-server", "/opt/homebrew/bin/redis-server"].find(
    (path) => existsSync(path),
  );
  if (program === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "larder-redis-"));
  const settings = { port: "0", dir: folder, save: "", appendonly: "yes", appendfsync: "always" };
  const named = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const args = ["--unixsocket", join(folder, "redis.sock"), ...named];
  const server = started(spawn(program, args, { env: { ...process.env, ...env }, stdio: "ignore" }));
  const stop = async () => {
    await endProcess(server);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(join(folder, "redis.sock"));
    const version = /v=(\S+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))?.[1] ?? "";
    return { version, pid: server.pid ?? 0, socket: folder, port: 0, programs: "", stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function postgresPrograms(): string | undefined {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const places = [...versions.map((version) => join(debian, version, "bin")), "/usr/local/bin", "/opt/homebrew/bin"];
  return places.find((place) => existsSync(join(place, "initdb")));
}

function userIds(name: string): { readonly uid?: number; readonly gid?: number } {
  const idOf = (flag: string) => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
}

/** Waits until something accepts connections on a socket. */
async function listening(path: string): Promise<void> {
  const end = performance.now() + startMsMax;
  for (;;) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(path, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
    if (isUp) return;
    if (performance.now() > end) throw new Error(`nothing listens on ${path}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
