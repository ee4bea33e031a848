/**
 * What one operation may do to some stocks and their reservations, by contract.md alone: given a state, every state
 * that it may leave behind if it takes effect now and is answered as it was.
 *
 * A hold is open before its `expiresAt` and lapsed from then on. At which time in its interval an operation took effect
 * is not known, nor when a hold ends whose reservation was never answered; so a state carries all times that are still
 * possible (`zone`), and an operation that depends on whether a hold is open leaves a state for either.
 */
import type { Answer, Line, Operation, Request, Short, Status } from "./history.ts";
import { add, anyTime, drop, elapse, now, restrict, type Zone, zero } from "./zone.ts";

interface Reservation {
  readonly lines: readonly Line[];
  readonly status: Status;
  /** Unknown: a time in the zone, under the reservation's id. */
  readonly expiresAt: number | "unknown" | null;
}

export interface State {
  readonly onHand: ReadonlyMap<string, number>;
  readonly reservations: ReadonlyMap<string, Reservation>;
  readonly facts: ReadonlySet<string>;
  readonly zone: Zone;
}

export const nothing: State = { onHand: new Map(), reservations: new Map(), facts: new Set(), zone: anyTime };

const keys = new WeakMap<State, string>();

/** The same for states that differ in their times alone. */
export function keyOf(state: State): string {
  const known = keys.get(state);
  if (known !== undefined) return known;
  const { onHand, reservations, facts, zone } = state;
  const parts: string[] = [];
  for (const [stock, units] of onHand) parts.push(`${stock}=${units}`);
  for (const [id, { status, expiresAt }] of reservations) parts.push(`${id}:${status}${expiresAt}`);
  for (const fact of facts) parts.push(fact);
  const key = `${parts.sort().join()}|${zone.names.join()}`;
  keys.set(state, key);
  return key;
}

/** What becomes of the time between two operations: `elapse` where one process decides, one operation after another. */
export type Passing = (zone: Zone) => Zone;

/** What is known of the operations that are still to come. */
export interface Coming {
  /** None can be before. */
  readonly from: number;
  /** The reservations and facts that they name. */
  readonly names: ReadonlySet<string>;
}

/**
 * A state from which the same can follow, and as few of those as possible: what must have lapsed by then has lapsed, and
 * what has ended and is named no more is forgotten.
 */
export function tidied(state: State, { from, names }: Coming, passing: Passing = elapse): State {
  const zone = restrict(passing(state.zone), zero, now, -from);
  let later = zone === undefined ? state : { ...state, zone };
  for (const [id, { status }] of later.reservations)
    if (status === "active" && endsAfter(later, id, 1).length === 0) later = ended(later, id, "expired");
  const isOver = ([id, { status }]: [string, Reservation]) =>
    !names.has(id) && status !== "active" && status !== "confirmed";
  const over = [...later.reservations].filter(isOver);
  if (over.length > 0) {
    const reservations = new Map(later.reservations);
    for (const [id] of over) reservations.delete(id);
    later = { ...later, reservations };
  }
  const told = [...later.facts].filter((fact) => names.has(fact));
  return told.length === later.facts.size ? later : { ...later, facts: new Set(told) };
}

/** Without an answer only what changes something is given: an effect that leaves all as it is might as well be none. */
export function after(state: State, { request, answer, from, to }: Operation, passing: Passing = elapse): State[] {
  let zone: Zone | undefined = restrict(passing(state.zone), zero, now, -from);
  if (to !== Number.POSITIVE_INFINITY) zone = zone && restrict(zone, now, zero, to);
  if (zone === undefined) return [];
  const timed = { ...state, zone };
  switch (request.kind) {
    case "fact":
      return recorded(timed, request, answer);
    case "read":
      return settled(timed, holdersOf(timed, [request.stock])).filter((one) => isAsRead(one, request.stock, answer));
    case "reserve":
      if (!state.reservations.has(request.id)) return reserved(timed, request, answer);
      return settled(timed, [request.id]).flatMap((one) => shown(one, request.id, answer, false, true));
    default:
      if (!state.reservations.has(request.id)) return isRefusal(answer, "not-found") ? [timed] : [];
      return settled(timed, [request.id]).flatMap((one) => changed(one, request, answer));
  }
}

