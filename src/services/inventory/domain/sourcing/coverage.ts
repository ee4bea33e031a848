import type { Line, Order } from "./order.ts";
import { byPriority } from "./place-order.ts";
import { reachTogether } from "./reach.ts";
import { SharedRouting } from "./routing.ts";
import type { Place } from "./types.ts";

/** A set of candidates, by their index. */
export type Chosen = readonly number[];

/**
 * What some lines of one sku need of a set of locations: `units`, to which each candidate can add as much as `parts`
 * says. A set whose parts add up to less does not serve the order.
 */
export interface Need {
  readonly units: number;
  readonly parts: readonly number[];
}

/** The lines of one sku, and the units that all candidates together give them. */
interface Share {
  readonly lines: readonly Line[];
  readonly units: number;
  /** Undefined for a single line: its need says all. */
  readonly routing: SharedRouting | undefined;
}

/**
 * Tells which sets of locations serve an order as well as all of them together: every line whole, or as many units of
 * each sku as there are. A set that does stays so when a location joins it.
 *
 * By the theorem of max-flow and min-cut a set serves the lines of a sku exactly when it meets the need of each group
 * of them (Hall's condition, as Gale gave it for flows). There are too many groups to look at, so needs are added as
 * they are found: a set that meets those known and still falls short shows which group holds it back.
 */
export class Coverage {
  /** The locations that could serve anything, by priority, then name. */
  readonly candidates: readonly Place[];
  /** Whether all candidates together serve every line whole. */
  readonly isWhole: boolean;
  readonly #shares: readonly Share[];
  readonly #indexOf: ReadonlyMap<string, number>;
  readonly #needs: Need[];

  constructor(order: Order) {
    const places = new Map<string, Place>();
    for (const { options } of order.lines) for (const { place } of options) places.set(place.location, place);
    this.candidates = [...places.values()].sort(byPriority);
    this.#indexOf = new Map(this.candidates.map(({ location }, index) => [location, index]));
    this.#shares = order.linesBySku.map(share);
    this.isWhole = this.#shares.every(({ lines, units }) => units === quantityOf(lines));
    this.#needs = this.#shares.flatMap((each) => [
      this.#need(each, each.lines),
      ...(each.lines.length === 1 ? [] : each.lines.map((line) => this.#need(each, [line]))),
    ]);
  }

  /** The needs found so far; a set that serves the order meets them all. */
  get needs(): readonly Need[] {
    return this.#needs;
  }

  serves(chosen: Chosen): boolean {
    if (this.#needs.some((need) => met(need, chosen) < need.units)) return false;
    const locations = new Set(chosen.map((index) => this.candidates[index]?.location));
    return this.#shares.every((each) => {
      const most = each.routing?.most((location) => locations.has(location));
      if (most === undefined || most.units === each.units) return true;
      this.#needs.push(
        this.#need(
          each,
          each.lines.filter((_, index) => most.bound.includes(index)),
        ),
      );
      return false;
    });
  }

  /** What some of the lines of a sku need: what all lines are to get, less what the others could at most. */
  #need({ lines, units }: Share, group: readonly Line[]): Need {
    const needed = units - (quantityOf(lines) - quantityOf(group));
    const demands = group.map(({ demand }) => demand);
    const parts = new Array<number>(this.candidates.length).fill(0);
    for (const supply of new Set(group.flatMap(({ options }) => options.map((option) => option.supply)))) {
      const permitted = demands.filter(({ locations }) => locations?.includes(supply.location) ?? true);
      parts[this.#indexOf.get(supply.location) ?? 0] = reachTogether(permitted, supply);
    }
    return { units: Math.max(0, needed), parts };
  }
}

/** What a set adds towards a need, at most the whole of it. */
export function met({ units, parts }: Need, chosen: Chosen): number {
  let sum = 0;
  for (const index of chosen) sum += parts[index] ?? 0;
  return Math.min(sum, units);
}

function share(lines: readonly Line[]): Share {
  const [line] = lines;
  if (line !== undefined && lines.length === 1) {
    const there = line.options.reduce((sum, { reach }) => sum + Math.min(reach, line.demand.quantity), 0);
    return { lines, units: Math.min(there, line.demand.quantity), routing: undefined };
  }
  const routing = new SharedRouting(lines);
  return { lines, units: routing.most(() => true).units, routing };
}

function quantityOf(lines: readonly Line[]): number {
  return lines.reduce((sum, { demand }) => sum + demand.quantity, 0);
}
