/**
 * Half of what a server can do, for as long as told: reservations that are confirmed, fulfilled, released or left to
 * expire, receipts and sales, reads. Each minute the server's heap is collected and measured. It fails when what is left
 * grows by more than 5 MB for a million operations once the bounded caches are full, or when the median latency of the
 * last ten minutes is over 1.2 times that of the first ten after the warm-up.
 *
 * `npm run soak -- --minutes 60`; `--rate` sets the operations a second and leaves out the search for the capacity.
 */

import { WebSocket } from "ws";
import { toolOptions } from "../scripts/options.ts";
import { numbers, pause, pick } from "../test/journeys/chance.ts";
import { eventually } from "../test/journeys/larder.ts";
import { type Answer, Server } from "../test/journeys/server.ts";

const heapGrowthMax = 5e6; // bytes for a million operations
const latencyRatioMax = 1.2;
/** The share of the run in which caches fill; at least two minutes, at most twenty. */
const warmUpShare = 1 / 3;
const connections = 32;
const skus = Array.from({ length: 2000 }, (_, index) => `sku-${index}`);
/** So many states that the cache is full within the warm-up. */
const cachedStates = 5000;
const tickMs = 10;

const { values } = toolOptions({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    minutes: { type: "string", default: "60" },
    rate: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});
const minutes = Number(values.minutes);
const random = numbers(Number(values.seed));

interface Minute {
  readonly operations: number;
  readonly p50: number;
  readonly p99: number;
  readonly heap: number;
  readonly buffers: number;
  readonly resident: number;
  readonly events: number;
  readonly cached: number;
}

/** Collects and measures the server's heap through its inspector. */
class Heap {
  readonly #socket: WebSocket;
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async of(server: Server): Promise<Heap> {
    const url = await eventually(() => /Debugger listening on (ws:\S+)/.exec(server.stderr)?.[1] ?? "");
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return new Heap(socket);
  }

  async measure(): Promise<{ readonly heapUsed: number; readonly arrayBuffers: number; readonly rss: number }> {
    // The second takes what the finalizers of the first let go.
    for (let time = 0; time < 2; time += 1) await this.#call("HeapProfiler.collectGarbage", {});
    const { result } = await this.#call("Runtime.evaluate", {
      expression: "JSON.stringify(process.memoryUsage())",
    });
    return JSON.parse(result.value);
  }

  close(): void {
    this.#socket.close();
  }

  #call(method: string, params: object): Promise<{ result: { value: string } }> {
    this.#id += 1;
    const id = this.#id;
    return new Promise((resolve) => {
      const listen = (data: unknown) => {
        const message = JSON.parse(String(data));
        if (message.id !== id) return;
        this.#socket.off("message", listen);
        resolve(message.result);
      };
      this.#socket.on("message", listen);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

let sent = 0;
const failures = new Map<string, number>();
/** Reservations that wait for their end: of the first kind some expire, of the second none may pile up. */
const open: string[] = [];
const confirmed: string[] = [];
const waitingMax = 200;

/** One operation; returns its latency in milliseconds. */
async function operate(server: Server): Promise<number> {
  sent += 1;
  const id = `s${sent}`;
  const sku = pick(random, skus);
  const from = performance.now();
  const { status } = await choose(server, id, sku, random());
  if (status === 201) open.push(id);
  // What has expired meanwhile, or is short, is part of the load.
  if (status >= 400 && status !== 409) failures.set(String(status), (failures.get(String(status)) ?? 0) + 1);
  return performance.now() - from;
}

async function choose(server: Server, id: string, sku: string, kind: number): Promise<Answer> {
  const end = (reservation: string, step: string) =>
    server.call("POST", `/v1/reservations/${reservation}/${step}`, { body: {} });
  const [oldest, oldestConfirmed] = [open[0], confirmed[0]];
  if (oldestConfirmed !== undefined && confirmed.length > waitingMax) {
    confirmed.shift();
    return await end(oldestConfirmed, "fulfil");
  }
  if (oldest !== undefined && (open.length > waitingMax || kind > 0.85)) {
    open.shift();
    const step = pick(random, ["confirm", "release", "fulfil"]);
    const answer = await end(oldest, step);
    if (step === "confirm" && answer.status === 200) confirmed.push(oldest);
    return answer;
  }
  if (kind < 0.3)
    return await server.call("POST", "/v1/events", { body: factOf(id, sku, kind < 0.2 ? "received" : "sold") });
  if (kind < 0.45) return await server.call("GET", `/v1/availability?sku=${sku}`);
  const lines = [{ sku, quantity: 1, location: "leeds" }];
  return await server.call("POST", "/v1/reservations", {
    body: { id, ttlSeconds: 1 + Math.floor(random() * 5), lines },
  });
}

function factOf(id: string, sku: string, type: string) {
  const data = { sku, location: "leeds", quantity: type === "received" ? 2 : 1 };
  return { specversion: "1.0", source: "soak", id, type: `larder.stock.${type}.v1`, data };
}

/**
 * As many operations a second as all connections together get done, once they have been at it for a while: with no more stocks
 * in memory than there may be, and histories behind them.
 */
async function capacityOf(server: Server, fillSeconds: number, seconds: number): Promise<number> {
  const from = performance.now() + fillSeconds * 1000;
  const until = from + seconds * 1000;
  let done = 0;
  const caller = async () => {
    for (let now = 0; now < until; now = performance.now()) {
      await operate(server);
      if (now >= from) done += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, caller));
  return done / seconds;
}

/** Sends at a steady rate until a time, whatever the answers take; returns the latencies in ascending order. */
async function sendUntil(server: Server, rate: number, until: number): Promise<Float64Array> {
  const latencies: number[] = [];
  const under = new Set<Promise<void>>();
  let due = 0;
  for (let before = performance.now(); before < until; ) {
    await pause(tickMs);
    const now = performance.now();
    due += ((now - before) / 1000) * rate;
    before = now;
    // What could not be sent is not made up for: it would be another load.
    for (due = Math.min(due, rate / 5); due >= 1 && under.size < connections * 4; due -= 1) {
      const one = operate(server).then(
        (latency) => void latencies.push(latency),
        () => void failures.set("no answer", (failures.get("no answer") ?? 0) + 1),
      );
      under.add(one);
      one.finally(() => under.delete(one));
    }
  }
  await Promise.all(under);
  return Float64Array.from(latencies).sort();
}

async function metric(server: Server, name: string): Promise<number> {
  const { body } = await server.call("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\S+)`, "m").exec(String(body))?.[1] ?? Number.NaN);
}

function line(cells: readonly (string | number)[]): void {
  console.log(cells.map((cell) => String(cell).padStart(10)).join(" "));
}

const mb = (bytes: number) => (bytes / 1e6).toFixed(1);

/** The slope of a line through points, by least squares, and its standard error. */
function slope(points: readonly (readonly [x: number, y: number])[]): { readonly by: number; readonly error: number } {
  const mean = (index: 0 | 1) => points.reduce((sum, point) => sum + point[index], 0) / points.length;
  const [x0, y0] = [mean(0), mean(1)];
  const over = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0);
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  const by = over / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - y0 - by * (x - x0)) ** 2, 0);
  return { by, error: Math.sqrt(rest / Math.max(1, points.length - 2) / spread) };
}

