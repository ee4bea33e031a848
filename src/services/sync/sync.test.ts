import { describe, expect, it, vi } from "vitest";
import { isSigned } from "../../platform/outbound/index.ts";
import { caller, seeded, World } from "./world.fixture.ts";

const second = 1000;
const minute = 60 * second;
/** Ten minutes come to the same (docs/operations/sync.md has the figures), and take ten times as long to run. */
const outageMs = minute;

function statusOf(world: World, location: string) {
  const status = world.sync.all().find((one) => one.location === location);
  if (status === undefined) throw new Error(`${location} gets nothing pushed`);
  return status;
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
}

describe("a change", () => {
  it("is pushed as availability shows it", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    await world.move(["york", "milk", 10]);
    await world.time.pass(200);
    expect(leeds.pushes.map(({ records }) => records)).toEqual([
      [{ sku: "milk", location: "york", available: 10, onHand: 10, version: 1, changedAt: "2026-01-01T12:00:00.000Z" }],
    ]);
    expect(statusOf(world, "leeds")).toMatchObject({
      waiting: 0,
      fullPush: null,
      lastSuccessAt: "2026-01-01T12:00:00.020Z",
      latencySeconds: { p50: 0.02, p95: 0.02, max: 0.02 },
      errorRate: 0,
      circuit: "closed",
      completesInSeconds: 0,
      alarms: [],
    });
    await world.stop();
  });

  it("is pushed though whoever is asked for its figures, or for what has changed, has not heard of it yet", async () => {
    const world = await World.open();
    await world.connect("leeds");
    await world.time.pass(second);
    // The first change of a stock is unknown there, and the second one too.
    const figures = vi.spyOn(world.inventory, "availabilityOf").mockImplementationOnce(async () => []);
    await world.move(["york", "milk", 10]);
    await world.time.pass(5 * second);
    expect(await world.lacking("leeds")).toEqual([]);
    figures.mockImplementationOnce(async () => []);
    await world.move(["york", "milk", 10], ["york", "tea", 1]);
    await world.time.pass(5 * second);
    expect(await world.lacking("leeds")).toEqual([]);

    // What a sweep is told must be as new as what was heard here before it.
    const asked = vi.spyOn(world.inventory, "stocks");
    await world.sync.resend("leeds", caller);
    await world.time.pass(5 * second);
    expect(asked).toHaveBeenCalledWith(expect.objectContaining({ changedSince: 0, heard: world.storage.head() }));
    const early = world.inventory.stocks({ count: 1, changedSince: 0, heard: world.storage.head() + 1 });
    await expect(world.during(early, 3 * second)).rejects.toMatchObject({ code: "read-side-behind" });
    await world.stop();
  });

  it("waits with others of its stock and goes out once, at the newest figures", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    leeds.latencyMs = () => 400;
    for (let sold = 0; sold < 20; sold += 1) {
      await world.move(["leeds", "milk", 10]);
      await world.time.pass(20);
    }
    await world.time.pass(second);
    expect(leeds.pushes).toHaveLength(2);
    expect(leeds.pushes[1]?.records[0]).toMatchObject({ version: 20, onHand: 200 });
    expect(leeds.problems).toEqual([]);
    await world.stop();
  });

  it("shares a push with at most so many others as the location takes", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    const york = await world.connect("york", { batchSize: 3 });
    await world.move(...Array.from({ length: 25 }, (_, n) => ["hull", `sku-${n}`, 1] as const));
    await world.time.pass(second);
    expect(leeds.pushes.map(({ records }) => records.length)).toEqual([10, 10, 5]);
    expect(york.pushes.every(({ records }) => records.length <= 3)).toBe(true);
    expect(await world.lacking("york")).toEqual([]);
    await world.stop();
  });

  it("goes to those who ask for it: by location, by group, by sku", async () => {
    const world = await World.open();
    await world.connect("own", { of: "own" });
    await world.connect("others", { of: "others" });
    await world.connect("some", { of: ["york", "group:north/*"] });
    await world.connect("dairy", { skus: "dairy-*" });
    await world.during(world.inventory.putLocation("hull", { name: "Hull", kind: "store", group: "north/2" }, caller));
    for (const location of ["own", "others", "york", "hull", "bath"])
      await world.move([location, "dairy-milk", 1], [location, "rice", 1]);
    await world.time.pass(second);
    const held = (name: string) => [...world.warehouse(name).stock.keys()].sort();
    expect(held("own")).toEqual(["own/dairy-milk", "own/rice"]);
    expect(held("others")).toHaveLength(8);
    expect(held("others").some((key) => key.startsWith("others/"))).toBe(false);
    expect(held("some")).toEqual(["hull/dairy-milk", "hull/rice", "york/dairy-milk", "york/rice"]);
    expect(held("dairy")).toHaveLength(5);

    // Bath joins the group: those who follow it learn what is there.
    await world.during(world.inventory.putLocation("bath", { name: "Bath", kind: "store", group: "north/3" }, caller));
    await world.time.pass(second);
    expect(held("some")).toHaveLength(6);
    await world.stop();
  });

  it("is signed with the location's secret", async () => {
    const world = await World.open();
    const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    const signed = await world.connect("signed", { secret });
    const plain = await world.connect("plain");
    await world.move(["york", "milk", 1]);
    await world.time.pass(second);
    const [headers] = signed.headers;
    const body = (records: unknown) => JSON.stringify({ location: "signed", batch: headers?.["webhook-id"], records });
    expect(isSigned(secret, headers ?? {}, body(signed.pushes[0]?.records), world.time.now)).toBe(true);
    expect(plain.headers[0]).toEqual({ "content-type": "application/json" });

    // It stands in clear nowhere, and stays when the location is described again without it.
    const log = (await world.storage.readLog(0, 1000)).map((unit) => unit.body).join();
    expect(log).toContain("sealedSecret");
    expect(log).not.toContain(secret.slice(6, 20));
    await world.connect("signed", { batchSize: 5 });
    const hasSecret = async () => {
      const outcome = await world.inventory.location("signed", caller);
      return outcome.ok && outcome.value.sync?.isSigned;
    };
    expect(await hasSecret()).toBe(true);
    await world.connect("signed", { secret: null });
    expect(await hasSecret()).toBe(false);
    await world.stop();
  });
});

