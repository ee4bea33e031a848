/** Tills, docks and warehouses: they tell facts, late or early, twice, and wrong. */
import type { Caller } from "../services/inventory/index.ts";
import type { Request } from "./operations.ts";
import type { FactFlaws } from "./oracle/judge.ts";
import type { SentFact, Told } from "./oracle/shapes.ts";
import { admin, gtins, limited, lotNames, type Shop, unknownGtin } from "./shop.ts";

const hour = 3_600_000;

export class Tills {
  readonly #shop: Shop;
  readonly #flaws = new Map<unknown, FactFlaws>();
  /** Facts told before, to be told again, voided, or contradicted. */
  readonly #told: SentFact[] = [];

  constructor(shop: Shop) {
    this.#shop = shop;
  }

  flawsOf(item: unknown): FactFlaws {
    return this.#flaws.get(item) ?? {};
  }

  facts(now: number): Request & { readonly caller?: Caller } {
    const count = this.#shop.random.chance(0.6) ? 1 : this.#shop.random.between(2, 5);
    const caller = this.#shop.random.chance(0.06) ? limited : admin;
    const items = Array.from({ length: count }, () => this.#item(now, caller));
    const isQueued = this.#shop.hasQueue && this.#shop.random.chance(this.#shop.scale.queued);
    return { kind: "facts", items, caller, ...(isQueued && { isQueued }) };
  }

  #item(now: number, caller: Caller): unknown {
    const random = this.#shop.random;
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
    const fact = this.event("stock.sold", { sku: this.#shop.sku(), location: "leeds", quantity: 1 }, now);
    const item = this.#shop.random.pick<unknown>([
      { ...fact, data: { ...fact.data, quantity: 1.5 } },
      { ...fact, type: "larder.stock.eaten.v1" },
      { ...fact, data: { ...fact.data, colour: "red" } },
      { ...fact, time: "yesterday" },
      { ...fact, data: { ...fact.data, sku: "" } },
    ]);
    this.#flaws.set(item, { must: "invalid-fact" });
    return item;
  }

  event(type: string, data: Told, now: number): SentFact {
    const random = this.#shop.random;
    const time = random.chance(0.3) ? undefined : now - this.#lateness();
    return {
      specversion: "1.0",
      source: random.pick(["till", "till", "wms"]),
      id: this.#shop.name("fact"),
      type: `larder.${type}.v1`,
      ...(time !== undefined && { time: new Date(time).toISOString() }),
      data,
    };
  }

