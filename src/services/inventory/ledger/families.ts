/** What the ledger keeps for each kind of stream: how its state begins, and how an event changes it. */
import type { UnitMeta } from "../../../platform/storage/index.ts";
import { evolveItem, type ItemEvent, type ItemState, noItem } from "../domain/item/index.ts";
import { evolveLocation, type LocationEvent, type LocationState, noLocation } from "../domain/location/index.ts";
import { evolvePolicy, noPolicy, type Policy, type PolicyEvent } from "../domain/policy/index.ts";
import {
  evolveReservation,
  noReservation,
  type Reservation,
  type ReservationEvent,
} from "../domain/reservation/index.ts";
import { emptyStock, evolve, type Stock, type StockEvent } from "../domain/stock/index.ts";
import { evolveTransfer, noTransfer, type Transfer, type TransferEvent } from "../domain/transfer/index.ts";
import { kindOf } from "./streams.ts";

/** The state of each kind of stream that decisions look at. */
export interface States {
  readonly stock: Stock;
  readonly reservation: Reservation;
  readonly transfer: Transfer;
  readonly policy: Policy;
  readonly item: ItemState;
  readonly location: LocationState;
  /** The sku a GTIN belongs to. */
  readonly gtin: string | null;
  /** The location a GLN belongs to. */
  readonly gln: string | null;
  /** Of every other kind only the version matters. */
  readonly other: null;
}

/** An event of a stream as the ledger's families know it. */
export interface LooseEvent {
  readonly type: string;
  readonly data: object;
}

export interface Family<S> {
  readonly empty: () => S;
  /** The state after the event; may be the same object, changed. */
  readonly evolve: (state: S, event: LooseEvent, unit: UnitMeta) => S;
}

// Each cast below rests on one fact: only this service appends to these streams, and only events of their kinds.
const families: { readonly [K in keyof States]: Family<States[K]> } = {
  stock: {
    empty: emptyStock,
    evolve: (stock, event) => {
      evolve(stock, event as StockEvent);
      return stock;
    },
  },
  reservation: {
    empty: () => noReservation,
    evolve: (state, event, unit) => evolveReservation(state, event as ReservationEvent, unit),
  },
  transfer: { empty: () => noTransfer, evolve: (state, event) => evolveTransfer(state, event as TransferEvent) },
  policy: { empty: () => noPolicy, evolve: (state, event) => evolvePolicy(state, event as PolicyEvent) },
  item: { empty: () => noItem, evolve: (state, event, unit) => evolveItem(state, event as ItemEvent, unit.recordedAt) },
  location: {
    empty: () => noLocation,
    evolve: (state, event, unit) => evolveLocation(state, event as LocationEvent, unit.recordedAt),
  },
  gtin: { empty: () => null, evolve: (_state, event) => (event.data as { readonly sku: string | null }).sku },
  gln: { empty: () => null, evolve: (_state, event) => (event.data as { readonly location: string | null }).location },
  other: { empty: () => null, evolve: () => null },
};

export function familyOf(stream: string): Family<unknown> {
  const kind = kindOf(stream);
  const family = kind in families ? families[kind as keyof States] : families.other;
  return family as Family<unknown>;
}
