/**
 * What a stock holds, by the time at which things happened instead of the order in which they were told.
 *
 * On hand is the quantity of the count with the greatest `asOf` plus every later movement; a count of one lot is a
 * count of that lot. `decideFact` gets the same from the state alone in the common cases and comes here for the others;
 * reading the past (`?at=`) always does.
 */
import type { Instant } from "../../../../kernel/index.ts";
import type { CountBasis, FactData, FactReference, LotChange, StockEvent } from "./events.ts";
import { isFactEvent } from "./events.ts";
import { earliestFirst, type Leaving, unitsIn, unknownLot } from "./lots.ts";

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

/** The events of a history whose facts were not voided. */
export function inForce(history: readonly PastEvent[]): readonly PastEvent[] {
  const voided = new Set<string>();
  for (const { event } of history) if (event.type === "FactVoided") voided.add(factKey(event.data.voids));
  if (voided.size === 0) return history;
  return history.filter(({ fact }) => fact === undefined || !voided.has(factKey(fact)));
}

/** The entries of a stock's history, in the order of arrival, without those that were voided. */
export function entriesOf(history: readonly PastEvent[]): Entry[] {
  return inForce(history).flatMap(({ event, fact }) => entryOf(event, fact) ?? []);
}

function entryOf(event: StockEvent, fact: FactReference | undefined): Entry | undefined {
  if (event.type === "StockFulfilled") {
    const { at, quantity, change, lots = change.lots ?? [] } = event.data;
    return { at, fact, kind: "movement", units: -quantity, leaving: "sale", lots };
  }
  if (!isFactEvent(event)) return undefined;
  const { at, fact: told } = event.data;
  if (event.type === "StockCounted") {
    return { at, fact, kind: "count", quantity: told.quantity ?? 0, ...(told.lot !== undefined && { lot: told.lot }) };
  }
  const units = unitsMoved(event.type, told);
  if (units === 0) return undefined;
  const lots = lotsNamedBy(event.data);
  return { at, fact, kind: "movement", units, leaving: leavingOf(event.type), ...(lots && { lots }) };
}

/** The lots that a fact named or brought along; undefined when they were, or are to be, chosen. */
export function lotsNamedBy({ fact, change, lots }: FactData): readonly LotChange[] | undefined {
  return lots ?? (fact.lot === undefined ? undefined : (change.lots ?? []));
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

/**
 * Folds entries by time. At one instant what came in goes first, then what left lots that it names, then what left
 * without naming one, then counts as they arrived.
 */
export function replay(entries: readonly Entry[]): Replay {
  const lots = new Map<string, { quantity: number; expiresOn: string | null; cutoff: Instant | null }>();
  let onHand = 0;
  let count: CountBasis | null = null;
  let lotCountAsOf: Instant | null = null;
  const change = ({ lot, quantity = 0, expiresOn, cutoff }: LotChange) => {
    const known = lots.get(lot) ?? { quantity: 0, expiresOn: null, cutoff: null };
    // Of a lot that was used up, what comes in anew tells the date.
    const isAnew = known.quantity === 0 && quantity > 0;
    const isEarlier =
      typeof expiresOn === "string" && (isAnew || known.expiresOn === null || expiresOn < known.expiresOn);
    const dated = isEarlier ? { expiresOn, cutoff: cutoff ?? null } : known;
    lots.set(lot, { expiresOn: dated.expiresOn, cutoff: dated.cutoff, quantity: known.quantity + quantity });
  };
  for (const entry of inTimeOrder(entries)) {
    if (entry.kind === "movement") {
      onHand += entry.units;
      for (const part of entry.lots ?? earliestFirst(lots, -entry.units, entry.at, entry.leaving)) change(part);
    } else if (entry.lot !== undefined) {
      const difference = entry.quantity - unitsIn({ onHand, lots }, entry.lot);
      onHand += difference;
      if (entry.lot !== unknownLot) change({ lot: entry.lot, quantity: difference });
      lotCountAsOf = entry.at;
    } else {
      for (const part of earliestFirst(lots, onHand - entry.quantity, entry.at, "loss")) change(part);
      onHand = entry.quantity;
      count = { asOf: entry.at, quantity: entry.quantity, source: entry.fact?.source ?? "", id: entry.fact?.id ?? "" };
    }
  }
  return { onHand, lots, count, lotCountAsOf };
}

/** The date that a stock's history tells for a lot, in the form of a change. */
export function dateTold(history: readonly PastEvent[], lot: string): Pick<LotChange, "expiresOn" | "cutoff"> {
  const { expiresOn = null, cutoff = null } = replay(entriesOf(history)).lots.get(lot) ?? {};
  return { ...(expiresOn !== null && { expiresOn }), ...(cutoff !== null && { cutoff }) };
}

/** Entries of one rank at one instant come to the same in any order, but for counts, which contradict each other. */
function inTimeOrder(entries: readonly Entry[]): Entry[] {
  const rank = (entry: Entry) => {
    if (entry.kind === "count") return 3;
    if (entry.units >= 0) return 0;
    return entry.lots === undefined ? 2 : 1;
  };
  return [...entries].sort((a, b) => a.at - b.at || rank(a) - rank(b));
}

export function factKey({ source, id }: FactReference): string {
  return `${source}\u0000${id}`;
}
