import { invariant } from "../../../../kernel/index.ts";
import { distanceKm } from "./distance.ts";
import { fewestSplits } from "./fewest-splits.ts";
import type { Option } from "./order.ts";
import { byPriority } from "./place-order.ts";
import type { Strategy } from "./strategy.ts";
import type { Position, StrategyName } from "./types.ts";

export const strategies: Readonly<Record<StrategyName, Strategy>> = {
  priority: () => ({
    compare: (a, b) => byPriority(a.place, b.place),
    because: ({ place }, rank) => `${rank === 0 ? "first" : "next"} in priority (${place.priority})`,
    notes: [],
  }),

  "most-stock": () => ({
    compare: (a, b) => b.reach - a.reach || byPriority(a.place, b.place),
    because: ({ reach }, rank) => `${rank === 0 ? "most stock" : "next most stock"}: ${reach} can be promised`,
    notes: [],
  }),

  nearest: ({ near }) => {
    invariant(near !== undefined, "`nearest` is asked for only with a position to be near to");
    const distance = distanceFrom(near);
    return {
      compare: (a, b) => ascending(distance(a), distance(b)) || byPriority(a.place, b.place),
      because: (option, rank) => {
        const km = distance(option);
        if (km === undefined) return "its position is not known, so it comes after those whose is";
        return `${rank === 0 ? "nearest" : "next nearest"}: ${km.toFixed(1)} km`;
      },
      notes: [],
    };
  },

  "earliest-expiry": () => ({
    compare: (a, b) => ascending(a.endsFirst, b.endsFirst) || byPriority(a.place, b.place),
    because: ({ endsFirst }, rank) => {
      if (endsFirst === undefined) return "none of its stock has a date, so it comes after stock that has";
      return `its stock ends ${rank === 0 ? "first" : "next"}: ${endsFirst}`;
    },
    notes: [],
  }),

  "fewest-splits": fewestSplits,
};

/** Orders what is known before what is not. */
function ascending<T extends number | string>(a: T | undefined, b: T | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -1 : 1;
}

/** Kilometres to an option, worked out once for each location. */
function distanceFrom(near: Position): (option: Option) => number | undefined {
  const known = new Map<string, number>();
  return ({ place }) => {
    if (place.position === undefined) return undefined;
    const before = known.get(place.location);
    if (before !== undefined) return before;
    const km = distanceKm(near, place.position);
    known.set(place.location, km);
    return km;
  };
}
