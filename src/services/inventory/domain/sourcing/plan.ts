import { type Line, type Option, type Order, orderOf } from "./order.ts";
import { type Route, routeAlone, SharedRouting, type WhenShort } from "./routing.ts";
import { singleLocation } from "./single.ts";
import { strategies } from "./strategies.ts";
import type { Preference } from "./strategy.ts";
import type { Allocation, Plan, PlanRequest, Shortage } from "./types.ts";

/**
 * Chooses the locations that serve an order, and says why in plain words.
 *
 * Never allocates more than the supplies have, and never refuses an order that its permitted locations can serve
 * together, whatever the strategy prefers. Without `allowPartial` all lines are served or none; with it, each line gets
 * the most that it can beside the lines before it. Equal requests give equal plans.
 */
export function planSourcing(request: PlanRequest): Plan {
  const order = orderOf(request);
  const preference = strategies[request.strategy](order);
  const whenShort = request.allowPartial ? "keep" : "leave-out";
  const served = order.linesBySku.flatMap((lines) => serve(lines, preference, whenShort));
  served.sort((a, b) => a.line.demand.line - b.line.demand.line);
  const short = served.flatMap(shortage);
  if (short.length > 0 && !request.allowPartial) return { allocations: [], short, notes: [refusal(short, order)] };

  const allocations = served.flatMap((line) => allocationsOf(line, preference));
  const notes = [...partialNotes(short, order), ...splitNotes(allocations, short, order), ...preference.notes];
  return { allocations, short, notes };
}

/** A line with its options in the order in which it uses them, and what it gets. */
interface Served {
  readonly line: Line;
  readonly route: Route;
}

/** Serves the lines of one sku. */
function serve(lines: readonly Line[], preference: Preference, whenShort: WhenShort): readonly Served[] {
  const [only] = lines;
  if (only !== undefined && lines.length === 1) {
    const line = { ...only, options: preferredUntilServed(only, preference) };
    return [{ line, route: routeAlone(line) }];
  }
  const ordered = lines.map((line) => ({ ...line, options: preferred(line, preference) }));
  const routes = new SharedRouting(ordered).route(whenShort);
  return ordered.flatMap((line, index) => ({ line, route: routes[index] ?? { taken: [], units: 0 } }));
}

/** The options that a line may use, in the order in which it is to use them. */
function preferred({ demand, options }: Line, preference: Preference): readonly Option[] {
  const { within } = preference;
  const permitted = within === undefined ? options : options.filter(({ place }) => within.has(place.location));
  return demand.locations === undefined ? permitted.toSorted(preference.compare) : permitted;
}

/** As `preferred`, but spares the sorting when the best option serves the line whole, as it mostly does. */
function preferredUntilServed(line: Line, preference: Preference): readonly Option[] {
  const { demand, options } = line;
  const [first] = options;
  if (first === undefined || demand.locations !== undefined || preference.within !== undefined)
    return preferred(line, preference);
  const best = options.reduce((a, b) => (preference.compare(b, a) < 0 ? b : a), first);
  return best.reach >= demand.quantity ? [best] : preferred(line, preference);
}

function allocationsOf({ line, route }: Served, preference: Preference): readonly Allocation[] {
  const { line: number, sku } = line.demand;
  return line.options.flatMap((option, rank) => {
    const quantity = route.taken[rank] ?? 0;
    if (quantity === 0) return [];
    const because = `${reason(line, option, rank, preference)}${yielded(line, route, rank)}`;
    return { line: number, sku, location: option.place.location, quantity, because };
  });
}

function reason({ demand }: Line, option: Option, rank: number, preference: Preference): string {
  const { locations } = demand;
  if (locations === undefined) return preference.because(option, rank);
  if (locations.length === 1) return "the order names this location";
  return `number ${locations.indexOf(option.place.location) + 1} of the ${locations.length} locations that the order names`;
}

/** Says so when a line had to leave units of a location that it prefers to other lines. */
function yielded({ options }: Line, { taken }: Route, rank: number): string {
  const left = options.find((option, index) => index < rank && (taken[index] ?? 0) < option.reach);
  return left === undefined ? "" : `; other lines need what ${left.place.location} has`;
}

function shortage({ line, route }: Served): readonly Shortage[] {
  const { line: number, sku, quantity, locations } = line.demand;
  if (route.units === quantity) return [];
  const [location, ...others] = locations ?? [];
  const named = location !== undefined && others.length === 0 ? { location } : {};
  return [{ line: number, sku, ...named, requested: quantity, available: route.units }];
}

function refusal(short: readonly Shortage[], { lines }: Order): string {
  return `Refused: the permitted locations can't serve ${short.length} of ${counted(lines.length, "line")} whole.`;
}

function partialNotes(short: readonly Shortage[], { lines }: Order): readonly string[] {
  if (short.length === 0) return [];
  return [
    `${short.length} of ${counted(lines.length, "line")} ${short.length === 1 ? "gets" : "get"} less than asked for.`,
  ];
}

/** Says over how many locations the order is split, and whether one could have served it. */
function splitNotes(allocations: readonly Allocation[], short: readonly Shortage[], order: Order): readonly string[] {
  const used = new Set(allocations.map(({ location }) => location)).size;
  if (used < 2) return [];
  const split = `Split over ${used} locations`;
  if (short.length > 0) return [`${split}.`];
  const [first, ...others] = order.lines;
  const all = others.length === 0 ? `all ${first?.demand.quantity} units` : `all ${order.lines.length} lines`;
  const single = singleLocation(order);
  if (single === undefined) return [`${split}: no single one has ${all}.`];
  return [`${split}, though ${single.location} alone has ${all}: others come first.`];
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
