/**
 * Follows the log as it becomes durable, unit by unit, and holds each against what was asked and what the contract says
 * of it. Keeps what is then known: stocks, reservations, transfers, who has which name.
 */

import type { Moment } from "./moments.ts";
import { add, factKey, isAllocated, isTold, nameOf, pairIn } from "./names.ts";
import { ReservationOracle } from "./reservation.ts";
import { type Ask, type LoggedEvent, type LoggedUnit, must, type SentFact } from "./shapes.ts";
import { type Policy, StockOracle, sum, type Totals } from "./stock.ts";
import { followStockEvent, type Known, mustTellShortfalls, samePolicy } from "./stock-events.ts";
import { mustTellCrossings, type Standing, standingOf } from "./thresholds.ts";

/** What the oracle asks about requests that a server has and has not answered. */
export interface Asked {
  /** The bodies that were sent under a fact's name. */
  facts(key: string): readonly SentFact[];
  /** The times as of which a fact may have been received that is recorded at `now`. */
  receipts(fact: SentFact, now: number): readonly number[];
  /** A request for this, not answered yet, of someone. */
  open(actor: string, kind: string, suits: (request: OpenRequest) => boolean): OpenRequest | undefined;
}

/** The members of open requests that units are held against. */
export interface OpenRequest {
  readonly id?: string;
  readonly sku?: string;
  readonly body?: {
    readonly reference?: string;
    readonly ttlSeconds?: number;
    readonly allowPartial?: boolean;
    readonly lines?: readonly Ask[];
    readonly location?: string;
    readonly gtins?: readonly string[];
  };
  readonly key?: string;
  readonly ttlSeconds?: number;
  readonly lines?: readonly Ask[];
}

interface Consignment {
  /** Units by where they were sent. */
  readonly sent: Map<string, number>;
  dispatched: number;
  arrived: number;
  arrivals: number;
}

interface PolicyFields {
  readonly safetyStock?: number;
  readonly lowAt?: number | null;
  readonly expiringDays?: number | null;
  readonly backorderLimit?: number;
}

const publicKinds = new Set(["stock", "reservation", "transfer", "policy", "item", "location", "void"]);

