/**
 * How far three warehouses' figures are from ours when changes are pushed, beside a poll every four minutes: the server's
 * own code, the example warehouse, faults and an outage, on virtual time.
 *
 *     node bin/larder.js --tool examples/warehouse/accuracy.ts --seed 1
 *
 * A day of 15,000 changes passes ten times as fast. Discrepancy is the time for which what a warehouse believes to be
 * available of a stock is not what is, in seconds, summed over stocks and warehouses. docs/concepts/reconciliation.md has
 * what came of it.
 */
import { toolOptions } from "../../scripts/options.ts";
import { limits } from "../../src/kernel/index.ts";
import { MemoryMessaging } from "../../src/platform/messaging/memory/index.ts";
import { type OutboundCall, OutboundError } from "../../src/platform/outbound/index.ts";
import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { type Caller, inventoryTagging, startInventory } from "../../src/services/inventory/index.ts";
import { startReconciliation, startSync } from "../../src/services/sync/index.ts";
import { Scheduler } from "../../src/simulation/scheduler.ts";
import { seededRandom } from "./faults.ts";
import { type PushedRecord, WarehouseStock } from "./stock.ts";

const places = ["hull", "leeds", "york"] as const;
const skusPerPlace = 400;
const changes = 15_000;
const daySeconds = 86_400 / 10;
const faultRate = 0.01;
const outage = { of: "leeds", from: 3600, to: 4200 };
const pollSeconds = 240;
const start = Date.UTC(2026, 0, 1, 6);
const caller: Caller = { id: "experiment", ownReservations: false };

/** What someone believes to be available, and for how long it was wrong. */
class Belief {
  readonly #truth: ReadonlyMap<string, number>;
  readonly #now: () => number;
  readonly #believed = new Map<string, number>();
  readonly #wrongSince = new Map<string, number>();
  #wrongMs = 0;
  orders = 0;
  unservable = 0;

  constructor(truth: ReadonlyMap<string, number>, now: () => number) {
    this.#truth = truth;
    this.#now = now;
  }

  get(key: string): number {
    return this.#believed.get(key) ?? 0;
  }

  set(key: string, available: number): void {
    this.#believed.set(key, available);
    this.look(key);
  }

