/** What tests of sync share: an inventory and its receivers on virtual time, over a network that does as it is told. */
import type { Instant } from "../../kernel/index.ts";
import type { RetryPolicy } from "../../platform/messaging/index.ts";
import { MemoryMessaging } from "../../platform/messaging/memory/index.ts";
import { type OutboundCall, OutboundError, openSecret, sealSecret } from "../../platform/outbound/index.ts";
import { MemoryStorage } from "../../platform/storage/memory/index.ts";
import type { Timers } from "../../platform/timers/index.ts";
import { type Caller, inventoryTagging, type RunningInventory, startInventory } from "../inventory/index.ts";
import { type SyncObserver, silentObserver } from "./observer.ts";
import type { PushedRecord } from "./push.ts";
import { type RunningSync, startSync } from "./sync.ts";

export const caller: Caller = { id: "test", ownReservations: false };

/** Numbers from 0 to below 1 that a seed decides (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that passes only when a test says so. What was asked for by something that has died is silent. */
export class VirtualTime {
  now = Date.parse("2026-01-01T12:00:00Z");
  #entries: Entry[] = [];
  #orders = 0;

  timersOf(life: { dead: boolean }): Timers {
    const after = (ms: number, run: () => void) => this.#after(ms, () => life.dead || run());
    return {
      after,
      every: (ms, run) => {
        let callOff = () => {};
        const again = () => {
          callOff = after(ms, () => {
            again();
            run();
          });
        };
        again();
        return () => callOff();
      },
      soon: (run) => void after(0, run),
      elapsedMs: () => this.now,
    };
  }

  /** Lets time pass, and all that is due happen in its order. */
  async pass(ms: number): Promise<void> {
    const until = this.now + Math.round(ms);
    await settled();
    for (;;) {
      const next = this.#entries[0];
      if (next === undefined || next.at > until) break;
      this.#entries.shift();
      this.now = Math.max(this.now, next.at);
      next.run();
      await settled();
    }
    this.now = until;
  }

