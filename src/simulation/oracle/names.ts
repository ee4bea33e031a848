/** How things are named in the log, and whether it says of them what was asked. */
import type { Ask, LoggedUnit, SentFact, Told } from "./shapes.ts";

export function factKey(fact: { readonly source: string; readonly id: string } | undefined): string {
  return `${fact?.source}\u0000${fact?.id}`;
}

export function toMs(time: string | number): number {
  return typeof time === "number" ? time : Date.parse(time);
}

/** Whether the events of a unit tell what a fact was sent to say. */
export function isTold({ data }: SentFact, { events }: LoggedUnit): boolean {
  const told = events.find((event) => event.data.fact !== undefined)?.data.fact;
  if (data.lines !== undefined || told === undefined) return true;
  const members: readonly (keyof Told)[] = ["quantity", "delta", "reference", "transfer", "reason", "sellable"];
  return members.every((name) => told[name] === data[name]) && (data.lot === undefined || told.lot === data.lot);
}

/** Whether allocations serve what was asked: each line at places that it permits, all of it unless a part will do. */
export function isAllocated(
  asks: readonly Ask[],
  allocations: readonly {
    readonly sku: string;
    readonly location: string;
    readonly quantity: number;
    readonly lot?: string;
    readonly sellableUntil?: string;
  }[],
  isPartial: boolean,
): boolean {
  const left = new Map<string, number>();
  for (const ask of asks) add(left, askText(ask), ask.quantity);
  const permitted = new Map(asks.map((ask) => [askText(ask), ask]));
  for (const { sku, location, quantity, lot, sellableUntil } of allocations) {
    let open = quantity;
    for (const [text, ask] of permitted) {
      if (ask.sku !== sku || ask.lot !== lot || ask.sellableUntil !== sellableUntil) continue;
      const places = ask.location === undefined ? ask.locations : [ask.location];
      if (places !== undefined && !places.includes(location)) continue;
      const units = Math.min(open, left.get(text) ?? 0);
      add(left, text, -units);
      open -= units;
    }
    if (open !== 0) return false;
  }
  return isPartial || [...left.values()].every((units) => units === 0);
}

function askText({ quantity: _quantity, location, locations, ...ask }: Ask): string {
  return JSON.stringify([ask, location === undefined ? locations : [location]]);
}

export function add(sums: Map<string, number>, key: string, units: number): void {
  sums.set(key, (sums.get(key) ?? 0) + units);
}

/** The location and sku of a stock, from what follows `stock-` in the name of its stream. */
export function pairIn(name: string): { readonly location: string; readonly sku: string } {
  const slash = name.indexOf("/");
  return { location: name.slice(0, slash).replaceAll("%2F", "/").replaceAll("%25", "%"), sku: name.slice(slash + 1) };
}

export function nameOf(location: string, sku: string): string {
  return `${location.replaceAll("%", "%25").replaceAll("/", "%2F")}/${sku}`;
}
