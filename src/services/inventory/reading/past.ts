/** What a stock was at another time, from its events. */
import type { Instant } from "../../../kernel/index.ts";
import {
  emptyStock,
  entriesOf,
  evolve,
  inForce,
  isFactEvent,
  type Lot,
  noLot,
  type PastEvent,
  replay,
  type Stock,
  sellable,
  type Totals,
  totalsAt,
} from "../domain/stock/index.ts";

export interface PastStock {
  readonly totals: Totals;
  readonly lots: ReadonlyMap<string, Lot>;
}

/** What Larder would have answered at `knownAt`: the fold of what was recorded by then, with expiry as of then. */
export function stockKnownAt(history: readonly PastEvent[], knownAt: Instant): PastStock {
  const stock = foldUntil(history, knownAt);
  return { totals: totalsAt(stock, knownAt), lots: lotsAt(stock.lots, knownAt) };
}

/**
 * What was there at `at`, by what `history` knows: facts count by when they happened, promises by when they were made.
 */
export function stockAt(history: readonly PastEvent[], at: Instant): PastStock {
  const there = replay(entriesOf(history).filter((entry) => entry.at <= at));
  const promised = totalsAt(foldUntil(history, at), at);
  const facts = factsInForce(history, at);
  const heldBack = new Map<string, number>();
  let held = 0;
  for (const { event } of facts) {
    if (!isFactEvent(event)) continue;
    const { quantity = 0, lot, sellable: isSellable } = event.data.fact;
    const units =
      event.type === "StockHeldBack" || (event.type === "StockReturned" && isSellable === false)
        ? quantity
        : event.type === "StockPutBack"
          ? -quantity
          : 0;
    held += units;
    if (lot !== undefined) heldBack.set(lot, (heldBack.get(lot) ?? 0) + units);
  }
  const lots = new Map<string, Lot>();
  for (const name of new Set([...there.lots.keys(), ...heldBack.keys()])) {
    const { quantity, expiresOn, cutoff } = there.lots.get(name) ?? noLot;
    const lot = {
      quantity,
      heldBack: heldBack.get(name) ?? 0,
      expiresOn,
      cutoff,
      expired: cutoff !== null && cutoff <= at,
      nearTold: false,
    };
    if (quantity !== 0 || lot.heldBack !== 0) lots.set(name, lot);
  }
  let expired = 0;
  for (const lot of lots.values()) if (lot.expired) expired += sellable(lot);
  return {
    totals: {
      ...promised,
      onHand: there.onHand,
      unavailable: held + expired,
      incoming: incomingAt(history, facts, at),
    },
    lots,
  };
}

function foldUntil(history: readonly PastEvent[], until: Instant): Stock {
  const stock = emptyStock();
  for (const { event, recordedAt } of history) if (recordedAt <= until) evolve(stock, event);
  return stock;
}

function lotsAt(lots: ReadonlyMap<string, Lot>, at: Instant): ReadonlyMap<string, Lot> {
  return new Map(
    [...lots].map(([name, lot]) => [
      name,
      { ...lot, expired: lot.expired || (lot.cutoff !== null && lot.cutoff <= at) },
    ]),
  );
}

/** The facts that had happened by `at` and were never voided. */
function factsInForce(history: readonly PastEvent[], at: Instant): PastEvent[] {
  return inForce(history).filter(({ event }) => isFactEvent(event) && event.data.at <= at);
}

function incomingAt(history: readonly PastEvent[], facts: readonly PastEvent[], at: Instant): number {
  const receipts = new Map<string, number>();
  for (const { event } of facts) {
    if (!isFactEvent(event)) continue;
    const { reference, quantity = 0 } = event.data.fact;
    if (reference === undefined) continue;
    if (event.type === "StockExpected") receipts.set(reference, (receipts.get(reference) ?? 0) + quantity);
    if (event.type === "StockReceived") receipts.set(reference, (receipts.get(reference) ?? 0) - quantity);
  }
  const transfers = new Map<string, number>();
  for (const { event } of history) {
    if (event.type !== "IncomingChanged" || event.data.at > at) continue;
    const { transfer, change } = event.data;
    transfers.set(transfer, (transfers.get(transfer) ?? 0) + (change.incoming ?? 0));
  }
  // Where clocks differ, units may arrive before they were dispatched: they were under way at no time.
  let incoming = 0;
  for (const units of [...receipts.values(), ...transfers.values()]) incoming += Math.max(0, units);
  return incoming;
}
