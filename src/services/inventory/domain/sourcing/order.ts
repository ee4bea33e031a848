import { reach } from "./reach.ts";
import type { Demand, Place, PlanRequest, Position, Supply } from "./types.ts";

/** A location that may serve a line. */
export interface Option {
  readonly supply: Supply;
  readonly place: Place;
  /** Units that it can give the line when nothing else is asked of it; at least 1. */
  readonly reach: number;
  /** The earliest date among the lots that can serve the line; undefined when none of them is dated. */
  readonly endsFirst: string | undefined;
}

/** A line and its options: those that it names in its order, otherwise all, in no order yet. */
export interface Line {
  readonly demand: Demand;
  readonly options: readonly Option[];
}

/** What is to be sourced. Only lines of one sku compete for the same units. */
export interface Order {
  readonly lines: readonly Line[];
  readonly linesBySku: readonly (readonly Line[])[];
  readonly near: Position | undefined;
  readonly allowPartial: boolean;
}

export function orderOf(request: PlanRequest): Order {
  const suppliesBySku = groupSupplies(request);
  const places = new Map(request.places.map((place) => [place.location, place]));
  const placeOf = (location: string): Place => places.get(location) ?? { location, priority: 100 };
  const linesBySku = new Map<string, Line[]>();
  const lines = request.demands
    .toSorted((a, b) => a.line - b.line)
    .map((demand) => {
      const line = { demand, options: optionsOf(demand, suppliesBySku.get(demand.sku) ?? [], placeOf) };
      const siblings = linesBySku.get(demand.sku);
      if (siblings === undefined) linesBySku.set(demand.sku, [line]);
      else siblings.push(line);
      return line;
    });
  return { lines, linesBySku: [...linesBySku.values()], near: request.near, allowPartial: request.allowPartial };
}

function groupSupplies({ demands, supplies }: PlanRequest): ReadonlyMap<string, readonly Supply[]> {
  const groups = new Map<string, Supply[]>(demands.map(({ sku }) => [sku, []]));
  for (const supply of supplies) groups.get(supply.sku)?.push(supply);
  return groups;
}

function optionsOf(
  demand: Demand,
  supplies: readonly Supply[],
  placeOf: (location: string) => Place,
): readonly Option[] {
  const options: Option[] = [];
  for (const supply of demand.locations === undefined ? supplies : named(demand.locations, supplies)) {
    const units = reach(demand, supply);
    if (units === 0) continue;
    options.push({ supply, place: placeOf(supply.location), reach: units, endsFirst: endsFirst(demand, supply) });
  }
  return options;
}

function endsFirst({ lot: wanted, sellableUntil = "" }: Demand, { lots }: Supply): string | undefined {
  let first: string | undefined;
  for (const { lot, from, capacity } of lots) {
    if (from === undefined || capacity === 0 || from < sellableUntil || (wanted !== undefined && wanted !== lot))
      continue;
    if (first === undefined || from < first) first = from;
  }
  return first;
}

function named(locations: readonly string[], supplies: readonly Supply[]): readonly Supply[] {
  return [...new Set(locations)].flatMap((location) => supplies.find((supply) => supply.location === location) ?? []);
}