export class LogOracle {
  readonly stocks = new Map<string, StockOracle>();
  readonly bySku = new Map<string, StockOracle[]>();
  readonly reservations = new Map<string, ReservationOracle>();
  readonly byReference = new Map<string, ReservationOracle>();
  /** Where each recorded fact stands in the log, with the body that was recorded. */
  readonly facts = new Map<string, { readonly seq: number; readonly sent: SentFact }>();
  /** By their sources and names: where the last fact of each stands, and its key. */
  readonly orders = new Map<string, { readonly seq: number; readonly key: string }>();
  readonly voidsAwaiting = new Set<string>();
  readonly voided = new Set<string>();
  readonly gtins = new Map<string, string>();
  readonly policies = new Map<string, { general: PolicyFields; locations: Map<string, PolicyFields> }>();
  /** The time zone of each location that was described. */
  readonly zones = new Map<string, string>();
  /** Events that clients may see, by their place. */
  readonly publicEvents: number[] = [];
  /** Kept to be asked for again. */
  readonly moments: Moment[] = [];
  /** Types of events seen, as `Type.schema`. */
  readonly types = new Set<string>();
  head = 0;
  recordedAt = 0;
  lastSealTo = 0;
  lastUnsealed = 0;
  readonly #asked: Asked;
  readonly #versions = new Map<string, number>();
  readonly #claims = new Set<string>();
  readonly #transfers = new Map<string, Consignment>();
  /** What a unit's transfers say is on its way to stocks; the unit's `IncomingChanged` must say so too. */
  readonly #underWay = new Map<StockOracle, { readonly transfer: string; readonly units: number }>();

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  /** Takes in the next unit, as it is stored; gives it as of when it was decided. */
  unit(body: string, decidedAt: number): LoggedUnit {
    const logged = JSON.parse(body) as LoggedUnit;
    const { at } = logged;
    must(
      at === Math.max(this.recordedAt, decidedAt),
      () => `decided at ${decidedAt} after ${this.recordedAt}, a unit says ${at}`,
    );
    this.recordedAt = at;
    const unit = { ...logged, at: decidedAt };
    for (const [key] of unit.claims ?? []) {
      must(!this.#claims.has(key), () => `the name ${key} is taken twice`);
      this.#claims.add(key);
    }
    const sent = unit.fact && this.#factOf(unit.fact, unit);
    const before = new Map<StockOracle, Totals>();
    const standings = new Map<StockOracle, Standing>();
    for (const event of unit.events) {
      this.head += 1;
      this.types.add(`${event.type}.${event.schema}`);
      const version = (this.#versions.get(event.stream) ?? 0) + 1;
      must(event.v === version, () => `${event.stream} goes from version ${version - 1} to ${event.v}`);
      this.#versions.set(event.stream, version);
      const kind = event.stream.slice(0, event.stream.indexOf("-"));
      const id = event.stream.slice(kind.length + 1);
      if (publicKinds.has(kind)) this.publicEvents.push(this.head);
      if (kind !== "seal") this.lastUnsealed = this.head;
      switch (kind) {
        case "stock": {
          const stock = this.#stock(id);
          if (!standings.has(stock)) standings.set(stock, standingOf(stock));
          // A policy that is applied for the first time is no shortfall of the fact that comes with it.
          if (!before.has(stock) && event.type !== "PolicyApplied") before.set(stock, stock.totalsAt(unit.at));
          followStockEvent(stock, event, unit, sent, this.#known());
          break;
        }
        case "reservation":
          this.#reservationEvent(id, event, unit);
          break;
        case "transfer":
          this.#transferEvent(id, event);
          break;
        case "void":
          if (event.data.effect === "awaits-its-fact") this.voidsAwaiting.add(factKey(event.data.voids));
          break;
        case "policy":
          this.#policyEvent(id, event, unit);
          break;
        case "gtin":
          this.#gtinEvent(id, event);
          break;
        case "item":
          this.#mustBeAsked(unit, "item", (request) => request.sku === id);
          break;
        case "location":
          this.#mustBeAsked(unit, "location", (request) => request.id === id);
          this.zones.set(id, event.data.timeZone ?? "UTC");
          break;
        case "seal":
          must(unit.by === "system:seals", () => `${unit.by} seals the log`);
          this.lastSealTo = Number(event.data.to);
      }
    }
    for (const [stock, { transfer, units }] of this.#underWay)
      must((stock.transit.get(transfer) ?? 0) === units, () => `${stock.name} is not told of ${units} under way to it`);
    this.#underWay.clear();
    mustTellShortfalls(unit, before);
    mustTellCrossings(unit, standings);
    this.#mustHoldWhatRemains(unit);
    if (sent !== undefined) this.#mustBeWhole(unit, sent);
    return unit;
  }

  stock(location: string, sku: string): StockOracle | undefined {
    return this.stocks.get(`${location}\u0000${sku}`);
  }

  // Facts

  #factOf(fact: NonNullable<LoggedUnit["fact"]>, unit: LoggedUnit): SentFact {
    const key = factKey(fact);
    must(!this.facts.has(key), () => `the fact ${fact.source} ${fact.id} is recorded twice`);
    const bodies = this.#asked.facts(key);
    const isTimely = ({ time }: SentFact) => fact.time === (time === undefined ? undefined : Date.parse(time));
    const told = bodies.filter((body) => body.type === fact.type && isTold(body, unit));
    const sent = told.find(isTimely) ?? told[0];
    must(sent !== undefined, () => `the fact ${fact.source} ${fact.id} is not recorded as it was told`);
    must(isTimely(sent), () => `the fact ${fact.source} ${fact.id} is recorded with another time`);
    this.facts.set(key, { seq: this.head + 1, sent });
    if (sent.data.order === undefined) return sent;
    const order = `${sent.source}\u0000${sent.data.order}`;
    const before = this.orders.get(order);
    const isVoided = before !== undefined && this.voided.has(before.key);
    must(before === undefined || isVoided, () => `the order ${sent.data.order} of ${sent.source} is recorded twice`);
    this.orders.set(order, { seq: this.head + 1, key });
    return sent;
  }

  /** All that a fact says is in its unit. */
  #mustBeWhole(unit: LoggedUnit, sent: SentFact): void {
    const { lines, transfer, voids } = { ...sent.data, voids: sent.type === "larder.fact.voided.v1" };
    const name = `${sent.source} ${sent.id}`;
    if (lines !== undefined) {
      const ordered = new Map<string, number>();
      for (const { location, sku, quantity } of lines) add(ordered, `${location}\u0000${sku}`, quantity);
      for (const { type, stream, data } of unit.events) {
        const { location, sku } = pairIn(stream.slice("stock-".length));
        if (type === "StockSold") add(ordered, `${location}\u0000${sku}`, -(data.fact?.quantity ?? 0));
        if (type === "StockFulfilled") add(ordered, `${location}\u0000${sku}`, -(data.quantity ?? 0));
      }
      must(
        [...ordered.values()].every((left) => left === 0),
        () => `order ${name} was not taken as it was told`,
      );
    }
    if (transfer !== undefined) {
      const ends = unit.events.filter(({ stream }) => stream === `transfer-${transfer}`);
      must(ends.length >= 1, () => `the transfer of ${name} was not told of`);
    }
    if (voids) this.#mustBeUndone({ source: sent.data.source ?? "", id: sent.data.id ?? "" }, unit);
    const key = factKey(sent);
    if (this.voidsAwaiting.has(key) && !voids) this.#mustBeUndone(sent, unit);
  }

  /** A voided end of a transfer is taken back from the transfer. */
  #mustCorrect(target: SentFact | undefined, unit: LoggedUnit): void {
    const transfer = target?.data.transfer;
    if (transfer === undefined) return;
    const isCorrected = unit.events.some(
      ({ stream, type }) => type === "TransferCorrected" && stream === `transfer-${transfer}`,
    );
    must(isCorrected, () => `${target?.id} was voided, but the transfer ${transfer} does not know`);
  }

  /** A void undoes its fact wherever it had an effect, or says why not. */
  #mustBeUndone(target: { readonly source: string; readonly id: string }, unit: LoggedUnit): void {
    const key = factKey(target);
    const isNoted = unit.events.some(({ type }) => type === "VoidNoted");
    if (!isNoted) {
      this.voided.add(key);
      this.#mustCorrect(this.facts.get(key)?.sent, unit);
    }
    for (const stock of this.stocks.values()) {
      const hasEffect = stock.entries.some((entry) => entry.key === key);
      must(!hasEffect || stock.voided.has(key) || isNoted, () => `${target.id} was voided, but not for ${stock.name}`);
    }
    const known = this.facts.get(key);
    const isEffective = known !== undefined && known.sent.type !== "larder.fact.voided.v1" && !this.voided.has(key);
    must(!isNoted || !isEffective, () => `the void of ${target.id} has no effect, but its fact is in force`);
  }

