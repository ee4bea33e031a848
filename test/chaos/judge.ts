/** Judges histories on a thread of its own: that takes seconds, in which everything else would stand still. */
import { once } from "node:events";
import { parentPort, Worker } from "node:worker_threads";
import { check, type Verdict } from "../linearizability/checker.ts";
import { type Operation, withRepeats } from "../linearizability/history.ts";

/** States that are tried before a history is left undecided. */
const triesMax = 50_000;

/**
 * As by one process, first. What is not right so must be right as several may answer: each decides at a time of its own
 * between call and answer, and what one was asked another one may be asked again. `tookSeveral` tells that it took this.
 */
export type Judgement = Verdict & { readonly tookSeveral: boolean };

export async function judge(history: readonly Operation[]): Promise<Judgement> {
  const worker = new Worker(new URL(import.meta.url));
  try {
    worker.postMessage(history);
    const [judgement] = await once(worker, "message");
    return judgement as Judgement;
  } finally {
    await worker.terminate();
  }
}

function judged(history: readonly Operation[]): Judgement {
  const byOne = check(history, { triesMax });
  if (byOne.verdict !== "wrong") return { ...byOne, tookSeveral: false };
  return { ...check(withRepeats(history), { triesMax, timesMayCross: true }), tookSeveral: true };
}

parentPort?.once("message", (history: readonly Operation[]) => parentPort?.postMessage(judged(history)));
