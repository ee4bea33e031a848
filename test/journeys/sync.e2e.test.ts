/**
 * Three warehouses beside a real server: what changes is pushed to each, signed; one that is down holds up nobody and has
 * all again soon after it is back; and nothing is missing after the server was killed at any moment.
 */
import { afterEach, expect, it } from "vitest";
import { startWarehouse, type Warehouse } from "../../examples/warehouse/server.ts";
import { numbers, pause } from "./chance.ts";
import { strictClient } from "./conformance.ts";
import { eventually, larder } from "./larder.ts";
import { patience } from "./mode.ts";
import { adminKey, Server } from "./server.ts";

const seed = Number(process.env["LARDER_TEST_SEED"] ?? 20_261_126);
/** Seconds that one warehouse is down; `docs/operations/sync.md` has the figures of a minute. */
const downSeconds = Number(process.env["LARDER_TEST_DOWN_SECONDS"] ?? 5);
const names = ["leeds", "york", "hull"];
const skus = 300;

let server: Server;
const warehouses = new Map<string, Warehouse>();
afterEach(async () => {
  await server.stop();
  await Promise.all([...warehouses.values()].map((warehouse) => warehouse.stop()));
  warehouses.clear();
});

async function open(faults: object = {}): Promise<void> {
  server = new Server({ env: { LARDER_OUTBOUND_ALLOW: "127.0.0.1" } });
  await server.start();
  const call = strictClient(server);
  for (const [index, name] of names.entries()) {
    const secret = `whsec_${Buffer.alloc(32, index + 1).toString("base64")}`;
    const warehouse = await startWarehouse({ location: name, secret, faults, seed: seed + index });
    warehouses.set(name, warehouse);
    const body = { name, kind: "warehouse", sync: { url: warehouse.url, secret, of: "all" } };
    const { status, body: answer } = await call("PUT", `/v1/locations/${name}`, { body });
    expect(status).toBe(200);
    expect(answer.sync).toMatchObject({ url: warehouse.url, of: "all", batchSize: 10, isSigned: true });
  }
}

let told = 0;

/** Units come in: some at each of many stocks. Sent again until they are taken, as a till does. */
async function receive(count: number, random: () => number): Promise<void> {
  const body = Array.from({ length: count }, () => {
    told += 1;
    const location = names[Math.floor(names.length * random())] ?? "";
    const data = { sku: `sku-${Math.floor(skus * random())}`, location, quantity: 1 };
    return { specversion: "1.0", id: `f-${told}`, source: "journey", type: "larder.stock.received.v1", data };
  });
  const headers = { "content-type": "application/cloudevents-batch+json" };
  await eventually(async () => {
    const answer = await server.call("POST", "/v1/events", { body, headers }).catch(() => undefined);
    return answer?.status === 202;
  }, 30_000);
}

/** What a warehouse should hold and does not. */
async function lacking(name: string): Promise<readonly string[]> {
  const all = Array.from({ length: skus }, (_, n) => `sku-${n}`);
  const { body } = await server.call("POST", "/v1/availability:batch", { body: { skus: all } });
  const items = body.items as readonly { sku: string; location?: string; onHand: number; version: number }[];
  return items
    .filter(({ location }) => location !== undefined)
    .filter(({ sku, location, onHand, version }) => {
      const held = warehouses.get(name)?.stock.get(sku, location ?? "");
      return held?.onHand !== onHand || held.version !== version;
    })
    .map(({ sku, location }) => `${location}/${sku}`);
}

async function allTold(ms: number): Promise<void> {
  for (const name of names) await eventually(async () => (await lacking(name)).length === 0, ms);
}

/** How many stocks changed when the newest event was recorded: those of one request, of 900. */
async function recordedAtTheNewestInstant(): Promise<number> {
  const stocks = (await server.changes()).map(({ data }) => data as Record<"sku" | "location" | "recordedAt", string>);
  const at = stocks
    .map(({ recordedAt }) => recordedAt)
    .sort()
    .at(-1);
  return new Set(stocks.flatMap(({ sku, location, recordedAt }) => (recordedAt === at ? [`${location}/${sku}`] : [])))
    .size;
}

/** Whether nothing waits for anybody, and nothing is looked for. */
async function isIdle(): Promise<boolean> {
  return [...(await statuses()).values()].every(({ waiting, fullPush }) => waiting === 0 && fullPush === null);
}

