export { Deadlines } from "./deadlines.ts";
export {
  type Balance,
  type Cause,
  type Change,
  type CountBasis,
  type FactData,
  type FactEvent,
  type FactEventType,
  type FactReference,
  factEventTypes,
  type HoldLine,
  isFactEvent,
  type LotChange,
  type StockEvent,
  type StockEventDraft,
  type StockEventType,
  type ToldFact,
  type Totals,
} from "./events.ts";
export { conclude, decideFact, decideVoid, move, needsHistory, type OutOfRange, type StockFact } from "./facts.ts";
export { lapses, totalsAt } from "./lapse.ts";
export { causeOf, crossing, type Level, levelOf } from "./level.ts";
export { compareDates, lotsForHolds, unknownLot } from "./lots.ts";
export { lotsNearing, stirsLots } from "./nearing.ts";
export { type Entry, entriesOf, inForce, type PastEvent, type Replay, replay } from "./replay.ts";
export { stockFromSnapshot, stockSnapshot, stockSnapshotShape } from "./snapshot.ts";
export {
  available,
  balanceOf,
  emptyStock,
  evolve,
  evolveAndBalance,
  type Holding,
  type Lot,
  noLot,
  promisable,
  promisableIn,
  type Stock,
  sellable,
  totalsOf,
  totalsOfBalance,
} from "./stock.ts";
export { type Supply, supplyOf } from "./supply.ts";
