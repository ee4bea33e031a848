/**
 * What a stock holds, by the time at which things happened instead of the order in which they were told.
 *
 * On hand is the quantity of the count with the greatest `asOf` plus every later movement; a count of one lot is a
 * count of that lot. `decideFact` gets the same from the state alone in the common cases and comes here for the others;
 * reading the past (`?at=`) always does.
 */
import type { Instant } from "../../../../kernel/index.ts";
import type { CountBasis, FactReference, LotChange, StockEvent } from "./events.ts";
import { isFactEvent } from "./events.ts";
import { earliestFirst, type Leaving } from "./lots.ts";

/** A stock event as it stands in the log, with the fact of its unit. */
export interface PastEvent {
  readonly event: StockEvent;
  readonly fact?: FactReference;
  readonly recordedAt: Instant;
}

/** A movement or a count that is in force. */
export type Entry = {
  readonly at: Instant;
  /** The fact it came by; several lines of one order share theirs. */
  readonly fact: FactReference | undefined;
} & (
  | {
      readonly kind: "movement";
      readonly units: number;
      readonly leaving: Leaving;
      /** The lots it named, or that were chosen for good when it was recorded. */
      readonly lots?: readonly LotChange[];
    }
  | { readonly kind: "count"; readonly quantity: number; readonly lot?: string }
);

export interface Replay {
  readonly onHand: number;
  readonly lots: ReadonlyMap<
    string,
    { readonly quantity: number; readonly expiresOn: string | null; readonly cutoff: Instant | null }
  >;
  readonly count: CountBasis | null;
  readonly lotCountAsOf: Instant | null;
}

/** The entries of a stock's history, in the order of arrival, without those that were voided. */
export function entriesOf(history: readonly PastEvent[]): Entry[] {
  const voided = new Set<string>();
  for (const { event } of history) if (event.type === "FactVoided") voided.add(factKey(event.data.voids));
  const entries: Entry[] = [];
  for (const { event, fact } of history) {
    if (fact !== undefined && voided.has(factKey(fact))) continue;
    const entry = entryOf(event, fact);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function entryOf(event: StockEvent, fact: FactReference | undefined): Entry | undefined {
  if (event.type === "StockFulfilled") {
    const { at, quantity, change } = event.data;
    return { at, fact, kind: "movement", units: -quantity, leaving: "sale", lots: change.lots ?? [] };
  }
  if (!isFactEvent(event)) return undefined;
  const { at, fact: told, change } = event.data;
  if (event.type === "StockCounted") {
    return { at, fact, kind: "count", quantity: told.quantity ?? 0, ...(told.lot !== undefined && { lot: told.lot }) };
  }
  const units = unitsMoved(event.type, told);
  if (units === 0) return undefined;
  const named = change.lots?.find(({ lot }) => lot === told.lot);
  const dates = {
    ...(named?.expiresOn !== undefined && { expiresOn: named.expiresOn }),
    ...(named?.cutoff !== undefined && { cutoff: named.cutoff }),
  };
  const lots = told.lot === undefined ? undefined : [{ lot: told.lot, quantity: units, ...dates }];
  return { at, fact, kind: "movement", units, leaving: leavingOf(event.type), ...(lots && { lots }) };
}

/** The change of on hand that a movement makes when nothing absorbs it. */
export function unitsMoved(
  type: StockEvent["type"],
  told: { readonly quantity?: number; readonly delta?: number },
): number {
  const quantity = told.quantity ?? 0;
  switch (type) {
    case "StockReceived":
    case "StockReturned":
    case "StockArrived":
      return quantity;
    case "StockSold":
    case "StockDispatched":
      return -quantity;
    case "StockAdjusted":
      return told.delta ?? 0;
    default:
      return 0;
  }
}

export function leavingOf(type: StockEvent["type"]): Leaving {
  return type === "StockAdjusted" ? "loss" : "sale";
}

/** Folds entries by time. At one instant what came in goes first, then what went out, then counts as they arrived. */
export function replay(entries: readonly Entry[]): Replay {
  const lots = new Map<string, { quantity: number; expiresOn: string | null; cutoff: Instant | null }>();
  let onHand = 0;
  let count: CountBasis | null = null;
  let lotCountAsOf: Instant | null = null;
  const change = ({ lot, quantity = 0, expiresOn, cutoff }: LotChange) => {
    const known = lots.get(lot) ?? { quantity: 0, expiresOn: null, cutoff: null };
    lots.set(lot, {
      quantity: known.quantity + quantity,
      expiresOn: expiresOn ?? known.expiresOn,
      cutoff: cutoff ?? known.cutoff,
    });
  };
  for (const entry of inTimeOrder(entries)) {
    if (entry.kind === "movement") {
      onHand += entry.units;
      for (const part of entry.lots ?? earliestFirst(lots, -entry.units, entry.at, entry.leaving)) change(part);
    } else if (entry.lot !== undefined) {
      const difference = entry.quantity - (lots.get(entry.lot)?.quantity ?? 0);
      onHand += difference;
      change({ lot: entry.lot, quantity: difference });
      lotCountAsOf = entry.at;
    } else {
      for (const part of earliestFirst(lots, onHand - entry.quantity, entry.at, "loss")) change(part);
      onHand = entry.quantity;
      count = { asOf: entry.at, quantity: entry.quantity, source: entry.fact?.source ?? "", id: entry.fact?.id ?? "" };
    }
  }
  return { onHand, lots, count, lotCountAsOf };
}

function inTimeOrder(entries: readonly Entry[]): Entry[] {
  const rank = (entry: Entry) => (entry.kind === "count" ? 2 : entry.units < 0 ? 1 : 0);
  const tie = (entry: Entry) =>
    entry.kind === "count" ? "" : `${entry.lots?.[0]?.lot ?? ""}/${Math.abs(entry.units)}/${entry.leaving}`;
  return [...entries].sort((a, b) => {
    if (a.at !== b.at) return a.at - b.at;
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    const [tieA, tieB] = [tie(a), tie(b)];
    return tieA === tieB ? 0 : tieA < tieB ? -1 : 1;
  });
}

export function factKey({ source, id }: FactReference): string {
  return `${source}\u0000${id}`;
}
