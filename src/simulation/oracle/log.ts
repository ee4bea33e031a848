/**
 * Follows the log as it becomes durable, unit by unit, and holds each against what was asked and what the contract says
 * of it. Keeps what is then known: stocks, reservations, transfers, who has which name.
 */
import { ReservationOracle } from "./reservation.ts";
import {
  type Ask,
  type LoggedData,
  type LoggedEvent,
  type LoggedUnit,
  must,
  type SentFact,
  type Told,
} from "./shapes.ts";
import { available, type Entry, type Policy, StockOracle, sum, type Totals } from "./stock.ts";

/** What the oracle asks about requests that a server has and has not answered. */
export interface Asked {
  /** The bodies that were sent under a fact's name. */
  facts(key: string): readonly SentFact[];
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
  to: string | undefined;
  dispatched: number;
  arrived: number;
  arrivals: number;
}

interface PolicyFields {
  readonly safetyStock?: number;
  readonly lowAt?: number | null;
  readonly backorderLimit?: number;
}

const clockAheadMsMax = 300_000;
const publicKinds = new Set(["stock", "reservation", "transfer", "policy", "item", "location", "void"]);

export class LogOracle {
  readonly stocks = new Map<string, StockOracle>();
  readonly bySku = new Map<string, StockOracle[]>();
  readonly reservations = new Map<string, ReservationOracle>();
  readonly byReference = new Map<string, ReservationOracle>();
  /** Where each recorded fact stands in the log, with the body that was recorded. */
  readonly facts = new Map<string, { readonly seq: number; readonly sent: SentFact }>();
  readonly orders = new Map<string, number>();
  readonly voidsAwaiting = new Set<string>();
  readonly voided = new Set<string>();
  readonly gtins = new Map<string, string>();
  readonly policies = new Map<string, { general: PolicyFields; locations: Map<string, PolicyFields> }>();
  /** Events that clients may see, by their place. */
  readonly publicEvents: number[] = [];
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

