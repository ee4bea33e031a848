/** What may be done with a reservation, and the events that do it. Sourcing has chosen the allocations before. */
import { accept, type Instant, type Outcome, type Rejection, reject } from "../../../../kernel/index.ts";
import {
  conclude,
  type HoldLine,
  lapses,
  lotsForHolds,
  move,
  type PastEvent,
  promisable,
  type Stock,
  type StockEventDraft,
} from "../stock/index.ts";
import {
  type Allocation,
  isOpen,
  type Reservation,
  type ReservationEvent,
  type ReservationStatus,
  remaining,
  type Sourcing,
  statusAt,
  wasCutShort,
} from "./reservation.ts";

/** A stock that a reservation touches. */
export interface Pair {
  readonly sku: string;
  readonly location: string;
}

export interface StockChange extends Pair {
  readonly drafts: readonly StockEventDraft[];
}

/** What a command appends: nothing when the reservation already is as asked. */
export interface ReservationChange {
  readonly reservation: readonly ReservationEvent[];
  readonly stocks: readonly StockChange[];
}

export type StockOf = (pair: Pair) => Stock;

const nothing: ReservationChange = { reservation: [], stocks: [] };

/** The (sku, location) pairs of some allocations, each once, in their order. */
export function pairsOf(allocations: readonly Pair[]): Pair[] {
  const [first] = allocations;
  if (first !== undefined && allocations.length === 1) return [{ sku: first.sku, location: first.location }];
  const pairs = new Map<string, Pair>();
  for (const { sku, location } of allocations) pairs.set(`${location}\u0000${sku}`, { sku, location });
  return [...pairs.values()];
}

/** Places a reservation on allocations that the stocks can serve. */
export function decidePlace(
  id: string,
  request: {
    readonly owner?: string;
    readonly reference?: string;
    readonly ttlMs: number;
    readonly print: string;
    readonly sourcing?: Sourcing;
  },
  allocations: readonly Allocation[],
  stockOf: StockOf,
  now: Instant,
): ReservationChange {
  const { owner, reference, ttlMs, print, sourcing } = request;
  const expiresAt = now + ttlMs;
  const stocks = pairsOf(allocations).map((pair) => {
    const holds = holdsAt(allocations, pair);
    const reserved: StockEventDraft = { type: "StockReserved", data: { reservation: id, expiresAt, holds } };
    return { ...pair, drafts: [...reliedOn(stockOf(pair), sum(holds), now), reserved] };
  });
  const placed = {
    ...(owner !== undefined && { owner }),
    ...(reference !== undefined && { reference }),
    expiresAt,
    allocations,
    print,
    ...(sourcing !== undefined && { sourcing }),
  };
  return { reservation: [{ type: "ReservationPlaced", data: placed }], stocks };
}

/** Moves the end to `now + ttlMs`, never to an earlier time. */
export function decideExtend(
  id: string,
  state: Reservation,
  ttlMs: number,
  stockOf: StockOf,
  now: Instant,
): Outcome<ReservationChange> {
  const status = openStatus(id, state, stockOf, now);
  if (status !== "active") return alreadyEnded(status);
  const expiresAt = now + ttlMs;
  if (state.expiresAt !== null && expiresAt <= state.expiresAt) return accept(nothing);
  const stocks = pairsOf(state.allocations).map((pair) => ({
    ...pair,
    drafts: [{ type: "HoldExtended", data: { reservation: id, expiresAt } }] satisfies StockEventDraft[],
  }));
  return accept({ reservation: [{ type: "ReservationExtended", data: { expiresAt } }], stocks });
}

/**
 * Replaces the allocations of an active reservation by ones that the stocks can serve once its own holds are counted
 * out. Holds that stay as they are see no event.
 */
export function decideAmend(
  id: string,
  state: Reservation,
  allocations: readonly Allocation[],
  stockOf: StockOf,
  now: Instant,
): ReservationChange {
  const expiresAt = state.expiresAt ?? now;
  const stocks = pairsOf([...state.allocations, ...allocations]).flatMap((pair) => {
    const before = holdsAt(state.allocations, pair);
    const holds = holdsAt(allocations, pair);
    if (JSON.stringify(before) === JSON.stringify(holds)) return [];
    const change = sum(holds) - sum(before);
    const amended: StockEventDraft = { type: "HoldsAmended", data: { reservation: id, expiresAt, holds, change } };
    return [{ ...pair, drafts: [...reliedOn(stockOf(pair), change, now), amended] }];
  });
  return stocks.length === 0
    ? nothing
    : { reservation: [{ type: "ReservationAmended", data: { allocations } }], stocks };
}

export function decideConfirm(
  id: string,
  state: Reservation,
  stockOf: StockOf,
  now: Instant,
): Outcome<ReservationChange> {
  const status = openStatus(id, state, stockOf, now);
  if (status === "confirmed" || status === "partly-fulfilled") return accept(nothing);
  if (status !== "active") return alreadyEnded(status);
  const stocks = pairsOf(state.allocations).map((pair) => ({ ...pair, drafts: [committed(id, stockOf(pair))] }));
  return accept({ reservation: [{ type: "ReservationConfirmed", data: {} }], stocks });
}

