import { limits } from "../../../../kernel/index.ts";
import { type Chosen, Coverage, given, type Need } from "./coverage.ts";
import type { Option, Order } from "./order.ts";
import { byPriority } from "./place-order.ts";
import type { Preference } from "./strategy.ts";

interface Choice {
  readonly chosen: Chosen;
  /** Whether no smaller set does. */
  readonly isLeast: boolean;
  readonly notes: readonly string[];
}

/**
 * Confines the order to as few locations as serve it whole, or, when it can't be served whole, to as few as give it
 * all that there is.
 *
 * Up to `limits.exactSourcingLocationsMax` candidates every set is looked at, by size, then by sum of priorities. Among
 * more, a single location that does is found as well; otherwise the set is chosen greedily (set cover: the location
 * that adds the most lines or parts of lines comes next), and a note says so.
 */
export function fewestSplits(order: Order): Preference {
  const coverage = new Coverage(order);
  // An order that will be refused is judged by all its locations.
  const isRefused = !coverage.isWhole && !order.allowPartial;
  const choice = isRefused ? everywhere(coverage) : choose(coverage);
  const places = choice.chosen.flatMap((index) => coverage.candidates[index] ?? []);
  return {
    within: new Set(places.map(({ location }) => location)),
    // The largest part first leaves each line in the fewest pieces.
    compare: (a, b) => b.reach - a.reach || byPriority(a.place, b.place),
    because: (option) => because(option, order, choice),
    notes: choice.notes,
  };
}

function because({ place }: Option, order: Order, { chosen, isLeast }: Choice): string {
  if (chosen.length === 1) return "serves the whole order by itself";
  const whole = order.lines.filter(({ demand, options }) =>
    options.some((option) => option.place.location === place.location && option.reach >= demand.quantity),
  ).length;
  const role = isLeast ? `needed ${chosen.length} locations at least` : `one of ${chosen.length} locations chosen`;
  return `${role}, and ${place.location} has all of ${whole} of the ${order.lines.length} lines`;
}

function choose(coverage: Coverage): Choice {
  const count = coverage.candidates.length;
  const single = coverage.single();
  if (single !== undefined) return { chosen: [single], isLeast: true, notes: [] };
  // No single one does, and no line can do with fewer than its largest parts add up to.
  const least = Math.max(2, ...coverage.needs.map(leastLocations));
  if (count <= limits.exactSourcingLocationsMax) return { chosen: smallest(coverage, least), isLeast: true, notes: [] };
  const chosen = greedy(coverage);
  const isLeast = chosen.length === least;
  const verdict = isLeast ? "no fewer would do" : "fewer might do";
  const note = `${count} locations could serve this order, too many to try every combination: these ${chosen.length} were chosen greedily, and ${verdict}.`;
  return { chosen, isLeast, notes: [note] };
}

function everywhere({ candidates }: Coverage): Choice {
  return { chosen: [...candidates.keys()], isLeast: false, notes: [] };
}

function leastLocations({ units, reaches }: Need): number {
  let missing = units;
  let count = 0;
  for (const part of reaches.toSorted((a, b) => b - a)) {
    if (missing <= 0) break;
    missing -= part;
    count += 1;
  }
  return count;
}

function smallest(coverage: Coverage, least: number): Chosen {
  const count = coverage.candidates.length;
  const priorities = (set: Chosen): number =>
    set.reduce((sum, index) => sum + (coverage.candidates[index]?.priority ?? 0), 0);
  for (let size = least; size < count; size += 1) {
    const sets = combinations(count, size).map((set) => ({ set, sum: priorities(set) }));
    const found = sets.sort((a, b) => a.sum - b.sum).find(({ set }) => coverage.serves(set));
    if (found !== undefined) return found.set;
  }
  return everywhere(coverage).chosen;
}

/** All sets of `size` of the numbers below `count`, in lexicographic order. */
function combinations(count: number, size: number, from = 0): number[][] {
  if (size === 0) return [[]];
  const sets: number[][] = [];
  for (let first = from; first <= count - size; first += 1) {
    for (const rest of combinations(count, size - 1, first + 1)) sets.push([first, ...rest]);
  }
  return sets;
}

function greedy(coverage: Coverage): Chosen {
  const chosen: number[] = [];
  while (!coverage.serves(chosen)) {
    const gains = coverage.candidates.map((_, index) => (chosen.includes(index) ? 0 : gain(coverage, chosen, index)));
    const best = gains.indexOf(Math.max(...gains));
    if ((gains[best] ?? 0) > 0) chosen.push(best);
    else chosen.push(bestForShared(coverage, chosen));
  }
  return withoutSpare(coverage, chosen);
}

/** What a candidate adds to a set, in lines; as if no two lines asked for the same units. */
function gain({ needs }: Coverage, chosen: Chosen, candidate: number): number {
  let lines = 0;
  for (const need of needs) {
    if (need.units === 0) continue;
    lines += Math.min(need.reaches[candidate] ?? 0, need.units - given(need, chosen)) / need.units;
  }
  return lines;
}

/**
 * The candidate that adds the most units once lines compete. Some candidate adds one as long as the set does not serve
 * the order, because what the rest add together is at most what each of them adds by itself.
 */
function bestForShared(coverage: Coverage, chosen: Chosen): number {
  const units = coverage.candidates.map((_, index) =>
    chosen.includes(index) ? -1 : coverage.sharedUnits([...chosen, index]),
  );
  return units.indexOf(Math.max(...units));
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
