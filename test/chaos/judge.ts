/** Judges histories on a thread of its own: that takes seconds, in which everything else would stand still. */
import { once } from "node:events";
import { parentPort, Worker } from "node:worker_threads";
import { check, type Verdict } from "../linearizability/checker.ts";
import type { Operation } from "../linearizability/history.ts";

/** States that are tried before a history is left undecided. */
const triesMax = 50_000;

export async function judge(history: readonly Operation[]): Promise<Verdict> {
  const worker = new Worker(new URL(import.meta.url));
  try {
    worker.postMessage(history);
    const [verdict] = await once(worker, "message");
    return verdict as Verdict;
  } finally {
    await worker.terminate();
  }
}

parentPort?.once("message", (history: readonly Operation[]) => {
  parentPort?.postMessage(check(history, { triesMax }));
});