function recorded(state: State, request: Request & { kind: "fact" }, answer: Answer | undefined): State[] {
  const isDuplicate = state.facts.has(request.fact);
  if (answer === undefined ? isDuplicate : answer.kind !== "recorded" || answer.isDuplicate !== isDuplicate) return [];
  if (isDuplicate) return [state];
  const facts = new Set(state.facts).add(request.fact);
  return [moved({ ...state, facts }, [{ stock: request.stock, quantity: request.units }], 1)];
}

function isAsRead(state: State, stock: string, answer: Answer | undefined): boolean {
  if (answer?.kind !== "stock") return false;
  const isSame = (status: Status, units: number) => heldOf(state, stock, status) === units;
  const { onHand, reserved: open, committed } = answer;
  return (state.onHand.get(stock) ?? 0) === onHand && isSame("active", open) && isSame("confirmed", committed);
}

function reserved(state: State, { id, lines, ttlMs }: Request & { kind: "reserve" }, answer?: Answer): State[] {
  const stocks = lines.map(({ stock }) => stock);
  return settled(state, holdersOf(state, stocks)).flatMap((one) => {
    const short = lines.flatMap((line): Short[] => {
      const free = Math.max(0, freeOf(one, line.stock));
      return free < line.quantity ? [{ ...line, available: free }] : [];
    });
    if (short.length > 0)
      return isRefusal(answer, "insufficient-stock") && isSameShort(answer.short, short) ? [one] : [];
    const zone = add(one.zone, id, ttlMs);
    const made = changedTo({ ...one, zone }, id, { lines, status: "active", expiresAt: "unknown" });
    return shown(made, id, answer, true);
  });
}

const doing = { confirm: "confirmed", release: "released", fulfil: "fulfilled" } as const;

function changed(
  state: State,
  request: Exclude<Request, { kind: "reserve" | "fact" | "read" }>,
  answer: Answer | undefined,
): State[] {
  const { id, kind } = request;
  const reservation = state.reservations.get(id);
  if (reservation === undefined) return [];
  const { status } = reservation;
  if (kind === "look") return shown(state, id, answer, false, true);
  if (kind === "extend" && status === "active") return extended(state, id, request.ttlMs, answer);
  const next = kind === "extend" ? undefined : doing[kind];
  if (status === next) return shown(state, id, answer, false, true);
  const isOpen = status === "active" || (status === "confirmed" && kind !== "extend");
  if (next === undefined || !isOpen) return isRefusal(answer, `reservation-already-${status}`) ? [state] : [];
  const left = kind === "fulfil" ? moved(state, reservation.lines, -1) : state;
  return shown(ended(left, id, next), id, answer);
}

/** Ends at the later of its own time and `ttlMs` from now. */
function extended(state: State, id: string, ttlMs: number, answer: Answer | undefined): State[] {
  const reservation = state.reservations.get(id);
  if (reservation === undefined) return [];
  const moves = endsWithin(state, id, ttlMs - 1).flatMap((one) => {
    const free = reservation.expiresAt === "unknown" ? drop(one.zone, id) : one.zone;
    const later: State = { ...one, zone: add(free, id, ttlMs) };
    return shown(changedTo(later, id, { ...reservation, expiresAt: "unknown" }), id, answer);
  });
  return [...endsAfter(state, id, ttlMs).flatMap((one) => shown(one, id, answer, false, true)), ...moves];
}

