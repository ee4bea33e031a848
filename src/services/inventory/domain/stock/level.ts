/**
 * How a stock stands against its thresholds, and what is told when a decision changes that:
 *
 *     from \ to   fine        low         out
 *     fine                    ran low     ran out
 *     low         recovered               ran out
 *     out         came back   came back
 *     new
 *
 * A crossing is told from the level before a decision to the one after it, so whatever lies between is never told. It
 * depends on nothing that was told before: logs from before there were such events go on without a word about what
 * they already held (docs/adr/0017).
 */
import type { Cause, StockEventDraft } from "./events.ts";
import { available, type Stock } from "./stock.ts";

/** `new` until something has been available; `out` at zero and below; `low` above that up to `lowAt`; else `fine`. */
export type Level = "new" | "fine" | "low" | "out";

export function levelOf(stock: Stock): Level {
  const units = available(stock);
  if (units <= 0) return stock.wasAvailable ? "out" : "new";
  return stock.lowAt !== null && units <= stock.lowAt ? "low" : "fine";
}

type CrossingType = "StockRanLow" | "StockRanOut" | "StockCameBack" | "StockRecovered";

const crossings: { readonly [from in Level]: { readonly [to in Level]?: CrossingType } } = {
  new: {},
  fine: { low: "StockRanLow", out: "StockRanOut" },
  low: { fine: "StockRecovered", out: "StockRanOut" },
  out: { fine: "StockCameBack", low: "StockCameBack" },
};

/** The event that tells of the threshold between a level with `was` units available and a stock as it is; none if none. */
export function crossing(
  from: Level,
  was: number,
  stock: Stock,
  cause: Cause | undefined,
): StockEventDraft | undefined {
  const type = crossings[from][levelOf(stock)];
  if (type === undefined) return undefined;
  const { lowAt } = stock;
  return { type, data: cause === undefined ? { was, lowAt } : { was, lowAt, cause } };
}

/** What a stock event came from, where no fact tells: its reservation, its lot, or the policy of its sku. */
export function causeOf(event: StockEventDraft | undefined, sku: string): Cause | undefined {
  if (event === undefined) return undefined;
  if ("reservation" in event.data && event.data.reservation !== undefined)
    return { reservation: event.data.reservation };
  if (event.type === "LotExpired") return { lot: event.data.lot };
  return event.type === "PolicyApplied" ? { policy: sku } : undefined;
}
