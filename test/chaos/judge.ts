/** Judges histories on a thread of its own: that takes seconds, in which everything else would stand still. */
import { once } from "node:events";
import { parentPort, Worker } from "node:worker_threads";
import { check, type Verdict } from "../linearizability/checker.ts";
import type { Operation } from "../linearizability/history.ts";

/** States that are tried before a history is left undecided. */
const triesMax = 50_000;

/**
 * As by one clock, first. What is not right so must be right where each process has decided at a time of its own, between
 * call and answer: `timesCrossed` tells that it took this.
 */
export type Judgement = Verdict & { readonly timesCrossed: boolean };

export async function judge(history: readonly Operation[]): Promise<Judgement> {
  const worker = new Worker(new URL(import.meta.url));
  try {
    worker.postMessage(history);
    const [verdict] = await once(worker, "message");
    return verdict as Judgement;
  } finally {
    await worker.terminate();
  }
}

parentPort?.once("message", (history: readonly Operation[]) => {
  const strict = check(history, { triesMax });
  const timesCrossed = strict.verdict === "wrong";
  const judgement = { ...(timesCrossed ? check(history, { triesMax, timesMayCross: true }) : strict), timesCrossed };
  parentPort?.postMessage(judgement satisfies Judgement);
});
