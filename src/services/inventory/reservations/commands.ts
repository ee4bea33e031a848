/** What can be asked of reservations: each a command of the ledger, decided against the truth. */
import { accept, type Instant, limits, type Outcome, reject } from "../../../kernel/index.ts";
import { type Caller, isVisible } from "../api.ts";
import {
  type Allocation,
  alreadyEnded,
  decideAmend,
  decideConfirm,
  decideExtend,
  decideFulfil,
  decidePlace,
  decideReacquire,
  decideRelease,
  fulfilmentName,
  isOpen,
  openStatus,
  pairsOf,
  partsOf,
  type Reservation,
  type ReservationChange,
} from "../domain/reservation/index.ts";
import { type Demand, type Plan, planSourcing, type StrategyName } from "../domain/sourcing/index.ts";
import { supplyOf } from "../domain/stock/index.ts";
import { historyFor } from "../facts/record.ts";
import { type Command, streamOf, type Transaction } from "../ledger/index.ts";
import { maySee } from "./access.ts";
import { emitReservation, stocksOf } from "./emit.ts";

/** A reservation as it was when a command was answered. */
export interface ReservationAnswer {
  readonly id: string;
  readonly state: Reservation;
  readonly now: Instant;
  /** Whether this very command made it. */
  readonly created: boolean;
}

export interface PlaceRequest {
  readonly id: string;
  /** Whether the id is a random one that was made for this request. */
  readonly isFresh: boolean;
  readonly owner?: string;
  readonly reference?: string;
  readonly ttlMs: number;
  readonly allowPartial: boolean;
  readonly strategy: StrategyName;
  readonly near?: { readonly lat: number; readonly lon: number };
  readonly demands: readonly Demand[];
  readonly print: string;
}

const notFound = reject({ code: "not-found", detail: "There is no such reservation." } as const);

export function placeCommand(request: PlaceRequest, caller: Caller): Command<Outcome<ReservationAnswer>> {
  const { id, demands } = request;
  const stream = streamOf.reservation(id);
  const stocks = namedStocks(demands);
  return {
    actor: caller.id,
    streams: request.isFresh ? stocks : [stream, ...stocks],
    ...(request.isFresh && { fresh: [stream] }),
    decide: (transaction) => {
      const state = transaction.reservation(id);
      if (state.status !== undefined) {
        const isSame = state.print === request.print && maySee(state, caller);
        if (!isSame)
          return reject({
            code: "idempotency-key-reused",
            detail: "This id belongs to a reservation with another body.",
          });
        return accept({ id, state, now: transaction.now, created: false });
      }
      const allocations = allocate(transaction, request, caller);
      if (!allocations.ok) return allocations;
      const sourcing = { strategy: request.strategy, ...(request.near !== undefined && { near: request.near }) };
      const isChosen = demands.some(({ locations }) => locations === undefined);
      const isAsked = request.strategy !== "priority" || request.near !== undefined;
      const chosen = isChosen || isAsked ? { sourcing } : {};
      const change = decidePlace(
        id,
        { ...request, ...chosen },
        allocations.value,
        stocksOf(transaction),
        transaction.now,
      );
      emitReservation(transaction, id, change);
      return accept({ id, state: transaction.reservation(id), now: transaction.now, created: true });
    },
  };
}

/** What would be chosen for a request; holds nothing. Refuses what would be refused for more than its stocks. */
export function planCommand(request: PlaceRequest, caller: Caller): Command<Outcome<Plan>> {
  return {
    actor: caller.id,
    looks: true,
    streams: namedStocks(request.demands),
    decide: (transaction) => {
      const planned = plan(transaction, request, caller, undefined);
      return tooMany(planned.allocations) ?? accept(planned);
    },
  };
}

export function readCommand(id: string, caller: Caller): Command<Outcome<ReservationAnswer>> {
  return {
    actor: caller.id,
    looks: true,
    streams: [streamOf.reservation(id)],
    decide: (transaction) => {
      const state = transaction.reservation(id);
      return maySee(state, caller) ? accept({ id, state, now: transaction.now, created: false }) : notFound;
    },
  };
}

export function extendCommand(id: string, ttlMs: number, caller: Caller): Command<Outcome<ReservationAnswer>> {
  return changeCommand(id, caller, (transaction, state) =>
    decideExtend(id, state, ttlMs, stocksOf(transaction), transaction.now),
  );
}

export function confirmCommand(id: string, reacquire: boolean, caller: Caller): Command<Outcome<ReservationAnswer>> {
  return changeCommand(id, caller, (transaction, state) => {
    const stockOf = stocksOf(transaction);
    const status = openStatus(id, state, stockOf, transaction.now);
    if (status !== "expired" || !reacquire) return decideConfirm(id, state, stockOf, transaction.now);
    const demands = state.allocations.map(({ line, sku, location, quantity, sellableUntil, lot }) => ({
      line,
      sku,
      quantity,
      locations: [location],
      ...(sellableUntil !== undefined && { sellableUntil }),
      ...(lot !== undefined && { lot }),
    }));
    const planned = plan(transaction, { demands, allowPartial: false, strategy: "priority" }, caller, id);
    return planned.short.length > 0
      ? insufficient(planned)
      : accept(decideReacquire(id, state, stockOf, transaction.now));
  });
}

