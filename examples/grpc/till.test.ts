import { expect, it } from "vitest";
import { loadSettings } from "../../src/platform/config/index.ts";
import { startServer } from "../../src/platform/runtime/index.ts";
import { silentLogger } from "../../src/platform/telemetry/index.ts";
import { serveCustomer } from "./till.ts";

it("serves a customer by gRPC", async () => {
  const key = "a key for the till of the example";
  const flags = { store: "memory:", port: "0", grpcPort: "0", adminKey: key };
  const loaded = loadSettings({ env: {}, flags });
  if (!loaded.ok) throw new Error(loaded.rejection.join());
  const server = await startServer({ settings: loaded.value.settings, logger: silentLogger(), version: "1" });
  try {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const fact = { specversion: "1.0", id: "1", source: "dock", type: "larder.stock.received.v1" };
    const body = JSON.stringify([{ ...fact, data: { sku: "milk-1l", location: "store-1", quantity: 10 } }]);
    await fetch(`${server.url}/v1/events`, { method: "POST", headers, body });
    const { id, accepted } = await serveCustomer(server.grpcAddress ?? "", key, "milk-1l", "store-1");
    expect(accepted).toBe(1);
    const read = async (path: string) => await (await fetch(`${server.url}${path}`, { headers })).json();
    expect(await read(`/v1/reservations/${id}`)).toMatchObject({ status: "fulfilled" });
    expect(await read("/v1/stock/milk-1l")).toMatchObject({ totals: { onHand: 7, available: 7 } });
    await expect(serveCustomer(server.grpcAddress ?? "", key, "none", "store-1")).rejects.toThrow("insufficient-stock");
  } finally {
    await server.stop();
  }
});
