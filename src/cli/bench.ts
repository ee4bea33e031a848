import { randomBytes } from "node:crypto";
import type { Agent } from "node:http";
import { cpus } from "node:os";
import { Command, Option } from "commander";
import { limits } from "../kernel/index.ts";
import { Client } from "./client.ts";
import { Failure, wrongUse } from "./failure.ts";
import type { Io } from "./io.ts";
import { type ServerOptions, wholeNumber, withExamples, withServer } from "./options.ts";
import { startOwnServer } from "./own-server.ts";
import { table } from "./table.ts";

interface BenchFlags extends ServerOptions {
  readonly seconds: number;
  readonly connections: number;
  readonly store: string;
}

/** What one stretch of load showed. */
interface Run {
  readonly name: string;
  readonly about: string;
  readonly reserved: number;
  readonly refused: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Units promised beyond what was there, by the server's own account and by ours; 0, or Larder is broken. */
  readonly oversold: number;
}

interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly skus: number;
  /** Units of each sku. */
  readonly stock: number;
}

const spreadSkus = 10_000;
const plenty = 1_000_000_000;
const scenarios: readonly Scenario[] = [
  { name: "hot", about: "everyone wants one sku", skus: 1, stock: plenty },
  { name: "spread", about: `${spreadSkus} different skus`, skus: spreadSkus, stock: plenty },
  { name: "scarce", about: "1,000 units of one sku, far more callers", skus: 1, stock: 1000 },
];
const location = "bench";
const warmUpMs = 500;

export function benchCommand(io: Io): Command {
  const command = new Command("bench")
    .description(
      "Measure reservations a second, on a server of its own in a folder of its own; with --url on a running one, into whose log it writes for ever.",
    )
    .option("--seconds <n>", "how long each load lasts", wholeNumber(1, 600), 5)
    .option("--connections <n>", "callers at the same time", wholeNumber(1, 1000), 64)
    .addOption(
      new Option("--store <engine>", "engine of its own server").choices(["sqlite:", "memory:"]).default("sqlite:"),
    )
    .action((flags: BenchFlags) => bench(flags, io));
  return withExamples(
    withServer(command),
    "larder bench",
    "larder bench --seconds 10 --connections 256",
    "larder bench --url http://127.0.0.1:8080",
  );
}