export function releaseCommand(id: string, caller: Caller): Command<Outcome<ReservationAnswer>> {
  return changeCommand(id, caller, (transaction, state) =>
    decideRelease(id, state, stocksOf(transaction), transaction.now),
  );
}

export function fulfilCommand(
  id: string,
  request: {
    readonly lines?: readonly { readonly sku: string; readonly location?: string; readonly quantity: number }[];
    readonly key?: string;
    readonly print?: string;
  },
  caller: Caller,
): Command<Outcome<ReservationAnswer>> {
  return changeCommand(id, caller, (transaction, state) => {
    const { lines, key, print } = request;
    const known = key === undefined ? undefined : state.fulfilments[fulfilmentName(caller.id, key)];
    if (known !== undefined) {
      return known === print
        ? accept({ reservation: [], stocks: [] })
        : reject({ code: "idempotency-key-reused", detail: "This Idempotency-Key was used with another body." });
    }
    const stockOf = stocksOf(transaction);
    const status = openStatus(id, state, stockOf, transaction.now);
    if (!isOpen(status) && !(status === "fulfilled" && lines === undefined)) return alreadyEnded(status);
    const parts = partsOf(state, lines);
    if (!parts.ok) return parts;
    const at = transaction.now;
    const keyed =
      lines === undefined ? {} : { ...(key !== undefined && { key }), ...(print !== undefined && { print }) };
    return decideFulfil(
      id,
      state,
      parts.value,
      { at, ...keyed },
      stockOf,
      historyFor(transaction, at),
      transaction.now,
    );
  });
}

export function amendCommand(
  id: string,
  demands: readonly Demand[],
  caller: Caller,
): Command<Outcome<ReservationAnswer>> {
  return changeCommand(id, caller, (transaction, state) => {
    const stockOf = stocksOf(transaction);
    const status = openStatus(id, state, stockOf, transaction.now);
    if (status !== "active") return alreadyEnded(status);
    const strategy = (state.sourcing?.strategy ?? "priority") as StrategyName;
    const near = state.sourcing?.near;
    const keeping = keepingHeld(state, demands);
    // A repeat asks for nothing anew, so it is no question of what there is by now.
    const held = keeping.flatMap(allocationOf);
    const repeat = held.length < keeping.length ? undefined : decideAmend(id, state, held, stockOf, transaction.now);
    if (repeat?.reservation.length === 0) return accept(repeat);
    const request = {
      demands: keeping,
      allowPartial: false,
      strategy,
      ...(near !== undefined && { near }),
    };
    // What stays as it is stays where it is; only if that leaves too little elsewhere is all of it planned anew.
    const kept = allocate(transaction, request, caller, id);
    const allocations = kept.ok ? kept : allocate(transaction, { ...request, demands }, caller, id);
    return allocations.ok ? accept(decideAmend(id, state, allocations.value, stockOf, transaction.now)) : allocations;
  });
}

function changeCommand(
  id: string,
  caller: Caller,
  decide: (transaction: Transaction, state: Reservation) => Outcome<ReservationChange>,
): Command<Outcome<ReservationAnswer>> {
  return {
    actor: caller.id,
    streams: [streamOf.reservation(id)],
    decide: (transaction) => {
      const state = transaction.reservation(id);
      if (!maySee(state, caller)) return notFound;
      const change = decide(transaction, state);
      if (!change.ok) return change;
      emitReservation(transaction, id, change.value);
      return accept({ id, state: transaction.reservation(id), now: transaction.now, created: false });
    },
  };
}

function namedStocks(demands: readonly Demand[]): string[] {
  const streams: string[] = [];
  for (const { sku, locations } of demands)
    if (locations !== undefined) for (const location of locations) streams.push(streamOf.stock(location, sku));
  return streams;
}

/** Demands that an amendment leaves as they are, pinned to where they are held: a line by what it holds, else by what others let go. */
function keepingHeld(state: Reservation, demands: readonly Demand[]): Demand[] {
  const claimed = new Set<Allocation>();
  const claim = (demand: Demand, isOwn: boolean): readonly Allocation[] => {
    const held = state.allocations.filter(
      (one) =>
        !claimed.has(one) &&
        (!isOwn || one.line === demand.line) &&
        one.sku === demand.sku &&
        one.sellableUntil === demand.sellableUntil &&
        one.lot === demand.lot &&
        (demand.locations?.includes(one.location) ?? true),
    );
    if (held.reduce((sum, { quantity }) => sum + quantity, 0) !== demand.quantity) return [];
    for (const one of held) claimed.add(one);
    return held;
  };
  const own = demands.map((demand) => claim(demand, true));
  return demands.flatMap((demand, place) => {
    const kept = own[place]?.length ? own[place] : claim(demand, false);
    if (kept.length === 0) return [demand];
    return kept.map(({ location, quantity }) => ({ ...demand, quantity, locations: [location] }));
  });
}

