/**
 * A reservation: what was promised to whom, from where, until when.
 *
 *     active ──confirm──▶ confirmed ──fulfil──▶ partly-fulfilled ──fulfil──▶ fulfilled
 *       │ └───fulfil────────────────────────────▲        └──────release───▶ fulfilled (with released units)
 *       ├──release──▶ released ◀──release── confirmed
 *       └──its time─▶ expired ──confirm, reacquire──▶ confirmed
 *
 * Its stream and the stocks it touches change in one unit, so that it ends once and a cart is all or nothing. Expiry is
 * judged by the time: a reservation whose time has come is expired whether or not anything has recorded it.
 */
import type { Instant } from "../../../../kernel/index.ts";

/** The part of a reservation that one stock holds for one line. */
export interface Allocation {
  /** Index of the request's line. */
  readonly line: number;
  readonly sku: string;
  readonly location: string;
  readonly quantity: number;
  readonly sellableUntil?: string;
  readonly lot?: string;
}

export interface Sourcing {
  readonly strategy: string;
  readonly near?: { readonly lat: number; readonly lon: number };
}

export type ReservationEvent =
  | {
      readonly type: "ReservationPlaced";
      readonly data: {
        readonly owner?: string;
        readonly reference?: string;
        readonly expiresAt: Instant;
        readonly allocations: readonly Allocation[];
        /** A digest of the request, so that a retry is told from another request under the same id. */
        readonly print: string;
        /** How locations were chosen where lines named none; an amendment chooses the same way. */
        readonly sourcing?: Sourcing;
      };
    }
  | { readonly type: "ReservationExtended"; readonly data: { readonly expiresAt: Instant } }
  | { readonly type: "ReservationAmended"; readonly data: { readonly allocations: readonly Allocation[] } }
  | { readonly type: "ReservationConfirmed"; readonly data: Record<never, never> }
  | { readonly type: "ReservationReacquired"; readonly data: Record<never, never> }
  | {
      readonly type: "ReservationFulfilled";
      readonly data: {
        /** Units by index of the allocation. */
        readonly parts: readonly { readonly allocation: number; readonly quantity: number }[];
        /** The request's idempotency key and the digest of its body. */
        readonly key?: string;
        readonly print?: string;
      };
    }
  | { readonly type: "ReservationReleased"; readonly data: Record<never, never> }
  | { readonly type: "ReservationExpired"; readonly data: Record<never, never> };

export type ReservationStatus = "active" | "confirmed" | "partly-fulfilled" | "fulfilled" | "released" | "expired";

export interface AllocationState extends Allocation {
  readonly fulfilled: number;
  readonly released: number;
}

export interface Reservation {
  /** Undefined before `ReservationPlaced`. */
  readonly status: ReservationStatus | undefined;
  readonly createdAt: Instant;
  /** Null once it no longer expires. */
  readonly expiresAt: Instant | null;
  readonly owner: string | null;
  readonly reference: string | null;
  /** The credential that made it. */
  readonly actor: string;
  readonly print: string;
  readonly sourcing: Sourcing | undefined;
  readonly allocations: readonly AllocationState[];
  /** Digests of fulfilments by `fulfilmentName`. */
  readonly fulfilments: Readonly<Record<string, string>>;
}

export const noReservation: Reservation = {
  status: undefined,
  createdAt: 0,
  expiresAt: null,
  owner: null,
  reference: null,
  actor: "",
  print: "",
  sourcing: undefined,
  allocations: [],
  fulfilments: {},
};

/** An idempotency key belongs to its credential: two who count their parts from 1 hand over two parts. */
export function fulfilmentName(actor: string, key: string): string {
  return `${actor}\u0000${key}`;
}

/** Adds one recorded event. `unit` says who recorded it and when. */
export function evolveReservation(
  state: Reservation,
  event: ReservationEvent,
  unit: { readonly recordedAt: Instant; readonly actor: string },
): Reservation {
  switch (event.type) {
    case "ReservationPlaced":
      return {
        ...noReservation,
        status: "active",
        createdAt: unit.recordedAt,
        actor: unit.actor,
        expiresAt: event.data.expiresAt,
        owner: event.data.owner ?? null,
        reference: event.data.reference ?? null,
        print: event.data.print,
        sourcing: event.data.sourcing,
        allocations: event.data.allocations.map(untouched),
      };
    case "ReservationExtended":
      return { ...state, expiresAt: event.data.expiresAt };
    case "ReservationAmended":
      return { ...state, allocations: event.data.allocations.map(untouched) };
    case "ReservationConfirmed":
    case "ReservationReacquired":
      return { ...state, status: "confirmed", expiresAt: null };
    case "ReservationFulfilled": {
      const { parts, key, print = "" } = event.data;
      const allocations = state.allocations.map((allocation, index) => ({
        ...allocation,
        fulfilled:
          allocation.fulfilled + parts.reduce((sum, part) => sum + (part.allocation === index ? part.quantity : 0), 0),
      }));
      const isWhole = allocations.every((allocation) => remaining(allocation) === 0);
      const known = key === undefined ? {} : { [fulfilmentName(unit.actor, key)]: print };
      return {
        ...state,
        status: isWhole ? "fulfilled" : "partly-fulfilled",
        expiresAt: null,
        allocations,
        fulfilments: { ...state.fulfilments, ...known },
      };
    }
    case "ReservationReleased": {
      const allocations = state.allocations.map((allocation) => ({
        ...allocation,
        released: allocation.released + remaining(allocation),
      }));
      const wasTouched = state.allocations.some(({ fulfilled }) => fulfilled > 0);
      return { ...state, status: wasTouched ? "fulfilled" : "released", expiresAt: null, allocations };
    }
    case "ReservationExpired":
      return { ...state, status: "expired" };
    default:
      event satisfies never;
      return state;
  }
}

function untouched(allocation: Allocation): AllocationState {
  return { ...allocation, fulfilled: 0, released: 0 };
}

/** Units of an allocation that are still promised. */
export function remaining({ quantity, fulfilled, released }: AllocationState): number {
  return quantity - fulfilled - released;
}

/** Whether something is still expected of a reservation: it holds units that may be fulfilled or released. */
export function isOpen(status: string | undefined): boolean {
  return status === "active" || status === "confirmed" || status === "partly-fulfilled";
}

/** The status at `now`: an active reservation whose time has come is expired. */
export function statusAt(state: Reservation, now: Instant): ReservationStatus | undefined {
  return state.status === "active" && state.expiresAt !== null && state.expiresAt <= now ? "expired" : state.status;
}

/** Whether part of it was released after another part had been fulfilled. */
export function wasCutShort(state: Reservation): boolean {
  return state.status === "fulfilled" && state.allocations.some(({ released }) => released > 0);
}
