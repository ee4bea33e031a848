/** Load in a process: callers that each wait for their answer, or arrivals at a fixed rate whatever the answers do. */
import { percentile, sorted } from "./stats.ts";

export interface Load {
  /** Callers at once; with `perSecond` the most that may be under way. */
  readonly callers: number;
  readonly milliseconds: number;
  /** Milliseconds before the counting begins. */
  readonly warmUpMs: number;
  /** Arrivals a second; a closed loop when absent. */
  readonly perSecond?: number;
}

export interface Loaded {
  /** Calls answered with true while it was counted, those answered with false, and those that failed. */
  readonly done: number;
  readonly refused: number;
  readonly failed: number;
  readonly firstError?: string;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Puts load on `call`. Latencies of an open loop count from the moment that a call was due, so that a stall is felt by
 * all that came meanwhile. `counting` is called when the warm-up is over.
 */
export async function load(
  { callers, milliseconds, warmUpMs, perSecond }: Load,
  call: (turn: number) => Promise<boolean>,
  counting: () => void = () => undefined,
): Promise<Loaded> {
  const latencies: number[] = [];
  let [isOver, isCounting, turns, refused, failed] = [false, warmUpMs === 0, 0, 0, 0];
  let firstError: string | undefined;
  let began = performance.now();
  const one = async (due: number) => {
    const turn = turns++;
    try {
      const isDone = await call(turn);
      if (!isCounting || isOver) return;
      if (isDone) latencies.push(performance.now() - due);
      else refused += 1;
    } catch (error) {
      firstError ??= String(error);
      if (isCounting) failed += 1;
    }
  };
  const caller = async () => {
    while (!isOver) await one(performance.now());
  };
  const arrivals = async (rate: number) => {
    const from = performance.now();
    const waiting = new Set<Promise<void>>();
    for (let made = 0; !isOver; ) {
      for (; made < ((performance.now() - from) / 1000) * rate && waiting.size < callers; made += 1) {
        const work = one(from + (made * 1000) / rate).finally(() => waiting.delete(work));
        waiting.add(work);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(waiting);
  };
  setTimeout(() => {
    isCounting = true;
    began = performance.now();
    counting();
  }, warmUpMs);
  let seconds = 0;
  setTimeout(() => {
    isOver = true;
    seconds = (performance.now() - began) / 1000;
  }, warmUpMs + milliseconds);
  if (warmUpMs === 0) counting();
  await (perSecond === undefined ? Promise.all(Array.from({ length: callers }, caller)) : arrivals(perSecond));
  const ordered = sorted(latencies);
  return {
    done: latencies.length,
    refused,
    failed,
    ...(firstError !== undefined && { firstError }),
    seconds,
    p50Ms: percentile(ordered, 0.5),
    p99Ms: percentile(ordered, 0.99),
  };
}
