/**
 * The fuzzer: `npm run fuzz -- --inputs 20000 --seed 7 --area http,import`. Each area's inputs come in cases; a case
 * begins anew, and everything in it follows from the seed, so a failure is replayed by the command that it prints.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { toolOptions } from "../../scripts/options.ts";
import { type Area, Counts, type Step } from "./area.ts";
import { checkPrototypes, Finding, insist } from "./check.ts";
import { configArea } from "./config-area.ts";
import { httpArea } from "./http-area.ts";
import { importArea } from "./import-area.ts";
import { logArea } from "./log-area.ts";
import { Random } from "./random.ts";
import { socketArea } from "./socket-area.ts";

const areas: readonly Area[] = [httpArea, socketArea, importArea, logArea, configArea];

/** Milliseconds of this process's own time that one input may take, so that a busy machine fails nothing. */
const inputCpuMsMax = 1000;
/** Milliseconds until an answer that does not come counts as a hang; the watcher waits for code that never yields. */
const inputWallMsMax = 20_000;
/** Bytes that the heap may grow from an area's second case on. */
const heapGrowthBytesMax = 48 * 1024 * 1024;

const { values: flags } = toolOptions({
  options: {
    inputs: { type: "string", default: "20000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    area: { type: "string", default: areas.map(({ name }) => name).join(",") },
    case: { type: "string" },
    counts: { type: "boolean", default: false },
  },
});

setFlagsFromString("--expose-gc");
/** All that can be collected, also code that was compiled for servers that are gone: a usual collection keeps that for a while. */
const collect = runInNewContext(
  'gc.bind(undefined, { type: "major", execution: "sync", flavor: "last-resort" })',
) as () => void;
const seed = flags.seed;

/** Tells from a thread of its own which input is stuck, and ends the process, which could not do so itself. */
const beat = new Int32Array(new SharedArrayBuffer(4));
/** The command that runs the present case again. */
const doing = new Uint8Array(new SharedArrayBuffer(256));
const watcher = new Worker(new URL("./watcher.ts", import.meta.url), { workerData: { beat, doing, pid: process.pid } });
watcher.unref();

for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error) => {
    const said = error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${event}: ${said}\nagain: ${Buffer.from(doing).toString().replaceAll("\0", "")}\n`);
    process.exit(1);
  });
}

let isBroken = false;
for (const area of areas.filter(({ name }) => flags.area.split(",").includes(name))) {
  isBroken = !(await fuzz(area)) || isBroken;
}
process.exit(isBroken ? 1 : 0);

async function fuzz(area: Area): Promise<boolean> {
  const chosen = flags.area.split(",");
  const shares = areas.filter(({ name }) => chosen.includes(name)).reduce((sum, { share }) => sum + share, 0);
  const inputs = Math.ceil((Number(flags.inputs) * area.share) / shares);
  const counts = new Counts();
  const began = performance.now();
  const only = flags.case === undefined ? undefined : Number(flags.case);
  const cases = Math.ceil(inputs / area.inputsPerCase);
  let done = 0;
  let heapAtFirst = 0;
  for (let index = only ?? 0; index < (only === undefined ? cases : only + 1); index += 1) {
    const count = only === undefined ? Math.min(area.inputsPerCase, inputs - done) : area.inputsPerCase;
    if (!(await runCase(area, index, count, counts))) return false;
    done += count;
    if (index === 0 || (index % 5 !== 1 && index !== cases - 1)) continue;
    collect();
    const { heapUsed, external } = process.memoryUsage();
    if (heapAtFirst === 0) heapAtFirst = heapUsed + external;
    else if (heapUsed + external - heapAtFirst > heapGrowthBytesMax) {
      process.stderr.write(
        `${area.name}: memory grew from ${heapAtFirst} to ${heapUsed + external} bytes by case ${index}\n`,
      );
      return false;
    }
  }
  if (flags.counts) for (const [name, reached] of counts.list()) process.stdout.write(`  ${name}: ${reached}\n`);
  const missing = only === undefined && inputs >= 4000 ? area.missing(counts) : [];
  for (const sentence of missing) process.stderr.write(`${area.name}: ${sentence}\n`);
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(
    `${area.name}: ${done} inputs in ${seconds.toFixed(1)} s (${Math.round(done / seconds)}/s), seed ${seed}\n`,
  );
  return missing.length === 0;
}

/** Runs one case; prints what broke and how to see it again. */
async function runCase(area: Area, index: number, count: number, counts: Counts): Promise<boolean> {
  const random = new Random(seed, area.name, index);
  doing.fill(0).set(Buffer.from(replay(area, index)).subarray(0, doing.length));
  let step: Step | undefined;
  let at = 0;
  try {
    const opened = await area.open(index, counts);
    for (; at < count; at += 1) {
      step = opened.next(random);
      await runStep(step);
    }
    step = undefined;
    const problems = await opened.close();
    insist(problems.length === 0, problems.join("\n"));
    return true;
  } catch (error) {
    const what =
      error instanceof Finding
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
    process.stderr.write(`${area.name}, input ${at} of case ${index}: ${what}\n`);
    if (step !== undefined) process.stderr.write(`input: ${step.show()}\n`);
    process.stderr.write(`again: ${replay(area, index)}\n`);
    return false;
  }
}

async function runStep(step: Step): Promise<void> {
  Atomics.add(beat, 0, 1);
  const before = process.cpuUsage();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Finding(`no answer within ${inputWallMsMax} ms`)), inputWallMsMax);
  });
  await Promise.race([step.run(), late]).finally(() => clearTimeout(timer));
  const { user, system } = process.cpuUsage(before);
  insist((user + system) / 1000 < inputCpuMsMax, `it took ${Math.round((user + system) / 1000)} ms of the processor`);
  checkPrototypes();
}

function replay(area: Area, index: number): string {
  return `npm run fuzz -- --seed ${seed} --area ${area.name} --case ${index}`;
}
