/** From what clients write to what commands take, and back. */
import { hash } from "node:crypto";
import {
  accept,
  fingerprint,
  formatInstant,
  identifierProblem,
  isDate,
  limits,
  normalise,
  type Outcome,
  type Rejection,
  reject,
} from "../../../kernel/index.ts";
import type { Caller } from "../api.ts";
import { statusAt } from "../domain/reservation/index.ts";
import type { Demand, Plan } from "../domain/sourcing/index.ts";
import type { FulfilLine, Reservation, ReservationLine, ReserveRequest, SourcingPlan } from "../wire.ts";
import type { PlaceRequest, ReservationAnswer } from "./commands.ts";

type Refused = { readonly ok: false; readonly rejection: Rejection };

/** `id` is the one asked for, or derived from the credential and its idempotency key, or a random one. */
export function placeRequest(
  request: ReserveRequest,
  caller: Caller,
  idempotencyKey: string | undefined,
  randomId: () => string,
): Outcome<PlaceRequest> {
  const demands = demandsOf(request.lines, caller);
  if (!demands.ok) return demands;
  const strategy = request.strategy ?? "priority";
  if (strategy === "nearest" && request.near === undefined)
    return invalid("/near", "is needed by the strategy nearest");
  const problem = nameProblem(request, "id") ?? nameProblem(request, "owner") ?? nameProblem(request, "reference");
  if (problem !== undefined) return problem;
  const body = {
    ...(request.owner !== undefined && { owner: normalise(request.owner) }),
    ...(request.reference !== undefined && { reference: normalise(request.reference) }),
    ttlMs: (request.ttlSeconds ?? limits.reservationTtlSecondsDefault) * 1000,
    allowPartial: request.allowPartial ?? false,
    strategy,
    ...(request.near !== undefined && { near: { lat: request.near.lat, lon: request.near.lon } }),
    demands: demands.value,
  };
  const id = request.id === undefined ? derivedId(caller, idempotencyKey) : normalise(request.id);
  return accept({ ...body, id: id ?? randomId(), isFresh: id === undefined, print: fingerprint(JSON.stringify(body)) });
}

function derivedId(caller: Caller, idempotencyKey: string | undefined): string | undefined {
  return idempotencyKey === undefined ? undefined : `k-${digest([caller.id, idempotencyKey], 27)}`;
}

function nameProblem(request: ReserveRequest, name: "id" | "owner" | "reference"): Refused | undefined {
  const problem = request[name] === undefined ? undefined : identifierProblem(request[name]);
  return problem === undefined ? undefined : invalid(`/${name}`, problem);
}

/** Lines in their stored form, each ask once. */
export function demandsOf(lines: readonly ReservationLine[], caller: Caller): Outcome<Demand[]> {
  const demands: Demand[] = [];
  let index = 0;
  for (const line of lines) {
    const demand = demandOf(line, index, caller);
    if (!demand.ok) return demand;
    demands.push(demand.value);
    index += 1;
  }
  return accept(lines.length === 1 ? demands : sumAlike(demands));
}

function demandOf(line: ReservationLine, index: number, caller: Caller): Outcome<Demand> {
  const problem = lineProblem(line, index);
  if (problem !== undefined) return problem;
  const locations = locationsOf(line);
  if (caller.locations !== undefined && locations?.some((location) => !caller.locations?.has(location))) {
    return reject({ code: "not-found", detail: `/lines/${index}: there is no such location.` });
  }
  return accept({
    line: index,
    quantity: line.quantity,
    sku: normalise(line.sku),
    ...(locations !== undefined && { locations }),
    ...(line.sellableUntil !== undefined && { sellableUntil: line.sellableUntil }),
    ...(line.lot !== undefined && { lot: normalise(line.lot) }),
  });
}

function locationsOf({ location, locations }: ReservationLine): string[] | undefined {
  if (location !== undefined) return [normalise(location)];
  return locations && [...new Set(locations.map(normalise))];
}

