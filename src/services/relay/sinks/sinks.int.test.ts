/** NATS and Redis, killed, emptied and set back under load: what comes to their readers, by real servers. */
import { cpSync, rmSync } from "node:fs";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NatsSink, streamName } from "../../../platform/sink/nats/index.ts";
import { RedisSink } from "../../../platform/sink/redis/index.ts";
import { findServer, natsArguments, redisArguments, TestServer } from "../../../platform/sink/server.fixture.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { accepted, caller, fact, openInventory } from "../../inventory/fixture.ts";
import type { RecordedCloudEvent, RunningInventory } from "../../inventory/index.ts";
import { type RunningSinks, type SinksOptions, startSinks } from "./index.ts";

const skus = Array.from({ length: 20 }, (_, index) => `sku ${index}`);
const locations = ["leeds", "york:1"];
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let storage: SinksOptions["storage"];
let inventory: RunningInventory;
let sinks: RunningSinks;
let server: TestServer;
let isLoading: boolean;
let isOver: boolean;
beforeEach(async () => {
  isLoading = true;
  isOver = false;
  ({ storage, inventory } = await openInventory());
});
afterEach(async () => {
  isOver = true;
  await sinks.stop();
  await inventory.stop();
  await server.remove();
});

function start(sink: SinksOptions["sinks"][number]): void {
  sinks = startSinks({
    sinks: [sink],
    storage,
    inventory,
    clock: Date.now,
    random: Math.random,
    timers: systemTimers,
    checkMs: 200,
    observer: {
      carried: () => undefined,
      filling: () => undefined,
      moved: () => undefined,
      failed: () => undefined,
      back: () => undefined,
    },
  });
}

/** Sales and receipts all the time, until told otherwise. */
async function load(): Promise<void> {
  while (isLoading) {
    const facts = Array.from({ length: 10 }, () => {
      const [sku, location] = [pick(skus), pick(locations)];
      return fact(pick(["stock.received", "stock.sold"]), { sku, location, quantity: 1 });
    });
    await inventory.recordFacts(facts, caller);
    await inventory.reserve({ lines: [{ sku: pick(skus), quantity: 1 }], ttlSeconds: 1 }, caller);
    await wait(2);
  }
}

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)] as T;
}

async function feed(): Promise<readonly RecordedCloudEvent[]> {
  return accepted(await inventory.readChanges(undefined, 10_000_000, caller)).events;
}

const nats = findServer("nats-server");

describe.skipIf(nats === undefined)("NATS under load", () => {
  beforeEach(async () => {
    server = await TestServer.start(nats ?? "", natsArguments);
    start(new NatsSink({ url: `nats://127.0.0.1:${server.port}`, keepMs: undefined, replicas: 1 }));
  });

  /** A reader that keeps the highest version of each stock, and begins anew whenever anything fails. */
  function reader() {
    const versions = new Map<string, number>();
    const skipped: string[] = [];
    const ended = (async () => {
      while (!isOver) {
        const connection = await connect({ servers: `127.0.0.1:${server.port}`, reconnect: false, timeout: 500 }).catch(
          () => undefined,
        );
        try {
          if (connection === undefined) throw new Error("away");
          const manager = await jetstreamManager(connection, { timeout: 500 });
          const { name } = await manager.consumers.add(streamName, { ack_policy: AckPolicy.None });
          const consumer = await jetstream(connection).consumers.get(streamName, name);
          while (!isOver) {
            for await (const message of await consumer.fetch({ max_messages: 500, expires: 1000 })) {
              const { data } = message.json<RecordedCloudEvent>();
              if (data["version"] === undefined) continue;
              const stock = `${data["location"]}/${data["sku"]}`;
              const [seen, version] = [versions.get(stock) ?? 0, Number(data["version"])];
              if (version > seen + 1) skipped.push(`${stock}: ${version} after ${seen}`);
              if (version > seen) versions.set(stock, version);
            }
            await manager.streams.info(streamName);
          }
        } catch {
          await wait(20);
        } finally {
          await connection?.close().catch(() => undefined);
        }
      }
    })();
    return { versions, skipped, ended };
  }

  /** Ids of all that the stream holds, in order. */
  async function held(): Promise<readonly string[]> {
    const connection = await connect({ servers: `127.0.0.1:${server.port}` });
    const { streams } = await jetstreamManager(connection);
    const { state } = await streams.info(streamName);
    const ids: string[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq += 1)
      ids.push((await streams.getMessage(streamName, { seq }))?.json<{ id: string }>().id ?? "");
    await connection.close();
    return ids;
  }

  const expectAll = async ({ versions, skipped, ended }: ReturnType<typeof reader>) => {
    const events = await feed();
    await expect.poll(() => sinks.figures()[0]?.lagEvents, { timeout: 20_000 }).toBe(0);
    expect(await held()).toEqual(events.map(({ id }) => id));
    const newest = new Map<string, number>();
    for (const { data } of events)
      if (data["version"] !== undefined) newest.set(`${data["location"]}/${data["sku"]}`, Number(data["version"]));
    await expect.poll(() => [...versions].toSorted(), { timeout: 20_000 }).toEqual([...newest].toSorted());
    isOver = true;
    await ended;
    expect(skipped).toEqual([]);
  };

  it("holds every event in order after the server was killed again and again, and skips no version", async () => {
    const reading = reader();
    const loading = load();
    for (let turn = 0; turn < 5; turn += 1) {
      await wait(300 + Math.random() * 300);
      await server.kill();
      await wait(Math.random() * 300);
      await server.start();
    }
    await wait(300);
    isLoading = false;
    await loading;
    await expectAll(reading);
  }, 120_000);

  it("holds every event again after its folder was wiped, and skips no version", async () => {
    const reading = reader();
    const loading = load();
    for (let turn = 0; turn < 3; turn += 1) {
      await wait(500);
      await server.kill();
      server.wipe();
      await server.start();
    }
    await wait(300);
    isLoading = false;
    await loading;
    await expectAll(reading);
  }, 120_000);

  it("holds every event again after it lost the newest that it had acknowledged", async () => {
    const reading = reader();
    const loading = load();
    for (let turn = 0; turn < 3; turn += 1) {
      await wait(400);
      await server.kill();
      const copy = `${server.data}-copy`;
      cpSync(server.data, copy, { recursive: true });
      await server.start();
      await wait(600);
      await server.kill();
      server.wipe();
      cpSync(copy, server.data, { recursive: true });
      rmSync(copy, { recursive: true });
      await server.start();
    }
    await wait(300);
    isLoading = false;
    await loading;
    await expectAll(reading);
  }, 120_000);
});

