/**
 * Which answers a request may get. A request that would change something has no right answer but through the log: only
 * once its unit is there does it ask for nothing more. So at any moment either it would change something, or there is one
 * right answer, which stays right for as long as the request is open.
 */
import type { Answer, Operation } from "../operations.ts";
import type { LogOracle } from "./log.ts";
import { factKey, isAllocated } from "./names.ts";
import type { ReservationOracle, Status } from "./reservation.ts";
import { type Ask, must, type SentFact } from "./shapes.ts";
import { available, balanceText, type Totals } from "./stock.ts";

/** The right answer to a request that is wrong in itself. */
export function answerUnseen({ caller, ...request }: Operation): string | undefined {
  if (request.kind === "fulfil" && request.lines !== undefined && request.key === undefined)
    return "idempotency-key-required";
  const lines = request.kind === "reserve" ? request.body.lines : request.kind === "amend" ? request.lines : [];
  if (lines.some(({ sku }) => sku !== sku.trim())) return "invalid-request";
  const places = lines.flatMap(({ location, locations = [] }) => [
    ...locations,
    ...(location === undefined ? [] : [location]),
  ]);
  return places.some((place) => caller.locations?.has(place) === false) ? "not-found" : undefined;
}

/** The right answer at a moment, as text; undefined when the request would change something, or anything goes. */
export function rightAnswer(oracle: LogOracle, operation: Operation, now: number): string | undefined {
  switch (operation.kind) {
    case "reserve":
      return reserveAnswer(oracle, operation, now);
    case "extend":
    case "amend":
    case "confirm":
    case "fulfil":
    case "release":
    case "read": {
      const known = oracle.reservations.get(operation.id);
      if (known === undefined || !maySee(known, operation)) return "not-found";
      return stepAnswer(oracle, operation, known, now);
    }
    case "stock": {
      const { sku, knownAt } = operation;
      const then = oracle.moments.find(({ at }) => at === knownAt);
      const places = oracle.bySku.get(sku)?.flatMap((stock) => {
        const { location, version } = stock;
        if (knownAt === undefined) return [[location, version, stock.totalsAt(now)] as const];
        const known = then?.stocks.get(stock.key);
        return known === undefined ? [] : [[location, known.version, known.totals] as const];
      });
      return stockText(sku, places);
    }
    default:
      return undefined;
  }
}

/** An answer, in the words of `rightAnswer`. */
export function answerText(operation: Operation, { code, value }: Answer): string {
  if (code !== "ok") return code;
  if (operation.kind === "reserve") return viewText((value as { readonly reservation: View }).reservation);
  if (operation.kind === "stock") {
    const { locations } = value as {
      locations: readonly (Totals & { location: string; version: number; available: number })[];
    };
    for (const place of locations)
      must(place.available === available(place), () => `${operation.sku}: available is no sum`);
    return stockText(
      operation.sku,
      locations.map((place) => [place.location, place.version, place] as const),
    );
  }
  return viewText(value as View);
}

function stockText(
  sku: string,
  places: readonly (readonly [location: string, version: number, totals: Totals])[] | undefined,
): string {
  if (places === undefined || places.length === 0) return "not-found";
  const lines = places.map(([location, version, totals]) => `${location}.${version}: ${balanceText(totals)}`);
  return `${sku} ${lines.sort().join("; ")}`;
}

interface View {
  readonly id: string;
  readonly status: string;
  readonly expiresAt: string | null;
  readonly lines: readonly {
    readonly sku: string;
    readonly location: string;
    readonly quantity: number;
    readonly lineIndex: number;
    readonly fulfilled?: number;
  }[];
}

function viewText({ id, status, expiresAt, lines }: View): string {
  const texts = lines.map(
    ({ sku, location, quantity, lineIndex, fulfilled = 0 }) =>
      `${lineIndex}:${quantity}(${fulfilled}) ${sku}@${location}`,
  );
  return `${id} ${status} until ${expiresAt === null ? "the end" : Date.parse(expiresAt)}: ${texts.join(", ")}`;
}

function maySee({ actor, lines }: ReservationOracle, { caller }: Operation): boolean {
  if (caller.ownReservations && actor !== caller.id) return false;
  return lines.every(({ location }) => caller.locations?.has(location) ?? true);
}