/** Those that ask for the same are summed under the first one's index. */
function sumAlike(demands: readonly Demand[]): Demand[] {
  const summed = new Map<string, Demand>();
  for (const demand of demands) {
    const { line: _line, quantity, ...ask } = demand;
    const key = JSON.stringify(ask);
    const known = summed.get(key);
    summed.set(key, known === undefined ? demand : { ...known, quantity: known.quantity + quantity });
  }
  return [...summed.values()];
}

function lineProblem(line: ReservationLine, index: number): Refused | undefined {
  const at = `/lines/${index}`;
  const sku = identifierProblem(line.sku, limits.skuLengthMax);
  if (sku !== undefined) return invalid(`${at}/sku`, sku);
  if (line.location !== undefined && line.locations !== undefined)
    return invalid(at, 'has both "location" and "locations"');
  const location = line.location === undefined ? undefined : identifierProblem(line.location, limits.locationLengthMax);
  if (location !== undefined) return invalid(`${at}/location`, location);
  for (const one of line.locations ?? []) {
    const problem = identifierProblem(one, limits.locationLengthMax);
    if (problem !== undefined) return invalid(`${at}/location`, problem);
  }
  if (line.sellableUntil !== undefined && !isDate(line.sellableUntil))
    return invalid(`${at}/sellableUntil`, "is no date of the calendar");
  const lot = line.lot === undefined ? undefined : identifierProblem(line.lot);
  return lot === undefined ? undefined : invalid(`${at}/lot`, lot);
}

function invalid(pointer: string, detail: string): Refused {
  const errors = [{ in: "body", pointer, detail }];
  return reject({ code: "invalid-request", detail: `Body ${pointer}: ${detail}.`, extra: { errors } });
}

/** Lines of a fulfilment in their stored form, and the digest that tells a retry from another request. */
export function fulfilRequest(lines: readonly FulfilLine[] | undefined): { lines?: FulfilLine[]; print: string } {
  const stored = lines?.map(({ sku, location, quantity }) => ({
    sku: normalise(sku),
    ...(location !== undefined && { location: normalise(location) }),
    quantity,
  }));
  return { ...(stored !== undefined && { lines: stored }), print: fingerprint(JSON.stringify(stored ?? null)) };
}

export function reservationView({ id, state, now }: Omit<ReservationAnswer, "created">, position: string): Reservation {
  const released =
    state.status === "fulfilled" ? state.allocations.filter((allocation) => allocation.released > 0) : [];
  return {
    id,
    status: statusAt(state, now) ?? "active",
    createdAt: formatInstant(state.createdAt),
    expiresAt: state.expiresAt === null ? null : formatInstant(state.expiresAt),
    owner: state.owner,
    reference: state.reference,
    lines: state.allocations.map((allocation) => ({
      sku: allocation.sku,
      location: allocation.location,
      quantity: allocation.quantity,
      lineIndex: allocation.line,
      ...(allocation.fulfilled > 0 && { fulfilled: allocation.fulfilled }),
      ...(allocation.sellableUntil !== undefined && { sellableUntil: allocation.sellableUntil }),
      ...(allocation.lot !== undefined && { lot: allocation.lot }),
    })),
    ...(released.length > 0 && {
      releasedLines: released.map(({ sku, location, line, released: quantity }) => ({
        sku,
        location,
        quantity,
        lineIndex: line,
      })),
    }),
    position,
  };
}

export function planView(plan: Plan, allowPartial: boolean, position: string): SourcingPlan {
  return {
    feasible: plan.allocations.length > 0 && (plan.short.length === 0 || allowPartial),
    lines: plan.allocations.map(({ line, sku, location, quantity, because }) => ({
      sku,
      location,
      quantity,
      lineIndex: line,
      because,
    })),
    short: plan.short.map(({ sku, location, requested, available }) => ({
      sku,
      ...(location !== undefined && { location }),
      requested,
      available,
    })),
    notes: [...plan.notes],
    position,
  };
}

function digest(value: unknown, characters: number): string {
  return hash("sha256", JSON.stringify(value), "base64url").slice(0, characters);
}
