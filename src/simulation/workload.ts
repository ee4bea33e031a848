/** What clients of a history want, drawn from its seed: tills, carts, readers, and those who keep the catalogue. */
import type { Caller } from "../services/inventory/index.ts";
import type { FulfilLine, Operation, Request, ReserveBody } from "./operations.ts";
import type { FactFlaws } from "./oracle/judge.ts";
import type { LogOracle } from "./oracle/log.ts";
import type { ReservationOracle } from "./oracle/reservation.ts";
import type { Ask, SentFact, Told } from "./oracle/shapes.ts";
import type { Random } from "./random.ts";

export const admin: Caller = { id: "ops", ownReservations: false };
/** Sees the first location only, and speaks for one source. */
const limited: Caller = {
  id: "kiosk",
  ownReservations: false,
  locations: new Set(["leeds"]),
  sources: new Set(["till"]),
};
const shopper: Caller = { id: "shop", ownReservations: true };

const skuNames = ["milk", "crème brûlée", "nut/mix 5%", "tea", "rice", "salt"];
const locationNames = ["leeds", "york/2", "hull %"];
const lotNames = ["L1", "L2", "L3"];
const gtins = ["4006381333931", "5000112637922", "96385074"];
/** Positions that nobody was given, with the code by which they are refused. */
export const wrongPositions = {
  garbled: { minPosition: "+", code: "invalid-position" },
  foreign: { minPosition: Buffer.from("1.elsewhere.1").toString("base64url"), code: "position-from-another-history" },
} as const;
const hour = 3_600_000;

export interface Scale {
  readonly skus: number;
  readonly locations: number;
  /** Units of a usual receipt. */
  readonly units: number;
  readonly hasLots: boolean;
  readonly hasLotCounts: boolean;
  /** Of facts, the share that is told late. */
  readonly late: number;
  /** Seconds that a hold usually lasts. */
  readonly ttlSeconds: number;
  /** Whether totals beyond all reason and orders over too many places come up. */
  readonly isHuge: boolean;
}

export function drawScale(random: Random): Scale {
  return {
    skus: random.between(1, 4),
    locations: random.between(1, 3),
    units: random.pick([3, 10, 40]),
    hasLots: random.chance(0.35),
    hasLotCounts: random.chance(0.3),
    late: random.pick([0, 0.1, 0.5]),
    ttlSeconds: random.pick([2, 20, 300]),
    isHuge: random.chance(0.015),
  };
}

export class Workload {
  readonly #random: Random;
  readonly #scale: Scale;
  readonly #oracle: LogOracle;
  readonly #flaws = new Map<unknown, FactFlaws>();
  /** Facts told before, to be told again, voided, or contradicted. */
  readonly #told: SentFact[] = [];
  readonly #skus: readonly string[];
  readonly #locations: readonly string[];
  /** The newest position that a client was given. */
  lastPosition: string | undefined;
  #names = 0;
  #hugeSteps = 0;

  constructor(random: Random, scale: Scale, oracle: LogOracle) {
    this.#random = random;
    this.#scale = scale;
    this.#oracle = oracle;
    this.#skus = skuNames.slice(0, scale.skus);
    this.#locations = locationNames.slice(0, scale.locations);
  }

  get skus(): readonly string[] {
    return this.#skus;
  }

  flawsOf(item: unknown): FactFlaws {
    return this.#flaws.get(item) ?? {};
  }

  /** The next operation; `now` is the time by the client's clock. */
  next(now: number): Operation {
    if (this.#scale.isHuge && this.#hugeSteps < 4 && this.#random.chance(0.1)) return this.#huge(now);
    const kind = this.#random.weighted({
      facts: 36,
      reserve: 22,
      step: 26,
      read: 3,
      stock: 4,
      availability: 3,
      list: 1,
      item: 1.2,
      policy: 1.4,
      location: 0.8,
    });
    return { caller: admin, ...this.#request(kind, now) };
  }

