/** Dispatches and arrivals: what is under way, and what of it is incoming where it goes. */
import { type Instant, limits } from "../../../kernel/index.ts";
import { isFactEvent, type Stock, type StockEventDraft, type ToldFact } from "../domain/stock/index.ts";
import {
  type Consignment,
  consignmentOf,
  inTransit,
  type LotUnderWay,
  lotsArriving,
  type TransferEvent,
} from "../domain/transfer/index.ts";
import { type Claimant, idOf, streamOf, type Transaction } from "../ledger/index.ts";
import { FactRefused } from "./refused.ts";

/** The lots that come along with an arrival, as far as the transfer tells more of them than the fact. */
export function lotsAlong(transaction: Transaction, sku: string, told: ToldFact): readonly LotUnderWay[] {
  if (told.transfer === undefined || told.from === undefined || told.expiresOn !== undefined) return [];
  const consignment = consignmentOf(transaction.transfer(told.transfer), sku);
  const { lot, quantity = 0 } = told;
  if (lot === undefined) return lotsArriving(consignment, quantity);
  return consignment.lots.filter((known) => known.lot === lot).map((known) => ({ ...known, quantity }));
}

/** The lots that a dispatch takes along, with their dates as the stock knows them before. */
export function lotsDispatched(stock: Stock, draft: StockEventDraft | undefined): readonly LotUnderWay[] {
  if (draft === undefined || !isFactEvent(draft)) return [];
  // What was resolved against the history changes other lots too; then only a lot that the fact names is sure.
  const { change, lots = change.ordered ? [] : (change.lots ?? []), fact } = draft.data;
  return lots.flatMap(({ lot, quantity = 0 }) => {
    if (quantity >= 0) return [];
    const expiresOn = (fact.lot === lot ? fact.expiresOn : undefined) ?? stock.lots.get(lot)?.expiresOn ?? undefined;
    return [{ lot, quantity: -quantity, ...(expiresOn !== undefined && { expiresOn }) }];
  });
}

/** Records one end of a transfer. `at` is when the fact takes effect. */
export function recordTransfer(
  transaction: Transaction,
  sku: string,
  location: string,
  told: ToldFact,
  lots: readonly LotUnderWay[],
  at: Instant,
): void {
  const { transfer, to, from = "", quantity = 0 } = told;
  if (transfer === undefined) return;
  const members = { sku, quantity, ...(lots.length > 0 && { lots }) };
  changeTransfer(transaction, transfer, sku, at, (known) => {
    if (to !== undefined) {
      const difference = known.arrivals === 0 ? 0 : known.arrived - known.dispatched - quantity;
      const data = { ...members, from: location, to, ...(difference !== 0 && { difference }) };
      return { type: "TransferDispatched", data };
    }
    const difference = known.dispatched === 0 ? 0 : known.arrived + quantity - known.dispatched;
    return {
      type: "TransferArrived",
      data: { ...members, at: location, from, ...(difference !== 0 && { difference }) },
    };
  });
}

/** What a dispatch and an arrival tell in the same words, and where the one was sent. */
type TransferEnd = Omit<Extract<TransferEvent, { type: "TransferArrived" }>["data"], "at" | "from"> & {
  readonly to?: string;
};

/** Takes back the ends of transfers that a voided fact recorded, as of when it took effect. */
export function undoTransfers(transaction: Transaction, target: Claimant): void {
  const at = target.events
    .map(({ data }) => (data as { readonly at?: unknown }).at)
    .find((time) => typeof time === "number");
  for (const { stream, type, data } of target.events) {
    if (type !== "TransferDispatched" && type !== "TransferArrived") continue;
    const { sku, quantity, to, lots = [] } = data as TransferEnd;
    const isDispatch = type === "TransferDispatched";
    const sums = isDispatch ? { dispatched: -quantity, ...(to && { to }) } : { arrived: -quantity, arrivals: -1 };
    const back = lots.map((lot) => ({ ...lot, quantity: isDispatch ? -lot.quantity : lot.quantity }));
    changeTransfer(transaction, idOf(stream), sku, typeof at === "number" ? at : transaction.now, () => ({
      type: "TransferCorrected",
      data: { sku, ...sums, ...(back.length > 0 && { lots: back }) },
    }));
  }
}

/** Changes a transfer's sums, and what is incoming at its destination with them. */
function changeTransfer(
  transaction: Transaction,
  id: string,
  sku: string,
  at: Instant,
  eventFor: (known: Consignment) => TransferEvent,
): void {
  const before = consignmentOf(transaction.transfer(id), sku);
  transaction.emit(streamOf.transfer(id), [eventFor(before)]);
  const after = consignmentOf(transaction.transfer(id), sku);
  const [was, is] = [inTransit(before), inTransit(after)];
  for (const location of new Set([...was.keys(), ...is.keys()])) {
    const incoming = (is.get(location) ?? 0) - (was.get(location) ?? 0);
    if (incoming === 0) continue;
    const known = transaction.stock(location, sku).incoming;
    if (Math.abs(known + incoming) > limits.totalMax && Math.abs(known + incoming) > Math.abs(known))
      throw new FactRefused("out-of-range", `incoming at ${location} would pass ±${limits.totalMax}`);
    transaction.emitStock(location, sku, [
      { type: "IncomingChanged", data: { at, transfer: id, change: { incoming } } },
    ]);
  }
}
