import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import {
  Child,
  choosePorts,
  findProgram,
  haproxy,
  haproxySays,
  home,
  type Ports,
  pause,
  portOf,
  statusOf,
} from "../../scripts/cluster/index.ts";
import { temporaryFolder } from "../journeys/larder.ts";
import { startLoad } from "./load.ts";

const key = "a key for the test of the proxy";
const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
const isMissing = findProgram("haproxy") === undefined;
if (isMissing) console.warn("SKIPPED: there is no haproxy on this machine (apt-get install haproxy)");

/** Whole servers, each with a memory of its own, behind one of the configurations that are shipped. */
class Front {
  readonly servers: readonly Child[];
  readonly url: string;
  readonly grpcAddress: string;
  readonly #ports: Ports;
  readonly #proxy: Child;

  private constructor(ports: Ports, servers: readonly Child[], proxy: Child) {
    this.servers = servers;
    this.url = `http://127.0.0.1:${portOf(ports, "http")}`;
    this.grpcAddress = `127.0.0.1:${portOf(ports, "grpc")}`;
    this.#ports = ports;
    this.#proxy = proxy;
  }

  static async start(config: "haproxy.cfg" | "whole-servers.cfg", kind: "gateway" | "server", folder: string) {
    const names = [`${kind}-1`, `${kind}-2`];
    const ports = await choosePorts("free", names);
    const logs = join(folder, "logs");
    mkdirSync(logs);
    const place = { folder, say: () => {} };
    const servers = names.map((name) => {
      const port = portOf(ports, `${name}-http`);
      const env = {
        PATH: process.env["PATH"] ?? "",
        LARDER_STORE: "memory:",
        LARDER_PORT: String(port),
        LARDER_ADMIN_KEY: key,
        ...(kind === "gateway" && { LARDER_GRPC_PORT: String(portOf(ports, `${name}-grpc`)) }),
        LARDER_DRAIN_DELAY: "2s",
        LARDER_LOG_LEVEL: "warn",
      };
      const isReady = async () => (await statusOf(port, "/readyz")) === 200;
      const args = ["bin/larder.js", "serve"];
      const log = join(logs, `${name}.log`);
      return new Child({ name, command: process.execPath, args, cwd: home, env, log, isReady }, place.say);
    });
    const of = (index: number, port: "http" | "grpc") => portOf(ports, `${names[index] ?? ""}-${port}`);
    const proxy = haproxy(place, config, {
      LARDER_HTTP_BIND: portOf(ports, "http"),
      LARDER_GRPC_BIND: portOf(ports, "grpc"),
      LARDER_STATS_BIND: portOf(ports, "stats"),
      ...(kind === "gateway"
        ? {
            LARDER_GATEWAY_1: of(0, "http"),
            LARDER_GATEWAY_2: of(1, "http"),
            LARDER_GATEWAY_1_GRPC: of(0, "grpc"),
            LARDER_GATEWAY_2_GRPC: of(1, "grpc"),
          }
        : { LARDER_SERVER_1: of(0, "http"), LARDER_SERVER_2: of(1, "http") }),
    });
    const front = new Front(ports, servers, proxy);
    await Promise.all(servers.map((server) => server.start()));
    await proxy.start();
    for (const { name } of servers) await front.becomes(name, "UP");
    return front;
  }