  #request(kind: string, now: number): Request & { readonly caller?: Caller } {
    const random = this.#random;
    switch (kind) {
      case "facts":
        return this.#facts(now);
      case "reserve":
        return this.#reserve();
      case "step":
        return this.#step();
      case "read":
        return { kind: "read", id: this.#reservation()?.id ?? "nobody's" };
      case "stock":
        return { kind: "stock", sku: this.#sku() };
      case "availability":
        return { kind: "availability", skus: [...this.#skus, "never heard of"], ...this.#minPosition() };
      case "list":
        return { kind: "list", reference: this.#reservation()?.reference ?? "nobody's" };
      case "item":
        return {
          kind: "item",
          sku: this.#sku(),
          body: { name: `item ${random.between(1, 3)}`, unit: "each", gtins: gtins.filter(() => random.chance(0.4)) },
        };
      case "policy":
        return {
          kind: "policy",
          sku: this.#sku(),
          body: {
            ...(random.chance(0.5) && { location: random.pick(this.#locations) }),
            ...(random.chance(0.7) && { safetyStock: random.between(0, 3) }),
            ...(random.chance(0.5) && { backorderLimit: random.pick([0, 0, 2]) }),
            lowAt: random.pick([null, 5]),
          },
        };
      default:
        return {
          kind: "location",
          id: random.pick(this.#locations),
          priority: random.between(1, 3),
          timeZone: random.pick(["UTC", "Europe/London", "Pacific/Kiritimati"]),
        };
    }
  }

  /** A position that the read must have seen: one that was given, or none that ever was. */
  #minPosition(): { readonly minPosition?: string } {
    const minPosition = this.#random.weighted({ none: 50, last: 30, garbled: 10, foreign: 10 });
    if (minPosition === "none") return {};
    if (minPosition !== "last") return { minPosition: wrongPositions[minPosition].minPosition };
    return this.lastPosition === undefined ? {} : { minPosition: this.lastPosition };
  }

  #sku(): string {
    return this.#random.chance(0.5) ? (this.#skus[0] ?? "") : this.#random.pick(this.#skus);
  }

  #name(kind: string): string {
    this.#names += 1;
    return `${kind}-${this.#names}`;
  }

  // Facts

  #facts(now: number): Request & { readonly caller?: Caller } {
    const count = this.#random.chance(0.6) ? 1 : this.#random.between(2, 5);
    const caller = this.#random.chance(0.06) ? limited : admin;
    const items = Array.from({ length: count }, () => this.#item(now, caller));
    return { kind: "facts", items, caller };
  }

  #item(now: number, caller: Caller): unknown {
    const random = this.#random;
    const known = this.#told.length > 0 ? random.pick(this.#told.slice(-20)) : undefined;
    if (known !== undefined && caller === admin) {
      if (random.chance(0.06)) return known;
      if (random.chance(0.02) && known.data.quantity !== undefined) return this.#contradict(known);
    }
    if (random.chance(0.03)) return this.#malformed(now);
    const fact = this.#fact(now, known);
    const isForbidden =
      caller === limited &&
      (fact.source !== "till" ||
        [fact.data.location ?? "leeds", ...(fact.data.lines ?? []).map(({ location }) => location)].some(
          (at) => at !== "leeds",
        ));
    // A limited caller is not to undo what others told; whether it may depends on what that was.
    if (caller === limited && fact.type === "larder.fact.voided.v1") return this.#malformed(now);
    if (isForbidden) this.#flaws.set(fact, { must: "forbidden" });
    else if (!this.#flaws.has(fact)) this.#told.push(fact);
    return fact;
  }

  #contradict(known: SentFact): SentFact {
    return { ...known, data: { ...known.data, quantity: (known.data.quantity ?? 0) + 1 } };
  }

  #malformed(now: number): unknown {
    const fact = this.#event("stock.sold", { sku: this.#sku(), location: "leeds", quantity: 1 }, now);
    const item = this.#random.pick<unknown>([
      { ...fact, data: { ...fact.data, quantity: 1.5 } },
      { ...fact, type: "larder.stock.eaten.v1" },
      { ...fact, data: { ...fact.data, colour: "red" } },
      { ...fact, time: "yesterday" },
      { ...fact, data: { ...fact.data, sku: "" } },
    ]);
    this.#flaws.set(item, { must: "invalid-fact" });
    return item;
  }

  #event(type: string, data: Told, now: number): SentFact {
    const random = this.#random;
    const time = random.chance(0.3) ? undefined : now - this.#lateness();
    return {
      specversion: "1.0",
      source: random.pick(["till", "till", "wms"]),
      id: this.#name("fact"),
      type: `larder.${type}.v1`,
      ...(time !== undefined && { time: new Date(time).toISOString() }),
      data,
    };
  }

