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

/** `id` is the one asked for, or derived from the credential and its idempotency key, or the fallback. */
export function placeRequest(
  request: ReserveRequest,
  caller: Caller,
  idempotencyKey: string | undefined,
  fallbackId: string,
): Outcome<PlaceRequest> {
  const demands = demandsOf(request.lines, caller);
  if (!demands.ok) return demands;
  const strategy = request.strategy ?? "priority";
  if (strategy === "nearest" && request.near === undefined)
    return invalid("/near", "is needed by the strategy nearest");
  for (const name of ["id", "owner", "reference"] as const) {
    const problem = request[name] === undefined ? undefined : identifierProblem(request[name]);
    if (problem !== undefined) return invalid(`/${name}`, problem);
  }
  const body = {
    ...(request.owner !== undefined && { owner: normalise(request.owner) }),
    ...(request.reference !== undefined && { reference: normalise(request.reference) }),
    ttlMs: (request.ttlSeconds ?? limits.reservationTtlSecondsDefault) * 1000,
    allowPartial: request.allowPartial ?? false,
    strategy,
    ...(request.near !== undefined && { near: { lat: request.near.lat, lon: request.near.lon } }),
    demands: demands.value,
  };
  const derived = idempotencyKey === undefined ? fallbackId : `k-${digest([caller.id, idempotencyKey], 27)}`;
  return accept({
    ...body,
    id: request.id === undefined ? derived : normalise(request.id),
    print: fingerprint(JSON.stringify(body)),
  });
}

/** Lines in their stored form; those that ask for the same are summed under the first one's index. */
export function demandsOf(lines: readonly ReservationLine[], caller: Caller): Outcome<Demand[]> {
  const summed = new Map<string, Demand>();
  for (const [index, line] of lines.entries()) {
    const problem = lineProblem(line, index);
    if (problem !== undefined) return problem;
    const named = line.location !== undefined ? [line.location] : line.locations;
    const locations = named && [...new Set(named.map(normalise))];
    if (locations?.some((location) => caller.locations !== undefined && !caller.locations.has(location))) {
      return reject({ code: "not-found", detail: `/lines/${index}: there is no such location.` });
    }
    const ask = {
      sku: normalise(line.sku),
      ...(locations !== undefined && { locations }),
      ...(line.sellableUntil !== undefined && { sellableUntil: line.sellableUntil }),
      ...(line.lot !== undefined && { lot: normalise(line.lot) }),
    };
    const key = lines.length === 1 ? "" : JSON.stringify(ask);
    const known = summed.get(key);
    const quantity = (known?.quantity ?? 0) + line.quantity;
    summed.set(key, { line: known?.line ?? index, quantity, ...ask });
  }
  return accept([...summed.values()]);
}

function lineProblem(line: ReservationLine, index: number): Refused | undefined {
  const at = `/lines/${index}`;
  const sku = identifierProblem(line.sku, limits.skuLengthMax);
  if (sku !== undefined) return invalid(`${at}/sku`, sku);
  if (line.location !== undefined && line.locations !== undefined)
    return invalid(at, 'has both "location" and "locations"');
  for (const location of line.locations ?? (line.location === undefined ? [] : [line.location])) {
    const problem = identifierProblem(location, limits.locationLengthMax);
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
  const released = state.allocations.filter(
    (allocation) => allocation.released > 0 && allocation.fulfilled + allocation.released > 0,
  );
  const isCutShort = state.status === "fulfilled" && released.length > 0;
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
    ...(isCutShort && {
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