function reserveAnswer(
  oracle: LogOracle,
  operation: Extract<Operation, { kind: "reserve" }>,
  now: number,
): string | undefined {
  const { body, caller } = operation;
  // An id that was made from a key is known by what it was asked with.
  const known = body.id === undefined ? oracle.byReference.get(body.reference) : oracle.reservations.get(body.id);
  if (known !== undefined)
    return known.reference === body.reference && maySee(known, operation)
      ? known.viewAt(now)
      : "idempotency-key-reused";
  if (body.lines.some(({ lot, sellableUntil }) => lot !== undefined || sellableUntil !== undefined))
    return "insufficient-stock";
  if (canServe(oracle, body.lines, caller.locations, now)) {
    // So many pairs that it depends on the split whether they are too many.
    return body.lines.length > 40 ? "too-many-allocations" : undefined;
  }
  if (body.allowPartial !== true) return "insufficient-stock";
  const some = body.lines.some((ask) =>
    placesOf(oracle, ask, caller.locations).some((place) => freeAt(oracle, place, ask.sku, now) > 0),
  );
  return some ? undefined : "insufficient-stock";
}

function stepAnswer(
  oracle: LogOracle,
  operation: Extract<Operation, { id: string; kind: "extend" | "amend" | "confirm" | "fulfil" | "release" | "read" }>,
  known: ReservationOracle,
  now: number,
): string | undefined {
  const status = known.statusAt(now);
  const view = () => known.viewAt(now);
  switch (operation.kind) {
    case "read":
      return view();
    case "extend": {
      if (status !== "active") return ended(status);
      return (known.expiresAt ?? 0) >= now + operation.ttlSeconds * 1000 ? view() : undefined;
    }
    case "confirm": {
      if (status === "confirmed" || status === "partly-fulfilled") return view();
      if (status === "active") return undefined;
      if (status !== "expired" || !operation.reacquire) return ended(status);
      if (known.lines.some(({ lot, sellableUntil }) => lot !== undefined || sellableUntil !== undefined))
        return "insufficient-stock";
      return canServe(oracle, known.lines, undefined, now) ? undefined : "insufficient-stock";
    }
    case "release":
      if (status === "released" || known.wasCutShort()) return view();
      return known.isOpen() && status !== "expired" ? undefined : ended(status);
    case "amend": {
      const { lines } = operation;
      if (status !== "active") return ended(status);
      if (isAllocated(lines, known.lines, false)) return view();
      if ([...lines, ...known.lines].some(({ lot, sellableUntil }) => lot !== undefined || sellableUntil !== undefined))
        return "insufficient-stock";
      return canServe(oracle, lines, operation.caller.locations, now, known.id) ? undefined : "insufficient-stock";
    }
    case "fulfil":
      return fulfilAnswer(operation, known, status, now);
  }
}

function fulfilAnswer(
  { lines, key, caller }: Extract<Operation, { kind: "fulfil" }>,
  known: ReservationOracle,
  status: Status,
  now: number,
): string | undefined {
  const asked = key === undefined ? undefined : known.keys.get(`${caller.id} ${key}`);
  if (asked !== undefined && lines !== undefined)
    return asked === JSON.stringify(lines) ? known.viewAt(now) : "idempotency-key-reused";
  if (!known.isOpen() || status === "expired") {
    if (status !== "fulfilled" || lines !== undefined) return ended(status);
    return known.wasCutShort() ? "reservation-already-released" : known.viewAt(now);
  }
  const left = known.lines.map((line) => line.quantity - line.fulfilled - line.released);
  const anywhere = (lines ?? []).filter(({ location }) => location === undefined);
  const somewhere = (lines ?? []).filter(({ location }) => location !== undefined);
  for (const { sku, location, quantity } of [...somewhere, ...anywhere]) {
    let open = quantity;
    for (const [index, line] of known.lines.entries()) {
      if (line.sku !== sku || (location !== undefined && location !== line.location)) continue;
      const units = Math.min(open, left[index] ?? 0);
      left[index] = (left[index] ?? 0) - units;
      open -= units;
    }
    if (open > 0) return "exceeds-reservation";
  }
  return undefined;
}

function ended(status: Status): string {
  if (status === "active") return "not-found";
  return `reservation-already-${status === "partly-fulfilled" ? "confirmed" : status}`;
}

function placesOf(oracle: LogOracle, ask: Ask, allowed: ReadonlySet<string> | undefined): string[] {
  const named = ask.location === undefined ? ask.locations : [ask.location];
  const places = named ?? (oracle.bySku.get(ask.sku) ?? []).map(({ location }) => location);
  return [...new Set(places)].filter((place) => allowed?.has(place) ?? true);
}