async function bench(flags: BenchFlags, io: Io): Promise<void> {
  const own = flags.url === undefined ? await startOwnServer(flags.store) : undefined;
  const [url, key] = own === undefined ? [flags.url, flags.key] : [own.url, own.key];
  if (url === undefined || key === undefined) throw wrongUse("Measuring a running server needs --key or LARDER_KEY.");
  const client = new Client(url, key);
  const runs: Run[] = [];
  try {
    for (const scenario of scenarios) {
      if (!flags.json) io.note(`${scenario.name}: ${scenario.about} …`);
      runs.push(await measure(scenario, client, { ...flags, url: client.url, key }));
    }
  } finally {
    await own?.stop();
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, Node ${process.versions.node}`;
  const ok = runs.every(({ oversold, failed }) => oversold === 0 && failed === 0);
  if (flags.json)
    io.out(
      JSON.stringify({
        ok,
        machine,
        server: own ? flags.store : url,
        connections: flags.connections,
        seconds: flags.seconds,
        runs,
      }),
    );
  else {
    const place = own ? "server and callers on this machine" : `callers on this machine, the server at ${client.url}`;
    report(runs, `${machine}; ${flags.connections} connections, ${place}`, io);
  }
  if (!ok) throw new Failure("Something was oversold or failed: see the last columns.");
}

function report(runs: readonly Run[], circumstances: string, io: Io): void {
  io.out(circumstances);
  const lines = table(runs, [
    { title: "LOAD", of: ({ name }) => name },
    { title: "REQUESTS/S", of: ({ perSecond }) => Math.round(perSecond) },
    { title: "P50 MS", of: ({ p50Ms }) => Math.round(p50Ms * 100) / 100 },
    { title: "P99 MS", of: ({ p99Ms }) => Math.round(p99Ms * 100) / 100 },
    { title: "RESERVED", of: ({ reserved }) => reserved },
    { title: "REFUSED", of: ({ refused }) => refused },
    { title: "FAILED", of: ({ failed }) => failed },
    { title: "OVERSOLD", of: ({ oversold }) => oversold },
  ]);
  for (const line of lines) io.out(line);
}

async function measure(
  scenario: Scenario,
  client: Client,
  flags: BenchFlags & { url: string; key: string },
): Promise<Run> {
  const run = randomBytes(4).toString("hex");
  const skus = Array.from({ length: scenario.skus }, (_, index) => `bench-${run}-${index}`);
  await stockUp(skus, scenario.stock, run, client);
  const { Agent } = transportOf(flags.url);
  const agent = new Agent({ keepAlive: true, maxSockets: flags.connections });
  const statuses = new Map<number, number>();
  const latencies: number[] = [];
  const begin = performance.now();
  const end = begin + warmUpMs + flags.seconds * 1000;
  let next = 0;

  async function caller(): Promise<void> {
    while (performance.now() < end) {
      const sku = skus[next++ % skus.length] ?? "";
      const before = performance.now();
      const status = await reserve(agent, flags, sku);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (before - begin > warmUpMs) latencies.push(performance.now() - before);
    }
  }
  await Promise.all(Array.from({ length: flags.connections }, caller));
  agent.destroy();

  const reserved = statuses.get(201) ?? 0;
  const refused = statuses.get(409) ?? 0;
  const total = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  const sorted = Float64Array.from(latencies).sort();
  return {
    name: scenario.name,
    about: scenario.about,
    reserved,
    refused,
    failed: total - reserved - refused,
    perSecond: latencies.length / flags.seconds,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    oversold: await oversold(skus, scenario, reserved, client),
  };
}

async function stockUp(skus: readonly string[], quantity: number, run: string, client: Client): Promise<void> {
  for (let from = 0; from < skus.length; from += limits.batchItemsMax) {
    const facts = skus.slice(from, from + limits.batchItemsMax).map((sku) => ({
      specversion: "1.0",
      source: `larder-bench/${run}`,
      id: sku,
      type: "larder.stock.received.v1",
      data: { sku, location, quantity },
    }));
    const { rejected } = await client.recordFacts(facts);
    if (rejected[0] !== undefined)
      throw new Failure(`The server does not take the stock to measure with: ${rejected[0].detail}`);
  }
}

/** Units promised beyond the stock, and promises that the server's figures and the answers do not agree on. */
async function oversold(
  skus: readonly string[],
  { stock }: Scenario,
  promised: number,
  client: Client,
): Promise<number> {
  let [beyond, held] = [0, 0];
  for (let from = 0; from < skus.length; from += limits.batchItemsMax) {
    const { items } = await client.availability(skus.slice(from, from + limits.batchItemsMax));
    for (const item of items) {
      if (!("location" in item)) continue;
      held += item.reserved;
      beyond += Math.max(0, item.reserved - stock);
    }
  }
  return beyond + Math.abs(held - promised);
}

function transportOf(url: string) {
  return process.getBuiltinModule(url.startsWith("https:") ? "node:https" : "node:http");
}

function reserve(
  agent: Agent,
  { url, key }: { readonly url: string; readonly key: string },
  sku: string,
): Promise<number> {
  const body = JSON.stringify({ lines: [{ sku, quantity: 1, location }] });
  return new Promise((resolve, reject) => {
    const sent = transportOf(url).request(
      `${url}/v1/reservations`,
      {
        agent,
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
        response.on("error", reject);
      },
    );
    sent.on("error", (error) => reject(new Failure(`The server at ${url} broke off: ${error.message}.`)));
    sent.end(body);
  });
}