interface Status {
  readonly location: string;
  readonly waiting: number;
  readonly fullPush: object | null;
  readonly circuit: string;
  readonly alarms: readonly string[];
  readonly latencySeconds: { readonly p50: number; readonly p95: number; readonly max: number };
}

async function statuses(): Promise<ReadonlyMap<string, Status>> {
  const { body } = await strictClient(server)("GET", "/v1/sync");
  return new Map((body.items as readonly Status[]).map((status) => [status.location, status]));
}

it("one warehouse of three is down while stocks change: the others hear at once, and it has all soon after it is back", {
  timeout: 240_000 * patience,
}, async () => {
  await open({ latencyMs: 20 });
  const random = numbers(seed);
  const change = async (ms: number) => {
    const end = performance.now() + ms;
    // 200 changes a second.
    for (let due = performance.now(); due < end; due += 100) {
      await receive(20, random);
      await pause(Math.max(0, due + 100 - performance.now()));
    }
  };
  await change(2000);
  const hull = warehouses.get("hull")!;
  hull.switches.down = true;
  await change(downSeconds * 1000);
  const during = await statuses();
  expect(during.get("hull")).toMatchObject({ circuit: "open" });
  hull.switches.down = false;
  const backAt = performance.now();
  await allTold(30_000);
  const caughtUpMs = performance.now() - backAt;
  for (const name of ["leeds", "york"]) {
    const { latencySeconds, circuit } = during.get(name)!;
    expect(circuit).toBe("closed");
    // The average can't be above what half of them stay below and the worst of the rest.
    expect(latencySeconds.p50, "seconds").toBeLessThan(1.2);
    expect(latencySeconds.p95, "seconds").toBeLessThan(5);
  }
  const { body } = await server.call("GET", "/v1/dead-letters");
  expect(body.items).toEqual([]);
  const figures = ["leeds", "york"].map((name) => `${name} ${JSON.stringify(during.get(name)?.latencySeconds)}`);
  process.stdout.write(
    `down ${downSeconds} s: ${figures.join(", ")}; hull caught up in ${Math.round(caughtUpMs)} ms\n`,
  );

  const env = { LARDER_URL: server.url, LARDER_KEY: adminKey };
  const shown = await larder(["sync"], env);
  expect(shown.out).toMatch(/LOCATION +WAITING[\s\S]*hull +0 /);
  hull.stock.take("wiped", []);
  expect((await larder(["sync", "resend", "hull"], env)).code).toBe(0);
  expect((await larder(["sync", "resend", "nowhere"], env)).code).toBe(1);
  await eventually(async () => (await statuses()).get("hull")?.waiting === 0);
});

it("nothing is missing after kill -9 at random moments, with errors and answers that never come", {
  timeout: 240_000 * patience,
}, async () => {
  await open({ latencyMs: 10, errorRate: 0.05 });
  const random = numbers(seed + 1);
  for (let life = 0; life < 5; life += 1) {
    const dying = (async () => {
      await pause(200 + 600 * random());
      await server.crash("sync");
    })();
    for (let batch = 0; batch < 12; batch += 1) await receive(20, random);
    await dying;
  }
  for (const { switches } of warehouses.values()) switches.errorRate = 0;
  await allTold(60_000);
  // A server that was stopped in order knows what it has told, and does not tell it all again.
  await eventually(isIdle);
  const newest = await recordedAtTheNewestInstant();
  expect(await server.end("SIGTERM"), server.stderr).toBe(0);
  const before = [...warehouses.values()].map(({ counters }) => counters.records);
  await server.start();
  await eventually(isIdle);
  const again = [...warehouses.values()].map(({ counters }, index) => counters.records - (before[index] ?? 0));
  // What it keeps is the newest instant that it has told of: only what was recorded then may come once more.
  expect(Math.max(...again)).toBeLessThanOrEqual(newest);
  await allTold(30_000);
});

it("an address that must not be called is refused when it is set", async () => {
  server = new Server();
  await server.start();
  const put = (sync: object) =>
    server.call("PUT", "/v1/locations/leeds", { body: { name: "Leeds", kind: "warehouse", sync } });
  for (const url of ["http://127.0.0.1:9000", "http://169.254.169.254/", "ftp://example.com", "leeds", "http://a@b.c"])
    expect((await put({ url })).status, url).toBe(400);
  expect((await put({ url: "https://example.com/x?y=1" })).status).toBe(400);
  expect((await put({ url: "https://example.com", secret: "short" })).status).toBe(400);
  expect((await put({ url: "https://example.com", unknown: 1 })).status).toBe(400);
});