  becomes(name: string, state: "UP" | "DOWN"): Promise<void> {
    return haproxySays(portOf(this.#ports, "stats"), name, state);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.servers, this.#proxy].map((child) => child.stop()));
  }
}

describe.skipIf(isMissing)("HAProxy before gateways", () => {
  let front: Front;
  let clean = () => {};
  beforeAll(async () => {
    const folder = temporaryFolder((callback) => {
      clean = callback;
    });
    front = await Front.start("haproxy.cfg", "gateway", folder);
  }, 180_000);
  afterAll(async () => {
    await front?.stop();
    clean();
  }, 180_000);

  it("lets both be restarted under load without a failed request", async () => {
    const load = startLoad(front.url, key, 24);
    await pause(1000);
    for (const gateway of front.servers) {
      expect(await gateway.stop(), `${gateway.name} ends in good order`).toBe(0);
      await gateway.start();
      await front.becomes(gateway.name, "UP");
    }
    await pause(1000);
    const { answered, failures, slowestMs } = await load.stop();
    console.log(`rolling restart: ${answered} answers, ${failures.length} failed, the slowest took ${slowestMs} ms`);
    expect(failures.slice(0, 5)).toEqual([]);
    expect(answered).toBeGreaterThan(1000);
  }, 240_000);

  it("turns to the other one when one is killed, and back", async () => {
    const [first] = front.servers;
    await first?.kill();
    await front.becomes("gateway-1", "DOWN");
    const load = startLoad(front.url, key, 8);
    await pause(1500);
    const { answered, failures } = await load.stop();
    expect([answered > 0, failures]).toEqual([true, []]);
    await first?.start();
    await front.becomes("gateway-1", "UP");
  }, 180_000);

  it("shows nobody without a key what is for those who run it", async () => {
    for (const path of ["/metrics", "/readyz", "/livez", "/docs", "/openapi.json", "/v1/items"]) {
      expect((await fetch(`${front.url}${path}`)).status, path).toBe(401);
      expect((await fetch(`${front.url}${path}`, { headers })).status, path).toBe(200);
    }
  });

  it("lets gRPC through", async () => {
    // `status: SERVING`.
    expect([...(await grpcHealth(front.grpcAddress))]).toEqual([0x08, 0x01]);
  });

  it("lets change feeds through as they come, and WebSockets", async () => {
    const feed = await fetch(`${front.url}/v1/changes?heartbeatSeconds=1`, { headers });
    const reader = feed.body?.getReader();
    for (let beats = 0; beats < 2; beats += 1) expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
    await reader?.cancel();
    const socket = new WebSocket(`${front.url.replace("http", "ws")}/v1/changes/ws`, { headers });
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    socket.close();
  });
});

/** Asks a server of gRPC for its health, and gives the bytes of its answer. */
function grpcHealth(address: string): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  return new Promise<Buffer>((resolve, reject) => {
    const deadline = Date.now() + 5000;
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      same,
      same,
      Buffer.alloc(0),
      { deadline },
      (error, answer) =>
        error === null && answer !== undefined ? resolve(answer) : reject(error ?? new Error("no answer")),
    );
  }).finally(() => client.close());
}

describe.skipIf(isMissing)("HAProxy before whole servers", () => {
  let front: Front;
  let clean = () => {};
  const skus = Array.from({ length: 30 }, (_, index) => `sku ${index}`);
  const onHandOf = async (sku: string): Promise<number | undefined> => {
    const answer = await fetch(`${front.url}/v1/stock/${encodeURIComponent(sku)}`, { headers });
    const { locations } = (await answer.json()) as { locations?: readonly { onHand: number }[] };
    return locations?.[0]?.onHand;
  };
  const post = (path: string, body: unknown) =>
    fetch(`${front.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const receipt = (sku: string, id: string) => ({
    ...{ specversion: "1.0", source: "test", id, type: "larder.stock.received.v1" },
    data: { sku, location: "leeds", quantity: 1 },
  });

  beforeAll(async () => {
    const folder = temporaryFolder((callback) => {
      clean = callback;
    });
    front = await Front.start("whole-servers.cfg", "server", folder);
  }, 180_000);
  afterAll(async () => {
    await front?.stop();
    clean();
  }, 180_000);

  it("brings all about one sku to one server: facts, batches, reservations and reads", async () => {
    // Each server knows only what came to it, so anything that went astray would be missing.
    for (const sku of skus) {
      expect((await post("/v1/events", receipt(sku, `one ${sku}`))).ok, sku).toBe(true);
      expect((await post("/v1/events", [receipt(sku, `two ${sku}`)])).ok, sku).toBe(true);
      expect((await post("/v1/reservations", { lines: [{ sku, quantity: 2 }] })).status, sku).toBe(201);
      const read = await fetch(`${front.url}/v1/availability?sku=${encodeURIComponent(sku)}`, { headers });
      expect(await read.json(), sku).toMatchObject({ items: [{ onHand: 2, available: 0 }] });
    }
    expect(await Promise.all(skus.map(onHandOf))).toEqual(skus.map(() => 2));
  });

  it("uses both, and moves only the skus of one that is gone", async () => {
    await front.servers[1]?.kill();
    await front.becomes("server-2", "DOWN");
    const seen = await Promise.all(skus.map(onHandOf));
    const stayed = seen.filter((onHand) => onHand === 2).length;
    console.log(`consistent hashing: ${stayed} of ${skus.length} skus were on the server that stayed`);
    expect(stayed).toBeGreaterThan(5);
    expect(stayed).toBeLessThan(25);
    expect(seen.filter((onHand) => onHand !== 2 && onHand !== undefined)).toEqual([]);
  });
});
