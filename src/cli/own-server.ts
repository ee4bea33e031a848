import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Failure } from "./failure.ts";

export interface OwnServer {
  readonly url: string;
  readonly key: string;
  /** Stops the server and removes what it wrote. */
  stop(): Promise<void>;
}

/** Milliseconds that a server may take to listen. */
const startMsMax = 15_000;

/** Starts a server as a process of its own, on a free port, in a folder that goes away with it. */
export async function startOwnServer(store: string): Promise<OwnServer> {
  const folder = mkdtempSync(join(tmpdir(), "larder-"));
  const key = randomBytes(24).toString("base64url");
  const plainEnv = Object.entries(process.env).filter(([name]) => !name.startsWith("LARDER_"));
  const child = spawn(
    process.execPath,
    [
      ...["--disable-warning=ExperimentalWarning", fileURLToPath(new URL("../main.ts", import.meta.url))],
      ...["serve", "--json", "--port", "0", "--data", folder, "--store", store, "--log-level", "warn"],
    ],
    { env: { ...Object.fromEntries(plainEnv), LARDER_ADMIN_KEY: key }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const stop = async () => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { url: await addressOf(child), key, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The address in the first line that the server writes. */
async function addressOf(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Failure("The server to measure has no output.");
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, "line", { signal: AbortSignal.timeout(startMsMax) }),
    once(child, "exit").then(() => [undefined]),
  ]);
  if (typeof line !== "string") throw new Failure("The server to measure did not start; what it said stands above.");
  return (JSON.parse(line) as { url: string }).url;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  await exit;
}
