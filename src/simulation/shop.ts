/** What the clients of one history share: the names of things, and what is there to be asked for. */
import type { Caller } from "../services/inventory/index.ts";
import type { LogOracle } from "./oracle/log.ts";
import type { ReservationOracle } from "./oracle/reservation.ts";
import type { Random } from "./random.ts";

export const admin: Caller = { id: "ops", ownReservations: false };
/** Sees the first location only, and speaks for one source. */
export const limited: Caller = {
  id: "kiosk",
  ownReservations: false,
  locations: new Set(["leeds"]),
  sources: new Set(["till"]),
};
export const shopper: Caller = { id: "shop", ownReservations: true };

const skuNames = ["milk", "crème brûlée", "nut/mix 5%", "tea", "rice", "salt"];
const locationNames = ["leeds", "york/2", "hull %"];
export const lotNames = ["L1", "L2", "L3"];
/** Of no item until the very end. */
export const unknownGtin = "12345670";
export const gtins = ["4006381333931", "5000112637922", "96385074"];

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
  /** Of requests that tell facts, the share that is to be judged later, where there is a queue for them. */
  readonly queued: number;
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
    queued: random.pick([0.2, 0.6]),
    isHuge: random.chance(0.015),
  };
}

export class Shop {
  readonly random: Random;
  readonly scale: Scale;
  readonly oracle: LogOracle;
  readonly skus: readonly string[];
  readonly locations: readonly string[];
  /** Whether facts may be told to be judged later. */
  hasQueue = false;
  /** How many names were given. */
  names = 0;

  constructor(random: Random, scale: Scale, oracle: LogOracle) {
    this.random = random;
    this.scale = scale;
    this.oracle = oracle;
    this.skus = skuNames.slice(0, scale.skus);
    this.locations = locationNames.slice(0, scale.locations);
  }

  /** One of the skus, the first more often than others. */
  sku(): string {
    return this.random.chance(0.5) ? (this.skus[0] ?? "") : this.random.pick(this.skus);
  }

  name(kind: string): string {
    this.names += 1;
    return `${kind}-${this.names}`;
  }

  /** One that was placed, mostly of late. */
  reservation(): ReservationOracle | undefined {
    const { reservations } = this.oracle;
    if (reservations.size === 0) return undefined;
    const all = [...reservations.values()];
    return this.random.pick(this.random.chance(0.8) ? all.slice(-8) : all);
  }
}
