/** Carts and orders: they reserve, go on with what was reserved, and sometimes with what was not. */
import type { Caller } from "../services/inventory/index.ts";
import type { FulfilLine, Request, ReserveBody } from "./operations.ts";
import type { ReservationOracle } from "./oracle/reservation.ts";
import type { Ask } from "./oracle/shapes.ts";
import { admin, limited, lotNames, type Shop, shopper } from "./shop.ts";

export class Carts {
  readonly #shop: Shop;

  constructor(shop: Shop) {
    this.#shop = shop;
  }

  #asks(count: number): Ask[] {
    const random = this.#shop.random;
    const asks = Array.from({ length: count }, (): Ask => {
      const place = random.weighted({ one: 60, some: 20, any: 20 });
      const dated = this.#shop.scale.hasLots && random.chance(0.3);
      return {
        sku: this.#shop.sku(),
        quantity: random.between(1, Math.max(1, Math.ceil(this.#shop.scale.units / 4))),
        ...(place === "one" && { location: random.pick(this.#shop.locations) }),
        ...(place === "some" && { locations: this.#shop.locations.filter((_, index) => index !== 1) }),
        ...(dated && random.chance(0.7) && { sellableUntil: `2026-03-0${random.between(1, 6)}` }),
        ...(dated && random.chance(0.3) && { lot: random.pick(lotNames) }),
      };
    });
    // The same asked twice is asked for together.
    if (random.chance(0.15) && asks[0] !== undefined) asks.push(asks[0]);
    return asks;
  }

  reserve(): Request & { readonly caller?: Caller } {
    const random = this.#shop.random;
    const known = random.chance(0.05) ? this.#shop.reservation() : undefined;
    const name = this.#shop.name("cart");
    const isKeyed = random.chance(0.3);
    const body: ReserveBody = {
      ...(!isKeyed && { id: known?.id ?? name }),
      reference: `${name}~1`,
      ttlSeconds: random.chance(0.2) ? random.between(1, 3600) : random.between(1, this.#shop.scale.ttlSeconds),
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

  step(): Request & { readonly caller?: Caller } {
    const random = this.#shop.random;
    const reservation = random.chance(0.03) ? undefined : this.#shop.reservation();
    const id = reservation?.id ?? "nobody's";
    const caller = random.chance(0.05) ? random.pick([shopper, limited]) : admin;
    const kind = random.weighted({ extend: 15, amend: 15, confirm: 30, fulfil: 25, release: 15 });
    switch (kind) {
      case "extend":
        return { kind, id, caller, ttlSeconds: random.between(1, 2 * this.#shop.scale.ttlSeconds) };
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
    const random = this.#shop.random;
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
    const random = this.#shop.random;
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
    const key = used !== undefined && random.chance(0.3) ? used : this.#shop.name("part");
    return { kind: "fulfil", lines, key };
  }
}
