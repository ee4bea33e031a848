/** What clients of a history want, drawn from its seed: tills, carts, readers, and those who keep the catalogue. */
import type { Caller } from "../services/inventory/index.ts";
import { Carts } from "./carts.ts";
import type { Operation, Request } from "./operations.ts";
import type { FactFlaws } from "./oracle/judge.ts";
import type { LogOracle } from "./oracle/log.ts";
import type { Random } from "./random.ts";
import { admin, gtins, type Scale, Shop } from "./shop.ts";
import { Tills } from "./tills.ts";

/** Positions that nobody was given, with the code by which they are refused. */
export const wrongPositions = {
  garbled: { minPosition: "+", code: "invalid-position" },
  foreign: { minPosition: Buffer.from("1.elsewhere.1").toString("base64url"), code: "position-from-another-history" },
} as const;
export class Workload {
  readonly #shop: Shop;
  readonly #tills: Tills;
  readonly #carts: Carts;
  /** The newest position that a client was given. */
  lastPosition: string | undefined;
  #hugeSteps = 0;

  constructor(random: Random, scale: Scale, oracle: LogOracle) {
    this.#shop = new Shop(random, scale, oracle);
    this.#tills = new Tills(this.#shop);
    this.#carts = new Carts(this.#shop);
  }

  /** What clients ask for. */
  get shop(): Pick<Shop, "skus" | "locations" | "hasQueue"> {
    return this.#shop;
  }

  /** What is wrong with a fact that was told. */
  flawsOf(item: unknown): FactFlaws {
    return this.#tills.flawsOf(item);
  }

  /** The next operation; `now` is the time by the client's clock. */
  next(now: number): Operation {
    if (this.#shop.scale.isHuge && this.#hugeSteps < 4 && this.#shop.random.chance(0.1)) return this.#huge(now);
    const kind = this.#shop.random.weighted({
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
    const random = this.#shop.random;
    switch (kind) {
      case "facts":
        return this.#tills.facts(now);
      case "reserve":
        return this.#carts.reserve();
      case "step":
        return this.#carts.step();
      case "read":
        return { kind: "read", id: this.#shop.reservation()?.id ?? "nobody's" };
      case "stock":
        return { kind: "stock", sku: this.#shop.sku() };
      case "availability":
        return { kind: "availability", skus: [...this.#shop.skus, "never heard of"], ...this.#minPosition() };
      case "list":
        return { kind: "list", reference: this.#shop.reservation()?.reference ?? "nobody's" };
      case "item":
        return {
          kind: "item",
          sku: this.#shop.sku(),
          body: { name: `item ${random.between(1, 3)}`, unit: "each", gtins: gtins.filter(() => random.chance(0.4)) },
        };
      case "policy":
        return {
          kind: "policy",
          sku: this.#shop.sku(),
          body: {
            ...(random.chance(0.5) && { location: random.pick(this.#shop.locations) }),
            ...(random.chance(0.7) && { safetyStock: random.between(0, 3) }),
            ...(random.chance(0.5) && { backorderLimit: random.pick([0, 0, 2]) }),
            lowAt: random.pick([null, 5]),
            ...(this.#shop.scale.hasLots && { expiringDays: random.pick([null, 1, 14, 14]) }),
          },
        };
      default:
        return {
          kind: "location",
          id: random.pick(this.#shop.locations),
          priority: random.between(1, 3),
          timeZone: random.pick(["UTC", "Europe/London", "America/Los_Angeles", "Pacific/Kiritimati"]),
        };
    }
  }

  /** A position that the read must have seen: one that was given, or none that ever was. */
  #minPosition(): { readonly minPosition?: string } {
    const minPosition = this.#shop.random.weighted({ none: 50, last: 30, garbled: 10, foreign: 10 });
    if (minPosition === "none") return {};
    if (minPosition !== "last") return { minPosition: wrongPositions[minPosition].minPosition };
    return this.lastPosition === undefined ? {} : { minPosition: this.lastPosition };
  }

  /** Totals at the edge of what may be, and an order over more places than one unit may touch. */
  #huge(now: number): Operation {
    this.#hugeSteps += 1;
    const step = this.#hugeSteps;
    if (step <= 2) return { kind: "facts", items: this.#tills.mountain(now), caller: admin };
    const wide = Array.from({ length: 45 }, (_, index) => `wide-${index}`);
    if (step === 3) {
      const items = wide.flatMap((sku) =>
        ["leeds", "york/2"].map((location) => this.#tills.event("stock.received", { sku, location, quantity: 1 }, now)),
      );
      return { kind: "facts", items, caller: admin };
    }
    const name = this.#shop.name("cart");
    const lines = wide.map((sku) => ({ sku, quantity: 2 }));
    return { kind: "reserve", body: { id: name, reference: `${name}~1`, ttlSeconds: 60, lines }, caller: admin };
  }
}