/**
 * Takes back what an expired reservation held, and commits it, in one step. The caller has checked that the stocks can
 * serve it anew.
 */
export function decideReacquire(id: string, state: Reservation, stockOf: StockOf, now: Instant): ReservationChange {
  const expired: ReservationEvent[] = state.status === "active" ? [{ type: "ReservationExpired", data: {} }] : [];
  const stocks = pairsOf(state.allocations).map((pair) => {
    const holds = holdsAt(state.allocations, pair);
    const stock = stockOf(pair);
    const reacquired: StockEventDraft = { type: "StockReacquired", data: { reservation: id, holds } };
    // Its own hold, lapsed but not recorded as such, has to end before a new one may begin.
    const lapsed = stock.holdings.has(id) ? lapses(stock, now) : reliedOn(stock, sum(holds), now);
    return { ...pair, drafts: [...lapsed, reacquired] };
  });
  return { reservation: [...expired, { type: "ReservationReacquired", data: {} }], stocks };
}

/** Units to hand over, by index of the allocation. */
export interface FulfilPart {
  readonly allocation: number;
  readonly quantity: number;
}

/** Spreads requested lines over what the reservation still holds; without lines, all of it. */
export function partsOf(
  state: Reservation,
  lines: readonly { readonly sku: string; readonly location?: string; readonly quantity: number }[] | undefined,
): Outcome<FulfilPart[]> {
  const left = state.allocations.map(remaining);
  if (lines === undefined)
    return accept(left.flatMap((quantity, allocation) => (quantity > 0 ? [{ allocation, quantity }] : [])));
  const parts = new Map<number, number>();
  const short = [];
  // Those that name a place first: the others take what any place has left.
  const order = lines.toSorted((a, b) => Number(a.location === undefined) - Number(b.location === undefined));
  for (const { sku, location, quantity } of order) {
    let open = quantity;
    let held = 0;
    for (const [index, allocation] of state.allocations.entries()) {
      if (allocation.sku !== sku || (location !== undefined && allocation.location !== location)) continue;
      held += left[index] ?? 0;
      const units = Math.min(open, left[index] ?? 0);
      if (units === 0) continue;
      open -= units;
      left[index] = (left[index] ?? 0) - units;
      parts.set(index, (parts.get(index) ?? 0) + units);
    }
    if (open > 0)
      short.push({ sku, ...(location !== undefined && { location }), requested: quantity, remaining: held });
  }
  if (short.length > 0) {
    const detail = short.map((line) => `${line.sku}: ${line.requested} asked, ${line.remaining} remain`).join("; ");
    return reject({ code: "exceeds-reservation", detail, extra: { lines: short } });
  }
  return accept([...parts].map(([allocation, quantity]) => ({ allocation, quantity })));
}

/**
 * Hands over units: on hand falls. What an active reservation still holds after a part of it is committed, because an
 * order that is being served is no cart any more.
 */
export function decideFulfil(
  id: string,
  state: Reservation,
  parts: readonly FulfilPart[],
  request: {
    readonly at: Instant;
    readonly flags?: readonly string[];
    readonly key?: string;
    readonly print?: string;
  },
  stockOf: StockOf,
  historyOf: (pair: Pair) => readonly PastEvent[],
  now: Instant,
): Outcome<ReservationChange> {
  const status = openStatus(id, state, stockOf, now);
  if (status === "fulfilled" && wasCutShort(state)) return alreadyEnded("released");
  if (status === "fulfilled" && request.key === undefined) return accept(nothing);
  if (!isOpen(status)) return alreadyEnded(status);
  const stocks: StockChange[] = [];
  for (const pair of pairsOf(state.allocations)) {
    const stock = stockOf(pair);
    const here = parts.filter(({ allocation }) => isAt(state.allocations[allocation], pair));
    if (here.length === 0) {
      if (status === "active") stocks.push({ ...pair, drafts: [committed(id, stock)] });
      continue;
    }
    const drafts = fulfilledHere(id, state, here, status === "active", stock, request, now, historyOf(pair));
    if (!drafts.ok) return drafts;
    stocks.push({ ...pair, drafts: drafts.value });
  }
  const { key, print } = request;
  const data = { parts, ...(key !== undefined && { key }), ...(print !== undefined && { print }) };
  return accept({ reservation: [{ type: "ReservationFulfilled", data }], stocks });
}

