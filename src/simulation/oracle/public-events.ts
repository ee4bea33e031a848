/** What clients may see of recorded events: their types, what they are about, and what keeps them in order. */
import { pairIn } from "./names.ts";
import type { LoggedEvent, LoggedUnit } from "./shapes.ts";

/** The sku or the location of something, or both. */
export interface About {
  readonly sku?: string;
  readonly location?: string;
}

export interface PublicEvent {
  readonly seq: number;
  readonly type: string;
  /** The stream it is recorded in. */
  readonly stream: string;
  readonly version: number;
  readonly about: readonly About[];
  /** Events of one key come in their order. */
  readonly key: string;
}

/** Which events someone wants: those that every list names which is there. */
export interface Choice {
  readonly types?: readonly string[];
  readonly skus?: readonly string[];
  readonly locations?: readonly string[];
  /** Places beyond which it must not see. */
  readonly limitedTo?: readonly string[];
}

const publicKinds = new Set(["stock", "reservation", "transfer", "policy", "item", "location", "void"]);

/** Events of a stock that are named after what happened to it, and not after the fact that said so. */
const stockTypes: Readonly<Record<string, string>> = {
  StockReserved: "larder.reservation.reserved.v1",
  HoldExtended: "larder.reservation.extended.v1",
  HoldsAmended: "larder.reservation.amended.v1",
  StockCommitted: "larder.reservation.confirmed.v1",
  StockReacquired: "larder.reservation.reacquired.v1",
  StockFulfilled: "larder.reservation.fulfilled.v1",
  StockReleased: "larder.reservation.released.v1",
  HoldLapsed: "larder.reservation.expired.v1",
  LotExpired: "larder.stock.lot-expired.v1",
  LotNearedExpiry: "larder.stock.lot-expiring.v1",
  ShortfallFound: "larder.stock.shortfall.v1",
  StockRanLow: "larder.stock.low.v1",
  StockRanOut: "larder.stock.out.v1",
  StockCameBack: "larder.stock.back.v1",
  StockRecovered: "larder.stock.recovered.v1",
  PolicyApplied: "larder.stock.policy-set.v1",
  IncomingChanged: "larder.stock.incoming-changed.v1",
  FactVoided: "larder.fact.voided.v1",
};

const otherTypes: Readonly<Record<string, string>> = {
  VoidNoted: "larder.fact.voided.v1",
  TransferDispatched: "larder.transfer.dispatched.v1",
  TransferArrived: "larder.transfer.arrived.v1",
  TransferCorrected: "larder.transfer.corrected.v1",
  PolicySet: "larder.policy.set.v1",
  ItemRegistered: "larder.item.registered.v1",
  ItemChanged: "larder.item.changed.v1",
  LocationDescribed: "larder.location.described.v1",
};

/**
 * An event as clients may see it; undefined for what is no concern of theirs. `allocations`: what its reservation is of, by
 * an earlier event.
 */
export function publicEvent(
  event: LoggedEvent,
  unit: LoggedUnit,
  seq: number,
  allocations: readonly About[] = [],
): PublicEvent | undefined {
  const { stream, v: version, data } = event;
  const kind = stream.slice(0, stream.indexOf("-"));
  if (!publicKinds.has(kind)) return undefined;
  const id = stream.slice(kind.length + 1);
  const about = aboutOf(kind, id, event, allocations);
  const [only] = about;
  const isOfPair = kind === "stock" || (kind === "policy" && data.location !== undefined);
  const key = isOfPair ? `${only?.sku}\u0000${only?.location}` : stream;
  return { seq, type: typeOf(kind, event, unit), stream, version, about, key };
}

function typeOf(kind: string, { type }: LoggedEvent, { fact }: LoggedUnit): string {
  if (kind === "reservation") return "larder.reservation.status-changed.v1";
  if (kind === "stock") return stockTypes[type] ?? fact?.type ?? type;
  return otherTypes[type] ?? type;
}

function aboutOf(kind: string, id: string, { data }: LoggedEvent, allocations: readonly About[]): readonly About[] {
  switch (kind) {
    case "stock":
      return [pairIn(id)];
    case "reservation":
      return data.allocations ?? allocations;
    case "transfer": {
      const places = [data.from, data.to, data.at].filter((place) => typeof place === "string");
      return places.map((location) => ({ ...(data.sku != null && { sku: data.sku }), location }));
    }
    case "item":
      return [{ sku: id }];
    case "policy":
      return [{ sku: id, ...(data.location !== undefined && { location: data.location }) }];
    case "location":
      return [{ location: id }];
    default:
      return [];
  }
}

export function isChosen({ type, stream, about }: PublicEvent, choice: Choice): boolean {
  const { types, skus, locations, limitedTo } = choice;
  if (types !== undefined && !types.includes(type)) return false;
  if (limitedTo !== undefined) {
    const places = about.flatMap(({ location }) => location ?? []);
    const isOfNoPlace = places.length === 0;
    if (isOfNoPlace ? !stream.startsWith("item-") : places.some((place) => !limitedTo.includes(place))) return false;
  }
  if (skus === undefined && locations === undefined) return true;
  return about.some(
    ({ sku, location }) =>
      (skus === undefined || skus.includes(sku ?? "")) &&
      (locations === undefined || locations.includes(location ?? "")),
  );
}