  /** Either side may have changed. */
  look(key: string): void {
    const isWrong = this.get(key) !== (this.#truth.get(key) ?? 0);
    const since = this.#wrongSince.get(key);
    if (isWrong && since === undefined) this.#wrongSince.set(key, this.#now());
    if (isWrong || since === undefined) return;
    this.#wrongMs += this.#now() - since;
    this.#wrongSince.delete(key);
  }

  /** Someone orders what this one believes to be there. */
  order(key: string, quantity: number): boolean {
    if (this.get(key) < quantity) return false;
    this.orders += 1;
    if ((this.#truth.get(key) ?? 0) < quantity) this.unservable += 1;
    return true;
  }

  /** Forgets what was counted so far. */
  begin(): void {
    this.#wrongMs = 0;
    for (const key of this.#wrongSince.keys()) this.#wrongSince.set(key, this.#now());
  }

  wrongSeconds(): number {
    const open = [...this.#wrongSince.values()].reduce((sum, since) => sum + this.#now() - since, 0);
    return (this.#wrongMs + open) / 1000;
  }
}

export interface Result {
  readonly changes: number;
  readonly discrepancySeconds: { readonly pushed: number; readonly polled: number };
  /** How much lower the discrepancy is than by the poll, as a share of that. */
  readonly lower: number;
  /** Of the orders placed on the warehouses' figures, the share that could be served. */
  readonly servable: { readonly pushed: number; readonly polled: number };
  readonly faults: number;
  readonly found: number;
}

export async function experiment(options: {
  readonly seed: number;
  /** Of the faults, the share that is acknowledged and not kept: what pushes alone never find. The others are errors and lost answers. */
  readonly lostShare: number;
  /** Minutes between reconciliations that put right what differs; none when absent. */
  readonly reconcileMinutes?: number;
  /** Shortens the day, for a test. */
  readonly changes?: number;
}): Promise<Result> {
  const { seed, lostShare, reconcileMinutes } = options;
  const random = seededRandom(seed);
  const scheduler = new Scheduler(start);
  const timers = scheduler.timersOf({ dead: false });
  const clock = () => scheduler.now;
  const wait = (ms: number) => new Promise<void>((resolve) => timers.after(ms, resolve));
  const during = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    void work.finally(() => {
      isDone = true;
    });
    while (!isDone) await scheduler.run(scheduler.now + 1, () => undefined);
    return await work;
  };
  let ids = 0;
  const randomId = () => {
    ids += 1;
    return `id-${ids}`;
  };

  const storage = new MemoryStorage({ tagging: inventoryTagging });
  const outgoing = {
    problemOf: () => undefined,
    seal: (): never => {
      throw new Error("no secrets here");
    },
  };
  const inventory = await startInventory({ storage, clock, randomId, timers, outgoing });

  // What is true, and what each warehouse believes, by pushes and by polls.
  const truth = new Map<string, number>();
  const sides = places.map((place) => ({
    place,
    stock: new WarehouseStock({ location: place, authority: "ours", clock }),
    pushed: new Belief(truth, clock),
    polled: new Belief(truth, clock),
  }));
  storage.subscribe((units) => {
    for (const { stream, data } of units.flatMap(({ events }) => events)) {
      if (!stream.startsWith("stock-")) continue;
      const { balance } = data as { readonly balance: Readonly<Record<string, number>> };
      const { onHand = 0, unavailable = 0, reserved = 0, committed = 0, safetyStock = 0 } = balance;
      const key = stream.slice("stock-".length);
      truth.set(key, onHand - unavailable - reserved - committed - safetyStock);
      for (const { pushed, polled } of sides) for (const belief of [pushed, polled]) belief.look(key);
    }
  });

  let faults = 0;
  let isCalm = true;
  const seconds = () => (scheduler.now - begunAt) / 1000;
  let begunAt = scheduler.now;
  const isDown = (place: string) => !isCalm && place === outage.of && seconds() >= outage.from && seconds() < outage.to;
  const fault = (): "error" | "timeout" | "lost" | undefined => {
    if (isCalm || random() >= faultRate) return undefined;
    faults += 1;
    if (random() < lostShare) return "lost";
    return random() < 0.5 ? "error" : "timeout";
  };
  const answer = (status: number, body: object = {}) => ({
    status,
    headers: {},
    body: Buffer.from(JSON.stringify(body)),
    isCut: false,
  });

  async function call({ url, body, totalMs = limits.outboundTotalMs }: OutboundCall) {
    const { hostname, searchParams } = new URL(url);
    const side = sides.find(({ place }) => place === hostname);
    if (side === undefined || isDown(hostname)) {
      await wait(5);
      throw new OutboundError("refused");
    }
    // Half of the answers come within 40 ms, one of a hundred takes more than 200.
    await wait(40 * Math.exp(0.7 * (random() + random() + random() - 1.5) * 2));
    const wrong = fault();
    if (wrong === "error") return answer(500);
    if (body === undefined) return answer(200, side.stock.snapshot(searchParams.get("cursor") ?? undefined, 200));
    const { batch, records } = JSON.parse(body) as { readonly batch: string; readonly records: PushedRecord[] };
    if (wrong !== "lost") {
      side.stock.take(batch, records);
      for (const { location, sku } of records)
        side.pushed.set(`${location}/${sku}`, side.stock.get(sku, location)?.available ?? 0);
    }
    if (wrong === "timeout") {
      await wait(totalMs);
      throw new OutboundError("timeout");
    }
    return answer(200);
  }

  const openSecret = () => undefined;
  const sync = await startSync({
    storage,
    messaging: new MemoryMessaging({ clock, timer: timers.after }),
    inventory,
    courier: { call },
    openSecret,
    policy: {
      firstDelayMs: 500,
      delayMsMax: limits.deliveryDelayMsMax,
      attemptsMax: 25,
      elapsedMsMax: limits.deliveryElapsedMsMax,
    },
    clock,
    randomId,
    random,
    timers,
  });
  let found = 0;
  const reconciliations = await startReconciliation({
    storage,
    inventory,
    pushes: sync,
    courier: { call },
    openSecret,
    clock,
    randomId,
    timers,
    observer: {
      compared: (result) => {
        found += result.found;
      },
      failed: (what, error) => {
        throw new Error(`${what}: ${String(error)}`);
      },
    },
    ...(reconcileMinutes !== undefined && { schedule: { everyMs: reconcileMinutes * 60_000, mode: "correct" } }),
  });

  // The shop opens: everything is in stock, and everyone knows.
  let facts = 0;
  const fact = (type: "received" | "sold", location: string, sku: string, quantity: number) => {
    facts += 1;
    const data = { sku, location, quantity };
    return { specversion: "1.0", id: `fact-${facts}`, source: "till", type: `larder.stock.${type}.v1`, data };
  };
  const sku = (rank: number) => `sku-${rank}`;
  for (const place of places) {
    const sync = { url: `http://${place}` };
    await during(inventory.putLocation(place, { name: place, kind: "warehouse", sync }, caller));
    const all = Array.from({ length: skusPerPlace }, (_, rank) =>
      fact("received", place, sku(rank), 6 + Math.floor(random() * 18)),
    );
    await during(inventory.recordFacts(all, caller));
  }
  for (let waited = 0; waited < 60; waited += 1) await scheduler.run(scheduler.now + 1000, () => undefined);
  for (const { pushed, polled } of sides) {
    for (const [key, available] of truth) {
      if (pushed.get(key) !== available) throw new Error(`the first push did not reach everyone: ${key}`);
      polled.set(key, available);
    }
    pushed.begin();
    polled.begin();
  }
  isCalm = false;
  begunAt = scheduler.now;

  // The warehouses' polls, each at its own second.
  for (const [index, { place, polled }] of sides.entries()) {
    timers.after((index * pollSeconds * 1000) / places.length, () =>
      timers.every(pollSeconds * 1000, () => {
        if (isDown(place) || random() < faultRate) return;
        for (const [key, available] of truth) polled.set(key, available);
      }),
    );
  }

  const total = options.changes ?? changes;
  let made = 0;
  const gapMs = (daySeconds * 1000 * (total / changes)) / total;
  while (made < total) {
    await scheduler.run(scheduler.now + Math.max(1, Math.round(-Math.log(1 - random()) * gapMs)), () => undefined);
    const place = places[Math.floor(random() * places.length)] ?? places[0];
    // Few skus sell most: the rank falls off as in a shop's assortment.
    const rank = Math.floor(skusPerPlace ** random()) - 1;
    const key = `${place}/${sku(rank)}`;
    const there = truth.get(key) ?? 0;
    const kind = random();
    if (there <= 2 && kind < 0.5) await during(inventory.recordFacts([fact("received", place, sku(rank), 24)], caller));
    else if (kind < 0.6 && there > 0) await during(inventory.recordFacts([fact("sold", place, sku(rank), 1)], caller));
    else if (kind >= 0.6) {
      // Someone buys online, by what one of the warehouses' systems shows.
      const side = sides[Math.floor(random() * sides.length)];
      const quantity = 1 + Math.floor(random() * 2);
      side?.polled.order(key, quantity);
      if (side?.pushed.order(key, quantity) !== true) continue;
      const line = { sku: sku(rank), quantity, location: place };
      const placed = await during(inventory.reserve({ id: randomId(), lines: [line] }, caller));
      if (!placed.ok) continue;
      await during(inventory.fulfil(placed.value.reservation.id, undefined, caller));
    } else continue;
    made += 1;
  }
  const sum = (of: (side: (typeof sides)[number]) => number) => sides.reduce((all, side) => all + of(side), 0);
  const discrepancySeconds = {
    pushed: sum((one) => one.pushed.wrongSeconds()),
    polled: sum((one) => one.polled.wrongSeconds()),
  };
  const servable = (of: "pushed" | "polled") => 1 - sum((one) => one[of].unservable) / sum((one) => one[of].orders);
  await during(reconciliations.stop());
  await during(sync.stop());
  await during(inventory.stop());
  return {
    changes: made,
    discrepancySeconds,
    lower: 1 - discrepancySeconds.pushed / discrepancySeconds.polled,
    servable: { pushed: servable("pushed"), polled: servable("polled") },
    faults,
    found,
  };
}

if (import.meta.main) {
  const { values } = toolOptions({ options: { seed: { type: "string", default: "1" }, changes: { type: "string" } } });
  const shortened = values.changes === undefined ? {} : { changes: Number(values.changes) };
  // Every 12 minutes is every two hours in a day that passes ten times as fast.
  for (const variant of [{ lostShare: 0 }, { lostShare: 1 / 3 }, { lostShare: 1 / 3, reconcileMinutes: 12 }]) {
    const result = await experiment({ seed: Number(values.seed), ...variant, ...shortened });
    console.log(JSON.stringify({ seed: values.seed, ...variant, ...result }));
  }
}
