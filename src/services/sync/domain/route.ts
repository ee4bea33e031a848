/** Which changes a receiver asks for. */
import { fits } from "./pattern.ts";

export interface Route {
  /**
   * Of which locations: of all, of its own, of all but its own; or a list, each entry the id of a location or a pattern
   * of ids (`leeds-*`), or `group:` and a group or a pattern of groups (`group:north/*`).
   */
  readonly of: "all" | "own" | "others" | readonly string[];
  /** A pattern of skus; all when absent. */
  readonly skus?: string;
  /** The only locations of which it may get anything; any when absent. */
  readonly limitedTo?: readonly string[];
}

export interface Place {
  readonly location: string;
  readonly group?: string;
}

const groupPrefix = "group:";

export function wantsPlace({ of, limitedTo }: Route, receiver: string, { location, group }: Place): boolean {
  if (limitedTo?.includes(location) === false) return false;
  if (of === "all") return true;
  if (of === "own") return location === receiver;
  if (of === "others") return location !== receiver;
  return of.some((entry) => {
    if (fits(entry, location)) return true;
    return group !== undefined && entry.startsWith(groupPrefix) && fits(entry.slice(groupPrefix.length), group);
  });
}

export function wantsSku({ skus }: Route, sku: string): boolean {
  return skus === undefined || fits(skus, sku);
}

export function isSameRoute(a: Route, b: Route): boolean {
  const ask = ({ of, skus, limitedTo }: Route) => JSON.stringify([of, skus ?? null, limitedTo ?? null]);
  return ask(a) === ask(b);
}
