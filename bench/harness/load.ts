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
  let [isCounting, turns, refused, failed] = [false, 0, 0, 0];
  let firstError: string | undefined;
  // By the clock and not by timers, which a call that answers at once would never let come.
  const begin = performance.now();
  const end = begin + warmUpMs + milliseconds;
  let countedFrom = begin;
  const isOver = () => {
    const now = performance.now();
    if (!isCounting && now >= begin + warmUpMs) {
      isCounting = true;
      countedFrom = now;
      counting();
    }
    return now >= end;
  };
  const one = async (due: number) => {
    const turn = turns++;
    try {
      const isDone = await call(turn);
      const now = performance.now();
      if (!isCounting || now > end) return;
      if (isDone) latencies.push(now - due);
      else refused += 1;
    } catch (error) {
      firstError ??= String(error);
      if (isCounting) failed += 1;
    }
  };
  const caller = async () => {
    while (!isOver()) await one(performance.now());
  };
  const arrivals = async (rate: number) => {
    const waiting = new Set<Promise<void>>();
    for (let made = 0; !isOver(); ) {
      for (; made < ((performance.now() - begin) / 1000) * rate && waiting.size < callers; made += 1) {
        const work = one(begin + (made * 1000) / rate).finally(() => waiting.delete(work));
        waiting.add(work);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(waiting);
  };
  await (perSecond === undefined ? Promise.all(Array.from({ length: callers }, caller)) : arrivals(perSecond));
  const seconds = (end - countedFrom) / 1000;
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