  /** How long before it was told something happened; below zero for a clock that is ahead. */
  #lateness(): number {
    const random = this.#shop.random;
    if (random.chance(0.03)) return -random.pick([60_000, 600_000]);
    if (!random.chance(this.#shop.scale.late)) return random.between(0, 2000);
    return random.chance(0.5) ? random.between(0, 60_000) : random.between(0, 48 * hour);
  }

  #fact(now: number, known: SentFact | undefined): SentFact {
    const random = this.#shop.random;
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
    const base = { sku: this.#shop.sku(), location: random.pick(this.#shop.locations) };
    const quantity = random.between(1, this.#shop.scale.units);
    const few = random.between(1, Math.max(1, Math.ceil(this.#shop.scale.units / 3)));
    switch (kind) {
      case "sold":
        return this.event("stock.sold", { ...base, ...this.#lot(false), quantity: few }, now);
      case "counted": {
        const lot =
          this.#shop.scale.hasLots && this.#shop.scale.hasLotCounts && random.chance(0.3)
            ? { lot: random.pick(lotNames) }
            : {};
        const asOf = random.chance(0.4) ? { asOf: new Date(now - this.#lateness()).toISOString() } : {};
        return this.event(
          "stock.counted",
          { ...base, ...lot, ...asOf, quantity: random.between(0, 2 * this.#shop.scale.units) },
          now,
        );
      }
      case "returned":
        return this.event(
          "stock.returned",
          { ...base, ...this.#lot(true), quantity: few, sellable: random.chance(0.5) },
          now,
        );
      case "adjusted": {
        const delta = random.between(1, few) * random.pick([-1, 1]);
        return this.event("stock.adjusted", { ...base, delta, reason: delta > 0 ? "found" : "theft" }, now);
      }
      case "held-back":
      case "put-back":
        return this.event(`stock.${kind}`, { ...base, ...this.#lot(false), quantity: few, reason: "quarantine" }, now);
      case "expected":
        return this.event("stock.expected", { ...base, quantity, reference: `po-${random.between(1, 6)}` }, now);
      case "dispatched":
      case "arrived":
        return this.#transfer(kind, base.sku, few, now);
      default: {
        const reference = random.chance(0.3) ? { reference: `po-${random.between(1, 6)}` } : {};
        return this.event("stock.received", { ...base, ...this.#lot(true), ...reference, quantity }, now);
      }
    }
  }

  #lot(isDated: boolean): { lot?: string; expiresOn?: string } {
    const random = this.#shop.random;
    if (!this.#shop.scale.hasLots || random.chance(0.4)) return {};
    const lot = random.pick(lotNames);
    if (!isDated) return { lot };
    if (random.chance(0.2)) return { lot: "of a later time", expiresOn: `2026-03-${random.between(20, 25)}` };
    // Dates around the virtual present, which begins on the first of March.
    return { lot, expiresOn: `2026-03-0${random.between(1, 6)}` };
  }

  #transfer(kind: "dispatched" | "arrived", sku: string, quantity: number, now: number): SentFact {
    const transfer = `t-${this.#shop.random.between(1, 12)}`;
    // Each transfer goes one way, so that both of its ends tell the same.
    const from = this.#shop.locations[transfer.length % this.#shop.locations.length] ?? "leeds";
    const to = this.#shop.locations[(transfer.length + 1) % this.#shop.locations.length] ?? "leeds";
    return kind === "dispatched"
      ? this.event("stock.dispatched", { sku, location: from, to, transfer, quantity }, now)
      : this.event("stock.arrived", { sku, location: to, from, transfer, quantity }, now);
  }

  #void(known: SentFact, now: number): SentFact {
    // Sometimes of a fact that has not been told yet.
    const id = this.#shop.random.chance(0.2) ? `fact-${this.#shop.names + this.#shop.random.between(2, 9)}` : known.id;
    const fact = this.event("fact.voided", { source: known.source, id, reason: "mistake" }, now);
    return fact;
  }

  #order(now: number): SentFact {
    const random = this.#shop.random;
    const reservation = random.chance(0.6) ? this.#shop.reservation() : undefined;
    const held = (reservation?.lines ?? []).map(({ sku, location, quantity }) => ({ sku, location, quantity }));
    const more = Array.from({ length: random.between(held.length === 0 ? 1 : 0, 2) }, () => ({
      sku: this.#shop.sku(),
      location: random.pick(this.#shop.locations),
      quantity: random.between(1, 2),
    }));
    const lines = [...held.filter(() => random.chance(0.8)), ...more];
    if (lines.length === 0)
      return this.event("stock.sold", { sku: this.#shop.sku(), location: "leeds", quantity: 1 }, now);
    // Told twice in one order: both count.
    if (random.chance(0.2) && lines[0] !== undefined) lines.push(lines[0]);
    const order = random.chance(0.05) ? "order-again" : this.#shop.name("order");
    return this.event(
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
    const random = this.#shop.random;
    const gtin = random.pick([...gtins, "4006381333932", unknownGtin]);
    const fact = this.event("stock.received", { gtin, location: random.pick(this.#shop.locations), quantity: 1 }, now);
    if (gtin === "4006381333932") this.#flaws.set(fact, { must: "invalid-check-digit" });
    else if (gtin === unknownGtin) this.#flaws.set(fact, { must: "unknown-item" });
    else this.#flaws.set(fact, { may: "unknown-item" });
    return fact;
  }

  /** Receipts that take a total to the edge of what may be. */
  mountain(now: number): readonly SentFact[] {
    return Array.from({ length: 501 }, () => {
      const fact = this.event("stock.received", { sku: "mountain", location: "leeds", quantity: 1e12 }, now);
      this.#flaws.set(fact, { may: "out-of-range" });
      return fact;
    });
  }
}