const redisServer = findServer("redis-server");

describe.skipIf(redisServer === undefined)("Redis under load", () => {
  let redis: Redis;
  beforeEach(async () => {
    server = await TestServer.start(redisServer ?? "", redisArguments);
    redis = new Redis(server.port, "127.0.0.1", { retryStrategy: () => 20, maxRetriesPerRequest: null });
    redis.on("error", () => undefined);
    let ids = 0;
    const randomId = () => {
      ids += 1;
      return String(ids);
    };
    start(new RedisSink({ url: `redis://127.0.0.1:${server.port}`, prefix: "larder:", randomId }));
  });
  afterEach(() => redis.disconnect());

  const expectAll = async () => {
    const { stocks } = await inventory.stocks({ count: 1_000_000, changedSince: 0 });
    const items = await inventory.availabilityOf(stocks);
    await expect.poll(() => sinks.figures()[0]?.lagEvents, { timeout: 20_000 }).toBe(0);
    const found = new Map<string, Record<string, string>>();
    for (const key of await redis.keys("larder:availability:*")) {
      const members = await redis.hgetall(key);
      found.set(`${members["location"]}/${members["sku"]}`, members);
    }
    expect(found.size).toBe(items.length);
    for (const item of items) {
      if (item === undefined) throw new Error("a stock that never was");
      const told = Object.entries(item).map(([name, value]) => [name, String(value)]);
      expect(found.get(`${item.location}/${item.sku}`)).toEqual(Object.fromEntries(told));
      expect(await redis.smembers(`larder:locations:${item.sku}`)).toContain(item.location);
    }
    expect((await inventory.changes(await position(), {}, caller, { signal, heartbeatMs: 1 })).ok).toBe(true);
  };
  const { signal } = new AbortController();
  const position = async () => (await redis.get("larder:position")) ?? "";

  it("never shows an older version, whatever happens, and has all at the end", async () => {
    const loading = load();
    const backwards: string[] = [];
    let looks = 0;
    const looking = (async () => {
      const seen = new Map<string, number>();
      while (!isOver) {
        for (const sku of skus) {
          const version = Number(await redis.hget(`larder:availability:leeds:${sku}`, "version"));
          // None there: it was emptied.
          if (version === 0) continue;
          looks += 1;
          if (version < (seen.get(sku) ?? 0)) backwards.push(`${sku}: ${version} after ${seen.get(sku)}`);
          seen.set(sku, version);
        }
        await wait(1);
      }
    })();
    for (let turn = 0; turn < 4 || looks <= 100; turn += 1) {
      await wait(400);
      await redis.flushall();
      await wait(400);
      await server.kill();
      await wait(100);
      await server.start();
    }
    await wait(400);
    isLoading = false;
    await loading;
    isOver = true;
    await looking;
    expect(backwards).toEqual([]);
    await expectAll();
  }, 120_000);

  it("has all again after it came back from an older state", async () => {
    const loading = load();
    await wait(400);
    const copy = `${server.data}-copy`;
    await server.kill();
    cpSync(server.data, copy, { recursive: true });
    await server.start();
    await wait(600);
    await server.kill();
    server.wipe();
    cpSync(copy, server.data, { recursive: true });
    rmSync(copy, { recursive: true });
    await server.start();
    await wait(600);
    isLoading = false;
    await loading;
    await expectAll();
  }, 120_000);
});
