/** What the oracle reads of the log and of requests. Written down here once more: it shares nothing with the product. */

/** Thrown where the product broke a promise. */
export class Violation extends Error {}

export function must(holds: boolean, promise: () => string): asserts holds {
  if (!holds) throw new Violation(promise());
}

export interface LoggedLot {
  readonly lot: string;
  readonly quantity?: number;
  readonly heldBack?: number;
  readonly expiresOn?: string | null;
  readonly cutoff?: number;
}

export interface LoggedHold {
  readonly line: number;
  readonly quantity: number;
  readonly sellableUntil?: string;
  readonly lot?: string;
}

export interface LoggedAllocation extends LoggedHold {
  readonly sku: string;
  readonly location: string;
}

export interface LoggedChange {
  readonly onHand?: number;
  readonly unavailable?: number;
  readonly incoming?: number;
  readonly lots?: readonly LoggedLot[];
  readonly ordered?: boolean;
}

export interface LoggedBalance {
  readonly onHand?: number;
  readonly unavailable?: number;
  readonly reserved?: number;
  readonly committed?: number;
  readonly safetyStock?: number;
  readonly incoming?: number;
}

/** The members that some event has; each event has a few of them. */
export interface LoggedData {
  readonly at?: number | string;
  readonly fact?: Told;
  readonly change?: LoggedChange | number;
  readonly balance?: LoggedBalance;
  readonly flags?: readonly string[];
  readonly voids?: { readonly source: string; readonly id: string };
  readonly effect?: string;
  readonly reservation?: string;
  readonly expiresAt?: number;
  readonly holds?: readonly LoggedHold[];
  readonly allocations?: readonly LoggedAllocation[];
  readonly parts?: readonly { readonly allocation: number; readonly quantity: number }[];
  readonly key?: string;
  readonly quantity?: number;
  readonly from?: string;
  readonly to?: string | number;
  readonly commits?: number;
  readonly lot?: string;
  readonly available?: number;
  readonly onHand?: number;
  readonly was?: number;
  readonly cause?: { readonly reservation?: string; readonly lot?: string; readonly policy?: string };
  readonly safetyStock?: number;
  readonly lowAt?: number | null;
  readonly expiringDays?: number | null;
  readonly expiresOn?: string;
  readonly timeZone?: string;
  readonly backorderLimit?: number;
  readonly location?: string;
  readonly reference?: string;
  readonly owner?: string;
  readonly sku?: string | null;
  readonly transfer?: string;
  readonly difference?: number;
  readonly dispatched?: number;
  readonly arrived?: number;
  readonly arrivals?: number;
  readonly gtins?: readonly string[];
  readonly name?: string;
}

export interface LoggedEvent {
  readonly stream: string;
  readonly v: number;
  readonly type: string;
  readonly schema: number;
  readonly data: LoggedData;
}

export interface LoggedUnit {
  readonly at: number;
  readonly cmd: string;
  readonly by: string;
  readonly fact?: { readonly source: string; readonly id: string; readonly type: string; readonly time?: number };
  readonly events: readonly LoggedEvent[];
  readonly claims?: readonly (readonly [key: string, print: string])[];
}

/** `data` of a fact as sent. */
export interface Told {
  readonly sku?: string;
  readonly gtin?: string;
  readonly location?: string;
  readonly quantity?: number;
  readonly delta?: number;
  readonly reason?: string;
  readonly lot?: string;
  readonly reference?: string;
  readonly expiresOn?: string;
  readonly sellable?: boolean;
  readonly transfer?: string;
  readonly to?: string;
  readonly from?: string;
  readonly asOf?: string | number;
  readonly order?: string;
  readonly reservation?: string;
  readonly final?: boolean;
  readonly lines?: readonly { readonly sku: string; readonly location: string; readonly quantity: number }[];
  readonly source?: string;
  readonly id?: string;
}

export interface SentFact {
  readonly specversion: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly time?: string;
  readonly data: Told;
}

export interface Ask {
  readonly sku: string;
  readonly quantity: number;
  readonly location?: string;
  readonly locations?: readonly string[];
  readonly sellableUntil?: string;
  readonly lot?: string;
}
