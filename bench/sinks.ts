/**
 * Figures of sinks on the embedded store, to NATS and Redis on this machine, where they are installed: how fast an empty one is
 * filled, how fast it follows and what CPU time an event costs, and how long after its recording an event is there while little
 * happens. `node bin/larder.js --tool bench/sinks.ts` takes about a minute.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sink } from "../src/platform/sink/index.ts";
import { NatsSink } from "../src/platform/sink/nats/index.ts";
import { RedisSink } from "../src/platform/sink/redis/index.ts";
import { findServer, natsArguments, redisArguments, TestServer } from "../src/platform/sink/server.fixture.ts";
import { openSqliteStorage } from "../src/platform/storage/sqlite/index.ts";
import { systemTimers } from "../src/platform/timers/index.ts";
import { inventoryTagging, startInventory } from "../src/services/inventory/index.ts";
import { startSinks } from "../src/services/relay/index.ts";

const count = 20_000;
const skus = 10_000;
const batch = 500;
const caller = { id: "bench", ownReservations: false };

async function run(name: string, sink: Sink): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-sinks-"));
  const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
  const inventory = await startInventory({ storage, clock: Date.now, randomId: () => randomBytes(16).toString("hex") });
  let facts = 0;
  const record = async (size: number) => {
    const items = Array.from({ length: size }, () => {
      facts += 1;
      const data = { sku: `sku ${facts % skus}`, location: "leeds", quantity: 1 };
      return { specversion: "1.0", id: `f${facts}`, source: "/bench", type: "larder.stock.received.v1", data };
    });
    await inventory.recordFacts(items, caller);
  };
  const recordAll = async () => {
    const cpu = process.cpuUsage();
    for (let done = 0; done < count; done += batch) await record(batch);
    return cpuSince(cpu);
  };
  let lags: number[] = [];
  const start = () =>
    startSinks({
      sinks: [sink],
      storage,
      inventory,
      clock: Date.now,
      random: Math.random,
      timers: systemTimers,
      observer: {
        carried: (_name, seconds) => void lags.push(...seconds),
        filling: () => undefined,
        moved: (_name, error) => console.log("moved", error),
        failed: (_name, error) => console.log("failed", error),
        back: () => undefined,
      },
    });
  const caughtUp = async (sinks: ReturnType<typeof start>) => {
    while (sinks.figures()[0]?.status !== "following" || sinks.figures()[0]?.lagEvents !== 0)
      await new Promise((resolve) => setTimeout(resolve, 2));
  };

  const alone = await recordAll();
  const from = performance.now();
  const cpu = process.cpuUsage();
  const sinks = start();
  await caughtUp(sinks);
  const filled = performance.now() - from;
  console.log(
    `${name}: empty, filled from ${count} events of ${skus} stocks in ${(filled / 1000).toFixed(2)} s, ${Math.round(cpuSince(cpu) / count)} µs of CPU an event`,
  );
  const [began, following] = [performance.now(), process.cpuUsage()];
  await recordAll();
  await caughtUp(sinks);
  const rate = Math.round((count / (performance.now() - began)) * 1000);
  console.log(
    `${name}: follows ${rate} facts/s, ${Math.round((cpuSince(following) - alone) / count)} µs of CPU an event beside the ${Math.round(alone / count)} of recording it`,
  );
  lags = [];
  for (let done = 0; done < 300; done += 1) {
    await record(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await caughtUp(sinks);
  const sorted = lags.sort((a, b) => a - b).map((seconds) => Math.round(seconds * 1000));
  console.log(`${name}: one fact every 10 ms is there after ${sorted[150]} ms (median), ${sorted[296]} ms (p99)`);

  await sinks.stop();
  await inventory.stop();
  await storage.close();
  rmSync(folder, { recursive: true });
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const nats = findServer("nats-server");
if (nats !== undefined) {
  const server = await TestServer.start(nats, natsArguments);
  await run("NATS", new NatsSink({ url: `nats://127.0.0.1:${server.port}`, keepMs: undefined, replicas: 1 }));
  await server.remove();
}
const redis = findServer("redis-server");
if (redis !== undefined) {
  const server = await TestServer.start(redis, redisArguments);
  const randomId = () => randomBytes(16).toString("hex");
  await run("Redis", new RedisSink({ url: `redis://127.0.0.1:${server.port}`, prefix: "larder:", randomId }));
  await server.remove();
}