describe("a receiver", () => {
  it("that is new, or asks for more, gets all there is", async () => {
    const world = await World.open();
    await world.move(...Array.from({ length: 500 }, (_, n) => ["york", `sku-${n}`, 1] as const));
    await world.move(...Array.from({ length: 500 }, (_, n) => ["hull", `sku-${n}`, 1] as const));
    const leeds = await world.connect("leeds", { of: ["york"] });
    await world.time.pass(10 * second);
    expect(leeds.stock.size).toBe(500);
    await world.connect("leeds", { of: ["york", "hull"] });
    await world.time.pass(10 * second);
    expect(await world.lacking("leeds")).toEqual([]);
    await world.stop();
  });

  it("gets changes at once while all else is pushed", async () => {
    const world = await World.open();
    for (let page = 0; page < 10; page += 1)
      await world.move(...Array.from({ length: 1000 }, (_, n) => ["york", `sku-${page}-${n}`, 1] as const));
    const leeds = await world.connect("leeds");
    leeds.latencyMs = () => 100;
    for (let change = 0; change < 20; change += 1) {
      await world.move(["york", `sku-0-${change}`, 1]);
      await world.time.pass(250);
    }
    expect(statusOf(world, "leeds").fullPush).not.toBe(null);
    expect(Math.max(...(world.latencies.get("leeds") ?? [])), "milliseconds").toBeLessThan(1000);
    await world.time.pass(minute);
    expect(await world.lacking("leeds")).toEqual([]);
    await world.stop();
  });

  it("knows after a restart what it was told, and is told the rest", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    await world.move(...Array.from({ length: 100 }, (_, n) => ["york", `sku-${n}`, 1] as const));
    await world.time.pass(10 * second);
    await world.move(["york", "last", 1]);
    await world.time.pass(10 * second);
    await world.stop();
    await world.start();
    leeds.isDown = true;
    await world.move(["york", "new", 1]);
    await world.time.pass(minute);
    await world.stop();
    leeds.isDown = false;
    const before = leeds.pushes.length;
    await world.start();
    await world.time.pass(10 * second);
    expect(await world.lacking("leeds")).toEqual([]);
    // Not all again, only what was recorded at the very instant that is kept.
    const again = leeds.pushes.slice(before).flatMap(({ records }) => records.map(({ sku }) => sku));
    expect(again.sort()).toEqual(["last", "new"]);
    await world.stop();
  });

  it("that is no longer one is left alone, and told all when it is one again", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    await world.move(["york", "milk", 1]);
    await world.time.pass(second);
    await world.during(world.inventory.putLocation("leeds", { name: "Leeds", kind: "store" }, caller));
    await world.move(["york", "rice", 1]);
    await world.time.pass(second);
    expect(leeds.pushes).toHaveLength(1);
    expect(world.sync.all()).toEqual([]);
    await world.connect("leeds");
    await world.time.pass(second);
    expect(await world.lacking("leeds")).toEqual([]);
    await world.stop();
  });

  it("is not said to have all of what it asks for no more, nor of what it asked for before it was described anew", async () => {
    const world = await World.open();
    await world.connect("leeds");
    await world.move(["york", "milk", 1]);
    await world.time.pass(second);
    const stock = { location: "york", sku: "milk" };
    const [receiver] = world.sync.receivers();
    if (receiver === undefined) throw new Error("leeds gets nothing pushed");
    expect([world.sync.wants(receiver, stock), world.sync.isPending(receiver, stock)]).toEqual([true, false]);

    await world.connect("leeds", { of: "own" });
    expect([world.sync.wants(receiver, stock), world.sync.isPending(receiver, stock)]).toEqual([false, true]);
    await world.connect("leeds");
    await world.time.pass(second);
    expect([world.sync.wants(receiver, stock), world.sync.isPending(receiver, stock)]).toEqual([true, false]);

    await world.during(world.inventory.putLocation("leeds", { name: "Leeds", kind: "store" }, caller));
    await world.connect("leeds");
    await world.time.pass(second);
    expect([world.sync.wants(receiver, stock), world.sync.isPending(receiver, stock)]).toEqual([false, true]);
    await world.stop();
  });

  it("is resent everything on demand", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    await world.move(["york", "milk", 1], ["york", "rice", 1]);
    await world.time.pass(second);
    leeds.stock.clear();
    expect((await world.sync.resend("leeds", caller)).ok).toBe(true);
    expect((await world.sync.resend("york", caller)).ok).toBe(false);
    expect((await world.sync.resend("leeds", { ...caller, locations: new Set(["york"]) })).ok).toBe(false);
    await world.time.pass(second);
    expect(await world.lacking("leeds")).toEqual([]);
    await world.stop();
  });

  it("gets nothing while what goes out is paused", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    await world.during(world.storage.setOutgoingPaused(true));
    await world.move(["york", "milk", 1]);
    await world.time.pass(minute);
    expect(leeds.pushes).toEqual([]);
    expect(statusOf(world, "leeds").alarms).toEqual(["slow"]);
    await world.during(world.storage.setOutgoingPaused(false));
    await world.time.pass(2 * second);
    expect(await world.lacking("leeds")).toEqual([]);
    await world.stop();
  });
});