function freeAt(oracle: LogOracle, location: string, sku: string, now: number, own?: string): number {
  return oracle.stock(location, sku)?.free(now, own) ?? 0;
}

/** Hall's condition: whichever places are looked at, they have what only they may serve. */
export function canServe(
  oracle: LogOracle,
  lines: readonly Ask[],
  allowed: ReadonlySet<string> | undefined,
  now: number,
  own?: string,
): boolean {
  for (const sku of new Set(lines.map((line) => line.sku))) {
    const asks = lines
      .filter((line) => line.sku === sku)
      .map((line) => ({ quantity: line.quantity, places: placesOf(oracle, line, allowed) }));
    const places = [...new Set(asks.flatMap((ask) => ask.places))];
    const free = places.map((place) => freeAt(oracle, place, sku, now, own));
    for (let some = 0; some < 2 ** places.length; some += 1) {
      const has = (place: string) => (some & (1 << places.indexOf(place))) !== 0;
      let asked = 0;
      for (const ask of asks) if (ask.places.every(has)) asked += ask.quantity;
      if (asked === 0) continue;
      let units = 0;
      for (const [index, there] of free.entries()) if ((some & (1 << index)) !== 0) units += there;
      if (asked > units) return false;
    }
  }
  return true;
}

/** The read side shows each stock as it is, under the version that it is of. */
/** With `mayLag` it may also be what was right before: another process than this one may have changed it. */
export function mustBeRead(oracle: LogOracle, value: object, mayLag = false): void {
  const { items } = value as {
    readonly items: readonly (Totals & { sku: string; location: string; version: number; known?: false })[];
  };
  for (const item of items) {
    if (item.known === false) continue;
    const { sku, location, version } = item;
    const stock = oracle.stock(location, sku);
    const [shown, is] = [balanceText(item), stock?.balances[version]];
    must(
      is === shown,
      () => `the read side shows ${sku} at ${location} in version ${version} as ${shown}; it was ${is}`,
    );
    must(mayLag || stock?.version === version, () => `the read side is behind what was acknowledged of ${sku}`);
  }
}

// Facts

interface Receipt {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly { readonly index: number; readonly code: string }[];
  readonly position: string;
}

/** The code by which a fact must be refused, or may be; said by whoever made it. */
export interface FactFlaws {
  readonly must?: string;
  readonly may?: string;
}

/** Throws when the receipt of a batch is wrong. `head` is where the log was when the request came. */
export function mustBeRightReceipt(
  oracle: LogOracle,
  operation: Extract<Operation, { kind: "facts" }>,
  value: object,
  head: number,
  flawsOf: (item: unknown) => FactFlaws,
): void {
  const { accepted, duplicates, rejected } = value as Receipt;
  const codes = new Map(rejected.map(({ index, code }) => [index, code]));
  let [isNew, isOld] = [0, 0];
  for (const [index, item] of operation.items.entries()) {
    const code = codes.get(index);
    const { must: flaw, may } = flawsOf(item);
    const name = () => `item ${index} ${JSON.stringify(item)}`;
    if (flaw !== undefined) {
      must(code === flaw, () => `${name()} is answered by ${code ?? "ok"} instead of ${flaw}`);
      continue;
    }
    const fact = item as SentFact;
    const known = oracle.facts.get(factKey(fact));
    if (code !== undefined) {
      const isReused = code === "event-id-reused" && known !== undefined && known.sent !== fact;
      must(isReused || code === may, () => `${name()} is refused: ${code}`);
      continue;
    }
    const order = oracle.orders.get(`${fact.source}\u0000${fact.data?.order}`);
    must(known !== undefined || order !== undefined, () => `${name()} was acknowledged, and is not in the log`);
    must(known === undefined || isSame(known.sent, fact), () => `${name()} was acknowledged, and another one recorded`);
    if ((known?.seq ?? order?.seq ?? 0) > head) isNew += 1;
    else isOld += 1;
  }
  must(
    accepted + duplicates === isNew + isOld,
    () => `${accepted} + ${duplicates} of ${operation.items.length} are acknowledged`,
  );
  // What was recorded while this request was open may have been recorded by another one.
  must(duplicates >= isOld, () => `${accepted} are called new, of which ${isNew} can be`);
}

function isSame(a: SentFact, b: SentFact): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
