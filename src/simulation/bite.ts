/**
 * `npm run simulate:bugs`: plants each bug of bugs.ts by itself and sees to it that it is caught, within a minute. Names
 * of bugs choose some of them; `--due` those of the day.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { toolOptions } from "../../scripts/options.ts";
import { type Bug, bugNamed, bugs, dueOn } from "./bugs.ts";
import type { Totals } from "./totals.ts";

const caughtWithinMs = 60_000;
/** More than ever fit in the time. */
const histories = 2000;

const { values, positionals } = toolOptions({
  options: {
    /** The ten of today. */
    due: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
  },
  allowPositionals: true,
});

const day = Math.floor(Date.now() / 86_400_000);
const chosen = positionals.length > 0 ? positionals.map(bugNamed) : values.due ? dueOn(day) : bugs;
const waiting = [...chosen];
const escaped: string[] = [];
const started = performance.now();
await Promise.all(Array.from({ length: Number(values.jobs) }, work));
const seconds = ((performance.now() - started) / 1000).toFixed(1);
process.stdout.write(
  escaped.length === 0
    ? `All ${chosen.length} planted bugs were caught, in ${seconds} s.\n`
    : `${escaped.length} of ${chosen.length} planted bugs were not caught: ${escaped.join(", ")}\n`,
);
process.exitCode = escaped.length === 0 ? 0 : 1;

async function work(): Promise<void> {
  for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
    const begun = performance.now();
    const how = await catches(bug);
    const took = ((performance.now() - begun) / 1000).toFixed(1);
    if (how === undefined) escaped.push(bug.name);
    process.stdout.write(
      `${how === undefined ? "ESCAPED" : "caught "} ${took.padStart(5)} s  ${bug.name}: ${how ?? bug.why}\n`,
    );
  }
}

/** How it was caught, in a line; undefined when it was not. */
async function catches(bug: Bug): Promise<string | undefined> {
  if (bug.caughtBy !== undefined) {
    const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
    const config = fileURLToPath(new URL("./plant.vitest.ts", import.meta.url));
    const { code, text } = await run(bug, [vitest, "run", "--config", config, bug.caughtBy]);
    const failed = /Tests\s+(\d+) failed/.exec(text)?.[1];
    return code === 1 && Number(failed) > 0 ? `${failed} tests of ${bug.caughtBy} fail` : undefined;
  }
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  const plant = new URL("./plant.ts", import.meta.url).href;
  const args = ["--seed", values.seed, "--histories", String(histories), "--jobs", "1", "--json"];
  if (bug.part !== undefined) args.push("--with", bug.part);
  if (bug.isShared === true) args.push("--several");
  const { text } = await run(bug, ["--import", plant, main, ...args]);
  try {
    const [failure] = (JSON.parse(text) as Totals).failures;
    return failure && `seed ${failure.seed}, step ${failure.step}: ${failure.problem.split("\n")[0]?.slice(0, 150)}`;
  } catch {
    return undefined;
  }
}

function run(bug: Bug, args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=64", ...args],
    {
      env: { ...process.env, NO_COLOR: "1", LARDER_PLANTED_BUG: bug.name },
      // What the tests of a planted bug say of it is no news; of the simulator it is, when the bug can't be planted.
      stdio: ["ignore", "pipe", bug.caughtBy === undefined ? "inherit" : "ignore"],
      timeout: caughtWithinMs,
    },
  );
  return new Promise((resolve) => {
    let text = "";
    child.stdout.on("data", (data: Buffer) => {
      text += data.toString();
    });
    child.on("close", (code) => resolve({ code, text }));
  });
}
