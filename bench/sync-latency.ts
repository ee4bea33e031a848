/**
 * Where should the disk sync? Callers in a loop, each waiting for its own event to be durable, over three ways to write
 * a log and Larder's own, with syncs that take 0, 0.1, 1 and 10 ms longer than this disk's. Figures: docs/adr/0003.
 *
 * `node bin/larder.js --tool bench/sync-latency.ts` (Linux, with a C compiler for the shim).
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { writers } from "./sync-writers.ts";

const runMs = 1000;
/** Of each figure the median is shown. Rounds of one row are taken side by side, as the machine swings. */
const rounds = 3;
const callerCounts = [64, 256];
const delaysUs = [0, 100, 1000, 10_000];
const body = JSON.stringify({
  reservationId: "0197-3c1e",
  quantity: 1,
  expiresAt: 1_763_719_200_000,
  text: "x".repeat(60),
});

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

/** Callers share writes as the ledger does: all that wait when the writer is free go together. */
async function measure(writer: string, callers: number): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-"));
  const write = await writers[writer]?.(folder);
  if (write === undefined) throw new Error(`no writer is called ${writer}`);
  let waiting: (() => void)[] = [];
  let isDone = false;
  const latencies: number[] = [];
  const call = async () => {
    while (!isDone) {
      const from = performance.now();
      await new Promise<void>((resolve) => waiting.push(resolve));
      latencies.push(performance.now() - from);
    }
  };
  for (let caller = 0; caller < callers; caller += 1) void call();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const end = performance.now() + runMs;
  loop.enable();
  const from = performance.now();
  while (performance.now() < end) {
    const answered = waiting;
    waiting = [];
    await write(answered.map(() => body));
    for (const answer of answered) answer();
    // A turn of the event loop for everything else, as between the requests of a server.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const seconds = (performance.now() - from) / 1000;
  isDone = true;
  loop.disable();
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  rmSync(folder, { recursive: true });
  return {
    perSecond: Math.round(latencies.length / seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    // The monitor counts its own millisecond too.
    loopP99Ms: Math.max(0, loop.percentile(99) / 1e6 - 1),
    loopMaxMs: Math.max(0, loop.max / 1e6 - 1),
  };
}

function buildShim(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "larder-shim-"));
  const library = join(folder, "sync-shim.so");
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, join(import.meta.dirname, "sync-shim.c"), "-ldl"]);
    return library;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

/** Measures in a process of its own, so that the shim is loaded and nothing is warm. */
function run(writer: string, callers: number, environment: NodeJS.ProcessEnv): Figures {
  const output = execFileSync(process.execPath, [import.meta.filename, writer, String(callers)], { env: environment });
  return JSON.parse(output.toString());
}

function compareAll(): void {
  const shim = process.platform === "linux" ? buildShim() : undefined;
  if (shim === undefined) console.log("no C compiler, or not Linux: only this disk's own syncs are measured");
  const delays = shim === undefined ? [0] : delaysUs;
  console.log(
    "sync + ms | callers | writer                          | events/s | p50 ms | p99 ms | loop p99 | loop max ms",
  );
  for (const delayUs of delays) {
    for (const callers of callerCounts) {
      const environment = { ...process.env, SYNC_DELAY_US: String(delayUs), ...(shim && { LD_PRELOAD: shim }) };
      const taken = new Map<string, Figures[]>(Object.keys(writers).map((writer) => [writer, []]));
      for (let round = 0; round < rounds; round += 1) {
        for (const [writer, figures] of taken) figures.push(run(writer, callers, environment));
      }
      for (const [writer, figures] of taken) {
        const median = (name: keyof Figures) => figures.map((one) => one[name]).sort((x, y) => x - y)[rounds >> 1] ?? 0;
        const cells = [
          (delayUs / 1000).toFixed(1).padStart(9),
          String(callers).padStart(7),
          writer.padEnd(31),
          String(median("perSecond")).padStart(8),
          median("p50Ms").toFixed(2).padStart(6),
          median("p99Ms").toFixed(2).padStart(6),
          median("loopP99Ms").toFixed(1).padStart(8),
          median("loopMaxMs").toFixed(1).padStart(11),
        ];
        console.log(cells.join(" | "));
      }
    }
  }
  if (shim !== undefined) rmSync(join(shim, ".."), { recursive: true });
}

const [writer, callers] = process.argv.slice(2);
if (writer === undefined) compareAll();
else {
  console.log(JSON.stringify(await measure(writer, Number(callers))));
  process.exit(0);
}