describe("a receiver in trouble", () => {
  it("is left alone for as long as it asks, and no longer", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    let refusals = 3;
    leeds.misbehaves = () => {
      refusals -= 1;
      return refusals >= 0 ? { status: 429, headers: { "retry-after": "7" } } : undefined;
    };
    await world.move(["york", "milk", 1]);
    await world.time.pass(minute);
    const times = leeds.pushes.map(({ at }) => at);
    const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(waits.every((wait) => wait >= 7 * second && wait < 9 * second)).toBe(true);
    expect(leeds.pushes).toHaveLength(4);
    expect(await world.lacking("leeds")).toEqual([]);
    expect((await world.messaging.depth("sync-leeds")).deadLetters).toBe(0);
    await world.stop();
  });

  it("that can't bear one stock gets all others, and the one becomes a dead letter that can be redriven", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    let isCured = false;
    leeds.misbehaves = (records) =>
      !isCured && records.some(({ sku }) => sku === "poison") ? { status: 500 } : undefined;
    await world.move(...Array.from({ length: 9 }, (_, n) => ["york", `sku-${n}`, 1] as const), ["york", "poison", 1]);
    for (let turn = 0; turn < 600; turn += 1) {
      await world.move(["york", `sku-${turn % 9}`, 1]);
      await world.time.pass(second);
    }
    expect((await world.lacking("leeds")).map((figure) => figure?.sku)).toEqual(["poison"]);
    const [letter, ...others] = (
      await world.messaging.deadLetters.list({ queue: "sync-leeds", order: "newest-first", limit: 10 })
    ).items;
    expect(others).toEqual([]);
    expect(letter).toMatchObject({
      attempts: 8,
      cause: "given up after 8 attempts; the last: the receiver answered 500",
    });
    const whole = await world.messaging.deadLetters.read(letter?.id ?? "");
    expect(JSON.parse(whole?.body ?? "")).toEqual({ sku: "poison", location: "york" });

    // Redriven too early it dies again; one message, known as redriven.
    await world.messaging.deadLetters.redriveQueue("sync-leeds");
    for (let turn = 0; turn < 600; turn += 1) {
      await world.move(["york", `sku-${turn % 9}`, 1]);
      await world.time.pass(second);
    }
    const again = await world.messaging.deadLetters.list({ queue: "sync-leeds", order: "newest-first", limit: 10 });
    expect(again.items).toMatchObject([{ messageId: letter?.messageId, redrives: 1 }]);

    isCured = true;
    await world.move(["york", "other", 1]);
    await world.messaging.deadLetters.redriveQueue("sync-leeds");
    await world.time.pass(10 * second);
    expect(await world.lacking("leeds")).toEqual([]);
    expect(await world.messaging.depth("sync-leeds")).toEqual({ waiting: 0, deadLetters: 0 });
    await world.stop();
  });

  it("that does not know a stock refuses that one alone", async () => {
    const world = await World.open({ policy: { attemptsMax: 3 } });
    const leeds = await world.connect("leeds");
    leeds.misbehaves = (records) => (records.some(({ sku }) => sku === "unknown") ? { status: 422 } : undefined);
    await world.move(...Array.from({ length: 9 }, (_, n) => ["york", `sku-${n}`, 1] as const), ["york", "unknown", 1]);
    await world.time.pass(10 * minute);
    expect((await world.lacking("leeds")).map((figure) => figure?.sku)).toEqual(["unknown"]);
    expect(world.told.filter((line) => line.includes("gave up"))).toEqual(["leeds gave up"]);
    expect(world.told.some((line) => line.includes("down"))).toBe(false);
    await world.stop();
  });

  it("refuses two stocks whose names run together, and each becomes a dead letter", async () => {
    const world = await World.open({ policy: { attemptsMax: 3 } });
    const leeds = await world.connect("leeds");
    leeds.misbehaves = () => ({ status: 422 });
    await world.move(["a/b", "c", 1], ["a", "b/c", 1]);
    await world.time.pass(10 * minute);
    expect((await world.messaging.depth("sync-leeds")).deadLetters).toBe(2);
    await world.stop();
  });

  it("that asks for nothing any more leaves no queue behind, unless a dead letter is in it", async () => {
    const world = await World.open({ policy: { attemptsMax: 3 } });
    const leeds = await world.connect("leeds");
    await world.connect("york");
    leeds.misbehaves = () => ({ status: 422 });
    await world.move(["york", "milk", 1]);
    await world.time.pass(minute);
    expect((await world.messaging.queues()).toSorted()).toEqual(["sync-leeds", "sync-york"]);
    // Both at once, so that each finds the queue of the other.
    await Promise.all(["leeds", "york"].map((location) => world.connect(location, {}, { sync: undefined })));
    await world.time.pass(second);
    expect(await world.messaging.queues()).toEqual(["sync-leeds"]);

    // Once it is discarded, whoever tells receivers next finds an empty queue that nobody needs.
    const { items } = await world.messaging.deadLetters.list({ order: "newest-first", limit: 10 });
    expect(items).toHaveLength(1);
    for (const { id } of items) await world.messaging.deadLetters.discard(id, "test");
    await world.crash();
    await world.time.pass(second);
    expect(await world.messaging.queues()).toEqual([]);
    expect(world.told.filter((line) => line.includes("dead letters"))).toEqual([]);
    await world.stop();
  });

  it("that asks again while its queue is being removed has one", async () => {
    const world = await World.open({ policy: { attemptsMax: 3 } });
    const leeds = await world.connect("leeds");
    const remove = world.messaging.removeQueue.bind(world.messaging);
    let isRemoving = false;
    world.messaging.removeQueue = async (queue) => {
      isRemoving = true;
      await world.connect("leeds");
      await remove(queue);
    };
    await world.connect("leeds", {}, { sync: undefined });
    await world.time.pass(second);
    expect([isRemoving, await world.messaging.queues()]).toEqual([true, ["sync-leeds"]]);
    leeds.misbehaves = () => ({ status: 422 });
    await world.move(["york", "milk", 1]);
    await world.time.pass(minute);
    expect((await world.messaging.depth("sync-leeds")).deadLetters).toBe(1);
    await world.stop();
  });

  it("with one stock to be told of is down for ten minutes, and nothing is given up", async () => {
    const world = await World.open({ policy: { attemptsMax: 3 } });
    const leeds = await world.connect("leeds");
    leeds.isDown = true;
    await world.move(["york", "milk", 1]);
    await world.time.pass(10 * minute);
    expect(statusOf(world, "leeds")).toMatchObject({
      circuit: "open",
      waiting: 1,
      lastError: "the connection was refused",
    });
    leeds.isDown = false;
    await world.time.pass(12 * second);
    expect(await world.lacking("leeds")).toEqual([]);
    expect((await world.messaging.depth("sync-leeds")).deadLetters).toBe(0);
    await world.time.pass(2 * minute);
    expect(world.told).toEqual(["leeds down", "leeds slow on", "leeds failing on", "leeds back", "leeds slow off"]);
    await world.stop();
  });

  it("does not look down for ever because of a stock that it can't bear", async () => {
    const world = await World.open();
    const leeds = await world.connect("leeds");
    leeds.isDown = true;
    await world.move(["york", "poison", 1]);
    await world.time.pass(minute);
    leeds.isDown = false;
    leeds.misbehaves = (records) => (records.some(({ sku }) => sku === "poison") ? { status: 500 } : undefined);
    await world.move(...Array.from({ length: 5 }, (_, n) => ["york", `sku-${n}`, 1] as const));
    await world.time.pass(minute);
    expect((await world.lacking("leeds")).map((figure) => figure?.sku)).toEqual(["poison"]);
    await world.stop();
  });

  it("loses nothing by answers that never come, and by figures that come twice", async () => {
    const world = await World.open({ seed: 5 });
    const random = seeded(77);
    const leeds = await world.connect("leeds");
    leeds.misbehaves = () => {
      const draw = random();
      return draw < 0.1 ? "lost" : draw < 0.15 ? "none" : draw < 0.25 ? { status: 502 } : undefined;
    };
    leeds.latencyMs = () => 10 + 500 * random();
    for (let turn = 0; turn < 400; turn += 1) {
      await world.move(["york", `sku-${Math.floor(30 * random())}`, 1]);
      await world.time.pass(100);
    }
    leeds.misbehaves = () => undefined;
    await world.time.pass(2 * minute);
    expect(await world.lacking("leeds")).toEqual([]);
    expect(leeds.problems).toEqual([]);
    await world.stop();
  });
});

