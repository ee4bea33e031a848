/** A process with one way to write a log, and callers that share its writes as those of the ledger do. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { writers } from "../contenders/log-writers.ts";
import { serveCalls } from "../harness/child.ts";
import { percentile, sorted } from "../harness/stats.ts";

export interface Writing {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

const body = JSON.stringify({
  reservationId: "0197-3c1e",
  quantity: 1,
  expiresAt: 1_763_719_200_000,
  text: "x".repeat(60),
});

serveCalls({
  async write({ writer, callers, milliseconds }: { writer: string; callers: number; milliseconds: number }) {
    const folder = mkdtempSync(join(tmpdir(), "larder-writer-"));
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
    loop.enable();
    const from = performance.now();
    while (performance.now() - from < milliseconds) {
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
    rmSync(folder, { recursive: true });
    const ordered = sorted(latencies);
    return {
      perSecond: latencies.length / seconds,
      p50Ms: percentile(ordered, 0.5),
      p99Ms: percentile(ordered, 0.99),
      // The monitor counts its own millisecond too.
      loopP99Ms: Math.max(0, loop.percentile(99) / 1e6 - 1),
      loopMaxMs: Math.max(0, loop.max / 1e6 - 1),
    } satisfies Writing;
  },
  close: () => undefined,
});
