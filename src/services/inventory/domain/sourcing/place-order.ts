import type { Place } from "./types.ts";

/** Lower priority first, then by name (by code units, so that the order is the same everywhere). */
export function byPriority(a: Place, b: Place): number {
  return a.priority - b.priority || byName(a.location, b.location);
}

function byName(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