/** What a demand that is pinned to one place takes there; nothing when it is not pinned. */
function allocationOf({ line, sku, quantity, locations = [], sellableUntil, lot }: Demand): Allocation[] {
  const [location] = locations;
  if (location === undefined || locations.length > 1) return [];
  const ask = { ...(sellableUntil !== undefined && { sellableUntil }), ...(lot !== undefined && { lot }) };
  return [{ line, sku, location, quantity, ...ask }];
}

type Sourcing = Pick<PlaceRequest, "demands" | "allowPartial" | "strategy" | "near">;

function allocate(transaction: Transaction, request: Sourcing, caller: Caller, own?: string): Outcome<Allocation[]> {
  const quick = allocateOne(transaction, request, own);
  if (quick !== undefined) return accept(quick);
  const planned = plan(transaction, request, caller, own);
  if (planned.allocations.length === 0 || (planned.short.length > 0 && !request.allowPartial))
    return insufficient(planned);
  const asks = new Map(request.demands.map((demand) => [demand.line, demand]));
  const merged = new Map<string, Allocation>();
  for (const { line, sku, location, quantity } of planned.allocations) {
    const { sellableUntil, lot } = asks.get(line) ?? {};
    const key = `${line}\u0000${location}`;
    const before = merged.get(key)?.quantity ?? 0;
    const ask = { ...(sellableUntil !== undefined && { sellableUntil }), ...(lot !== undefined && { lot }) };
    merged.set(key, { line, sku, location, quantity: before + quantity, ...ask });
  }
  const allocations = [...merged.values()];
  return tooMany(allocations) ?? accept(allocations);
}

/** The refusal of an order that would be held at too many places at once. */
function tooMany(allocations: Parameters<typeof pairsOf>[0]): Outcome<never> | undefined {
  const pairs = pairsOf(allocations).length;
  if (pairs <= limits.reservationPairsMax) return undefined;
  const detail = `The order would take ${pairs} (sku, location) pairs; at most ${limits.reservationPairsMax} can be held together.`;
  return reject({ code: "too-many-allocations", detail });
}

/** The common case, one line at one place with enough of undated stock, without a plan. */
function allocateOne(
  transaction: Transaction,
  { demands }: Sourcing,
  own: string | undefined,
): Allocation[] | undefined {
  const demand = demands[0];
  const location = demand?.locations?.[0];
  if (demand === undefined || location === undefined || demands.length > 1 || demand.locations?.length !== 1)
    return undefined;
  if (own !== undefined || demand.lot !== undefined || demand.sellableUntil !== undefined) return undefined;
  const { line, sku, quantity } = demand;
  const isEnough = supplyOf(transaction.stock(location, sku), transaction.now).capacity >= quantity;
  return isEnough ? [{ line, sku, location, quantity }] : undefined;
}

/** Plans over every permitted location. `own` is a reservation whose holds are about to be replaced. */
function plan(transaction: Transaction, request: Sourcing, caller: Caller, own: string | undefined): Plan {
  const { demands, allowPartial, strategy, near } = request;
  const pairs = pairsOf(
    demands.flatMap(({ sku, locations }) =>
      (locations ?? transaction.locationsOf(sku))
        .filter((location) => isVisible(location, caller))
        .map((location) => ({ sku, location })),
    ),
  );
  const locations = [...new Set(pairs.map(({ location }) => location))];
  transaction.want([
    ...pairs.map(({ sku, location }) => streamOf.stock(location, sku)),
    ...locations.map((location) => streamOf.location(location)),
  ]);
  const supplies = pairs.map(({ sku, location }) => ({
    sku,
    location,
    ...supplyOf(transaction.stock(location, sku), transaction.now, own),
  }));
  // An amendment may pin parts of one line to several places: the plan sees them as lines of their own.
  const planned = planSourcing({
    demands: demands.map((demand, line) => ({ ...demand, line })),
    supplies,
    places: locations.map((location) => placeOf(transaction, location)),
    strategy,
    ...(near !== undefined && { near }),
    allowPartial,
  });
  const asAsked = <T extends { readonly line: number }>(part: T): T => ({
    ...part,
    line: demands[part.line]?.line ?? part.line,
  });
  return { ...planned, allocations: planned.allocations.map(asAsked), short: planned.short.map(asAsked) };
}

function placeOf(transaction: Transaction, location: string) {
  const { fields } = transaction.location(location);
  return {
    location,
    priority: fields?.priority ?? 100,
    ...(fields?.position !== undefined && { position: fields.position }),
  };
}

function insufficient(planned: Plan): Outcome<never> {
  const lines = planned.short.map(({ sku, location, requested, available }) => ({
    sku,
    ...(location !== undefined && { location }),
    requested,
    available,
  }));
  const detail = lines
    .map(
      ({ sku, location, requested, available }) =>
        `${sku}${location === undefined ? "" : ` at ${location}`}: ${requested} asked, ${available} available`,
    )
    .join("; ");
  return reject({ code: "insufficient-stock", detail, extra: { lines } });
}