describe("many receivers", () => {
  it("share fifty pushes, and those that hang hold nobody up", async () => {
    const world = await World.open();
    const names = Array.from({ length: 70 }, (_, n) => `w${n}`);
    for (const name of names) await world.connect(name);
    for (const name of names.slice(0, 60)) world.warehouse(name).misbehaves = () => "none";
    // The first failures take their time-out; after that it is known who hangs.
    await world.move(["york", "first", 1]);
    await world.time.pass(2 * minute);
    world.latencies.clear();
    for (let turn = 0; turn < 40; turn += 1) {
      await world.move(["york", `sku-${turn}`, 1]);
      await world.time.pass(500);
    }
    await world.time.pass(5 * second);
    expect(world.mostPushesAtOnce).toBe(50);
    for (const name of names.slice(60)) {
      expect(await world.lacking(name)).toEqual([]);
      expect(average(world.latencies.get(name) ?? []), "milliseconds").toBeLessThan(1200);
    }
    await world.stop();
  });
});

describe("one of three warehouses is down, while 200 stocks change a second", () => {
  it("the others stay below 1.2 s, and it has all within 30 s of its return", async () => {
    const world = await World.open();
    const random = seeded(20_261_126);
    const [leeds, york, hull] = [
      await world.connect("leeds"),
      await world.connect("york"),
      await world.connect("hull"),
    ];
    for (const warehouse of [leeds, york, hull]) warehouse.latencyMs = () => 20 + 80 * random();
    const change = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 100) {
        const one = () => ["leeds", `sku-${Math.floor(2000 * random() ** 2)}`, 1] as const;
        await world.move(...Array.from({ length: 20 }, one));
        await world.time.pass(100);
      }
    };
    await change(10 * second);
    hull.isDown = true;
    await change(outageMs);
    expect(statusOf(world, "hull")).toMatchObject({ circuit: "open", alarms: ["slow", "failing"] });
    expect(statusOf(world, "leeds")).toMatchObject({ circuit: "closed", alarms: [] });
    hull.isDown = false;
    await change(30 * second);
    await world.time.pass(second);
    for (const name of ["leeds", "york", "hull"]) expect(await world.lacking(name)).toEqual([]);
    for (const name of ["leeds", "york"]) {
      const latencies = world.latencies.get(name) ?? [];
      expect(average(latencies), "milliseconds").toBeLessThan(1200);
      expect(Math.max(...latencies.slice(0, 100_000)), "milliseconds").toBeLessThan(5000);
    }
    expect((await world.messaging.depth("sync-hull")).deadLetters).toBe(0);
    expect([...leeds.problems, ...york.problems, ...hull.problems]).toEqual([]);
    await world.stop();
  }, 120_000);
});

describe("a clock that is set", () => {
  it.each([-600_000, 600_000])("by %i ms holds nothing up", async (ms) => {
    const world = await World.open();
    await world.connect("leeds");
    await world.move(["york", "milk", 1]);
    await world.time.pass(second);
    world.clockOffsetMs = ms;
    await world.move(["york", "milk", 1], ["york", "rice", 1]);
    await world.time.pass(second);
    expect(await world.lacking("leeds")).toEqual([]);
    await world.stop();
  });
});