  /** Takes in the next unit, as it is stored. */
  unit(body: string): LoggedUnit {
    const unit = JSON.parse(body) as LoggedUnit;
    must(unit.at >= this.recordedAt, () => `time runs backwards in the log, to ${unit.at} after ${this.recordedAt}`);
    this.recordedAt = unit.at;
    for (const [key] of unit.claims ?? []) {
      must(!this.#claims.has(key), () => `the name ${key} is taken twice`);
      this.#claims.add(key);
    }
    const sent = unit.fact && this.#factOf(unit.fact, unit);
    const before = new Map<StockOracle, Totals>();
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
          // A policy that is applied for the first time is no shortfall of the fact that comes with it.
          if (!before.has(stock) && event.type !== "PolicyApplied") before.set(stock, stock.totalsAt(unit.at));
          this.#stockEvent(stock, event, unit, sent);
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
          break;
        case "seal":
          must(unit.by === "system:seals", () => `${unit.by} seals the log`);
          this.lastSealTo = Number(event.data.to);
      }
    }
    for (const [stock, { transfer, units }] of this.#underWay)
      must((stock.transit.get(transfer) ?? 0) === units, () => `${stock.name} is not told of ${units} under way to it`);
    this.#underWay.clear();
    this.#mustTellShortfalls(unit, before);
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
    const sent = bodies.find((body) => body.type === fact.type && isTold(body, unit));
    must(sent !== undefined, () => `the fact ${fact.source} ${fact.id} is not recorded as it was told`);
    must(
      fact.time === (sent.time === undefined ? undefined : Date.parse(sent.time)),
      () => `the fact ${fact.source} ${fact.id} is recorded with another time`,
    );
    this.facts.set(key, { seq: this.head + 1, sent });
    if (sent.data.order === undefined) return sent;
    const order = `${sent.source}\u0000${sent.data.order}`;
    must(!this.orders.has(order), () => `the order ${sent.data.order} of ${sent.source} is recorded twice`);
    this.orders.set(order, this.head + 1);
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

  /** When a fact takes effect: as it says, unless that lies too far ahead of its receipt. */
  static at(told: number | undefined, receivedAt: number): number {
    return told === undefined || told > receivedAt + clockAheadMsMax ? receivedAt : told;
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

  #stockEvent(stock: StockOracle, event: LoggedEvent, unit: LoggedUnit, sent: SentFact | undefined): void {
    const { type, data } = event;
    const { at: now } = unit;
    if (stock.version === 0 && type !== "PolicyApplied") {
      const policy = this.effectivePolicy(stock.sku, stock.location);
      must(samePolicy(policy, stock.policy), () => `${stock.name} begins without the policy that holds for it`);
    }
    stock.version = event.v;
    const change = typeof data.change === "object" ? data.change : undefined;
    if (change !== undefined) stock.follow(change);
    const id = data.reservation ?? "";
    switch (type) {
      case "StockReserved":
      case "StockReacquired":
        this.#promise(stock, data, unit, type === "StockReserved" ? (data.expiresAt ?? 0) : null);
        break;
      case "HoldsAmended": {
        const { expiresAt, lines } = stock.holdings.get(id) ?? { expiresAt: data.expiresAt ?? 0, lines: [] };
        must(expiresAt !== null && expiresAt > now, () => `${id} is amended at ${stock.name}, though it holds no more`);
        const more = sum(data.holds ?? []) - sum(lines);
        must(more === data.change, () => `${id} is amended at ${stock.name} by ${more}, not ${String(data.change)}`);
        this.#mustHave(stock, more, now);
        if (stock.holdings.has(id)) stock.drop(id);
        stock.hold(id, data.holds ?? [], data.expiresAt ?? 0);
        break;
      }
      case "HoldExtended": {
        const holding = this.#openHold(stock, id, now);
        must((data.expiresAt ?? 0) > (holding.expiresAt ?? 0), () => `extending ${id} shortens it at ${stock.name}`);
        holding.expiresAt = data.expiresAt ?? 0;
        break;
      }
      case "StockCommitted": {
        const { lines } = this.#openHold(stock, id, now);
        must(sum(lines) === data.quantity, () => `${data.quantity} of ${id} are committed at ${stock.name}`);
        stock.drop(id);
        stock.hold(id, lines, null);
        break;
      }
      case "StockFulfilled":
        this.#fulfil(stock, data, unit, sent);
        break;
      case "StockReleased": {
        const { lines, expiresAt } = stock.drop(id);
        must(sum(lines) === data.quantity, () => `${data.quantity} of ${id} are released at ${stock.name}`);
        must(expiresAt === null || expiresAt > now, () => `${id} is released at ${stock.name} after it had expired`);
        break;
      }
      case "HoldLapsed": {
        const { lines, expiresAt } = stock.drop(id);
        must(expiresAt !== null && expiresAt <= now, () => `the hold of ${id} at ${stock.name} lapses before its time`);
        must(sum(lines) === data.quantity, () => `${data.quantity} of ${id} lapse at ${stock.name}`);
        break;
      }
      case "LotExpired":
        stock.expireLot(data.lot ?? "", now, data.quantity ?? 0);
        break;
      case "PolicyApplied": {
        const { safetyStock = 0, lowAt = null, backorderLimit = 0 } = data;
        stock.policy = { safetyStock, lowAt, backorderLimit };
        const policy = this.effectivePolicy(stock.sku, stock.location);
        must(samePolicy(policy, stock.policy), () => `${stock.name} goes by a policy that nobody has set`);
        break;
      }
      case "FactVoided":
        stock.void(factKey(data.voids));
        break;
      case "ShortfallFound": {
        const totals = stock.totalsAt(now);
        must(
          data.onHand === totals.onHand && data.available === available(totals),
          () => `a shortfall of ${stock.name} says ${data.available} are available; it is ${available(totals)}`,
        );
        break;
      }
      case "IncomingChanged": {
        const { transfer, units: underWay } = this.#underWay.get(stock) ?? { transfer: "", units: 0 };
        stock.transit.set(transfer, underWay);
        break;
      }
      default:
        must(sent !== undefined, () => `${type} at ${stock.name} without a fact`);
        this.#fact(stock, event, unit, sent);
    }
    stock.mustBalance(event);
  }

  #fact(stock: StockOracle, { type, data }: LoggedEvent, unit: LoggedUnit, sent: SentFact): void {
    const told = sent.data;
    const time = told.asOf ?? sent.time;
    const at = LogOracle.at(time === undefined ? undefined : toMs(time), unit.at);
    must(data.at === at, () => `${sent.id} takes effect at ${String(data.at)} instead of ${at}`);
    const sku = told.gtin === undefined ? told.sku : this.gtins.get(told.gtin.padStart(14, "0"));
    const isHere = told.lines !== undefined || (sku === stock.sku && told.location === stock.location);
    must(isHere, () => `${sent.id} is told of ${sku} at ${told.location}, and recorded for ${stock.name}`);
    const { quantity = 0 } = told.lines === undefined ? told : (data.fact ?? {});
    const isBack = type === "StockReturned" && told.sellable === false;
    const held: Readonly<Record<string, number>> = { StockHeldBack: quantity, StockPutBack: -quantity };
    const moved: Readonly<Record<string, number>> = {
      StockReceived: quantity,
      StockReturned: quantity,
      StockArrived: quantity,
      StockSold: -quantity,
      StockDispatched: -quantity,
      StockAdjusted: told.delta ?? 0,
    };
    if (type === "StockCounted" && told.lot !== undefined) stock.hasLotCounts = true;
    const entry: Entry = {
      key: factKey(sent),
      at,
      units: moved[type] ?? 0,
      heldBack: held[type] ?? (isBack ? quantity : 0),
      ...(type === "StockCounted" && told.lot === undefined && { counted: quantity }),
      ...(told.reference !== undefined && { reference: told.reference }),
      expected: type === "StockExpected" ? quantity : 0,
      received: type === "StockReceived" ? quantity : 0,
    };
    stock.add(entry);
  }

