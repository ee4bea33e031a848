import { constants, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";

export interface MemoryWatch {
  /** Whether so little of the heap is left that nothing should be taken in that stays in memory. */
  isShort(): boolean;
  figures(): { readonly liveBytes: number; readonly limitBytes: number };
  stop(): void;
}

/** The share of the heap in use after a full collection from which on it is short, and below which it no longer is. */
const shortAbove = 0.8;
const enoughBelow = 0.75;

/**
 * Watches what is left in the heap after each full collection: only that tells what is needed from what is garbage. A
 * process whose heap is full is ended by the runtime; a server that stops taking writes before goes on answering.
 */
export function watchMemory(): MemoryWatch {
  const limitBytes = getHeapStatistics().heap_size_limit - youngBytesMax();
  let liveBytes = 0;
  let isShort = false;
  const look = (bytes: number) => {
    isShort = bytes > limitBytes * (isShort ? enoughBelow : shortAbove);
  };
  const observer = new PerformanceObserver((list) => {
    const isFull = list.getEntries().some((entry) => {
      const { kind } = (entry as { detail?: { kind?: number } }).detail ?? {};
      return kind === constants.NODE_PERFORMANCE_GC_MAJOR;
    });
    if (!isFull) return;
    liveBytes = getHeapStatistics().used_heap_size;
    look(liveBytes);
  });
  observer.observe({ entryTypes: ["gc"] });
  return {
    isShort() {
      // Without new objects there is no new collection, but what is in use is at least what is live.
      if (isShort) look(Math.min(liveBytes, getHeapStatistics().used_heap_size));
      return isShort;
    },
    figures: () => ({ liveBytes, limitBytes }),
    stop: () => observer.disconnect(),
  };
}

/**
 * What of the heap's limit belongs to young objects, three times a semi-space: the rest is where the runtime ends a
 * process. V8 tells its semi-space by no function, so its flag is looked for; 32 MiB is what it takes without.
 */
function youngBytesMax(): number {
  const flags = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  return 3 * 2 ** 20 * Number(/--max-semi-space-size=(\d+)/.exec(flags)?.[1] ?? 32);
}