  #after(ms: number, run: () => void): () => void {
    this.#orders += 1;
    const entry = { at: this.now + Math.max(0, Math.ceil(ms)), order: this.#orders, run };
    let index = this.#entries.length;
    while (index > 0 && (this.#entries[index - 1]?.at ?? 0) > entry.at) index -= 1;
    this.#entries.splice(index, 0, entry);
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }
}

/** Lets all run that promises set off. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The other side: keeps the highest version of each stock, and answers as it is told. */
export class Warehouse {
  /** Milliseconds before it answers. */
  latencyMs: () => number = () => 20;
  /** The answer when it is not the usual one; "lost" when none comes although the records are kept, "none" when nothing is. */
  misbehaves: (records: readonly PushedRecord[]) => Answer | "lost" | "none" | undefined = () => undefined;
  isDown = false;
  readonly stock = new Map<string, PushedRecord>();
  readonly pushes: { readonly at: number; readonly records: readonly PushedRecord[] }[] = [];
  readonly problems: string[] = [];
  readonly headers: Readonly<Record<string, string>>[] = [];
  /** Milliseconds from the recording of the change that a record carries to its arrival. */
  readonly delays: number[] = [];
  readonly #time: VirtualTime;
  #inFlight = new Set<string>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** Whoever pushed is gone: what it had under way may come again from another. */
  forgetPushes(): void {
    this.#inFlight = new Set();
  }

  async take(call: OutboundCall, wait: (ms: number) => Promise<void>): Promise<Answer> {
    const { records } = JSON.parse(call.body ?? "") as { readonly records: readonly PushedRecord[] };
    this.pushes.push({ at: this.#time.now, records });
    this.headers.push(call.headers ?? {});
    const keys = records.map(({ sku, location }) => `${location}/${sku}`);
    for (const key of keys) if (this.#inFlight.has(key)) this.problems.push(`${key} is in flight twice`);
    for (const key of keys) this.#inFlight.add(key);
    try {
      if (this.isDown) {
        await wait(5);
        throw new OutboundError("refused");
      }
      const odd = this.misbehaves(records);
      if (odd === "none" || odd === "lost") {
        if (odd === "lost") this.#keep(records);
        await wait(call.totalMs ?? 30_000);
        throw new OutboundError("timeout");
      }
      await wait(this.latencyMs());
      if (odd !== undefined) return odd;
      this.#keep(records);
      return { status: 204 };
    } finally {
      for (const key of keys) this.#inFlight.delete(key);
    }
  }

  #keep(records: readonly PushedRecord[]): void {
    for (const record of records) {
      const key = `${record.location}/${record.sku}`;
      const known = this.stock.get(key);
      if (known === undefined || record.version > known.version) {
        this.stock.set(key, record);
        this.delays.push(this.#time.now - Date.parse(record.changedAt));
      }
    }
  }
}

export interface WorldOptions {
  readonly policy?: Partial<RetryPolicy>;
  readonly seed?: number;
}

const serverKey = new Uint8Array(32).fill(3);
const policy: RetryPolicy = { firstDelayMs: 500, delayMsMax: 60_000, attemptsMax: 8, elapsedMsMax: 3_600_000 };

export class World {
  readonly time = new VirtualTime();
  readonly storage: MemoryStorage = new MemoryStorage({ tagging: inventoryTagging });
  readonly messaging: MemoryMessaging;
  readonly warehouses = new Map<string, Warehouse>();
  readonly told: string[] = [];
  readonly latencies = new Map<string, number[]>();
  readonly random: () => number;
  inventory!: RunningInventory;
  sync!: RunningSync;
  /** By how much the server's clock is wrong. */
  clockOffsetMs = 0;
  pushesAtOnce = 0;
  mostPushesAtOnce = 0;
  #life = { dead: false };
  readonly #policy: RetryPolicy;
  #ids = 0;

  private constructor(options: WorldOptions) {
    this.#policy = { ...policy, ...options.policy };
    this.random = seeded(options.seed ?? 1);
    const { after } = this.time.timersOf({ dead: false });
    this.messaging = new MemoryMessaging({ clock: () => this.time.now, timer: after });
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    await world.start();
    return world;
  }

  async start(): Promise<void> {
    this.#life = { dead: false };
    const timers = this.time.timersOf(this.#life);
    const clock = (): Instant => this.time.now + this.clockOffsetMs;
    const randomId = () => {
      this.#ids += 1;
      return `id-${this.#ids}`;
    };
    const quiet = { sweepEveryMs: 1_000_000_000, sealEveryMs: 1_000_000_000 };
    const outgoing = {
      problemOf: () => undefined,
      seal: (context: string, secret: string) => sealSecret(serverKey, context, secret),
    };
    this.inventory = await startInventory({ storage: this.storage, clock, randomId, timers, outgoing, ...quiet });
    const life = this.#life;
    const observer: SyncObserver = {
      ...silentObserver,
      taken: (location, _records, latencies) => {
        const all = this.latencies.get(location) ?? [];
        this.latencies.set(location, all);
        all.push(...latencies);
      },
      gaveUp: (location) => this.told.push(`${location} gave up`),
      alarm: (location, alarm, isOn) => this.told.push(`${location} ${alarm} ${isOn ? "on" : "off"}`),
      circuit: (location, isOpen) => this.told.push(`${location} ${isOpen ? "down" : "back"}`),
      failed: (what, error) => this.told.push(`${what}: ${String(error)}`),
    };
    this.sync = await startSync({
      storage: this.storage,
      messaging: this.messaging,
      inventory: this.inventory,
      courier: { call: (call) => this.#call(call, life) },
      openSecret: (context, sealed) => openSecret(serverKey, context, sealed),
      policy: this.#policy,
      clock,
      randomId,
      random: this.random,
      observer,
      timers,
    });
  }

  /** The server is gone in the middle of what it did; what it had derived and not committed goes with it. */
  async crash(): Promise<void> {
    this.#life.dead = true;
    this.pushesAtOnce = 0;
    for (const warehouse of this.warehouses.values()) warehouse.forgetPushes();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.during(this.sync.stop(), 4000);
    await this.during(this.inventory.stop());
    this.#life.dead = true;
  }

  /** What is asked comes to its end while time passes. */
  async during<T>(work: Promise<T>, ms = 0): Promise<T> {
    await this.time.pass(ms);
    return await work;
  }

  warehouse(location: string): Warehouse {
    const known = this.warehouses.get(location);
    if (known !== undefined) return known;
    const warehouse = new Warehouse(this.time);
    this.warehouses.set(location, warehouse);
    return warehouse;
  }

  /** Has changes pushed to a location. */
  async connect(location: string, sync: object = {}, rest: object = {}): Promise<Warehouse> {
    const url = `http://${location}.example`;
    const body = { name: location, kind: "warehouse", sync: { url, ...sync }, ...rest } as const;
    const outcome = await this.during(this.inventory.putLocation(location, body, caller));
    if (!outcome.ok) throw new Error(outcome.rejection.detail);
    return this.warehouse(location);
  }

  /** Units come in, or go out when fewer than none: one fact each. */
  async move(...moves: readonly (readonly [location: string, sku: string, quantity: number])[]): Promise<void> {
    const facts = moves.map(([location, sku, quantity]) => {
      this.#ids += 1;
      const type = quantity > 0 ? "larder.stock.received.v1" : "larder.stock.sold.v1";
      const data = { sku, location, quantity: Math.abs(quantity) };
      return { specversion: "1.0", id: `f-${this.#ids}`, source: "till", type, data };
    });
    const { accepted } = await this.during(this.inventory.recordFacts(facts, caller));
    if (accepted !== moves.length) throw new Error("a fact was not accepted");
  }

  /** What a receiver should hold: our newest figures of what it wants. */
  async lacking(location: string, wants: (stock: { location: string; sku: string }) => boolean = () => true) {
    const { stock } = this.warehouse(location);
    const { stocks } = await this.inventory.stocks({ count: 1_000_000, changedSince: 0 });
    const wanted = stocks.filter(wants);
    const figures = await this.inventory.availabilityOf(wanted);
    return figures.filter((figure) => {
      if (figure === undefined) return true;
      const held = stock.get(`${figure.location}/${figure.sku}`);
      return held?.version !== figure.version || held.onHand !== figure.onHand || held.available !== figure.available;
    });
  }

  async #call(
    call: OutboundCall,
    life: { readonly dead: boolean },
  ): Promise<Answer & { headers: Record<string, string> }> {
    const location = new URL(call.url).hostname.replace(/\.example$/, "");
    const { after } = this.time.timersOf(life);
    this.pushesAtOnce += 1;
    this.mostPushesAtOnce = Math.max(this.mostPushesAtOnce, this.pushesAtOnce);
    try {
      const answer = await this.warehouse(location).take(call, (ms) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        call.signal?.addEventListener("abort", () => reject(new OutboundError("aborted")));
        after(ms, resolve);
        return promise;
      });
      return { headers: {}, ...answer };
    } finally {
      this.pushesAtOnce -= 1;
    }
  }
}
