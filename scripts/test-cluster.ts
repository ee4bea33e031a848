/**
 * `npm run test:cluster`: everything that needs real servers. First what starts its own (contracts of the engines on
 * PostgreSQL, NATS and Redis; HAProxy; what is shipped in deploy/), side by side; then the journeys on split processes;
 * then chaos on a whole cluster, alone: it measures how soon things are at work again. What a machine lacks is skipped, and
 * said.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findProgram, whyNoCluster } from "./cluster/index.ts";

const home = fileURLToPath(new URL("..", import.meta.url));
const cluster = ["--config", "vitest.cluster.config.ts"];

function vitest(title: string, args: readonly string[]): boolean {
  process.stdout.write(`── ${title}\n`);
  const line = ["node_modules/vitest/vitest.mjs", "run", ...args];
  return spawnSync(process.execPath, line, { cwd: home, stdio: "inherit" }).status === 0;
}

/** Journeys that are run on one process alone, and why; a new one is run on split processes unless it stands here. */
const notSplit: Readonly<Record<string, string>> = {
  archive: "cold files are not there yet on PostgreSQL",
  commands: "backups, restores and checks of a data folder, beside its server",
  demo: "the demo is one process",
  serve: "how one process starts, says what is wrong with its settings, and stops; gateways do so in test/cluster",
};

function journeysOnSplitProcesses(): boolean {
  const suffix = ".e2e.test.ts";
  const all = readdirSync(`${home}test/journeys`).flatMap((file) =>
    file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : [],
  );
  for (const [name, reason] of Object.entries(notSplit)) process.stdout.write(`NOT RUN SPLIT: ${name}: ${reason}\n`);
  const files = all.filter((name) => notSplit[name] === undefined).map((name) => `test/journeys/${name}${suffix}`);
  return vitest("journeys on split processes", ["--config", "vitest.split.config.ts", ...files]);
}

const missing = whyNoCluster();
if (missing !== undefined) process.stdout.write(`!! PARTS ARE SKIPPED: ${missing}\n`);
const isFine = [
  vitest("engines and proxies, on real servers", [...cluster, "--exclude", "test/chaos/**"]),
  findProgram("postgres") === undefined || journeysOnSplitProcesses(),
  vitest("chaos on a cluster", [...cluster, "test/chaos"]),
];
process.exitCode = isFine.every(Boolean) ? 0 : 1;
