import { invariant, limits } from "../../../../kernel/index.ts";
import { type Chosen, Coverage, met, type Need } from "./coverage.ts";
import type { Line, Option, Order } from "./order.ts";
import { byPriority } from "./place-order.ts";
import { singleLocation } from "./single.ts";
import type { Preference } from "./strategy.ts";

interface Choice {
  readonly locations: readonly string[];
  /** Whether no smaller set does. */
  readonly isLeast: boolean;
  readonly notes: readonly string[];
}

/**
 * Confines the order to as few locations as serve it whole, or, when it can't be served whole, to as few as give it
 * all that there is.
 *
 * Up to `limits.exactSourcingLocationsMax` candidates every set is looked at, by size, then by sum of priorities. Among
 * more, a single location that serves the whole order is found as well; otherwise the set is chosen greedily (set
 * cover: the location that adds the most lines or parts of lines comes next), and a note says so.
 */
export function fewestSplits(order: Order): Preference {
  const choice = choose(order);
  return {
    within: new Set(choice.locations),
    // The largest part first leaves each line in the fewest pieces.
    compare: (a, b) => b.reach - a.reach || byPriority(a.place, b.place),
    because: (option) => because(option, order, choice),
    notes: choice.notes,
  };
}

function because(option: Option, order: Order, { locations, isLeast }: Choice): string {
  const count = locations.length;
  if (count === 1)
    return singleLocation(order) ? "serves the whole order by itself" : "has all that there is for this order";
  const role = isLeast ? `needed ${count} locations at least` : `one of ${count} locations chosen`;
  return `${role}, and ${option.place.location} has ${shareOf(option, order)}`;
}

/** What of an order a location has by itself. */
function shareOf({ place, reach }: Option, { lines }: Order): string {
  const [first, ...others] = lines;
  if (first !== undefined && others.length === 0) {
    const { quantity } = first.demand;
    return `${Math.min(reach, quantity)} of the ${quantity} units`;
  }
  const isWholeHere = ({ demand, options }: Line) =>
    options.some((option) => option.place.location === place.location && option.reach >= demand.quantity);
  const whole = lines.filter(isWholeHere).length;
  return whole === 0 ? "a part of it" : `all of ${whole} of the ${lines.length} lines`;
}

function choose(order: Order): Choice {
  const single = singleLocation(order);
  if (single !== undefined) return { locations: [single.location], isLeast: true, notes: [] };
  const coverage = new Coverage(order);
  const count = coverage.candidates.length;
  // An order that will be refused is judged by all its locations.
  if (!coverage.isWhole && !order.allowPartial) return choiceOf(coverage, [...coverage.candidates.keys()], false, []);
  if (count <= limits.exactSourcingLocationsMax) return choiceOf(coverage, smallest(coverage), true, []);
  const chosen = greedy(coverage);
  const isLeast = chosen.length === leastLocations(coverage);
  const verdict = isLeast ? "no fewer would do" : "fewer might do";
  const note = `${count} locations could serve this order, too many to try every combination: ${chosen.length} of them were chosen greedily, and ${verdict}.`;
  return choiceOf(coverage, chosen, isLeast, [note]);
}

function choiceOf({ candidates }: Coverage, chosen: Chosen, isLeast: boolean, notes: readonly string[]): Choice {
  return { locations: chosen.flatMap((index) => candidates[index]?.location ?? []), isLeast, notes };
}

/** A number of locations that no set that serves the order stays below: no need is met with fewer than its largest parts. */
function leastLocations({ needs }: Coverage): number {
  return Math.max(0, ...needs.map(leastFor));
}

function leastFor({ units, parts }: Need): number {
  let missing = units;
  let count = 0;
  for (const part of parts.toSorted((a, b) => b - a)) {
    if (missing <= 0) break;
    missing -= part;
    count += 1;
  }
  return count;
}

function smallest(coverage: Coverage): Chosen {
  const count = coverage.candidates.length;
  const priorities = (set: Chosen): number =>
    set.reduce((sum, index) => sum + (coverage.candidates[index]?.priority ?? 0), 0);
  for (let size = leastLocations(coverage); size < count; size += 1) {
    const sets = combinations(count, size).map((set) => ({ set, sum: priorities(set) }));
    const found = sets.sort((a, b) => a.sum - b.sum).find(({ set }) => coverage.serves(set));
    if (found !== undefined) return found.set;
  }
  return [...coverage.candidates.keys()];
}

/** All sets of `size` of the numbers from `from` to below `count`, in lexicographic order. */
function combinations(count: number, size: number, from = 0): number[][] {
  if (size === 0) return [[]];
  const sets: number[][] = [];
  for (let first = from; first <= count - size; first += 1) {
    for (const rest of combinations(count, size - 1, first + 1)) sets.push([first, ...rest]);
  }
  return sets;
}

function greedy(coverage: Coverage): Chosen {
  let chosen: Chosen = [];
  // A set that falls short leaves a need open, which some location that is not in it can add to.
  while (!coverage.serves(chosen)) chosen = [...chosen, mostUseful(coverage, chosen)];
  return withoutSpare(coverage, chosen);
}

/** The candidate that adds the most to a set, in needs met; the first of equals. */
function mostUseful({ needs, candidates }: Coverage, chosen: Chosen): number {
  const open = needs
    .map((need) => ({ need, missing: need.units - met(need, chosen) }))
    .filter(({ missing }) => missing > 0);
  const gains = candidates.map((_, index) =>
    chosen.includes(index)
      ? 0
      : open.reduce((sum, { need, missing }) => sum + Math.min(need.parts[index] ?? 0, missing) / need.units, 0),
  );
  const most = Math.max(...gains);
  invariant(most > 0, "a set that falls short has an open need that all candidates together meet");
  return gains.indexOf(most);
}

/** Leaves out locations that later ones made needless, the least preferred first. */
function withoutSpare(coverage: Coverage, chosen: Chosen): Chosen {
  let kept = chosen;
  for (const index of chosen.toSorted((a, b) => b - a)) {
    const rest = kept.filter((other) => other !== index);
    if (coverage.serves(rest)) kept = rest;
  }
  return kept;
}