  // Stocks

  #stock(name: string): StockOracle {
    const { location, sku } = pairIn(name);
    const key = `${location}\u0000${sku}`;
    const known = this.stocks.get(key);
    if (known !== undefined) return known;
    const stock = new StockOracle(location, sku);
    this.stocks.set(key, stock);
    const others = this.bySku.get(sku);
    if (others === undefined) this.bySku.set(sku, [stock]);
    else others.push(stock);
    return stock;
  }

  #known(): Known {
    return {
      seq: this.head,
      policyOf: ({ sku, location }) => this.effectivePolicy(sku, location),
      skuOf: (gtin) => this.gtins.get(gtin.padStart(14, "0")),
      zoneOf: ({ location }) => this.zones.get(location) ?? "UTC",
      underWayTo: (stock) => this.#underWay.get(stock),
      receiptsOf: (fact, now) => this.#asked.receipts(fact, now),
    };
  }

  // Reservations

  #reservationEvent(id: string, event: LoggedEvent, unit: LoggedUnit): void {
    const known = this.reservations.get(id);
    if (event.type === "ReservationPlaced") {
      must(known === undefined, () => `reservation ${id} is placed twice`);
      const { reference, allocations = [], expiresAt = 0 } = event.data;
      const isAsked = (request: OpenRequest) =>
        request.body?.reference === reference &&
        (request.body?.ttlSeconds ?? 900) * 1000 === expiresAt - unit.at &&
        isAllocated(request.body?.lines ?? [], allocations, request.body?.allowPartial === true);
      this.#mustBeAsked(unit, "reserve", isAsked);
      const placed = new ReservationOracle(id, unit.by, event.data, unit.at);
      this.reservations.set(id, placed);
      this.byReference.set(placed.reference, placed);
      return;
    }
    must(known !== undefined, () => `${event.type} of ${id}, which was never placed`);
    known.follow(event, unit);
    if (event.type === "ReservationExpired") return;
    if (unit.fact !== undefined) return;
    const kinds: Readonly<Record<string, string>> = {
      ReservationExtended: "extend",
      ReservationAmended: "amend",
      ReservationConfirmed: "confirm",
      ReservationReacquired: "confirm",
      ReservationFulfilled: "fulfil",
      ReservationReleased: "release",
    };
    const request = this.#mustBeAsked(unit, kinds[event.type] ?? event.type, (request) => {
      if (request.id !== id) return false;
      if (event.type === "ReservationExtended")
        return event.data.expiresAt === unit.at + (request.ttlSeconds ?? 0) * 1000;
      if (event.type === "ReservationAmended")
        return isAllocated(request.lines ?? [], event.data.allocations ?? [], false);
      if (event.type !== "ReservationFulfilled" || event.data.key === undefined) return true;
      return event.data.key === request.key && isHandedOver(request.lines ?? [], event.data.parts ?? [], known.lines);
    });
    if (event.data.key !== undefined) known.keys.set(`${unit.by} ${event.data.key}`, JSON.stringify(request.lines));
  }

  /** What a reservation still promises is what its stocks hold for it. */
  #mustHoldWhatRemains(unit: LoggedUnit): void {
    for (const { stream } of unit.events) {
      if (!stream.startsWith("reservation-")) continue;
      const reservation = this.reservations.get(stream.slice("reservation-".length));
      if (reservation === undefined) continue;
      const wanted = new Map<string, number>();
      for (const line of reservation.lines) {
        const left = reservation.isOpen() ? line.quantity - line.fulfilled - line.released : 0;
        add(wanted, `${line.location}\u0000${line.sku}`, left);
      }
      for (const [pair, units] of wanted) {
        const stock = this.stocks.get(pair);
        const held = sum(stock?.holdings.get(reservation.id)?.lines ?? []);
        must(held === units, () => `${stock?.name} holds ${held} for ${reservation.id}, of which ${units} remain`);
      }
    }
  }

  // The rest

  #transferEvent(id: string, { type, data }: LoggedEvent): void {
    const sku = data.sku ?? "";
    const known = this.#transfers.get(`${id}\u0000${sku}`);
    const sums = known ?? { sent: new Map<string, number>(), dispatched: 0, arrived: 0, arrivals: 0 };
    const { quantity = 0 } = data;
    if (type === "TransferDispatched") {
      add(sums.sent, String(data.to), quantity);
      sums.dispatched += quantity;
    } else if (type === "TransferArrived") {
      sums.arrived += quantity;
      sums.arrivals += 1;
    } else {
      sums.dispatched += data.dispatched ?? 0;
      must(
        (data.dispatched ?? 0) === 0 || typeof data.to === "string",
        () => `transfer ${id}: a void forgets where to`,
      );
      if (data.dispatched) add(sums.sent, String(data.to), data.dispatched);
      sums.arrived += data.arrived ?? 0;
      sums.arrivals += data.arrivals ?? 0;
    }
    this.#transfers.set(`${id}\u0000${sku}`, sums);
    if (data.difference !== undefined || (type === "TransferArrived" && sums.dispatched > 0))
      must(
        (data.difference ?? 0) === sums.arrived - sums.dispatched,
        () => `transfer ${id} says that ${data.difference} differ; it is ${sums.arrived - sums.dispatched}`,
      );
    for (const [to, units] of sums.sent)
      this.#underWay.set(this.#stock(nameOf(to, sku)), {
        transfer: `${id}\u0000${sku}`,
        units: sums.arrivals > 0 ? 0 : units,
      });
  }

  #policyEvent(sku: string, { data }: LoggedEvent, unit: LoggedUnit): void {
    const { location, ...fields } = data;
    this.#mustBeAsked(unit, "policy", (request) => request.sku === sku && request.body?.location === location);
    const policy = this.policies.get(sku) ?? { general: {}, locations: new Map() };
    if (location === undefined) policy.general = { ...policy.general, ...(fields as PolicyFields) };
    else policy.locations.set(location, { ...policy.locations.get(location), ...(fields as PolicyFields) });
    this.policies.set(sku, policy);
  }

  effectivePolicy(sku: string, location: string): Policy {
    const policy = this.policies.get(sku);
    return {
      safetyStock: 0,
      lowAt: null,
      expiringDays: null,
      backorderLimit: 0,
      ...policy?.general,
      ...policy?.locations.get(location),
    };
  }

  goesByItsPolicy(stock: StockOracle): boolean {
    return samePolicy(this.effectivePolicy(stock.sku, stock.location), stock.policy);
  }

  #gtinEvent(gtin: string, { type, data }: LoggedEvent): void {
    if (type === "GtinFreed") {
      this.gtins.delete(gtin);
      return;
    }
    must(!this.gtins.has(gtin), () => `the GTIN ${gtin} is given to ${data.sku} while ${this.gtins.get(gtin)} has it`);
    this.gtins.set(gtin, data.sku ?? "");
  }

  #mustBeAsked(unit: LoggedUnit, kind: string, suits: (request: OpenRequest) => boolean): OpenRequest {
    const request = this.#asked.open(unit.by, kind, suits);
    const types = unit.events.map(({ type }) => type).join(", ");
    must(request !== undefined, () => `${types} by ${unit.by}: nobody whose request is open has asked for that`);
    return request;
  }
}

/** Whether parts of a reservation are what was asked to be handed over: two may have asked under one key. */
function isHandedOver(
  lines: readonly Ask[],
  parts: NonNullable<LoggedEvent["data"]["parts"]>,
  held: ReservationOracle["lines"],
): boolean {
  const named = lines.filter(({ location }) => location !== undefined);
  const anywhere = lines.filter(({ location }) => location === undefined);
  const taken = parts.flatMap(({ allocation, quantity }) => {
    const line = held[allocation];
    return line === undefined ? [] : [{ sku: line.sku, location: line.location, quantity }];
  });
  return isAllocated([...named, ...anywhere], taken, false);
}
