/**
 * `npm run test:cluster`: everything that needs real servers. First what starts its own (contracts of the engines on
 * PostgreSQL, NATS and Redis; HAProxy; what is shipped in deploy/), side by side; then chaos on a whole cluster, alone:
 * it measures how soon things are at work again. What a machine lacks is skipped, and said.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { whyNoCluster } from "./cluster/index.ts";

const home = fileURLToPath(new URL("..", import.meta.url));
const vitest = (title: string, ...args: readonly string[]): boolean => {
  process.stdout.write(`── ${title}\n`);
  const line = ["node_modules/vitest/vitest.mjs", "run", "--config", "vitest.cluster.config.ts", ...args];
  return spawnSync(process.execPath, line, { cwd: home, stdio: "inherit" }).status === 0;
};

const missing = whyNoCluster();
if (missing !== undefined) process.stdout.write(`!! PARTS ARE SKIPPED: ${missing}\n`);
const isFine = [
  vitest("engines and proxies, on real servers", "--exclude", "test/chaos/**"),
  vitest("chaos on a cluster", "test/chaos"),
];
process.exitCode = isFine.every(Boolean) ? 0 : 1;