  #promise(stock: StockOracle, data: LoggedData, unit: LoggedUnit, expiresAt: number | null): void {
    const holds = data.holds ?? [];
    this.#mustHave(stock, sum(holds), unit.at);
    stock.hold(data.reservation ?? "", holds, expiresAt);
    stock.mustServe(holds, unit.at);
  }

  /** I1: what is promised was available, by the log alone and by the clock. */
  #mustHave(stock: StockOracle, units: number, now: number): void {
    if (units <= 0) return;
    const logged = stock.totals();
    const { unavailable } = stock.totalsAt(now);
    const free = available({ ...logged, unavailable }) + Math.min(0, unavailable) + stock.policy.backorderLimit;
    must(units <= free, () => `${units} of ${stock.name} are promised while ${free} were available`);
  }

  #openHold(stock: StockOracle, id: string, now: number) {
    const holding = stock.held(id);
    const { expiresAt } = holding;
    must(expiresAt !== null && expiresAt > now, () => `${id} goes on at ${stock.name} after its time`);
    return holding;
  }

  #fulfil(stock: StockOracle, data: LoggedData, unit: LoggedUnit, sent: SentFact | undefined): void {
    const id = data.reservation ?? "";
    const { expiresAt, lines } = stock.drop(id);
    must(expiresAt === null || expiresAt > unit.at, () => `${id} is fulfilled at ${stock.name} after its time`);
    must((expiresAt === null) === (data.from === "committed"), () => `${id} is not ${data.from} at ${stock.name}`);
    const rest = lines.map((line) => {
      const handed = sum((data.holds ?? []).filter((part) => part.line === line.line));
      return { ...line, quantity: line.quantity - handed };
    });
    must(
      rest.every(({ quantity }) => quantity >= 0) && sum(lines) - sum(rest) === data.quantity,
      () => `${data.quantity} of ${id} are handed over at ${stock.name}, of ${sum(lines)} held`,
    );
    const left = rest.filter(({ quantity }) => quantity > 0);
    stock.hold(id, left, null);
    const time = sent?.time;
    const at = sent === undefined ? unit.at : LogOracle.at(time === undefined ? undefined : Date.parse(time), unit.at);
    must(data.at === at, () => `${id} is handed over as of ${String(data.at)} instead of ${at}`);
    const key = sent === undefined ? `fulfilled\u0000${this.head}` : factKey(sent);
    stock.add({ key, at, units: -(data.quantity ?? 0), heldBack: 0, expected: 0, received: 0 });
  }

  #mustTellShortfalls(unit: LoggedUnit, before: ReadonlyMap<StockOracle, Totals>): void {
    if (unit.events.some(({ type }) => type === "FactVoided") && unit.events.length > 2) return;
    for (const [stock, was] of before) {
      const is = stock.totalsAt(unit.at);
      const stream = (event: LoggedEvent) =>
        event.stream.startsWith("stock-") && this.#stock(event.stream.slice(6)) === stock;
      const isMoved = unit.events.some((event) => stream(event) && ("fact" in event.data || "voids" in event.data));
      const fellShort = available(is) < 0 && available(was) >= 0;
      if (!isMoved || !(fellShort || (is.onHand < 0 && was.onHand >= 0))) continue;
      const isTold = unit.events.some((event) => event.type === "ShortfallFound" && stream(event));
      must(isTold, () => `${stock.name} falls short, and nothing says so`);
    }
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
    known.follow(event, unit.at);
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
      return event.type !== "ReservationFulfilled" || event.data.key === undefined || event.data.key === request.key;
    });
    if (event.data.key !== undefined) known.keys.set(event.data.key, JSON.stringify(request.lines));
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
    const sums = known ?? { to: undefined, dispatched: 0, arrived: 0, arrivals: 0 };
    const { quantity = 0 } = data;
    if (type === "TransferDispatched") {
      sums.to = String(data.to);
      sums.dispatched += quantity;
    } else if (type === "TransferArrived") {
      sums.arrived += quantity;
      sums.arrivals += 1;
    } else {
      sums.dispatched += data.dispatched ?? 0;
      sums.arrived += data.arrived ?? 0;
      sums.arrivals += data.arrivals ?? 0;
    }
    this.#transfers.set(`${id}\u0000${sku}`, sums);
    if (data.difference !== undefined || (type === "TransferArrived" && sums.dispatched > 0))
      must(
        (data.difference ?? 0) === sums.arrived - sums.dispatched,
        () => `transfer ${id} says that ${data.difference} differ; it is ${sums.arrived - sums.dispatched}`,
      );
    if (sums.to === undefined) return;
    this.#underWay.set(this.#stock(nameOf(sums.to, sku)), {
      transfer: `${id}\u0000${sku}`,
      units: sums.arrivals > 0 ? 0 : sums.dispatched,
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

