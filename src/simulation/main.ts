/**
 * `npm run simulate -- --seed N`: histories of a seed and of those that follow it. Exit code 0 when nothing was wrong in
 * any of them. A failure is told with the seed, the commit, and the command that replays it.
 */
import { execFileSync, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { toolOptions } from "../../scripts/options.ts";
import { bugs } from "./bugs.ts";
import { notReached } from "./coverage.ts";
import { parts, runHistory } from "./history.ts";
import { runSharedHistory } from "./shared-history.ts";
import { nothing, type Totals, together, totalsOf } from "./totals.ts";

const { values: flags } = toolOptions({
  options: {
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "500" },
    histories: { type: "string", default: "1" },
    /** A planted bug of bugs.ts, to be caught. */
    bug: { type: "string" },
    /** Something that is else only in some histories (`parts` of history.ts), for each of these. */
    with: { type: "string", multiple: true, default: [] },
    /** Histories of several processes that decide on one log, with nothing beside the inventory. */
    several: { type: "boolean", default: false },
    /** Processes that share the histories. */
    jobs: { type: "string" },
    /** Fails when a kind of fault or a refusal was not reached. */
    cover: { type: "boolean", default: false },
    /** Goes on after a failure. */
    all: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const first = wholeNumber("seed", flags.seed);
const steps = wholeNumber("steps", flags.steps);
const histories = wholeNumber("histories", flags.histories);
const jobs =
  flags.jobs === undefined
    ? Math.min(availableParallelism(), Math.ceil(histories / 10))
    : wholeNumber("jobs", flags.jobs);

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name} must be a whole number, not ${text}\n`);
  process.exit(2);
}

if (flags.bug !== undefined && !bugs.some(({ name }) => name === flags.bug)) {
  process.stderr.write(`There is no planted bug ${flags.bug}; there are: ${bugs.map(({ name }) => name).join(", ")}\n`);
  process.exit(2);
}

const wanted = parts.filter((part) => flags.with.includes(part));
if (wanted.length < flags.with.length) {
  process.stderr.write(`--with takes, once each, ${parts.join(", ")}\n`);
  process.exit(2);
}

const started = performance.now();
const isHere = jobs <= 1 && flags.bug === undefined;
const totals = isHere ? await runHere() : await runInProcesses();
if (flags.json) process.stdout.write(`${JSON.stringify(totals)}\n`);
else tell(totals);
const missing = flags.cover ? notReached(totals.faults, totals.answers, flags.several) : [];
if (missing.length > 0) process.stderr.write(`Not reached in any history: ${missing.join(", ")}\n`);
process.exitCode = totals.failures.length > 0 || missing.length > 0 ? 1 : 0;

async function runHere(): Promise<Totals> {
  let all = nothing;
  for (let seed = first; seed < first + histories; seed += 1) {
    const result = flags.several ? await runSharedHistory(seed, steps) : await runHistory(seed, steps, wanted);
    all = together(all, totalsOf(result));
    if (histories === 1 && !flags.json) process.stdout.write(`Seed ${seed}: trace ${result.hash}\n`);
    if (result.failure === undefined) continue;
    if (!flags.all) break;
    // At once, for there may be hours to come.
    process.stderr.write(`Seed ${seed} fails at step ${result.failure.step}: ${result.failure.problem}\n`);
  }
  const { user, system } = process.cpuUsage();
  return { ...all, cpuSeconds: (user + system) / 1e6 };
}

/** Shares the seeds out, in stretches, to processes of their own; a planted bug is loaded into each. */
async function runInProcesses(): Promise<Totals> {
  const share = Math.ceil(histories / Math.max(1, jobs));
  const parts: Promise<Totals>[] = [];
  for (let seed = first; seed < first + histories; seed += share) {
    parts.push(runProcess(seed, Math.min(share, first + histories - seed)));
  }
  return (await Promise.all(parts)).reduce(together, nothing);
}

function runProcess(seed: number, count: number): Promise<Totals> {
  const plant = flags.bug === undefined ? [] : ["--import", new URL("./plant.ts", import.meta.url).href];
  const args = [
    "--seed",
    seed,
    "--histories",
    count,
    "--steps",
    steps,
    "--jobs",
    1,
    "--json",
    ...(flags.all ? ["--all"] : []),
    ...(flags.several ? ["--several"] : []),
    ...wanted.flatMap((part) => ["--with", part]),
  ];
  const env = { ...process.env, ...(flags.bug !== undefined && { LARDER_PLANTED_BUG: flags.bug }) };
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--max-semi-space-size=64",
      ...plant,
      fileURLToPath(import.meta.url),
      ...args.map(String),
    ],
    { env, stdio: ["ignore", "pipe", "inherit"] },
  );
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data: Buffer) => {
      text += data.toString();
    });
    child.on("error", reject);
    child.on("close", () => {
      try {
        resolve(JSON.parse(text) as Totals);
      } catch {
        // A planted bug may end the process or keep it from answering: then there is no history, and no success either.
        const problem = "the process ended without a result";
        resolve({ ...nothing, failures: [{ seed, step: 0, problem }] });
      }
    });
  });
}

function tell(all: Totals): void {
  const seconds = (performance.now() - started) / 1000;
  for (const { seed, step, problem } of all.failures) {
    const options = [...(flags.several ? [" --several"] : []), ...wanted.map((part) => ` --with ${part}`)];
    if (flags.bug !== undefined) options.push(` --bug ${flags.bug}`);
    process.stdout.write(
      `Seed ${seed} fails at step ${step}, commit ${commit()}:\n  ${problem.replaceAll("\n", "\n  ")}\n` +
        `Replay: npm run simulate -- --seed ${seed} --steps ${steps}${options.join("")}\n`,
    );
  }
  const faults = Object.values(all.faults).reduce((sum, count) => sum + count, 0);
  if (all.histories > 1) process.stdout.write(`Faults: ${counts(all.faults)}\nAnswers: ${counts(all.answers)}\n`);
  process.stdout.write(
    `${all.histories} histories, ${all.steps} steps, ${faults} faults, ${all.units} units with ${all.events} events: ` +
      `${all.failures.length === 0 ? "nothing wrong" : `${all.failures.length} failed`}, ` +
      `in ${seconds.toFixed(1)} s (${all.cpuSeconds.toFixed(1)} s of processor, ${Math.round(all.steps / seconds)} steps/s)\n`,
  );
}

/** As `answer-lost 275, crash 37`, the most frequent first. */
function counts(of: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(of).sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${name} ${count}`).join(", ");
}

function commit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}