function fulfilledHere(
  id: string,
  state: Reservation,
  parts: readonly FulfilPart[],
  wasActive: boolean,
  stock: Stock,
  { at, flags = [] }: { readonly at: Instant; readonly flags?: readonly string[] },
  now: Instant,
  history: readonly PastEvent[],
): Outcome<readonly StockEventDraft[]> {
  const quantity = sum(parts);
  const served = parts.flatMap(({ allocation, quantity: units }) => {
    const allocated = state.allocations[allocation];
    return allocated === undefined ? [] : [{ ...allocated, quantity: units }];
  });
  const holds = served.map(({ line, quantity: units }) => ({ line, quantity: units }));
  const lots = lotsForHolds(stock, served, at);
  const { change, lots: taken, absorbedBy } = move(stock, { units: -quantity, at, leaving: "sale", lots }, history);
  const left = (stock.holdings.get(id)?.quantity ?? 0) - quantity;
  const draft: StockEventDraft = {
    type: "StockFulfilled",
    data: {
      reservation: id,
      at,
      holds,
      quantity,
      from: wasActive ? "reserved" : "committed",
      ...(wasActive && left > 0 && { commits: left }),
      change,
      ...(taken !== undefined && { lots: taken }),
      ...(absorbedBy !== undefined && { absorbedBy }),
      ...(flags.length > 0 && { flags }),
    },
  };
  const concluded = conclude(stock, draft, change, now);
  return concluded.ok ? concluded : reject({ code: "invalid-request", detail: concluded.rejection.detail });
}

/** Lets go of what remains. */
export function decideRelease(
  id: string,
  state: Reservation,
  stockOf: StockOf,
  now: Instant,
): Outcome<ReservationChange> {
  const status = openStatus(id, state, stockOf, now);
  if (status === "released" || wasCutShort(state)) return accept(nothing);
  if (!isOpen(status)) return alreadyEnded(status);
  const from = status === "active" ? "reserved" : "committed";
  const stocks = pairsOf(state.allocations).flatMap((pair) => {
    const quantity = stockOf(pair).holdings.get(id)?.quantity ?? 0;
    if (quantity === 0) return [];
    return [
      {
        ...pair,
        drafts: [{ type: "StockReleased", data: { reservation: id, quantity, from } }] satisfies StockEventDraft[],
      },
    ];
  });
  return accept({ reservation: [{ type: "ReservationReleased", data: {} }], stocks });
}

/** Records that a reservation's time has come, with whatever else has lapsed in its stocks; nothing when it has not. */
export function decideExpire(state: Reservation, stockOf: StockOf, now: Instant): ReservationChange {
  if (state.status !== "active" || statusAt(state, now) !== "expired") return nothing;
  const stocks = pairsOf(state.allocations).map((pair) => ({ ...pair, drafts: lapses(stockOf(pair), now) }));
  return {
    reservation: [{ type: "ReservationExpired", data: {} }],
    stocks: stocks.filter(({ drafts }) => drafts.length > 0),
  };
}

/**
 * The status that decisions go by. An active reservation counts as expired also when one of its stocks has let its
 * hold go, because somebody's later clock has relied on that.
 */
export function openStatus(
  id: string,
  state: Reservation,
  stockOf: StockOf,
  now: Instant,
): ReservationStatus | undefined {
  const status = statusAt(state, now);
  if (status !== "active") return status;
  return pairsOf(state.allocations).every((pair) => stockOf(pair).holdings.has(id)) ? "active" : "expired";
}

/** The lapses to record because `units` more can't be promised without them. A stock with lots always records its own. */
function reliedOn(stock: Stock, units: number, now: Instant): StockEventDraft[] {
  const isFree = stock.lots.size === 0 && units <= promisable(stock) + stock.backorderLimit;
  return isFree ? [] : lapses(stock, now);
}

function committed(id: string, stock: Stock): StockEventDraft {
  return { type: "StockCommitted", data: { reservation: id, quantity: stock.holdings.get(id)?.quantity ?? 0 } };
}

function holdsAt(allocations: readonly Allocation[], pair: Pair): HoldLine[] {
  return allocations
    .filter((allocation) => isAt(allocation, pair))
    .map(({ line, quantity, sellableUntil, lot }) => ({
      line,
      quantity,
      ...(sellableUntil !== undefined && { sellableUntil }),
      ...(lot !== undefined && { lot }),
    }));
}

function isAt(allocation: Pair | undefined, pair: Pair): boolean {
  return allocation !== undefined && allocation.sku === pair.sku && allocation.location === pair.location;
}

function sum(parts: readonly { readonly quantity: number }[]): number {
  return parts.reduce((total, { quantity }) => total + quantity, 0);
}

const endings = {
  confirmed: ["reservation-already-confirmed", "The reservation is confirmed already."],
  "partly-fulfilled": ["reservation-already-confirmed", "The reservation is confirmed and partly fulfilled already."],
  fulfilled: ["reservation-already-fulfilled", "The reservation is fulfilled already."],
  released: ["reservation-already-released", "The reservation was released."],
  expired: ["reservation-already-expired", "The reservation has expired."],
} as const;

/** The refusal that a reservation in this status gets when the request contradicts it. */
export function alreadyEnded(status: ReservationStatus | undefined): {
  readonly ok: false;
  readonly rejection: Rejection;
} {
  if (status === undefined || status === "active")
    return reject({ code: "not-found", detail: "There is no such reservation." });
  const [code, detail] = endings[status];
  return reject({ code, detail });
}
