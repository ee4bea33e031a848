/**
 * What is recorded about the stock of one sku at one location. These shapes are stored for ever: a change of meaning
 * is a new `schema` with an upcaster, never an edit.
 *
 * Every event carries the `balance` after it, so that feeds, audit trails and read models need no folding, and so that
 * verification can hold the fold against what was said. Quantities are whole base units; changes are signed; a member
 * that would be zero or empty is left out.
 */
import type { Instant } from "../../../../kernel/index.ts";

/** The totals of one stock. Zero totals are left out where a balance is stored. */
export interface Totals {
  readonly onHand: number;
  readonly unavailable: number;
  readonly reserved: number;
  readonly committed: number;
  readonly safetyStock: number;
  readonly incoming: number;
}

export type Balance = Partial<Totals>;

export interface FactReference {
  readonly source: string;
  readonly id: string;
}

/** The change of one lot. A lot comes into being by its first change and is forgotten once nothing of it is left. */
export interface LotChange {
  readonly lot: string;
  readonly quantity?: number;
  /** Change of the units of the lot that are held back. */
  readonly heldBack?: number;
  /** The last date on which it may be sold; said by what brought the lot in. Of several the earliest holds. Null where what said it was voided. */
  readonly expiresOn?: string | null;
  /** The instant at which that date ends in the location's time zone. */
  readonly cutoff?: Instant;
}

/** A count that on hand rests on. */
export interface CountBasis extends FactReference {
  readonly asOf: Instant;
  readonly quantity: number;
}

/** What a fact did, as resolved when it was recorded. `evolve` only adds. */
export interface Change {
  readonly onHand?: number;
  readonly unavailable?: number;
  readonly incoming?: number;
  readonly lots?: readonly LotChange[];
  /** What became of an expected receipt: units expected and received under one reference, as changes. */
  readonly receipt?: { readonly reference: string; readonly expected?: number; readonly received?: number };
  /** The count that on hand rests on from now; null for none. Absent when it stays. */
  readonly count?: CountBasis | null;
  /** The newest `asOf` of a count of a single lot; null for none. Absent when it stays. */
  readonly lotCountAsOf?: Instant | null;
  /** Lots are now as if everything had arrived in the order of time; a date given here replaces the one known. */
  readonly ordered?: true;
}

/** A fact as told, less what the stream, the envelope and the unit say already. */
export interface ToldFact {
  readonly quantity?: number;
  readonly delta?: number;
  readonly reason?: string;
  readonly lot?: string;
  readonly reference?: string;
  readonly expiresOn?: string;
  readonly dueOn?: string;
  readonly sellable?: boolean;
  readonly transfer?: string;
  readonly to?: string;
  readonly from?: string;
  readonly order?: string;
  readonly reservation?: string;
  readonly asOf?: Instant;
  readonly gtin?: string;
}

export interface FactData {
  /** When it takes effect: the fact's `time` (a count's `asOf`), or its receipt when dated too far ahead. */
  readonly at: Instant;
  readonly fact: ToldFact;
  readonly change: Change;
  /** The lots it moves, where `change` does not say just that: a count contains it, or more had to be set right. */
  readonly lots?: readonly LotChange[];
  /** The count that already contains this movement, which therefore changes nothing. */
  readonly absorbedBy?: FactReference;
  readonly flags?: readonly string[];
}

/** What brought a crossing about where no fact did: a reservation, a lot's date, or a policy of a sku. */
export type Cause = { readonly reservation: string } | { readonly lot: string } | { readonly policy: string };

/** A decision took available over a threshold, or a threshold over what is available (docs/concepts/thresholds.md). */
export interface Crossing {
  /** What was available before the decision; what is available now stands in the balance. */
  readonly was: number;
  /** Available units at which the stock counts as low; null for never. */
  readonly lowAt: number | null;
  /** Absent where the unit has a fact, which then is the cause. */
  readonly cause?: Cause;
}

export const factEventTypes = [
  "StockReceived",
  "StockExpected",
  "StockSold",
  "StockReturned",
  "StockAdjusted",
  "StockHeldBack",
  "StockPutBack",
  "StockCounted",
  "StockDispatched",
  "StockArrived",
] as const;
export type FactEventType = (typeof factEventTypes)[number];

