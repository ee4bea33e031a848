/**
 * What is known of some times: every assignment of whole milliseconds that keeps to some bounds on their differences (a
 * difference-bound matrix, as of timed automata). `now` is the time of the last operation; others have names.
 *
 * `bounds[i][j]` is the greatest that time i less time j can be; always the tightest that follows. Time 0 is zero.
 */
export interface Zone {
  readonly names: readonly string[];
  readonly bounds: readonly (readonly number[])[];
}

export const zero = "zero";
export const now = "now";

export const anyTime: Zone = {
  names: [zero, now],
  bounds: [
    [0, 0],
    [Number.POSITIVE_INFINITY, 0],
  ],
};

/** Later, or at the same time still. */
export function elapse({ names, bounds }: Zone): Zone {
  const at = names.indexOf(now);
  return {
    names,
    bounds: bounds.map((row, i) => (i === at ? row.map((_, j) => (j === at ? 0 : Number.POSITIVE_INFINITY)) : row)),
  };
}

/** At any time: nothing is known of it. */
export function forget({ names, bounds }: Zone): Zone {
  const at = names.indexOf(now);
  const isFree = (i: number, j: number) => i !== j && (i === at || j === at);
  return {
    names,
    bounds: bounds.map((row, i) => row.map((bound, j) => (isFree(i, j) ? Number.POSITIVE_INFINITY : bound))),
  };
}

/** Only where time `a` less time `b` is at most `most`; undefined when that can't be. */
export function restrict({ names, bounds }: Zone, a: string, b: string, most: number): Zone | undefined {
  const [from, to] = [names.indexOf(a), names.indexOf(b)];
  const least = bounds[to]?.[from] ?? 0;
  if (most + least < 0) return undefined;
  if (most >= (bounds[from]?.[to] ?? 0)) return { names, bounds };
  return {
    names,
    bounds: bounds.map((row) =>
      row.map((bound, j) => Math.min(bound, (row[from] ?? 0) + most + (bounds[to]?.[j] ?? 0))),
    ),
  };
}

/** Whether every assignment of `part` is one of `whole`; their names must be the same, in the same order. */
export function contains(whole: Zone, part: Zone): boolean {
  return part.bounds.every((row, i) => row.every((bound, j) => bound <= (whole.bounds[i]?.[j] ?? 0)));
}

/** With a time of a new name, `later` after now. Names are kept in order, so that zones compare. */
export function add({ names, bounds }: Zone, name: string, later: number): Zone {
  const at = names.indexOf(now);
  const above = names.findIndex((known, index) => index > at && known > name);
  const place = above < 0 ? names.length : above;
  const own = (bounds[at] ?? []).map((bound) => bound + later);
  const rows = bounds.map((row) => row.toSpliced(place, 0, (row[at] ?? 0) - later));
  return { names: names.toSpliced(place, 0, name), bounds: rows.toSpliced(place, 0, own.toSpliced(place, 0, 0)) };
}

export function drop({ names, bounds }: Zone, name: string): Zone {
  const at = names.indexOf(name);
  const without = <T>(list: readonly T[]) => list.filter((_, index) => index !== at);
  return { names: without(names), bounds: without(bounds).map(without) };
}
