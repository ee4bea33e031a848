import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemorySink } from "../../../platform/sink/memory/index.ts";
import { MemoryStorage, SharedMemoryLog } from "../../../platform/storage/memory/index.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { accepted, caller, fact, openInventory, restoredFrom } from "../../inventory/fixture.ts";
import {
  inventoryTagging,
  type RecordedCloudEvent,
  type RunningInventory,
  startInventory,
} from "../../inventory/index.ts";
import { type RunningSinks, type SinksOptions, startSinks } from "./index.ts";

let storage: MemoryStorage;
let inventory: RunningInventory;
let clock: { now: number };
let running: RunningSinks[];
let told: string[];
beforeEach(async () => {
  ({ storage, inventory, clock } = await openInventory());
  running = [];
  told = [];
});
afterEach(async () => {
  for (const sinks of running) await sinks.stop();
  await inventory.stop();
});

function start(sinks: SinksOptions["sinks"], options: Partial<SinksOptions> = {}): RunningSinks {
  const started = startSinks({
    sinks,
    storage,
    inventory,
    clock: () => clock.now,
    random: () => 0.5,
    timers: systemTimers,
    checkMs: 20,
    observer: {
      carried: () => undefined,
      filling: (sink, why) => void told.push(`${sink} filling: ${why}`),
      moved: (sink) => void told.push(`${sink} moved`),
      failed: (sink, error, isFirst) => void (isFirst && told.push(`${sink} failed: ${(error as Error).message}`)),
      back: (sink) => void told.push(`${sink} back`),
    },
    ...options,
  });
  running.push(started);
  return started;
}

async function receive(sku: string, times = 1, location = "leeds"): Promise<void> {
  const facts = Array.from({ length: times }, () => fact("stock.received", { sku, location, quantity: 1 }));
  expect((await inventory.recordFacts(facts, caller)).accepted).toBe(times);
}

/** Goes on as a restore of the log up to an event leaves it, in an epoch of its own. */
async function restore(id: string, startsAfter: number): Promise<void> {
  await inventory.stop();
  const epochs = [...storage.epochs, { number: storage.epochs.length + 1, id, startsAfter }];
  ({ storage, inventory, clock } = await openInventory({ storage: await restoredFrom(storage, epochs), clock }));
}

async function feed(): Promise<readonly RecordedCloudEvent[]> {
  const { events } = accepted(await inventory.readChanges(undefined, 100_000, caller));
  return events;
}

const eventually = (condition: () => unknown) => expect.poll(condition, { interval: 2, timeout: 10_000 });
const idsOf = (sink: MemorySink) => sink.events.map(({ id }) => id);
const expectFeed = async (sink: MemorySink) => {
  const ids = (await feed()).map(({ id }) => id);
  await eventually(() => idsOf(sink)).toEqual(ids);
};
const expectStocks = async (sink: MemorySink) => {
  const { stocks } = await inventory.stocks({ count: 1_000_000, changedSince: 0 });
  const items = await inventory.availabilityOf(stocks);
  await eventually(() => [...sink.stocks.values()].toSorted(bySku)).toEqual(
    items.filter((item) => item !== undefined).toSorted(bySku),
  );
};
const bySku = (a: { sku: string }, b: { sku: string }) => (a.sku < b.sku ? -1 : 1);

