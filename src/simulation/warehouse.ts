/**
 * The other side of sync: a warehouse that keeps the highest version of each stock that it is told, over a network on which
 * all may go wrong. What it is told must be true whenever it comes, and in the end it must hold the newest of all.
 */
import type { Messaging } from "../platform/messaging/index.ts";
import { MemoryMessaging } from "../platform/messaging/memory/index.ts";
import { type OutboundCall, OutboundError } from "../platform/outbound/index.ts";
import type { Inventory } from "../services/inventory/index.ts";
import type { Courier, PushedRecord } from "../services/sync/index.ts";
import type { FaultKind } from "./faults.ts";
import type { LogOracle } from "./oracle/log.ts";
import { must } from "./oracle/shapes.ts";
import type { StockOracle } from "./oracle/stock.ts";
import type { Random } from "./random.ts";
import type { Life, Scheduler } from "./scheduler.ts";
import { admin } from "./shop.ts";
import { keyOf, type Stockroom } from "./stockroom.ts";

export const warehouseName = "depot";
/** Which changes it may ask for. */
export const warehouseRoutes = ["all", "others", ["leeds"], ["york/2", "l*"]] as const;

/** Whether it asks for the changes of a location. */
export function isWanted(of: string | readonly string[], location: string): boolean {
  if (typeof of !== "string") return of.some((entry) => entry === location || entry === `${location[0]}*`);
  return of === "all" || (of === "own") === (location === warehouseName);
}

export interface WarehouseOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly oracle: LogOracle;
  /** Brings the oracle up to what is durable. */
  readonly look: () => void;
  readonly isCalm: () => boolean;
  readonly note: (kind: FaultKind) => void;
  readonly fail: (error: unknown) => void;
  readonly stockroom: Stockroom;
  /** Whether it acknowledges a push that it does not keep. */
  readonly loses: () => boolean;
}

export class Warehouse {
  readonly #options: WarehouseOptions;
  readonly #messaging: MemoryMessaging;
  #downUntil = 0;

  constructor(options: WarehouseOptions) {
    const { scheduler } = options;
    this.#options = options;
    // The file of the queues outlives every process.
    const { after } = scheduler.timersOf({ dead: false });
    this.#messaging = new MemoryMessaging({ clock: () => scheduler.now, timer: after });
  }

  /** The queues as one process has them: once it is dead, nothing is done for it and nothing answered. */
  messagingOf(life: Life): Messaging {
    const never = new Promise<never>(() => {});
    const call = (of: Messaging, name: string | symbol): unknown => {
      const member = Reflect.get(of, name) as unknown;
      if (typeof member !== "function") return member;
      return (...args: readonly unknown[]) => {
        if (life.dead) return never;
        const answer = Reflect.apply(member, of, args) as Promise<unknown>;
        return answer.then(
          (value) => (life.dead ? never : value),
          (error) => (life.dead ? never : Promise.reject(error)),
        );
      };
    };
    return new Proxy<Messaging>(this.#messaging, { get: call });
  }

  /** The network between one process and the warehouse. */
  courierOf(life: Life): Courier {
    return { call: (call) => this.#take(call, life) };
  }

  /** Lets what it would not take be sent once more, now that it takes everything. */
  async redrive(): Promise<void> {
    for (const queue of await this.#messaging.queues()) await this.#messaging.deadLetters.redriveQueue(queue);
  }

  /** What it does not hold the newest of, of all that it asks for: a sentence; undefined when there is nothing. */
  async lacks(oracle: LogOracle, inventory: Pick<Inventory, "location">): Promise<string | undefined> {
    const described = await inventory.location(warehouseName, admin);
    const of = described.ok ? described.value.sync?.of : undefined;
    if (of === undefined) return undefined;
    const { stockroom } = this.#options;
    for (const { location, sku, version, onHand } of oracle.stocks.values()) {
      // Of its own goods it knows better than to be told.
      if (!isWanted(of, location) || stockroom.hasOwn({ location, sku })) continue;
      const key = keyOf({ location, sku });
      const record = stockroom.held.get(key);
      // What it has lost the record of counts as 0 there, so that nothing is missing of what is 0 here too.
      if (record === undefined && onHand === 0 && stockroom.wrong.has(key)) continue;
      const held = record?.version ?? 0;
      // Of a record that names no version it can't be found that it is an old one with the figure of the newest.
      const isUnnamed = stockroom.tells !== "version" || record?.isOwn === true;
      const isRight = held === version || (isUnnamed && record?.onHand === onHand);
      if (!isRight) return `the warehouse holds version ${held} of ${sku} at ${location}, which is at ${version}`;
    }
    return undefined;
  }

  async #take({ body = "", totalMs = 0 }: OutboundCall, life: Life) {
    const { scheduler, random, note, isCalm } = this.#options;
    const { after } = scheduler.timersOf(life);
    const wait = (ms: number) => new Promise<void>((resolve) => void after(ms, resolve));
    const { records } = JSON.parse(body) as { readonly records: readonly PushedRecord[] };
    await wait(random.between(1, 30));
    if (isCalm()) return this.#keep(records);
    if (random.chance(0.02)) this.#downUntil = scheduler.now + random.between(1000, 60_000);
    const fate = scheduler.now < this.#downUntil ? "push-refused" : random.weighted(fates);
    if (fate === "taken") return this.#keep(records);
    note(fate);
    if (fate === "push-refused") return { status: random.pick([500, 503, 429, 422]), headers: {} };
    if (fate === "push-unanswered") this.#keep(records);
    if (fate === "push-late") {
      // It arrives all the same, after whoever sent it has given up.
      scheduler.after(totalMs + random.between(0, 5000), () => this.#keep(records));
    }
    await wait(totalMs);
    throw new OutboundError("timeout");
  }

  #keep(records: readonly PushedRecord[]) {
    const { scheduler, oracle, look, fail, stockroom, loses } = this.#options;
    look();
    const isLost = loses();
    for (const record of records) {
      const { location, sku } = record;
      try {
        mustBeTrue(record, oracle.stock(location, sku));
      } catch (error) {
        fail(error);
      }
      if (isLost) stockroom.lose(record);
      else stockroom.take(record, scheduler.now);
    }
    return { status: 204, headers: {} };
  }
}

const fates = { taken: 80, "push-refused": 8, "push-lost": 4, "push-unanswered": 4, "push-late": 4 } as const;

/** What is pushed of a stock is what it was at that version. */
function mustBeTrue({ location, sku, version, onHand, available }: PushedRecord, stock: StockOracle | undefined): void {
  const balance = stock?.balances[version];
  const [, unavailable, reserved, committed, safe] = (balance?.match(/-?\d+/g) ?? []).map(Number);
  const [shown = Number.NaN] = (balance?.match(/-?\d+/g) ?? []).map(Number);
  const free = shown - (unavailable ?? 0) - (reserved ?? 0) - (committed ?? 0) - (safe ?? 0);
  must(
    onHand === shown && available === free,
    () =>
      `the warehouse is told ${onHand} on hand and ${available} available of ${sku} at ${location}; version ${version} is ${balance}`,
  );
}
