/** A real PostgreSQL for tests: started in a folder of its own, or the one that `TEST_POSTGRES_URL` names. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { leash } from "../scripts/cluster/index.ts";

/** A server for tests. Those that end it need one that is ours (`startPostgres({ ownServer: true })`). */
export interface TestPostgres {
  /** Makes an empty database and gives its address. */
  database(): Promise<string>;
  /** Ends the server as a crash does: nothing is written any more, its connections are gone. */
  kill(): Promise<void>;
  /** Starts it again on what it has kept. */
  start(): Promise<void>;
  /** The server's first process: for signals. */
  readonly pid: number;
  readonly port: number;
  /** Where its data is; none of ours when somebody else runs it. */
  readonly folder: string;
  /** Ends it and removes its folder, or the databases that were made. */
  stop(): Promise<void>;
}

export interface TestPostgresOptions {
  /** Never the one of `TEST_POSTGRES_URL`. */
  readonly ownServer?: boolean;
  /** Settings of the server (`postgresql.conf`). */
  readonly settings?: Readonly<Record<string, string>>;
}

const user = "larder";
const startMsMax = 20_000;

/** Undefined, which is said aloud, where there is no PostgreSQL: the tests that need it are skipped. */
export async function startPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres | undefined> {
  const given = process.env["TEST_POSTGRES_URL"];
  if (given !== undefined && options.ownServer !== true) return foreignServer(given);
  const programs = postgresPrograms();
  if (programs === undefined) {
    process.stderr.write(
      "SKIPPED: tests on a real PostgreSQL, for none is installed here (apt-get install postgresql, or TEST_POSTGRES_URL).\n",
    );
    return undefined;
  }
  const server = new OwnServer(programs, options.settings ?? {});
  await server.start();
  return server;
}

class OwnServer implements TestPostgres {
  readonly #programs: string;
  readonly #settings: Readonly<Record<string, string>>;
  readonly folder = mkdtempSync(join(tmpdir(), "larder-test-pg-"));
  /** PostgreSQL refuses to run as root. */
  readonly #identity = process.getuid?.() === 0 ? userIds("postgres") : undefined;
  #process: ChildProcess | undefined;
  #databases = 0;
  port = 0;

  constructor(programs: string, settings: Readonly<Record<string, string>>) {
    this.#programs = programs;
    this.#settings = settings;
    if (this.#identity !== undefined) chownSync(this.folder, this.#identity.uid, this.#identity.gid);
    chmodSync(this.folder, 0o755);
    const args = ["-D", this.#data, "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    execFileSync(join(programs, "initdb"), args, { ...this.#identity, stdio: ["ignore", "ignore", "inherit"] });
  }

  get #data(): string {
    return join(this.folder, "data");
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const settings = {
      listen_addresses: "127.0.0.1",
      port: String(this.port),
      unix_socket_directories: "",
      max_connections: "100",
      shared_buffers: "64MB",
      log_min_messages: "fatal",
      // What is killed here are processes, not the machine: what was written is there whether it was synced or not.
      fsync: "off",
      ...this.#settings,
    };
    const args = ["-D", this.#data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
    const end = performance.now() + startMsMax;
    for (;;) {
      const server = spawn(join(this.#programs, "postgres"), args, { ...this.#identity, stdio: "ignore" });
      this.#process = server;
      leash(server, this.folder);
      while (server.exitCode === null && performance.now() < end) {
        if (await answers(this.#url("postgres"))) return;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      // After a kill the processes of the one before may still be going.
      if (performance.now() >= end) throw new Error("PostgreSQL did not start");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async database(): Promise<string> {
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    await execute(this.#url("postgres"), `create database ${name}`);
    return this.#url(name);
  }

  async kill(): Promise<void> {
    const children = childrenOf(this.pid);
    await this.#end("SIGKILL");
    for (const child of children) {
      try {
        process.kill(child, "SIGKILL");
      } catch {
        // It has seen by itself that its parent is gone.
      }
    }
  }

  async stop(): Promise<void> {
    // Nothing of it is needed any more. It ends its processes itself, also one that it was making just now: killed, it leaves that one.
    this.#process?.kill("SIGCONT");
    await this.#end("SIGQUIT");
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#process;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exit = once(server, "exit");
    server.kill(signal);
    await exit;
  }

  #url(database: string): string {
    return `postgres://${user}@127.0.0.1:${this.port}/${database}`;
  }
}

/** A server that somebody else runs: databases are made on it, and dropped again. */
function foreignServer(url: string): TestPostgres {
  const made: string[] = [];
  const notOurs = () => Promise.reject(new Error("the server of TEST_POSTGRES_URL is not ours to end"));
  return {
    async database() {
      const name = `larder_test_${process.pid}_${Date.now()}_${made.length}`;
      await execute(url, `create database ${name}`);
      made.push(name);
      return Object.assign(new URL(url), { pathname: `/${name}` }).toString();
    },
    kill: notOurs,
    start: notOurs,
    pid: 0,
    folder: "",
    port: Number(new URL(url).port || 5432),
    async stop() {
      for (const name of made) await execute(url, `drop database ${name} with (force)`);
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    await execute(url, "select 1");
    return true;
  } catch {
    return false;
  }
}

/** Runs a statement on a connection of its own. */
export async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function postgresPrograms(): string | undefined {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const places = [...versions.map((version) => join(debian, version, "bin")), "/usr/local/bin", "/opt/homebrew/bin"];
  return places.find((place) => existsSync(join(place, "initdb")));
}

function childrenOf(pid: number): readonly number[] {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter(Boolean).map(Number);
}

function userIds(name: string): { readonly uid: number; readonly gid: number } {
  const idOf = (flag: string) => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
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
