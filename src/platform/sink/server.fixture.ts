/** Real servers of this machine, for tests: each in a folder and on a port of its own, ended by its process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** Milliseconds that a server may take to come up. */
const startMsMax = 20_000;

type Arguments = (data: string, port: number) => readonly string[];

export const natsArguments: Arguments = (data, port) => ["-js", "-sd", data, "-a", "127.0.0.1", "-p", String(port)];
export const redisArguments: Arguments = (data, port) => [
  "--bind",
  "127.0.0.1",
  "--port",
  String(port),
  "--dir",
  data,
  "--save",
  "",
  "--appendonly",
  "yes",
];

/** Where a program is; undefined, and said aloud, when this machine has none. */
export function findServer(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) console.warn(`SKIPPED: there is no ${name} on this machine; install it to run these tests.`);
  return found;
}

export class TestServer {
  readonly port: number;
  /** Where it keeps what it has. */
  readonly data: string;
  readonly #program: string;
  readonly #args: Arguments;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(program: string, args: Arguments, folder: string, port: number) {
    this.#program = program;
    this.#args = args;
    this.#folder = folder;
    this.data = join(folder, "data");
    this.port = port;
  }

  static async start(program: string, args: Arguments): Promise<TestServer> {
    const server = new TestServer(program, args, mkdtempSync(join(tmpdir(), "larder-sink-")), await freePort());
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    mkdirSync(this.data, { recursive: true });
    const child = spawn(this.#program, this.#args(this.data, this.port), { stdio: "ignore" });
    this.#process = child;
    const end = performance.now() + startMsMax;
    while (!(await accepts(this.port))) {
      if (child.exitCode !== null || performance.now() > end) throw new Error(`${this.#program} does not come up`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** Removes what it kept; it must not be running. */
  wipe(): void {
    rmSync(this.data, { recursive: true, force: true });
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
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
