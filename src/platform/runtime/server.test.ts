import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { credentials, makeGenericClientConstructor, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { inventoryTagging } from "../../services/inventory/index.ts";
import { loadSettings, type Settings } from "../config/index.ts";
import * as member from "../grpc/certificate.fixture.ts";
import { HealthCheckRequestSchema, Health as HealthService } from "../grpc/generated/grpc/health/v1/health_pb.js";
import { definitionOf } from "../grpc/index.ts";
import { certificate, key as certificateKey } from "../outbound/certificate.fixture.ts";
import { MemoryStorage } from "../storage/memory/index.ts";
import { silentLogger } from "../telemetry/index.ts";
import type { Checks } from "./module.ts";
import { storeChecks } from "./readiness.ts";
import { startServer, TargetError } from "./server.ts";

const key = "a key for the tests of the runtime";

function settingsOf(flags: Partial<Record<keyof Settings, string>>): Settings {
  const loaded = loadSettings({ env: {}, flags: { store: "memory:", port: "0", adminKey: key, ...flags } });
  if (!loaded.ok) throw new Error(loaded.rejection.join());
  return loaded.value.settings;
}

async function started(flags: Partial<Record<keyof Settings, string>> = {}) {
  const server = await startServer({ settings: settingsOf(flags), logger: silentLogger(), version: "9.9.9" });
  onTestFinished(() => server.stop());
  return { ...server, url: server.url ?? "" };
}

function post(url: string, path: string, body: unknown): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  return fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

const fact = (id: string, type: string, quantity: number) => ({
  ...{ specversion: "1.0", source: "test", id, type: `larder.stock.${type}.v1` },
  data: { sku: "apple", location: "leeds", quantity },
});

describe("a server", () => {
  it("counts what operators ask for", async () => {
    const { url } = await started();
    await post(url, "/v1/events", [fact("1", "received", 5), fact("1", "received", 5), fact("2", "eaten", 1)]);
    const order = (id: string, quantity: number) => ({ id, lines: [{ sku: "apple", quantity }] });
    expect((await post(url, "/v1/reservations", order("a", 5))).status).toBe(201);
    expect((await post(url, "/v1/reservations", order("b", 1))).status).toBe(409);
    await post(url, "/v1/events", [fact("3", "sold", 1)]);
    await fetch(`${url}/v1/availability?sku=apple`, { headers: { authorization: `Bearer ${key}` } });
    const text = await (await fetch(`${url}/metrics`)).text();
    const lines = [
      'larder_inventory_facts_total{outcome="accepted"} 2',
      'larder_inventory_facts_total{outcome="duplicate"} 1',
      'larder_inventory_facts_total{outcome="invalid-fact"} 1',
      'larder_inventory_facts_recorded_total{type="larder.stock.received.v1"} 1',
      'larder_inventory_reservations_total{operation="reserve",outcome="ok"} 1',
      'larder_inventory_reservations_total{operation="reserve",outcome="insufficient-stock"} 1',
      "larder_inventory_stock_outs_total 1",
      "larder_inventory_shortfalls_total 1",
      "larder_inventory_projection_lag_events 0",
      "larder_inventory_projection_lag_seconds 0",
      "larder_inventory_availability_reads_total 1",
      'larder_gateway_requests_total{route="/v1/reservations",method="POST",status="409"} 1',
      'larder_build_info{version="9.9.9"',
      'larder_storage_bytes{part="log"}',
      "larder_gateway_open_feeds 0",
    ];
    for (const line of lines) expect(text).toContain(line);
    expect(text).toMatch(/larder_inventory_append_units_count [1-9]/);
    expect(text).not.toMatch(/apple|leeds/);
  });

  it("runs the modules of its target, and no others", async () => {
    const server = await started({ target: "inventory,identity" });
    expect(server.modules).toEqual(["inventory", "identity"]);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain("larder_inventory_queue_length 0");
    expect((await fetch(`${server.url}/v1/locations`)).status).toBe(404);
    const alone = startServer({ settings: settingsOf({ target: "gateway" }), logger: silentLogger(), version: "1" });
    await expect(alone).rejects.toThrow(TargetError);
    await expect(alone).rejects.toThrow("--target=gateway,identity,inventory,intake,relay,sync,reconciliation");
  });

  it("has a history of its own each time that it starts in memory", async () => {
    const [one, other] = [await started(), await started()];
    const { position } = (await (await post(one.url, "/v1/events", [fact("1", "received", 5)])).json()) as {
      position: string;
    };
    await post(other.url, "/v1/events", [fact("1", "received", 5), fact("2", "received", 5)]);
    const headers = { authorization: `Bearer ${key}` };
    expect((await fetch(`${other.url}/v1/changes?after=${position}`, { headers })).status).toBe(410);
  });

  it("lets go of all it has opened when it can't listen", async () => {
    const { url } = await started();
    const again = startServer({
      settings: settingsOf({ port: new URL(url).port }),
      logger: silentLogger(),
      version: "1",
    });
    await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

describe("gRPC", () => {
  const Health = makeGenericClientConstructor(definitionOf(HealthService), "Health");
  const healthOf = async (address: string, how = credentials.createInsecure(), options = {}) => {
    const client = new Health(address, how, options);
    onTestFinished(() => client.close());
    const check = client["Check"] as (...args: unknown[]) => void;
    return await new Promise((resolve, reject) =>
      check.call(client, create(HealthCheckRequestSchema, {}), (error: Error | null, answer: unknown) =>
        error === null ? resolve(answer) : reject(error),
      ),
    );
  };

  it("is spoken where a port is set for it, and counted", async () => {
    const { url, grpcAddress = "" } = await started({ grpcPort: "0" });
    expect(await healthOf(grpcAddress)).toMatchObject({ status: 1 });
    const Reservations = makeGenericClientConstructor({}, "larder.v1.ReservationService");
    const client = new Reservations(grpcAddress, credentials.createInsecure());
    onTestFinished(() => client.close());
    const refused = await new Promise<ServiceError | null>((resolve) =>
      client.makeUnaryRequest("/larder.v1.ReservationService/Confirm", () => Buffer.alloc(0), String, {}, resolve),
    );
    expect(refused).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(
      'larder_gateway_requests_total{route="/larder.v1.ReservationService/Confirm",method="GRPC",status="UNAUTHENTICATED"} 1',
    );
    expect((await started()).grpcAddress).toBeUndefined();
  });

  it("is spoken by TLS where there is a certificate, and by nothing else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "larder-tls-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "cert.pem"), certificate);
    writeFileSync(join(folder, "key.pem"), certificateKey);
    const { grpcAddress = "" } = await started({ grpcPort: "0", grpcTls: folder });
    const trusting = credentials.createSsl(Buffer.from(certificate));
    const named = { "grpc.ssl_target_name_override": "shop.test" };
    expect(await healthOf(grpcAddress, trusting, named)).toMatchObject({ status: 1 });
    await expect(healthOf(grpcAddress)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });
});

describe("a server in several processes", () => {
  const clusterSecret = "the secret of these tests";
  const cluster = { clusterSecret, clusterPort: "0" };

  /** One with the store, one that takes in, and a gateway; the keys of the gateway are in a store of its own. */
  async function startCluster() {
    const core = await started({ ...cluster, target: "inventory,relay,sync,reconciliation,archive" });
    const intake = await started({ ...cluster, target: "intake", peers: `inventory=${core.clusterAddress}` });
    const others = ["inventory", "relay", "sync", "reconciliation", "archive"];
    const peers = [...others.map((name) => `${name}=${core.clusterAddress}`), `intake=${intake.clusterAddress}`];
    const gateway = await started({ clusterSecret, target: "gateway,identity", peers: peers.join(";") });
    const call = async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", ...init.headers };
      const answer = await fetch(`${gateway.url}${path}`, { ...init, headers });
      return { status: answer.status, body: (await answer.json()) as Record<string, never> };
    };
    const send = (path: string, body: unknown, headers = {}) =>
      call(path, { method: "POST", body: JSON.stringify(body), headers });
    return { core, intake, gateway, call, send };
  }

  it("answers as one does", async () => {
    const { call, send, gateway } = await startCluster();
    const facts = [fact("1", "received", 5), fact("2", "eaten", 1)];
    expect(await send("/v1/events", facts)).toMatchObject({
      status: 202,
      body: { accepted: 1, rejected: [{ index: 1, code: "invalid-fact" }] },
    });
    const order = { id: "cart", lines: [{ sku: "apple", quantity: 5 }] };
    expect(await send("/v1/reservations", order)).toMatchObject({ status: 201, body: { status: "active" } });
    expect(await send("/v1/reservations", order)).toMatchObject({ status: 200 });
    expect(await send("/v1/reservations", { lines: order.lines })).toMatchObject({
      status: 409,
      body: { code: "insufficient-stock", lines: [{ requested: 5, available: 0 }] },
    });
    expect(await send("/v1/reservations/cart/confirm", {})).toMatchObject({ body: { status: "confirmed" } });
    expect(await call("/v1/availability?sku=apple&sku=pear")).toMatchObject({
      body: {
        items: [
          { sku: "apple", available: 0, committed: 5 },
          { sku: "pear", known: false },
        ],
      },
    });

    expect(await send("/v1/events", fact("3", "sold", 1), { prefer: "respond-async" })).toMatchObject({
      status: 202,
      body: { queued: 1 },
    });
    await vi.waitFor(async () =>
      expect(await call("/v1/stock/apple")).toMatchObject({ body: { totals: { onHand: 4 } } }),
    );
    const feed = await fetch(`${gateway.url}/v1/changes?follow=false`, {
      headers: { authorization: `Bearer ${key}`, accept: "application/x-ndjson" },
    });
    expect((await feed.text()).match(/"type":"larder.stock.(received|sold).v1"/g)).toHaveLength(2);

    expect(await call("/v1/webhooks")).toMatchObject({ status: 200, body: { items: [] } });
    expect(await call("/v1/sync")).toMatchObject({ status: 200, body: { items: [] } });
    expect(await call("/v1/reconciliations")).toMatchObject({ status: 200, body: { items: [] } });
    expect(await call("/v1/dead-letters")).toMatchObject({ status: 200, body: { items: [] } });
    expect(await call("/v1/archive")).toMatchObject({ status: 200, body: { isRunning: false } });
    expect(await call("/v1/keys")).toMatchObject({ status: 200, body: { items: [{ id: "admin" }] } });
    expect(await call("/readyz")).toMatchObject({
      status: 200,
      body: { checks: { "inventory-peers": { ok: true, detail: "1 of 1 take calls" } } },
    });
  });

  it("does without the processes that not everything needs, and says so; without the inventory it is not ready", async () => {
    const { core, intake, call, send } = await startCluster();
    await send("/v1/events", [fact("1", "received", 5)]);
    await intake.stop();
    expect(await call("/v1/dead-letters")).toMatchObject({ status: 503, body: { code: "peer-unavailable" } });
    expect(await send("/v1/events", [fact("2", "sold", 1)])).toMatchObject({ status: 202 });
    expect(await call("/readyz")).toMatchObject({
      status: 200,
      body: { checks: { "intake-peers": { ok: true, needsSomeone: true } } },
    });
    await core.stop();
    expect(await call("/readyz")).toMatchObject({
      status: 503,
      body: { checks: { "inventory-peers": { ok: false } } },
    });
    expect(await call("/v1/stock/apple")).toMatchObject({ status: 503, body: { code: "peer-unavailable" } });
  });

  it("talks by TLS to those that show a certificate of the cluster's authority, and to no others", async () => {
    const folderOf = (cert: string, key: string) => {
      const folder = mkdtempSync(join(tmpdir(), "larder-tls-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      for (const [name, text] of Object.entries({ "cert.pem": cert, "key.pem": key, "ca.pem": member.certificate }))
        writeFileSync(join(folder, name), text);
      return folder;
    };
    const ours = folderOf(member.certificate, member.key);
    const core = await started({ ...cluster, clusterTls: ours, target: "inventory" });
    const standing = async (flags: Parameters<typeof started>[0]) => {
      const peers = `inventory=${core.clusterAddress}`;
      const { url } = await started({ clusterSecret, target: "intake", peers, ...flags });
      return await vi.waitFor(async () => {
        const { checks } = (await (await fetch(`${url}/readyz`)).json()) as { checks: Checks };
        expect(checks["inventory-peers"]?.detail).not.toContain("not connected yet");
        return checks["inventory-peers"];
      });
    };
    expect(await standing({ clusterTls: ours })).toEqual({ ok: true, detail: "1 of 1 take calls" });
    expect(await standing({})).toMatchObject({ ok: false });
    expect(await standing({ clusterTls: folderOf(certificate, certificateKey) })).toMatchObject({ ok: false });
  });

  it("takes the line end of a file for no part of its secret", async () => {
    const core = await started({ ...cluster, clusterSecret: `${clusterSecret}\n`, target: "inventory" });
    const peers = `inventory=${core.clusterAddress}`;
    for (const said of [clusterSecret, `${clusterSecret}\n`]) {
      const { url } = await started({ clusterSecret: said, target: "intake", peers });
      const detail = "1 of 1 take calls";
      await vi.waitFor(async () =>
        expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
          checks: { "inventory-peers": { detail } },
        }),
      );
    }
  });

  it("does not start without a secret", async () => {
    const settings = settingsOf({ target: "inventory", clusterPort: "0" });
    const starting = startServer({ settings, logger: silentLogger(), version: "1" });
    await expect(starting).rejects.toThrow("LARDER_CLUSTER_SECRET");
  });
});

describe("readiness", () => {
  it("sees a store that takes no writes, and that outgoing is paused", async () => {
    const storage = new MemoryStorage({ tagging: inventoryTagging });
    expect(await storeChecks(storage, silentLogger())()).toEqual({ store: { ok: true, detail: "memory" } });
    await storage.setOutgoingPaused(true);
    expect(await storeChecks(storage, silentLogger())()).toMatchObject({ outgoing: { ok: true } });
    storage.setOutgoingPaused = () => Promise.reject(new Error("/secret/path: disk full"));
    const checks = await storeChecks(storage, silentLogger())();
    expect(checks["store"]).toMatchObject({ ok: false });
    expect(JSON.stringify(checks)).not.toContain("/secret/path");
    const cause = new Error("ENOSPC: no space left on device, open '/secret/path'");
    storage.setOutgoingPaused = () => Promise.reject(new Error("/secret/path: unwritable", { cause }));
    const { store } = await storeChecks(storage, silentLogger())();
    expect(store?.detail).toBe("it takes no writes: ENOSPC: no space left on device, open");
  });

  it("writes at most once a second, however often it is asked", async () => {
    const storage = new MemoryStorage({ tagging: inventoryTagging });
    let writes = 0;
    storage.setOutgoingPaused = async () => {
      writes += 1;
    };
    const checks = storeChecks(storage, silentLogger());
    await Promise.all(Array.from({ length: 50 }, checks));
    expect(writes).toBe(1);
  });
});
