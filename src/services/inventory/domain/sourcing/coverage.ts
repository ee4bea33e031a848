import type { Line, Order } from "./order.ts";
import { byPriority } from "./place-order.ts";
import { SharedRouting } from "./routing.ts";
import type { Place } from "./types.ts";

/** A set of candidates, by their index. */
export type Chosen = readonly number[];

/** A line as coverage sees it. */
export interface Need {
  /** Units that all candidates together give the line when no other line is asked. */
  readonly units: number;
  /** By candidate: the part of `units` that it can give when no other line is asked. */
  readonly reaches: readonly number[];
}

/** The lines of one sku that compete for it, and the units that all candidates together give them. */
interface SharedNeed {
  readonly routing: SharedRouting;
  readonly units: number;
}

/**
 * Tells which sets of locations serve an order as well as all of them together: every line whole, or as many units of
 * each sku as there are. A set that does stays so when a location joins it.
 */
export class Coverage {
  /** The locations that could serve anything, by priority, then name. */
  readonly candidates: readonly Place[];
  readonly needs: readonly Need[];
  /** Whether all candidates together serve every line whole. */
  readonly isWhole: boolean;
  readonly #aloneNeeds: readonly Need[];
  readonly #sharedNeeds: readonly SharedNeed[];

  constructor(order: Order) {
    const places = new Map<string, Place>();
    for (const { options } of order.lines) for (const { place } of options) places.set(place.location, place);
    this.candidates = [...places.values()].sort(byPriority);
    const indexOf = new Map(this.candidates.map(({ location }, index) => [location, index]));
    const needOf = (line: Line): Need => need(line, indexOf, this.candidates.length);

    const alone = order.linesBySku.filter((lines) => lines.length === 1).flat();
    const shared = order.linesBySku.filter((lines) => lines.length > 1);
    this.#aloneNeeds = alone.map(needOf);
    this.needs = [...this.#aloneNeeds, ...shared.flat().map(needOf)];
    this.#sharedNeeds = shared.map((lines) => {
      const routing = new SharedRouting(lines);
      return { routing, units: routing.most(() => true) };
    });
    const asked = order.lines.reduce((sum, { demand }) => sum + demand.quantity, 0);
    const there = [...this.#aloneNeeds, ...this.#sharedNeeds].reduce((sum, { units }) => sum + units, 0);
    this.isWhole = there === asked;
  }

  serves(chosen: Chosen): boolean {
    return this.#aloneNeeds.every((need) => given(need, chosen) === need.units) && this.#servesShared(chosen);
  }

  /** Units that a set gives the lines that compete for theirs with others. */
  sharedUnits(chosen: Chosen): number {
    const locations = this.#locations(chosen);
    return this.#sharedNeeds.reduce((sum, { routing }) => sum + routing.most((name) => locations.has(name)), 0);
  }

  /** The first candidate that serves the whole order by itself. */
  single(): number | undefined {
    const index = this.candidates.findIndex((_, candidate) => this.serves([candidate]));
    return index === -1 ? undefined : index;
  }

  #servesShared(chosen: Chosen): boolean {
    if (this.#sharedNeeds.length === 0) return true;
    const locations = this.#locations(chosen);
    return this.#sharedNeeds.every(({ routing, units }) => routing.most((name) => locations.has(name)) === units);
  }

  #locations(chosen: Chosen): ReadonlySet<string | undefined> {
    return new Set(chosen.map((index) => this.candidates[index]?.location));
  }
}

/** Units that a set of candidates gives a line when no other line is asked. */
export function given({ units, reaches }: Need, chosen: Chosen): number {
  let sum = 0;
  for (const index of chosen) sum += reaches[index] ?? 0;
  return Math.min(sum, units);
}

function need({ demand, options }: Line, indexOf: ReadonlyMap<string, number>, count: number): Need {
  const reaches = new Array<number>(count).fill(0);
  let sum = 0;
  for (const { place, reach } of options) {
    reaches[indexOf.get(place.location) ?? 0] = Math.min(reach, demand.quantity);
    sum += Math.min(reach, demand.quantity);
  }
  return { units: Math.min(sum, demand.quantity), reaches };
}
