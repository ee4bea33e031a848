/** Runs the program as its users do: as a process of its own, with a clean environment. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { leash } from "../../scripts/cluster/index.ts";
import { patience } from "./mode.ts";

export const home = fileURLToPath(new URL("../..", import.meta.url));
const launcher = join(home, "bin", "larder.js");

type Env = Readonly<Record<string, string>>;

/** How a process is run: flags of Node, and the command in front of it, as `["prlimit", "--nofile=64"]`. */
export interface Launch {
  readonly nodeFlags?: readonly string[];
  readonly under?: readonly string[];
}

export function spawnLarder(args: readonly string[], env: Env = {}, launch: Launch = {}): ChildProcess {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("LARDER_") && name !== "NODE_OPTIONS");
  const line = [...(launch.under ?? []), process.execPath, ...(launch.nodeFlags ?? []), launcher, ...args];
  const child = spawn(line[0] ?? "", line.slice(1), { env: { ...Object.fromEntries(clean), ...env }, cwd: home });
  leash(child);
  return child;
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export async function larder(args: readonly string[], env: Env = {}): Promise<Ended> {
  const child = spawnLarder(args, env);
  const [out, err, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "exit")]);
  return { code, out, err };
}

export interface Serving {
  readonly url: string;
  readonly greeting: Record<string, string>;
  readonly child: ChildProcess;
  readonly log: () => string;
  /** Ends it by a signal and gives its exit code; null when the signal killed it. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `larder serve` and waits for the line that tells its address. */
export async function serve(
  data: string,
  env: Env = {},
  args: readonly string[] = [],
  launch: Launch = {},
): Promise<Serving> {
  const child = spawnLarder(["serve", "--json", ...args], { LARDER_PORT: "0", LARDER_DATA: data, ...env }, launch);
  let log = "";
  child.stderr!.on("data", (chunk) => (log += chunk));
  const lines = createInterface({ input: child.stdout! });
  const [line] = await Promise.race([
    once(lines, "line") as Promise<[string]>,
    once(child, "exit").then(([code]) => Promise.reject(new Error(`serve ended with ${code}: ${log}`))),
  ]);
  const greeting = JSON.parse(line) as Record<string, string>;
  return {
    url: greeting["url"] ?? "",
    greeting,
    child,
    log: () => log,
    async end(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const exit = once(child, "exit");
      child.kill(signal);
      const [code] = await exit;
      return code;
    },
  };
}

/** A folder that goes away after the test. */
export function temporaryFolder(onEnd: (clean: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), "larder-test-"));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A port that was free a moment ago, below those that systems give to outgoing connections: a client that tries to come back to a
 * server that is gone could otherwise be given the server's own port, and keep it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** Waits until `look` gives something. */
export async function eventually<T>(look: () => T | Promise<T>, ms = 10_000): Promise<T> {
  const end = performance.now() + ms * patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
