import type { Line, Order } from "./order.ts";
import { byPriority } from "./place-order.ts";
import { reachTogether } from "./reach.ts";
import type { Place } from "./types.ts";

/** The location that serves a whole order by itself; of several the first by priority. */
export function singleLocation({ linesBySku }: Order): Place | undefined {
  const [first = [], ...others] = linesBySku;
  let places = wholeAt(first);
  for (const lines of others) {
    if (places.length === 0) return undefined;
    const here = new Set(wholeAt(lines).map(({ location }) => location));
    places = places.filter(({ location }) => here.has(location));
  }
  return places.toSorted(byPriority)[0];
}

/** The locations that serve all lines of one sku whole. */
function wholeAt(lines: readonly Line[]): readonly Place[] {
  const [first, ...others] = lines;
  if (first === undefined) return [];
  const whole = first.options.filter(({ reach }) => reach >= first.demand.quantity);
  if (others.length === 0) return whole.map(({ place }) => place);
  const demands = lines.map(({ demand }) => demand);
  const quantity = demands.reduce((sum, demand) => sum + demand.quantity, 0);
  return whole
    .filter(({ place }) => demands.every(({ locations }) => locations?.includes(place.location) ?? true))
    .filter(({ supply }) => reachTogether(demands, supply) === quantity)
    .map(({ place }) => place);
}
