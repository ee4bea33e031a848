import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SinkStock } from "../port.ts";
import { event, inSteps, positionOf, run, stock } from "../samples.ts";
import { findServer, redisArguments, TestServer } from "../server.fixture.ts";
import { sinkContract } from "../sink.contract.ts";
import { RedisSink } from "./index.ts";

const program = findServer("redis-server");

describe.skipIf(program === undefined)("Redis, on a real server", () => {
  let server: TestServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await TestServer.start(program ?? "", redisArguments);
    redis = new Redis(server.port, "127.0.0.1");
    redis.on("error", () => undefined);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.remove();
  });

  let ids = 0;
  const sink = (prefix = "larder:") =>
    new RedisSink({
      url: `redis://127.0.0.1:${server.port}`,
      prefix,
      randomId: () => {
        ids += 1;
        return `id-${ids}`;
      },
    });
  const wipe = async () => void (await redis.flushall());

  async function stocks(): Promise<readonly SinkStock[]> {
    const found: SinkStock[] = [];
    for (const key of await redis.keys("larder:availability:*")) {
      const members = await redis.hgetall(key);
      const isText = (name: string) => ["sku", "location", "updatedAt"].includes(name);
      found.push(
        Object.fromEntries(
          Object.entries(members).map(([name, value]) => [name, isText(name) ? value : Number(value)]),
        ) as unknown as SinkStock,
      );
    }
    return found;
  }

  sinkContract("Redis", async () => ({
    sink: sink(),
    held: async () => ({ events: [], stocks: await stocks() }),
    wipe,
    remove: wipe,
  }));

  it("has the keys that its page promises", async () => {
    const session = await sink("shop:").open();
    await session.write([event(1, "a:b", 4, "leeds:1%")], positionOf(1));
    const key = "shop:availability:leeds%3A1%25:a:b";
    expect(await redis.hgetall(key)).toEqual({
      sku: "a:b",
      location: "leeds:1%",
      available: "4",
      onHand: "7",
      unavailable: "1",
      reserved: "1",
      committed: "1",
      safetyStock: "0",
      incoming: "-2",
      updatedAt: "2026-11-26T12:00:00.000Z",
      version: "4",
    });
    expect(await redis.smembers("shop:locations:a:b")).toEqual(["leeds:1%"]);
    expect(await redis.get("shop:position")).toBe(positionOf(1));
    expect((await redis.keys("*")).toSorted()).toEqual([key, "shop:locations:a:b", "shop:position"]);
    await session.close();
    await wipe();
  });

  it("tells who listens which stock has changed, once for each write", async () => {
    const listener = redis.duplicate();
    const heard: string[] = [];
    listener.on("message", (_channel, key) => heard.push(key));
    await listener.subscribe("larder:changed");
    const session = await sink().open();
    await session.write([...run(1, 3), event(4, "bread", 1)], positionOf(4));
    await session.write([event(5, "milk", 3)], positionOf(5));
    await expect
      .poll(() => heard, { timeout: 10_000 })
      .toEqual(["larder:availability:leeds:milk", "larder:availability:leeds:bread"]);
    listener.disconnect();
    await session.close();
    await wipe();
  });

  it("never puts an older version over a newer one, whole numbers up to 2^53 apart", async () => {
    const session = await sink().open();
    const big = 2 ** 53 - 2;
    await session.write([event(1, "milk", big)], positionOf(1));
    await session.write([event(2, "milk", big - 1)], positionOf(2));
    expect(await redis.hget("larder:availability:leeds:milk", "version")).toBe(String(big));
    await session.write([event(3, "milk", big + 1)], positionOf(3));
    expect(await redis.hget("larder:availability:leeds:milk", "version")).toBe(String(big + 1));
    await session.close();
    await wipe();
  });

  it("leaves other keys alone when it is filled", async () => {
    await redis.set("sessions:1", "x");
    await redis.set("larder:mine", "x");
    const session = await sink().open();
    if (session.filling.from !== "stocks") throw new Error("it is filled with stocks");
    const many = Array.from({ length: 1000 }, (_, index) => stock(`sku-${index}`, 1));
    await session.filling.fill(inSteps(many), positionOf(1));
    await session.filling.fill(inSteps([stock("milk", 1)]), positionOf(2));
    expect((await redis.keys("*")).toSorted()).toEqual([
      "larder:availability:leeds:milk",
      "larder:locations:milk",
      "larder:mine",
      "larder:position",
      "sessions:1",
    ]);
    await session.close();
    await wipe();
  });

  it("moves the position only when everything before it is there", async () => {
    const session = await sink().open();
    // Another type under one of the keys lets the second of three calls fail.
    await redis.set("larder:availability:leeds:sku-300", "not a hash");
    const events = Array.from({ length: 500 }, (_, index) => event(index + 1, `sku-${index}`, 1));
    await expect(session.write(events, positionOf(500))).rejects.toThrow("WRONGTYPE");
    expect(await redis.get("larder:position")).toBeNull();
    await session.close();
    await wipe();
  });

  it("loses nothing that a killed server had, and goes on behind it", async () => {
    const one = await sink().open();
    await one.write(run(1, 100), positionOf(100));
    await server.kill();
    await expect(one.write(run(101, 102), positionOf(102))).rejects.toThrow();
    await one.close();
    await expect(sink().open()).rejects.toThrow();
    await server.start();
    // It answers before it has loaded what it kept, and refuses then.
    await expect.poll(() => redis.ping().catch(() => ""), { timeout: 10_000 }).toBe("PONG");
    const two = await sink().open();
    expect(two.position).toBe(positionOf(100));
    await two.write(run(101, 102), positionOf(102));
    await two.close();
    expect(await stocks()).toMatchObject([{ version: 102 }]);
    await wipe();
  });
});
