/**
 * `npm run bench`: Larder's speed, side by side with what people use today, in one run.
 *
 *     npm run bench                                 everything but the extras, at most 12 minutes
 *     npm run bench -- --only reserve --rounds 5    those whose name begins so
 *     npm run bench -- --quick                      a look whether all works, at most 2 minutes; keeps nothing
 *     npm run bench -- --page                       writes the page again from the results that are kept
 *
 * Results go to `bench/results/`, and from there into the tables and plots of `docs/performance.md`. The exit code is 0
 * whatever the figures are; the last line tells which targets were missed.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { toolOptions } from "../scripts/options.ts";
import { benchmarks } from "./benchmarks/index.ts";
import type { Benchmark } from "./harness/benchmark.ts";
import { verdict, writePage } from "./harness/page.ts";
import { describeCommit, describeMachine, keep, plainText, type Result, targetsTable } from "./harness/report.ts";
import { tidyUp } from "./harness/tidy.ts";

const { values } = toolOptions({
  options: {
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    large: { type: "boolean", default: false },
    rounds: { type: "string" },
    list: { type: "boolean", default: false },
    page: { type: "boolean", default: false },
  },
});
const isQuick = values.quick;
const rounds = Number(values.rounds ?? (isQuick ? 1 : 3));
const named = values.only ?? [];
const chosen = benchmarks.filter(({ name, isExtra = false }) =>
  named.length === 0 ? !isExtra : named.some((only) => name.startsWith(only)),
);

if (values.list) {
  for (const { name, title, isExtra } of benchmarks) console.log(`${name}: ${title}${isExtra ? " (extra)" : ""}`);
} else if (values.page) {
  writePage();
} else if (chosen.length === 0 || !(rounds >= 1)) {
  console.error(`There is no such benchmark, or no such number of rounds; --list tells their names.`);
  process.exitCode = 1;
} else {
  if (chosen.some(({ hasPeers }) => hasPeers)) installPeers();
  tidyUp();
  const results: Result[] = [];
  const secondsMax = values.large ? Number.POSITIVE_INFINITY : isQuick ? 100 : (640 * rounds) / 3;
  for (const benchmark of chosen) {
    if (performance.now() / 1000 > secondsMax && named.length === 0) {
      console.log(
        `\n!! ${benchmark.name} IS LEFT OUT: the time of the whole is over; --only ${benchmark.name} takes it`,
      );
      continue;
    }
    try {
      results.push(await take(benchmark));
    } catch (error) {
      console.error(`${benchmark.name} failed:`, error);
      process.exitCode = 1;
    }
  }
  if (!isQuick) writePage();
  console.log(`\n${plainText(targetsTable(results.flatMap(({ targets }) => targets)))}`);
  console.log(`\n${verdict(results)}`);
}

/** The peers' packages are not part of the server's install. */
function installPeers(): void {
  if (existsSync(join(import.meta.dirname, "node_modules"))) return;
  console.log("installing the peers' packages into bench/ (once; a minute or two) …");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 600_000,
  });
  if (status !== 0) console.error("!! THE PEERS' PACKAGES COULD NOT BE INSTALLED: few can take part");
}

async function take(benchmark: Benchmark): Promise<Result> {
  const { name, title, method, secondsMax } = benchmark;
  console.log(`\n── ${title}`);
  const versions: Record<string, string> = {};
  const machine = describeMachine();
  const began = performance.now();
  const taken = () => (performance.now() - began) / 1000;
  const section = await benchmark.run({
    isQuick,
    isLarge: values.large,
    rounds,
    loadMs: isQuick ? 400 : 1500,
    isLate: () => taken() > secondsMax * (rounds / 3) * 0.8,
    say: (text) => console.log(`${taken().toFixed(0).padStart(4)} s  ${text}`),
    tookPart: (what, version) => {
      versions[what] = version;
    },
  });
  const result: Result = {
    ...{ name, title, method, isQuick, versions },
    takenAt: new Date().toISOString(),
    seconds: taken(),
    command: ["npm run bench --", `--only ${name}`, `--rounds ${rounds}`, ...(values.large ? ["--large"] : [])].join(
      " ",
    ),
    commit: describeCommit(),
    machine,
    ...section,
  };
  for (const table of section.tables) console.log(`\n${plainText(table)}`);
  for (const note of section.notes ?? []) console.log(`\n${note}`);
  if (!isQuick) keep(result);
  return result;
}
