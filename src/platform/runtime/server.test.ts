import { describe, expect, it, onTestFinished } from "vitest";
import { inventoryTagging } from "../../services/inventory/index.ts";
import { loadSettings, type Settings } from "../config/index.ts";
import { MemoryStorage } from "../storage/memory/index.ts";
import { silentLogger } from "../telemetry/index.ts";
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
    expect(server.url).toBe("");
    const alone = startServer({ settings: settingsOf({ target: "gateway" }), logger: silentLogger(), version: "1" });
    await expect(alone).rejects.toThrow(TargetError);
    await expect(alone).rejects.toThrow("--target=gateway,inventory,identity");
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
