/**
 * Figures of webhooks on the embedded store: deliveries a second to a receiver on this machine that answers at once, the CPU
 * time of one, and how long after its recording an event arrives while little happens.
 * `node bin/larder.js --tool bench/webhooks.ts` takes about a minute.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteMessaging } from "../src/platform/messaging/sqlite/index.ts";
import { deliveryPolicy, OutboundClient } from "../src/platform/outbound/index.ts";
import { openSqliteStorage } from "../src/platform/storage/sqlite/index.ts";
import { inventoryTagging, startInventory } from "../src/services/inventory/index.ts";
import { startRelay } from "../src/services/relay/index.ts";

const count = 3_000;
const skus = 500;
const batch = 100;
const admin = { id: "bench", name: "bench", scopes: new Set(["admin"] as const), ownReservations: false };

/** Counts deliveries and how late each came, and tells both when it is asked. */
function receive(): void {
  let latenesses: number[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      latenesses.push(Date.now() - Date.parse(JSON.parse(Buffer.concat(chunks).toString()).data.recordedAt));
      response.writeHead(204).end();
    });
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.on("message", () => {
    process.send?.(latenesses);
    latenesses = [];
  });
}

async function latenessesOf(receiver: ChildProcess, wanted: number): Promise<number[]> {
  const all: number[] = [];
  while (all.length < wanted) {
    receiver.send("how many?");
    const [some] = (await once(receiver, "message")) as [number[]];
    all.push(...some);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return all.sort((a, b) => a - b);
}

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-webhooks-"));
  const receiver = fork(import.meta.filename, ["--receiver"]);
  const [port] = (await once(receiver, "message")) as [number];
  const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
  const messaging = await openSqliteMessaging({ folder, clock: Date.now });
  const inventory = await startInventory({ storage, clock: Date.now, randomId: () => randomBytes(16).toString("hex") });
  const outbound = new OutboundClient({ allow: "127.0.0.1" });
  const policy = deliveryPolicy({ deliveryMaxAttempts: 60, deliveryBackoff: "500ms" });
  const serverKey = randomBytes(32);
  const relay = await startRelay({
    storage,
    messaging,
    inventory,
    outbound,
    policy,
    serverKey: () => serverKey,
    clock: Date.now,
    random: randomBytes,
  });
  let facts = 0;
  const record = async (size: number) => {
    const items = Array.from({ length: size }, () => {
      facts += 1;
      const data = { sku: `sku ${facts % skus}`, location: "leeds", quantity: 1 };
      return { specversion: "1.0", id: `f${facts}`, source: "/bench", type: "larder.stock.received.v1", data };
    });
    await inventory.recordFacts(items, admin);
  };
  const created = await relay.create({ url: `http://127.0.0.1:${port}/` }, admin);
  if (!created.ok) throw new Error(created.rejection.detail);

  for (const round of [1, 2, 3]) {
    const [from, cpu] = [performance.now(), process.cpuUsage()];
    for (let done = 0; done < count; done += batch) await record(batch);
    await latenessesOf(receiver, count);
    const { user, system } = process.cpuUsage(cpu);
    const rate = Math.round((count / (performance.now() - from)) * 1000);
    console.log(
      `round ${round}: ${rate} deliveries/s, ${Math.round((user + system) / count)} µs of CPU each, recording included`,
    );
  }
  for (let done = 0; done < 200; done += 1) {
    await record(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const late = await latenessesOf(receiver, 200);
  console.log(`one event every 20 ms arrives after ${late[100]} ms (median), ${late[198]} ms (p99)`);

  await relay.stop();
  outbound.close();
  await inventory.stop();
  await messaging.close();
  await storage.close();
  receiver.kill();
  rmSync(folder, { recursive: true });
}

if (process.argv.includes("--receiver")) receive();
else await run();
