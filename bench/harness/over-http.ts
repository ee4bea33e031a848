/** Servers as processes of their own, and the load on them: wrk where it is installed, else our own client. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { type ContenderSpec, location, plenty } from "../contenders/contender.ts";
import type { ClientRun } from "../processes/client.ts";
import { Child, endProcess, nodeFlags, within } from "./child.ts";
import type { Run } from "./contest.ts";
import type { DatabaseServer } from "./databases.ts";
import type { Loaded } from "./load.ts";
import { home } from "./report.ts";
import { started } from "./tidy.ts";
import { endedChildrenCpuMs, treeCpuMs, treeWrittenBytes } from "./usage.ts";

export const key = "bench-key-0123456789-0123456789-0123456789";

export interface HttpServerUnderTest {
  readonly url: string;
  readonly pid: number;
  prepare(skus: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** Larder itself, as `npm start` runs it, on a folder of its own. */
export async function serveLarder(options: {
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  readonly data?: string;
  /** Milliseconds that its start may take. */
  readonly startMsMax?: number;
}): Promise<HttpServerUnderTest> {
  const folder = options.data ?? mkdtempSync(join(tmpdir(), "larder-bench-"));
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("LARDER_"));
  const server = started(
    spawn(
      process.execPath,
      [
        ...[...nodeFlags, ...(options.flags ?? []), join(home, "src/main.ts")],
        ...["serve", "--json", "--port", "0", "--data", folder, "--log-level", "warn"],
      ],
      {
        env: { ...Object.fromEntries(clean), ...options.env, LARDER_ADMIN_KEY: key },
        stdio: ["ignore", "pipe", "inherit"],
      },
    ),
  );
  const stop = async () => {
    await endProcess(server);
    if (options.data === undefined) rmSync(folder, { recursive: true, force: true });
  };
  try {
    const url = await addressOf(server, options.startMsMax);
    return { url, pid: server.pid ?? 0, prepare: (skus) => receive(url, skus), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A contender behind Larder's HTTP base, guard, route and schema. */
export async function serveBehindEdge(spec: ContenderSpec, database?: DatabaseServer): Promise<HttpServerUnderTest> {
  const child = new Child("edge.ts");
  try {
    const where = database && { socket: database.socket, port: database.port };
    const url = await child.call<string>("open", { spec: { ...spec, ...where }, key });
    return {
      url,
      pid: child.pid,
      prepare: (skus) => child.call("prepare", { skus, units: plenty }),
      stop: () => child.stop(),
    };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

async function addressOf(server: ChildProcess, msMax = 60_000): Promise<string> {
  if (server.stdout === null) throw new Error("the server has no output");
  const line = once(createInterface({ input: server.stdout }), "line") as Promise<[string]>;
  const ended = once(server, "exit").then(() => Promise.reject(new Error("the server ended at once")));
  const [greeting] = await within(Promise.race([line, ended]), msMax, "the server did not start");
  return (JSON.parse(greeting) as { url: string }).url;
}

/** Records receipts of plenty of each sku. */
async function receive(url: string, skus: readonly string[]): Promise<void> {
  for (let from = 0; from < skus.length; from += 1000) {
    const facts = skus.slice(from, from + 1000).map((sku) => ({
      specversion: "1.0",
      source: "bench",
      id: `opening-${sku}`,
      type: "larder.stock.received.v1",
      data: { sku, location, quantity: plenty },
    }));
    await postFacts(url, facts);
  }
}

export async function postFacts(url: string, facts: readonly object[]): Promise<void> {
  await ask(url, "POST", "/v1/events", facts, "application/cloudevents-batch+json");
}

/** One call of the API; what is answered with an error is thrown. */
export async function ask<T>(
  url: string,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
  type = "application/json",
): Promise<T> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { "content-type": type }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

export interface HttpLoad {
  readonly kind: "reserve" | "read" | "batch";
  readonly connections: number;
  readonly milliseconds: number;
  readonly prefix: string;
  /** The sku that is asked for, or what its name begins with when there are many. */
  readonly sku: string;
  readonly skus: number;
  /** Arrivals a second; as fast as it goes when absent. */
  readonly perSecond?: number;
}

export const hasWrk = spawnSync("wrk", ["--version"], { stdio: "ignore" }).error === undefined;

/** Puts load on a server; CPU is counted apart for the client, the server and the database behind it. */
export async function loadOverHttp(
  server: HttpServerUnderTest,
  options: HttpLoad,
  database?: DatabaseServer,
): Promise<Run> {
  const now = () => ({
    client: endedChildrenCpuMs(),
    server: treeCpuMs(server.pid),
    database: database === undefined ? undefined : treeCpuMs(database.pid),
    written: (treeWrittenBytes(server.pid) ?? Number.NaN) + (database ? (treeWrittenBytes(database.pid) ?? 0) : 0),
  });
  const before = now();
  const isByWrk = hasWrk && options.perSecond === undefined;
  const loaded = isByWrk ? await byWrk(server.url, options) : await byClient(server.url, options);
  const after = now();
  const { done, refused, failed, seconds, p50Ms, p99Ms } = loaded;
  if (done === 0) throw new Error(`nothing was answered well; ${refused} were refused`);
  const each = (one: number | undefined, other: number | undefined) =>
    one === undefined || other === undefined ? undefined : ((one - other) * 1000) / done;
  const client = isByWrk ? each(after.client, before.client) : ((loaded.callerCpuMs ?? 0) * 1000) / done;
  const writtenBytes = (after.written - before.written) / done;
  const [own, behind] = [each(after.server, before.server), each(after.database, before.database)];
  return {
    perSecond: done / seconds,
    p50Ms,
    p99Ms,
    done,
    refused,
    failed,
    cpuUs: {
      ...(client !== undefined && { client }),
      ...(own !== undefined && { server: own }),
      ...(behind !== undefined && { database: behind }),
    },
    ...(!Number.isNaN(writtenBytes) && { writtenBytes }),
  };
}

type HttpLoaded = Loaded & { readonly callerCpuMs?: number };

async function byWrk(
  url: string,
  { kind, connections, milliseconds, prefix, sku, skus }: HttpLoad,
): Promise<HttpLoaded> {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  const load = ["-t", "1", "-c", String(connections), "-d", `${seconds}s`, "--timeout", "10s"];
  const { stdout } = await promisify(execFile)(
    "wrk",
    [...load, "-s", join(import.meta.dirname, "../processes/requests.lua"), url],
    {
      env: {
        ...process.env,
        ...{ BENCH_KEY: key, BENCH_KIND: kind, BENCH_PREFIX: prefix, BENCH_SKU: sku, BENCH_SKUS: String(skus) },
      },
      timeout: 60_000,
    },
  );
  const told = /^RESULT (.*)$/m.exec(stdout)?.[1];
  if (told === undefined) throw new Error(`wrk told nothing: ${stdout}`);
  const { answered, refused, ...rest } = JSON.parse(told) as Loaded & { answered: number };
  return { ...rest, refused, done: answered - refused };
}

async function byClient(url: string, load: HttpLoad): Promise<HttpLoaded> {
  if (load.kind !== "reserve") throw new Error("only wrk can do this");
  const client = new Child("client.ts");
  const { connections: callers, milliseconds, prefix, sku, skus, perSecond } = load;
  const run: ClientRun = {
    ...{ url, key, prefix, sku, skus, callers, milliseconds, warmUpMs: 300 },
    ...(perSecond !== undefined && { perSecond }),
  };
  try {
    return await client.call<HttpLoaded>("run", run);
  } finally {
    await client.stop();
  }
}
