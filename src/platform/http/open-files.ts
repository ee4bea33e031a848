import { readFileSync } from "node:fs";
import { limits } from "../../kernel/index.ts";

/**
 * Connections to hold at most: those of the limits, or fewer where this process may open few files. The store, its
 * checkpoints and their thread open files too, while the server runs; without them the log would grow without bound.
 */
export function connectionsMax(openFilesMax: number = openFilesMaxOfProcess()): number {
  return Math.max(connectionsMin, Math.min(limits.connectionsMax, openFilesMax - limits.filesReserved));
}

/** What an operator needs to see that there are too few files. */
const connectionsMin = 4;

/** Node raises its own limit as far as it may, so the first number is the one that holds. Unknown but on Linux. */
function openFilesMaxOfProcess(): number {
  try {
    const [, max] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return max === undefined ? Number.POSITIVE_INFINITY : Number(max);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
