/** For tests: one stock that facts arrive at, each recorded as `facts/record.ts` does it. */
import { expect } from "vitest";
import {
  available,
  decideFact,
  decideVoid,
  emptyStock,
  evolve,
  evolveAndBalance,
  type FactEventType,
  type HoldLine,
  lapses,
  needsHistory,
  type PastEvent,
  type Stock,
  type StockEvent,
  type StockEventDraft,
  type StockFact,
  stockFromSnapshot,
  stockSnapshot,
  type ToldFact,
  totalsAt,
  totalsOf,
  totalsOfBalance,
} from "./index.ts";

export type Told =
  | {
      readonly id: string;
      readonly type: FactEventType;
      readonly at: number;
      readonly told: ToldFact;
      readonly cutoff?: number;
    }
  | { readonly id: string; readonly voids: string };

export class Arrivals {
  readonly stock: Stock = emptyStock();
  readonly history: PastEvent[] = [];
  readonly #awaited = new Set<string>();
  readonly #arrived = new Set<string>();

  arrive(fact: Told, now: number): void {
    if ("voids" in fact) {
      if (this.#arrived.has(fact.voids)) this.#void(fact.voids, fact.id, now);
      else this.#awaited.add(fact.voids);
      return;
    }
    this.#arrived.add(fact.id);
    const stockFact: StockFact = { source: "s", flags: [], ...fact };
    // A history that was not asked for must not be needed.
    const history = needsHistory(this.stock, stockFact) ? this.history : [];
    const decided = decideFact(this.stock, stockFact, now, history);
    if (!decided.ok) throw new Error(decided.rejection.detail);
    this.record(decided.value, now, fact.id);
    if (this.#awaited.has(fact.id)) this.#void(fact.id, fact.id, now);
  }

  record(drafts: readonly StockEventDraft[], now: number, id?: string): void {
    for (const draft of drafts) {
      const event = { type: draft.type, data: evolveAndBalance(this.stock, draft) } as StockEvent;
      this.history.push({ event, recordedAt: now, ...(id !== undefined && { fact: { source: "s", id } }) });
      expect(totalsOf(totalsOfBalance(event.data.balance))).toEqual(totalsOf(this.stock));
      if (event.type !== "ShortfallFound") continue;
      const totals = totalsAt(this.stock, now);
      expect(event.data).toMatchObject({ available: available(totals), onHand: totals.onHand });
    }
  }

  lapse(now: number): void {
    this.record(lapses(this.stock, now), now);
  }

  #void(id: string, by: string, now: number): void {
    const voids = { source: "s", id };
    const target = this.history.filter(({ event, fact }) => fact?.id === id && event.type !== "FactVoided");
    const decided = decideVoid(this.stock, target, voids, { at: now }, now, this.history);
    if (!decided.ok) throw new Error(decided.rejection.detail);
    this.record(decided.value, now, by);
  }
}

/** All that matters of a stock, in a form that compares. */
export function comparable(stock: Stock): object {
  const { holdings, asks, lots, receipts, deadlines: _deadlines, ...rest } = stock;
  const sorted = <V>(map: ReadonlyMap<string, V>): [string, V][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...rest,
    holdings: sorted<{ holds: readonly HoldLine[] }>(holdings),
    asks: sorted(asks),
    lots: sorted(lots),
    receipts: [...receipts],
    due: stock.deadlines.due(Number.MAX_SAFE_INTEGER, (id, time) => stock.holdings.get(id)?.expiresAt === time),
  };
}

/** Whether folding from scratch, and from a snapshot taken anywhere, gives the live state. */
export function expectFolds({ stock, history }: Arrivals, snapshotAt: number): void {
  const scratch = emptyStock();
  let kept: string | undefined;
  for (const [index, { event }] of history.entries()) {
    if (index === snapshotAt) kept = JSON.stringify(stockSnapshot(scratch));
    evolve(scratch, JSON.parse(JSON.stringify(event)));
  }
  expect(comparable(scratch)).toEqual(comparable(stock));
  if (kept === undefined) return;
  const restored = stockFromSnapshot(JSON.parse(kept));
  for (const { event } of history.slice(snapshotAt)) evolve(restored, event);
  expect(comparable(restored)).toEqual(comparable(stock));
}

/** Units of lots that count as unavailable because their date has passed. */
export function expiredUnits(stock: Stock): number {
  let units = 0;
  for (const { expired, quantity, heldBack } of stock.lots.values())
    if (expired) units += Math.max(0, quantity - heldBack);
  return units;
}