/** One line's claim on this stock. */
export interface HoldLine {
  /** Index of the request's line. */
  readonly line: number;
  readonly quantity: number;
  readonly sellableUntil?: string;
  readonly lot?: string;
}

interface EventBodies {
  /** A fact's effects undone. */
  FactVoided: {
    readonly at: Instant;
    readonly voids: FactReference;
    readonly reason?: string;
    readonly change: Change;
    readonly flags?: readonly string[];
  };
  /** Units in transit to here became more (dispatched) or fewer (arrived, voided); `at` is that of the fact. */
  IncomingChanged: { readonly at: Instant; readonly transfer: string; readonly change: Change };
  StockReserved: { readonly reservation: string; readonly expiresAt: Instant; readonly holds: readonly HoldLine[] };
  /** The reservation's holds here are now these; `change` is of `reserved`. */
  HoldsAmended: {
    readonly reservation: string;
    readonly expiresAt: Instant;
    readonly holds: readonly HoldLine[];
    readonly change: number;
  };
  HoldExtended: { readonly reservation: string; readonly expiresAt: Instant };
  StockCommitted: { readonly reservation: string; readonly quantity: number };
  /** Taken and committed in one step: an expired reservation acquired anew. */
  StockReacquired: { readonly reservation: string; readonly holds: readonly HoldLine[] };
  StockFulfilled: {
    readonly reservation: string;
    readonly at: Instant;
    /** Units by line. */
    readonly holds: readonly { readonly line: number; readonly quantity: number }[];
    readonly quantity: number;
    /** What the units were until now. */
    readonly from: "reserved" | "committed";
    /** Units that remain and are committed from now, where they were reserved before. */
    readonly commits?: number;
    readonly change: Change;
    /** The lots they were taken from, where `change` does not say just that. */
    readonly lots?: readonly LotChange[];
    readonly absorbedBy?: FactReference;
    readonly flags?: readonly string[];
  };
  /** All that the reservation still held here is free again. */
  StockReleased: { readonly reservation: string; readonly quantity: number; readonly from: "reserved" | "committed" };
  /** As released, by time. */
  HoldLapsed: { readonly reservation: string; readonly quantity: number };
  /** Units of the lot that were sellable until now. */
  LotExpired: { readonly lot: string; readonly quantity: number };
  /** Facts have left less than was promised, or less than nothing. */
  ShortfallFound: {
    readonly available: number;
    readonly onHand: number;
    /** The reservation whose units were handed over, when no fact told of it. */
    readonly reservation?: string;
  };
  /** Available has come down to `lowAt` or below, and is above zero. */
  StockRanLow: Crossing;
  /** Available was above zero and is no more. */
  StockRanOut: Crossing;
  /** Available is above zero again. */
  StockCameBack: Crossing;
  /** What was low, and not out, is above `lowAt` again. */
  StockRecovered: Crossing;
  /** From now the lot's date is near, as its policy says; these units of it can still be sold. */
  LotNearedExpiry: {
    readonly lot: string;
    readonly quantity: number;
    readonly expiresOn: string;
    /** When that date ends. */
    readonly expiresAt: Instant;
  };
  PolicyApplied: {
    readonly safetyStock: number;
    readonly lowAt: number | null;
    /** Absent in the oldest logs. */
    readonly expiringDays?: number | null;
    readonly backorderLimit: number;
  };
}

type Bodies = EventBodies & Record<FactEventType, FactData>;

export type StockEventType = keyof Bodies;

/** A stock event before its balance is known. */
export type StockEventDraft = {
  readonly [T in StockEventType]: { readonly type: T; readonly data: Bodies[T] };
}[StockEventType];

export type StockEvent = {
  readonly [T in StockEventType]: { readonly type: T; readonly data: Bodies[T] & { readonly balance: Balance } };
}[StockEventType];

export type FactEvent = Extract<StockEvent, { type: FactEventType }>;

const factTypes: ReadonlySet<string> = new Set(factEventTypes);

export function isFactEvent<E extends { readonly type: string }>(
  event: E,
): event is E & { readonly type: FactEventType; readonly data: FactData } {
  return factTypes.has(event.type);
}
