/**
 * The other side of Larder's sync, as a small real server: takes pushes of stock, gives snapshots of what it holds, and has
 * goods moved on its own. Faults can be switched on to see what Larder does about them.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { noFaults, readSwitches, type Switches, seededRandom } from "./faults.ts";
import { signatureProblem } from "./signature.ts";
import { type PushedRecord, WarehouseStock } from "./stock.ts";

export interface WarehouseOptions {
  /** The location whose system this is. */
  readonly location: string;
  readonly authority?: "ours" | "theirs";
  readonly tells?: "best" | "nothing";
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly host?: string;
  /** As given to Larder: only what is signed by it is believed. Without one everything is. */
  readonly secret?: string;
  /** Where moves and counts are told; without it they are told to nobody. */
  readonly larder?: { readonly url: string; readonly key: string };
  readonly faults?: Partial<Switches>;
  /** Decides which requests and records the faults hit. */
  readonly seed?: number;
  /** Records of one page of a snapshot. */
  readonly pageSize?: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export interface Counters {
  pushes: number;
  records: number;
  repeated: number;
  refused: number;
  failed: number;
  unanswered: number;
  lost: number;
  snapshots: number;
  /** Moves and counts that Larder could not be told of. */
  untold: number;
}

export interface Warehouse {
  /** For a location's `sync.url`. */
  readonly url: string;
  readonly stock: WarehouseStock;
  readonly switches: Switches;
  readonly counters: Counters;
  /** Moves goods (in, or out when negative) and, where it knows a Larder, tells it; resolves once that is done. */
  move(sku: string, units: number): Promise<void>;
  count(sku: string, quantity: number): Promise<void>;
  stop(): Promise<void>;
}

/** Bytes of a request: as much as Larder itself takes. */
const bodyBytesMax = 1_048_576;

export async function startWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const { location, authority = "ours", secret, pageSize = 1000, clock = Date.now } = options;
  const stock = new WarehouseStock({ location, authority, clock, ...(options.tells && { tells: options.tells }) });
  const switches: Switches = { ...noFaults, ...options.faults };
  const random = seededRandom(options.seed ?? 1);
  const counters: Counters = {
    pushes: 0,
    records: 0,
    repeated: 0,
    refused: 0,
    failed: 0,
    unanswered: 0,
    lost: 0,
    snapshots: 0,
    untold: 0,
  };
  let told = 0;
  // Another run of the program must not repeat an id of this one.
  const run = clock().toString(36);

  async function move(sku: string, units: number): Promise<void> {
    const at = stock.move(sku, units);
    await tell(units > 0 ? "received" : "sold", { sku, location, quantity: Math.abs(units) }, at);
  }

  async function count(sku: string, quantity: number): Promise<void> {
    await tell("counted", { sku, location, quantity }, stock.count(sku, quantity));
  }

  /** A real one would keep what it can't tell and try again: the id makes that safe. Here it is left to reconciliation. */
  async function tell(what: string, data: object, at: number): Promise<void> {
    told += 1;
    if (options.larder === undefined) return;
    const { url, key } = options.larder;
    const fact = {
      specversion: "1.0",
      id: `${run}-${told}`,
      source: `warehouse/${location}`,
      type: `larder.stock.${what}.v1`,
      time: new Date(at).toISOString(),
      data,
    };
    const answer = await fetch(`${url}/v1/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/cloudevents+json" },
      body: JSON.stringify(fact),
    }).catch(() => undefined);
    if (answer?.ok !== true) counters.untold += 1;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://warehouse");
    const body = await bodyOf(request);
    if (body === undefined) return send(response, 413, { error: "the body is too large" });
    const route = `${request.method} ${pathname}`;
    if (route === "GET /control") return send(response, 200, { switches, counters });
    if (route === "PUT /control") {
      const given = readSwitches(parsed(body));
      if (typeof given === "string") return send(response, 400, { error: given });
      Object.assign(switches, given);
      return send(response, 200, { switches, counters });
    }
    if (route === "POST /move" || route === "POST /count") {
      const { sku, units, quantity } = (parsed(body) ?? {}) as Readonly<Record<string, unknown>>;
      const number = route === "POST /move" ? units : quantity;
      if (typeof sku !== "string" || typeof number !== "number" || !Number.isSafeInteger(number))
        return send(response, 400, { error: "a sku and its units (of a move) or quantity (of a count) are needed" });
      await (route === "POST /move" ? move(sku, number) : count(sku, number));
      return send(response, 200, stock.get(sku) ?? {});
    }
    if (route !== "POST /stock" && route !== "GET /snapshot") return send(response, 404, { error: "not found" });

    if (switches.down) {
      request.socket.destroy();
      return;
    }
    if (switches.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, switches.latencyMs));
    if (random() < switches.errorRate) {
      counters.failed += 1;
      return send(response, 500, { error: "an error that was switched on" });
    }
    const distrusted = secret === undefined ? undefined : signatureProblem(secret, request.headers, body, clock());
    if (distrusted !== undefined) {
      counters.refused += 1;
      return send(response, 401, { error: distrusted });
    }
    const answer = route === "POST /stock" ? push(body) : page(searchParams.get("cursor") ?? undefined);
    if (random() < switches.timeoutRate) {
      // The socket stays open until the other side has enough.
      counters.unanswered += 1;
      return;
    }
    send(response, answer.status, answer.body);
  }

  function push(body: string): Answer {
    const {
      location: receiver,
      batch,
      records,
    } = (parsed(body) ?? {}) as {
      readonly location?: unknown;
      readonly batch?: unknown;
      readonly records?: readonly PushedRecord[];
    };
    if (typeof batch !== "string" || !Array.isArray(records)) return { status: 400, body: { error: "no batch" } };
    if (receiver !== location) return { status: 400, body: { error: `this is ${location}, not ${String(receiver)}` } };
    counters.pushes += 1;
    const kept = records.filter(() => random() >= switches.lostRate);
    counters.lost += records.length - kept.length;
    if (stock.take(batch, kept) === "repeated") counters.repeated += 1;
    else counters.records += kept.length;
    return { status: 200, body: { taken: records.length } };
  }

  function page(cursor: string | undefined): Answer {
    counters.snapshots += 1;
    return { status: 200, body: stock.snapshot(cursor, pageSize) };
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => send(response, 500, { error: String(error) }));
  });
  const url = await listen(server, options.host ?? "127.0.0.1", options.port ?? 0);
  return {
    url,
    stock,
    switches,
    counters,
    move,
    count,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** The whole body, or undefined when there is too much of it. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bodyBytesMax) chunks.push(chunk);
  }
  return bytes > bodyBytesMax ? undefined : Buffer.concat(chunks).toString("utf8");
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, fail) => {
    server.once("error", fail);
    server.listen(port, host, resolve);
  });
  return `http://${host}:${(server.address() as AddressInfo).port}`;
}
