/** What other services of the house read out of the log: changes of stocks, and what locations ask for. */
import type { RecordedEvent } from "../../../platform/storage/index.ts";
import type { StockPair } from "../api.ts";
import type { LocationFields } from "../domain/location/index.ts";
import { idOf, kindOf, pairOf, streamOf } from "../ledger/index.ts";

/** The name under which a stock is known in the log. */
export function streamOfStock({ location, sku }: StockPair): string {
  return streamOf.stock(location, sku);
}

/** The stock that an event changes; undefined for one of another kind. */
export function stockChangedBy({ stream }: RecordedEvent): StockPair | undefined {
  return kindOf(stream) === "stock" ? pairOf(stream) : undefined;
}

/** The location that an event describes, as it is from then on; undefined for one of another kind. */
export function locationDescribedBy({ stream, data }: RecordedEvent): LocationDescribed | undefined {
  if (kindOf(stream) !== "location") return undefined;
  const { group, sync } = data as LocationFields;
  return { location: idOf(stream), ...(group !== undefined && { group }), ...(sync && { sync }) };
}

export interface LocationDescribed extends Pick<LocationFields, "group" | "sync"> {
  readonly location: string;
}