async function soak(): Promise<boolean> {
  const server = new Server({
    connections,
    env: { LARDER_CACHED_STATES: String(cachedStates) },
    launch: { nodeFlags: ["--inspect=127.0.0.1:0", "--max-semi-space-size=64"] },
  });
  try {
    await server.start();
    const heap = await Heap.of(server);
    for (const sku of skus) {
      const body = factOf(`first-${sku}`, sku, "received");
      await server.call("POST", "/v1/events", { body: { ...body, data: { ...body.data, quantity: 1000 } } });
    }
    const capacity =
      values.rate === undefined ? await capacityOf(server, Math.min(60, minutes * 6), 15) : Number(values.rate) * 2;
    const rate = Math.floor(capacity / 2);
    console.log(`capacity ${Math.floor(capacity)}/s by ${connections} connections; ${rate}/s for ${minutes} minutes`);
    line(["minute", "done/s", "p50 ms", "p99 ms", "heap MB", "buffers MB", "resident MB", "events", "cached"]);
    const taken: Minute[] = [];
    const begun = performance.now();
    for (let minute = 1; minute <= minutes; minute += 1) {
      const latencies = await sendUntil(server, rate, begun + minute * 60_000);
      const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
      const { heapUsed, arrayBuffers, rss } = await heap.measure();
      const [events, cached] = [
        await metric(server, "larder_storage_events"),
        await metric(server, "larder_inventory_cached_states"),
      ];
      const now: Minute = {
        ...{ operations: latencies.length, p50: at(0.5), p99: at(0.99), heap: heapUsed, buffers: arrayBuffers },
        ...{ resident: rss, events, cached },
      };
      taken.push(now);
      const cells = [minute, Math.round(now.operations / 60), now.p50.toFixed(2), now.p99.toFixed(1), mb(now.heap)];
      line([...cells, mb(now.buffers), mb(now.resident), events, cached]);
    }
    heap.close();
    return judge(taken) && (await server.end("SIGTERM")) === 0;
  } finally {
    await server.stop();
  }
}

function judge(taken: readonly Minute[]): boolean {
  const warmUp = Math.min(20, Math.max(2, Math.ceil(taken.length * warmUpShare)));
  const after = taken.slice(warmUp);
  const window = Math.min(10, Math.floor(after.length / 2));
  if (window === 0) {
    console.log("too short to judge: three minutes are the least");
    return false;
  }
  let operations = 0;
  const points = after.map((minute) => {
    operations += minute.operations;
    return { x: operations / 1e6, ...minute };
  });
  const growth = slope(points.map(({ x, heap }) => [x, heap]));
  const buffers = slope(points.map(({ x, buffers: bytes }) => [x, bytes]));
  const median = (part: readonly Minute[]) => part.map(({ p50 }) => p50).sort((a, b) => a - b)[part.length >> 1] ?? 0;
  const ratio = median(after.slice(-window)) / median(after.slice(0, window));
  const verdicts = [
    [
      // A short run can't tell growth from noise, and says so by its error.
      growth.by - 2 * growth.error <= heapGrowthMax,
      `heap after collection: ${mb(growth.by)} ± ${mb(growth.error)} MB for 10^6 operations (at most ${mb(heapGrowthMax)})`,
    ],
    [
      ratio <= latencyRatioMax,
      `median latency of the last ${window} minutes: ${ratio.toFixed(2)} x the first (at most ${latencyRatioMax})`,
    ],
    [failures.size === 0, `unexpected answers: ${JSON.stringify(Object.fromEntries(failures))}`],
  ] as const;
  for (const [isGood, text] of verdicts) console.log(`${isGood ? "ok  " : "FAIL"} ${text}`);
  console.log(
    `     apart: what grows with every id for ever, outside of the heap: ${mb(buffers.by)} ± ${mb(buffers.error)} MB for 10^6 operations`,
  );
  console.log(
    `     after a warm-up of ${warmUp} minutes, by a line through ${after.length} minutes and ${operations} operations`,
  );
  return verdicts.every(([isGood]) => isGood);
}

const isGood = await soak();
process.exitCode = isGood ? 0 : 1;