/** The states in which a reservation is shown as it was; a time that was shown is known from then on. */
function shown(state: State, id: string, answer: Answer | undefined, created = false, isUnchanged = false): State[] {
  if (answer === undefined) return isUnchanged ? [] : [state];
  const reservation = state.reservations.get(id);
  if (answer.kind !== "reservation" || answer.created !== created || reservation?.status !== answer.status) return [];
  if (answer.status === "expired") return [state];
  if (answer.status !== "active" || answer.expiresAt === null) return answer.expiresAt === null ? [state] : [];
  if (reservation.expiresAt !== "unknown") return reservation.expiresAt === answer.expiresAt ? [state] : [];
  const most = restrict(state.zone, id, zero, answer.expiresAt);
  const exact = most && restrict(most, zero, id, -answer.expiresAt);
  if (exact === undefined) return [];
  return [changedTo({ ...state, zone: drop(exact, id) }, id, { ...reservation, expiresAt: answer.expiresAt })];
}

/** For each of some reservations: it is open now, or it has lapsed by now. */
function settled(state: State, ids: readonly string[]): State[] {
  let states = [state];
  for (const id of ids) {
    if (state.reservations.get(id)?.status !== "active") continue;
    states = states.flatMap((one) => [
      ...endsAfter(one, id, 1),
      ...endsWithin(one, id, 0).map((late) => ended(late, id, "expired")),
    ]);
  }
  return states;
}

/** Only where a hold ends `ms` from now or later. */
function endsAfter(state: State, id: string, ms: number): State[] {
  const [end, at] = endOf(state, id);
  const zone = restrict(state.zone, now, end, at - ms);
  return zone === undefined ? [] : [{ ...state, zone }];
}

/** Only where a hold ends at most `ms` from now. */
function endsWithin(state: State, id: string, ms: number): State[] {
  const [end, at] = endOf(state, id);
  const zone = restrict(state.zone, end, now, ms - at);
  return zone === undefined ? [] : [{ ...state, zone }];
}

/** The end of a hold as a time of the zone and milliseconds after it. */
function endOf({ reservations }: State, id: string): readonly [string, number] {
  const expiresAt = reservations.get(id)?.expiresAt ?? 0;
  return expiresAt === "unknown" ? [id, 0] : [zero, expiresAt];
}

function ended(state: State, id: string, status: Status): State {
  const { lines = [], expiresAt } = state.reservations.get(id) ?? {};
  const zone = expiresAt === "unknown" ? drop(state.zone, id) : state.zone;
  return changedTo({ ...state, zone }, id, { lines, status, expiresAt: null });
}

function changedTo(state: State, id: string, reservation: Reservation): State {
  return { ...state, reservations: new Map(state.reservations).set(id, reservation) };
}

function moved(state: State, lines: readonly Line[], sign: 1 | -1): State {
  const onHand = new Map(state.onHand);
  for (const { stock, quantity } of lines) onHand.set(stock, (onHand.get(stock) ?? 0) + sign * quantity);
  return { ...state, onHand };
}

function holdersOf({ reservations }: State, stocks: readonly string[]): string[] {
  return [...reservations]
    .filter(([, { status, lines }]) => status === "active" && lines.some(({ stock }) => stocks.includes(stock)))
    .map(([id]) => id);
}

function heldOf({ reservations }: State, stock: string, status: Status): number {
  let units = 0;
  for (const one of reservations.values())
    if (one.status === status) for (const line of one.lines) if (line.stock === stock) units += line.quantity;
  return units;
}

function freeOf(state: State, stock: string): number {
  return (state.onHand.get(stock) ?? 0) - heldOf(state, stock, "active") - heldOf(state, stock, "confirmed");
}

function isRefusal(answer: Answer | undefined, code: string): answer is Answer & { kind: "refused" } {
  return answer?.kind === "refused" && answer.code === code;
}

function isSameShort(told: readonly Short[], short: readonly Short[]): boolean {
  const text = (list: readonly Short[]) =>
    list.map(({ stock, quantity, available }) => `${stock} ${quantity} ${available}`).sort();
  return text(told).join() === text(short).join();
}
