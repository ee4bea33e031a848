import { Deadlines } from "./deadlines.ts";
import { countAsks, emptyStock, type Holding, type Lot, type Receipt, type Stock } from "./stock.ts";

/** Grows with every change of what a snapshot holds; one of another shape is discarded. */
export const stockSnapshotShape = 4;

interface StockSnapshot {
  readonly totals: Pick<Stock, "onHand" | "unavailable" | "reserved" | "committed" | "safetyStock" | "incoming">;
  readonly policy: Pick<Stock, "lowAt" | "expiringDays" | "backorderLimit">;
  readonly basis: Pick<
    Stock,
    "wasAvailable" | "count" | "lotCountAsOf" | "latestAt" | "disordered" | "datesForgotten" | "receiptsForgotten"
  >;
  readonly holdings: readonly (readonly [string, Holding])[];
  readonly lots: readonly (readonly [string, Lot])[];
  readonly receipts: readonly (readonly [string, Receipt])[];
}

export function stockSnapshot(stock: Stock): object {
  const { onHand, unavailable, reserved, committed, safetyStock, incoming } = stock;
  const { lowAt, expiringDays, backorderLimit } = stock;
  const { wasAvailable, count, lotCountAsOf, latestAt, disordered, datesForgotten, receiptsForgotten } = stock;
  return {
    totals: { onHand, unavailable, reserved, committed, safetyStock, incoming },
    policy: { lowAt, expiringDays, backorderLimit },
    basis: { wasAvailable, count, lotCountAsOf, latestAt, disordered, datesForgotten, receiptsForgotten },
    holdings: [...stock.holdings],
    lots: [...stock.lots],
    receipts: [...stock.receipts],
  } satisfies StockSnapshot;
}

export function stockFromSnapshot(value: object): Stock {
  const snapshot = value as StockSnapshot;
  const stock: Stock = {
    ...emptyStock(),
    ...snapshot.totals,
    ...snapshot.policy,
    ...snapshot.basis,
    ...(snapshot.holdings.length > 0 && { holdings: new Map(snapshot.holdings) }),
    ...(snapshot.lots.length > 0 && { lots: new Map(snapshot.lots) }),
    ...(snapshot.receipts.length > 0 && { receipts: new Map(snapshot.receipts) }),
    deadlines: new Deadlines(),
  };
  for (const [id, { expiresAt, holds }] of stock.holdings) {
    if (expiresAt !== null) stock.deadlines.push(expiresAt, id);
    countAsks(stock, holds, 1);
  }
  for (const { expired, cutoff } of stock.lots.values()) {
    if (!expired && cutoff !== null && (stock.nextCutoff === null || cutoff < stock.nextCutoff))
      stock.nextCutoff = cutoff;
  }
  return stock;
}