export function factKey(fact: { readonly source: string; readonly id: string } | undefined): string {
  return `${fact?.source}\u0000${fact?.id}`;
}

function toMs(time: string | number): number {
  return typeof time === "number" ? time : Date.parse(time);
}

/** Whether the events of a unit tell what a fact was sent to say. */
function isTold({ data }: SentFact, { events }: LoggedUnit): boolean {
  const told = events.find((event) => event.data.fact !== undefined)?.data.fact;
  if (data.lines !== undefined || told === undefined) return true;
  const members: readonly (keyof Told)[] = ["quantity", "delta", "reference", "transfer", "reason", "sellable"];
  return members.every((name) => told[name] === data[name]) && (data.lot === undefined || told.lot === data.lot);
}

/** Whether allocations serve what was asked: each line at places that it permits, all of it unless a part will do. */
export function isAllocated(
  asks: readonly Ask[],
  allocations: readonly {
    readonly sku: string;
    readonly location: string;
    readonly quantity: number;
    readonly lot?: string;
    readonly sellableUntil?: string;
  }[],
  isPartial: boolean,
): boolean {
  const left = new Map<string, number>();
  for (const ask of asks) add(left, askText(ask), ask.quantity);
  const permitted = new Map(asks.map((ask) => [askText(ask), ask]));
  for (const { sku, location, quantity, lot, sellableUntil } of allocations) {
    let open = quantity;
    for (const [text, ask] of permitted) {
      if (ask.sku !== sku || ask.lot !== lot || ask.sellableUntil !== sellableUntil) continue;
      const places = ask.location === undefined ? ask.locations : [ask.location];
      if (places !== undefined && !places.includes(location)) continue;
      const units = Math.min(open, left.get(text) ?? 0);
      add(left, text, -units);
      open -= units;
    }
    if (open !== 0) return false;
  }
  return isPartial || [...left.values()].every((units) => units === 0);
}

function askText({ quantity: _quantity, location, locations, ...ask }: Ask): string {
  return JSON.stringify([ask, location === undefined ? locations : [location]]);
}

function samePolicy(a: Policy, b: Policy): boolean {
  return a.safetyStock === b.safetyStock && a.lowAt === b.lowAt && a.backorderLimit === b.backorderLimit;
}

function add(sums: Map<string, number>, key: string, units: number): void {
  sums.set(key, (sums.get(key) ?? 0) + units);
}

function pairIn(name: string): { readonly location: string; readonly sku: string } {
  const slash = name.indexOf("/");
  return { location: name.slice(0, slash).replaceAll("%2F", "/").replaceAll("%25", "%"), sku: name.slice(slash + 1) };
}

function nameOf(location: string, sku: string): string {
  return `${location.replaceAll("%", "%25").replaceAll("/", "%2F")}/${sku}`;
}