describe("a sink of events", () => {
  it("gets every event that the change feed has, in its order, from the beginning of the log", async () => {
    await receive("milk", 700);
    const sink = new MemorySink("events");
    start([sink]);
    await expectFeed(sink);
    await receive("bread", 3);
    await inventory.putLocation("leeds", { name: "Leeds", kind: "store" }, caller);
    await inventory.reserve({ lines: [{ sku: "milk", quantity: 2 }] }, caller);
    await expectFeed(sink);
    const events = await feed();
    expect(sink.events.map(({ body }) => JSON.parse(body))).toEqual(events);
    expect(sink.events.at(-1)).toMatchObject({ type: "larder.reservation.status-changed.v1" });
    expect(sink.events.at(-1)?.sku).toBeUndefined();
  });

  it("goes on where it stands after a restart, and sends nothing twice", async () => {
    const sink = new MemorySink("events");
    const first = start([sink]);
    await receive("milk", 5);
    await expectFeed(sink);
    await first.stop();
    await receive("milk", 5);
    start([sink]);
    await expectFeed(sink);
    expect(told).toEqual(["memory filling: it is empty"]);
  });

  it("gets all again when it was emptied, also while nothing happens", async () => {
    const sink = new MemorySink("events");
    start([sink]);
    await receive("milk", 600);
    await expectFeed(sink);
    sink.wipe();
    await expectFeed(sink);
    expect(told).toEqual(["memory filling: it is empty", "memory moved", "memory filling: it is empty"]);
  });

  it("gets again what it lost of what it had acknowledged, and nothing else", async () => {
    const sink = new MemorySink("events");
    start([sink]);
    await receive("milk", 20);
    await expectFeed(sink);
    sink.lose(7);
    await receive("milk", 3);
    await expectFeed(sink);
    expect(told).toEqual(["memory filling: it is empty", "memory moved"]);
  });

  it("gets only what was recorded lately when it is empty, where it keeps no more", async () => {
    await receive("milk", 3);
    clock.now += 3_600_000;
    await receive("bread", 3);
    const sink = new MemorySink("events", { keepMs: 60_000 });
    start([sink]);
    await eventually(() => sink.events.map(({ sku }) => sku)).toEqual(["bread", "bread", "bread"]);
  });

  it("waits while it is away, says so once, and misses nothing", async () => {
    const sink = new MemorySink("events");
    const sinks = start([sink]);
    await receive("milk", 3);
    await expectFeed(sink);
    sink.fault = new Error("connection refused");
    await receive("milk", 600);
    await eventually(() => sinks.figures()[0]?.status).toBe("down");
    const [figures] = sinks.figures();
    expect(figures?.down).toEqual({ since: clock.now, reason: "connection refused" });
    expect(figures?.lagEvents).toBe(600);
    await receive("milk", 10);
    sink.fault = undefined;
    await expectFeed(sink);
    await eventually(() => sinks.figures()).toEqual([{ name: "memory", status: "following", lagEvents: 0 }]);
    expect(told).toEqual(["memory filling: it is empty", "memory failed: connection refused", "memory back"]);
  });

  it("gets after a restore what came instead of what was lost, on top of what it has", async () => {
    await receive("milk", 4);
    const sink = new MemorySink("events");
    const first = start([sink]);
    await expectFeed(sink);
    await first.stop();
    // The history that it knows is left after the second event.
    await restore("restored", 2);
    await receive("bread", 2);
    start([sink]);
    await eventually(() => sink.events.slice(4).map(({ id }) => id)).toEqual(["restored-3", "restored-4"]);
  });

  it("gets after two restores also what was recorded between them, while it waited", async () => {
    await receive("milk", 4);
    const sink = new MemorySink("events");
    const first = start([sink]);
    await expectFeed(sink);
    await first.stop();
    await restore("restored", 2);
    await receive("bread", 2);
    await restore("restored-again", 3);
    await receive("cheese");
    start([sink]);
    await eventually(() => sink.events.slice(4).map(({ id }) => id)).toEqual(["restored-3", "restored-again-4"]);
  });
});

describe("a sink of stocks", () => {
  it("is filled with what is there, and follows", async () => {
    for (let sku = 0; sku < 1200; sku += 400)
      await Promise.all(Array.from({ length: 400 }, (_, index) => receive(`sku-${sku + index}`)));
    const sink = new MemorySink("stocks");
    start([sink]);
    await expectStocks(sink);
    await receive("milk", 5);
    await inventory.reserve({ lines: [{ sku: "milk", quantity: 2 }] }, caller);
    await expectStocks(sink);
  });

  it("is filled again when it was emptied, also while nothing happens", async () => {
    const sink = new MemorySink("stocks");
    start([sink]);
    await receive("milk", 5);
    await expectStocks(sink);
    sink.wipe();
    await expectStocks(sink);
  });

  it("is filled anew when it holds stocks of another log", async () => {
    const sink = new MemorySink("stocks");
    start([sink]);
    await receive("milk", 5);
    await expectStocks(sink);
    await running.pop()?.stop();
    await inventory.stop();
    ({ storage, inventory, clock } = await openInventory({
      storage: new MemoryStorage({ tagging: inventoryTagging, epochs: [{ number: 1, id: "other", startsAfter: 0 }] }),
    }));
    await receive("bread", 2);
    start([sink]);
    await expectStocks(sink);
    expect([...sink.stocks.values()].map(({ sku }) => sku)).toEqual(["bread"]);
  });
});

