/**
 * `npm run test:cluster`: everything that needs real servers. First what starts its own (contracts of the engines on
 * PostgreSQL, NATS and Redis; HAProxy; what is shipped in deploy/), side by side; then the journeys on split processes;
 * then chaos on a whole cluster, alone: it measures how soon things are at work again. What a machine lacks is skipped, and
 * said.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findProgram, whyNoCluster } from "./cluster/index.ts";

const home = fileURLToPath(new URL("..", import.meta.url));
const cluster = ["--config", "vitest.cluster.config.ts"];

function vitest(title: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): boolean {
  process.stdout.write(`── ${title}\n`);
  const line = ["node_modules/vitest/vitest.mjs", "run", ...args];
  const options = { cwd: home, stdio: "inherit", env: { ...process.env, ...env } } as const;
  return spawnSync(process.execPath, line, options).status === 0;
}

/** Journeys that say what every server does, whatever it is made of; the others are about one process and its folder. */
const journeys = ["contract"].map((name) => `test/journeys/${name}.e2e.test.ts`);
const slowly = ["--testTimeout=120000", "--hookTimeout=200000", "--maxWorkers=1"];

const missing = whyNoCluster();
if (missing !== undefined) process.stdout.write(`!! PARTS ARE SKIPPED: ${missing}\n`);
const isFine = [
  vitest("engines and proxies, on real servers", [...cluster, "--exclude", "test/chaos/**"]),
  findProgram("postgres") === undefined ||
    vitest("journeys on split processes", [...slowly, ...journeys], { LARDER_JOURNEY_MODE: "split" }),
  vitest("chaos on a cluster", [...cluster, "test/chaos"]),
];
process.exitCode = isFine.every(Boolean) ? 0 : 1;
