import type { Pair, ReservationChange } from "../domain/reservation/index.ts";
import type { Stock } from "../domain/stock/index.ts";
import { streamOf, type Transaction } from "../ledger/index.ts";

/** Appends what was decided about a reservation, to it and to the stocks it touches, in one unit. */
export function emitReservation(transaction: Transaction, id: string, change: ReservationChange): void {
  for (const { location, sku, drafts } of change.stocks) transaction.emitStock(location, sku, drafts);
  if (change.reservation.length > 0) transaction.emit(streamOf.reservation(id), change.reservation);
}

export function stocksOf(transaction: Transaction): (pair: Pair) => Stock {
  return ({ location, sku }) => transaction.stock(location, sku);
}