describe("processes on one log", () => {
  it("take turns at a sink: one carries, and when it is gone another goes on where the sink stands", async () => {
    const log = new SharedMemoryLog(inventoryTagging);
    const telling = setInterval(() => log.deliver(), 5);
    const sink = new MemorySink("events");
    const stocks = new MemorySink("stocks", { name: "stocks" });
    const places = [log.open(), log.open()];
    const inventories = await Promise.all(
      places.map((place) =>
        startInventory({
          storage: place,
          clock: () => clock.now,
          randomId: randomUUID,
          sweepEveryMs: 1e6,
          sealEveryMs: 1e6,
        }),
      ),
    );
    const [one, two] = inventories.map((own, index) =>
      start([sink, stocks], { storage: places[index] ?? storage, inventory: own }),
    );
    await inventory.stop();
    try {
      for (const [turn, own] of [...inventories, ...inventories].entries()) {
        inventory = own;
        await receive(`sku-${turn}`, 20);
        await expectFeed(sink);
        await expectStocks(stocks);
      }
      expect(two?.figures()).toMatchObject([{ status: "elsewhere" }, { status: "elsewhere" }]);
      // The second process has not heard of the newest when its turn comes.
      clearInterval(telling);
      [inventory] = inventories as [RunningInventory];
      await receive("unheard of", 20);
      await expectFeed(sink);
      await one?.stop();
      await eventually(() => two?.figures().map(({ status }) => status)).toEqual(["following", "following"]);
      [, inventory] = inventories as [RunningInventory, RunningInventory];
      await receive("milk", 20);
      await expectFeed(sink);
      await expectStocks(stocks);
      expect(told).toEqual(["memory filling: it is empty", "stocks filling: it is empty"]);
      expect([sink.opened, stocks.opened]).toEqual([2, 2]);
    } finally {
      await two?.stop();
      for (const own of inventories) await own.stop();
      clearInterval(telling);
    }
  });
});

describe("several sinks", () => {
  it("don't wait for each other, and one that is away does not hold up a stop", async () => {
    const [away, here] = [new MemorySink("events", { name: "away" }), new MemorySink("stocks", { name: "here" })];
    away.fault = new Error("no route");
    const sinks = start([away, here]);
    await receive("milk", 5);
    await expectStocks(here);
    expect(sinks.figures().map(({ name, status }) => [name, status])).toEqual([
      ["away", "down"],
      ["here", "following"],
    ]);
    await sinks.stop();
  });

  it("rest while everything outgoing is paused, say so, and begin once it goes on", async () => {
    const timers = { ...systemTimers, every: (_ms: number, run: () => void) => systemTimers.every(5, run) };
    await storage.setOutgoingPaused(true);
    const sink = new MemorySink("events");
    const sinks = start([sink], { timers });
    await receive("milk", 5);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(sink.opened).toBe(0);
    expect(sinks.figures()).toEqual([{ name: "memory", status: "paused", lagEvents: 0 }]);
    await storage.setOutgoingPaused(false);
    await expectFeed(sink);
    await eventually(() => sinks.figures()).toEqual([{ name: "memory", status: "following", lagEvents: 0 }]);
    expect(sink.opened).toBe(1);
  });

  it("that were stopped while everything outgoing was paused stay so", async () => {
    const timers = { ...systemTimers, every: (_ms: number, run: () => void) => systemTimers.every(5, run) };
    await storage.setOutgoingPaused(true);
    const sink = new MemorySink("events");
    await start([sink], { timers }).stop();
    await storage.setOutgoingPaused(false);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(sink.opened).toBe(0);
  });
});