  /** How long before it was told something happened; below zero for a clock that is ahead. */
  #lateness(): number {
    const random = this.#random;
    if (random.chance(0.03)) return -random.pick([60_000, 600_000]);
    if (!random.chance(this.#scale.late)) return random.between(0, 2000);
    return random.chance(0.5) ? random.between(0, 60_000) : random.between(0, 48 * hour);
  }

  #fact(now: number, known: SentFact | undefined): SentFact {
    const random = this.#random;
    const kind = random.weighted({
      received: 24,
      sold: 26,
      counted: 7,
      returned: 5,
      adjusted: 6,
      "held-back": 4,
      "put-back": 3,
      expected: 4,
      dispatched: 4,
      arrived: 4,
      order: 9,
      voided: 5,
      gtin: 2,
    });
    if (kind === "voided" && known !== undefined) return this.#void(known, now);
    if (kind === "order") return this.#order(now);
    if (kind === "gtin") return this.#byGtin(now);
    const base = { sku: this.#sku(), location: random.pick(this.#locations) };
    const quantity = random.between(1, this.#scale.units);
    const few = random.between(1, Math.max(1, Math.ceil(this.#scale.units / 3)));
    switch (kind) {
      case "sold":
        return this.#event("stock.sold", { ...base, ...this.#lot(false), quantity: few }, now);
      case "counted": {
        const lot =
          this.#scale.hasLots && this.#scale.hasLotCounts && random.chance(0.3) ? { lot: random.pick(lotNames) } : {};
        const asOf = random.chance(0.4) ? { asOf: new Date(now - this.#lateness()).toISOString() } : {};
        return this.#event(
          "stock.counted",
          { ...base, ...lot, ...asOf, quantity: random.between(0, 2 * this.#scale.units) },
          now,
        );
      }
      case "returned":
        return this.#event(
          "stock.returned",
          { ...base, ...this.#lot(true), quantity: few, sellable: random.chance(0.5) },
          now,
        );
      case "adjusted": {
        const delta = random.between(1, few) * random.pick([-1, 1]);
        return this.#event("stock.adjusted", { ...base, delta, reason: delta > 0 ? "found" : "theft" }, now);
      }
      case "held-back":
      case "put-back":
        return this.#event(`stock.${kind}`, { ...base, ...this.#lot(false), quantity: few, reason: "quarantine" }, now);
      case "expected":
        return this.#event("stock.expected", { ...base, quantity, reference: `po-${random.between(1, 6)}` }, now);
      case "dispatched":
      case "arrived":
        return this.#transfer(kind, base.sku, few, now);
      default: {
        const reference = random.chance(0.3) ? { reference: `po-${random.between(1, 6)}` } : {};
        return this.#event("stock.received", { ...base, ...this.#lot(true), ...reference, quantity }, now);
      }
    }
  }

  #lot(isDated: boolean): { lot?: string; expiresOn?: string } {
    const random = this.#random;
    if (!this.#scale.hasLots || random.chance(0.4)) return {};
    const lot = random.pick(lotNames);
    // Dates around the virtual present, which begins on the first of March.
    return isDated ? { lot, expiresOn: `2026-03-0${random.between(1, 6)}` } : { lot };
  }

  #transfer(kind: "dispatched" | "arrived", sku: string, quantity: number, now: number): SentFact {
    const transfer = `t-${this.#random.between(1, 12)}`;
    // Each transfer goes one way, so that both of its ends tell the same.
    const from = this.#locations[transfer.length % this.#locations.length] ?? "leeds";
    const to = this.#locations[(transfer.length + 1) % this.#locations.length] ?? "leeds";
    return kind === "dispatched"
      ? this.#event("stock.dispatched", { sku, location: from, to, transfer, quantity }, now)
      : this.#event("stock.arrived", { sku, location: to, from, transfer, quantity }, now);
  }

  #void(known: SentFact, now: number): SentFact {
    // Sometimes of a fact that has not been told yet.
    const id = this.#random.chance(0.2) ? `fact-${this.#names + this.#random.between(2, 9)}` : known.id;
    const fact = this.#event("fact.voided", { source: known.source, id, reason: "mistake" }, now);
    return fact;
  }

  #order(now: number): SentFact {
    const random = this.#random;
    const reservation = random.chance(0.6) ? this.#reservation() : undefined;
    const held = (reservation?.lines ?? []).map(({ sku, location, quantity }) => ({ sku, location, quantity }));
    const more = Array.from({ length: random.between(held.length === 0 ? 1 : 0, 2) }, () => ({
      sku: this.#sku(),
      location: random.pick(this.#locations),
      quantity: random.between(1, 2),
    }));
    const lines = [...held.filter(() => random.chance(0.8)), ...more];
    if (lines.length === 0) return this.#event("stock.sold", { sku: this.#sku(), location: "leeds", quantity: 1 }, now);
    // Told twice in one order: both count.
    if (random.chance(0.2) && lines[0] !== undefined) lines.push(lines[0]);
    const order = random.chance(0.05) ? "order-again" : this.#name("order");
    return this.#event(
      "order.completed",
      {
        order,
        lines: lines.slice(0, 12),
        ...(reservation !== undefined && { reservation: reservation.id }),
        ...(random.chance(0.5) && { final: true }),
      },
      now,
    );
  }

  #byGtin(now: number): SentFact {
    const random = this.#random;
    const gtin = random.pick([...gtins, "4006381333932", "12345670"]);
    const fact = this.#event("stock.received", { gtin, location: random.pick(this.#locations), quantity: 1 }, now);
    if (gtin === "4006381333932") this.#flaws.set(fact, { must: "invalid-check-digit" });
    else if (gtin === "12345670") this.#flaws.set(fact, { must: "unknown-item" });
    else this.#flaws.set(fact, { may: "unknown-item" });
    return fact;
  }

  // Reservations

  #reservation(): ReservationOracle | undefined {
    const { reservations } = this.#oracle;
    if (reservations.size === 0) return undefined;
    const all = [...reservations.values()];
    return this.#random.pick(this.#random.chance(0.8) ? all.slice(-8) : all);
  }

  #asks(count: number): Ask[] {
    const random = this.#random;
    const asks = Array.from({ length: count }, (): Ask => {
      const place = random.weighted({ one: 60, some: 20, any: 20 });
      const dated = this.#scale.hasLots && random.chance(0.3);
      return {
        sku: this.#sku(),
        quantity: random.between(1, Math.max(1, Math.ceil(this.#scale.units / 4))),
        ...(place === "one" && { location: random.pick(this.#locations) }),
        ...(place === "some" && { locations: this.#locations.filter((_, index) => index !== 1) }),
        ...(dated && random.chance(0.7) && { sellableUntil: `2026-03-0${random.between(1, 6)}` }),
        ...(dated && random.chance(0.3) && { lot: random.pick(lotNames) }),
      };
    });
    // The same asked twice is asked for together.
    if (random.chance(0.15) && asks[0] !== undefined) asks.push(asks[0]);
    return asks;
  }

  #reserve(): Request & { readonly caller?: Caller } {
    const random = this.#random;
    const known = random.chance(0.05) ? this.#reservation() : undefined;
    const name = this.#name("cart");
    const isKeyed = random.chance(0.3);
    const body: ReserveBody = {
      ...(!isKeyed && { id: known?.id ?? name }),
      reference: `${name}~1`,
      ttlSeconds: random.chance(0.2) ? random.between(1, 3600) : random.between(1, this.#scale.ttlSeconds),
      ...(random.chance(0.3) && { owner: `customer-${random.between(1, 5)}` }),
      ...(random.chance(0.15) && { allowPartial: true }),
      ...(random.chance(0.3) && { strategy: random.pick(["fewest-splits", "most-stock", "earliest-expiry"] as const) }),
      lines: this.#asks(random.chance(0.6) ? 1 : random.between(2, 4)),
    };
    if (random.chance(0.02)) return { kind: "reserve", body: { ...body, lines: [{ sku: " milk", quantity: 1 }] } };
    const who = random.weighted({ admin: 80, shopper: 15, limited: 5 });
    const caller = { admin, shopper, limited }[who];
    return { kind: "reserve", body, caller, ...(isKeyed && { key: `key of ${name}` }) };
  }

  #step(): Request & { readonly caller?: Caller } {
    const random = this.#random;
    const reservation = random.chance(0.03) ? undefined : this.#reservation();
    const id = reservation?.id ?? "nobody's";
    const caller = random.chance(0.05) ? random.pick([shopper, limited]) : admin;
    const kind = random.weighted({ extend: 15, amend: 15, confirm: 30, fulfil: 25, release: 15 });
    switch (kind) {
      case "extend":
        return { kind, id, caller, ttlSeconds: random.between(1, 2 * this.#scale.ttlSeconds) };
      case "amend":
        return { kind, id, caller, lines: this.#amended(reservation) };
      case "confirm":
        return { kind, id, caller, reacquire: random.chance(0.4) };
      case "release":
        return { kind, id, caller };
      case "fulfil":
        return { id, caller, ...this.#fulfil(reservation) };
    }
  }

  #amended(reservation: ReservationOracle | undefined): Ask[] {
    const random = this.#random;
    if (reservation === undefined || random.chance(0.3)) return this.#asks(random.between(1, 2));
    return reservation.lines.map(({ sku, location, quantity, lot, sellableUntil }) => ({
      sku,
      quantity: Math.max(1, quantity + random.between(-1, 2)),
      ...(random.chance(0.8) && { location }),
      ...(lot !== undefined && { lot }),
      ...(sellableUntil !== undefined && { sellableUntil }),
    }));
  }

  #fulfil(reservation: ReservationOracle | undefined): {
    readonly kind: "fulfil";
    readonly lines?: readonly FulfilLine[];
    readonly key?: string;
  } {
    const random = this.#random;
    if (random.chance(0.4)) return { kind: "fulfil" };
    const lines = (reservation?.lines ?? [{ sku: "milk", location: "leeds", quantity: 1 }])
      .slice(0, 2)
      .map(({ sku, location, quantity }) => ({
        sku,
        ...(random.chance(0.5) && { location }),
        quantity: random.between(1, quantity + (random.chance(0.2) ? 3 : 0)),
      }));
    if (random.chance(0.05)) return { kind: "fulfil", lines };
    const [used] = reservation?.keys.keys() ?? [];
    const key = used !== undefined && random.chance(0.3) ? used : this.#name("part");
    return { kind: "fulfil", lines, key };
  }

  // What only a few histories have

  /** Totals at the edge of what may be, and an order over more places than one unit may touch. */
  #huge(now: number): Operation {
    this.#hugeSteps += 1;
    const step = this.#hugeSteps;
    if (step <= 2) {
      const items = Array.from({ length: 501 }, () => {
        const fact = this.#event("stock.received", { sku: "mountain", location: "leeds", quantity: 1e12 }, now);
        this.#flaws.set(fact, { may: "out-of-range" });
        return fact;
      });
      return { kind: "facts", items, caller: admin };
    }
    const wide = Array.from({ length: 45 }, (_, index) => `wide-${index}`);
    if (step === 3) {
      const items = wide.flatMap((sku) =>
        ["leeds", "york/2"].map((location) => this.#event("stock.received", { sku, location, quantity: 1 }, now)),
      );
      return { kind: "facts", items, caller: admin };
    }
    const name = this.#name("cart");
    const lines = wide.map((sku) => ({ sku, quantity: 2 }));
    return { kind: "reserve", body: { id: name, reference: `${name}~1`, ttlSeconds: 60, lines }, caller: admin };
  }
}
