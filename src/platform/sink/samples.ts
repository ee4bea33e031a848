import type { SinkEvent, SinkStock } from "./port.ts";

/** What tests of sinks write. */

export function stock(sku: string, version: number, location = "leeds"): SinkStock {
  return {
    sku,
    location,
    available: version,
    onHand: version + 3,
    unavailable: 1,
    reserved: 1,
    committed: 1,
    safetyStock: 0,
    incoming: -2,
    updatedAt: "2026-11-26T12:00:00.000Z",
    version,
  };
}

/** The event that gave a stock a version; its number is its place in the log. */
export function event(number: number, sku: string, version: number, location = "leeds"): SinkEvent {
  const position = positionOf(number);
  return {
    id: `log-${number}`,
    type: "larder.stock.sold.v1",
    position,
    sku,
    location,
    partition: 7,
    body: JSON.stringify({ id: `log-${number}`, position, data: { sku, location, version } }),
    stock: stock(sku, version, location),
  };
}

/** An event that is about no single stock. */
export function otherEvent(number: number): SinkEvent {
  const position = positionOf(number);
  return {
    id: `log-${number}`,
    type: "larder.reservation.status-changed.v1",
    position,
    partition: 3,
    body: JSON.stringify({ id: `log-${number}`, position }),
  };
}

export function positionOf(number: number): string {
  return `position-${String(number).padStart(6, "0")}`;
}

/** Events of one sku, from a number to another. */
export function run(from: number, to: number, sku = "milk"): readonly SinkEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => event(from + index, sku, from + index));
}

/** Names that an engine's own syntax could stumble over. */
export const strangeNames = [
  "a.b",
  "a b",
  "*",
  ">",
  "-",
  "a:b",
  "a%3Ab",
  "{a}",
  "ü",
  "牛乳",
  "🥛",
  "$JS",
  "a/b",
  "%",
  "[",
];

export async function* inSteps(...steps: readonly (readonly SinkStock[])[]): AsyncIterable<readonly SinkStock[]> {
  yield* steps;
}
