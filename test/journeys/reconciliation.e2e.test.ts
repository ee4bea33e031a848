/** Two warehouses that run beside the server: what they lose, and what happens there unheard, is found and put right. */
import { afterEach, expect, it } from "vitest";
import { startWarehouse, type Warehouse } from "../../examples/warehouse/server.ts";
import { command } from "../../src/cli/fixture.ts";
import { eventually } from "./larder.ts";
import { patience } from "./mode.ts";
import { adminKey, Server } from "./server.ts";

let server: Server;
const warehouses: Warehouse[] = [];
afterEach(async () => {
  await server.stop();
  await Promise.all(warehouses.splice(0).map((warehouse) => warehouse.stop()));
});

const larder = (...args: string[]) => command([...args, "--url", server.url, "--key", adminKey]);

async function connect(location: string, authority: "ours" | "theirs"): Promise<Warehouse> {
  const warehouse = await startWarehouse({ location, authority, pageSize: 40 });
  warehouses.push(warehouse);
  const body = { name: location, kind: "warehouse", authority, sync: { url: warehouse.url, of: "own" } };
  expect((await server.call("PUT", `/v1/locations/${location}`, { body })).status).toBe(200);
  return warehouse;
}

it("a warehouse that loses updates and one that moves goods unheard are put right, and agree from then on", {
  timeout: 120_000 * patience,
}, async () => {
  server = new Server({ env: { LARDER_OUTBOUND_ALLOW: "127.0.0.1" } });
  await server.start();
  expect(await larder("reconcile")).toMatchObject({ code: 1, err: expect.stringContaining("nothing to compare") });
  const leeds = await connect("leeds", "ours");
  const york = await connect("york", "theirs");
  const tell = (type: string, skus: readonly string[], quantity: number) => {
    const body = ["leeds", "york"].flatMap((location) =>
      skus.map((sku) => ({
        specversion: "1.0",
        id: `${type}-${location}-${sku}`,
        source: "test",
        type: `larder.stock.${type}.v1`,
        data: { sku, location, quantity },
      })),
    );
    return server.call("POST", "/v1/events", {
      body,
      headers: { "content-type": "application/cloudevents-batch+json" },
    });
  };
  const skus = Array.from({ length: 100 }, (_, index) => `sku-${index}`);
  expect((await tell("received", skus, 50)).body).toMatchObject({ accepted: 200 });
  const holds = ({ stock }: Warehouse, sku: string) => stock.get(sku)?.onHand;
  await eventually(async () => skus.every((sku) => holds(leeds, sku) === 50 && holds(york, sku) === 50), 30_000);

  // Leeds acknowledges what it does not keep; at York goods leave unheard.
  leeds.switches.lostRate = 1;
  await tell("sold", ["sku-3"], 4);
  await eventually(async () => leeds.counters.lost > 0, 30_000);
  leeds.switches.lostRate = 0;
  await york.move("sku-5", -7);
  await york.move("sku-3", -4); // what was sold leaves its shelf

  const { code, out, err } = await larder("reconcile", "--correct", "--json");
  expect([code, err]).toEqual([0, ""]);
  const done = JSON.parse(out);
  expect(done).toMatchObject({ status: "done", mode: "correct", compared: 200, matched: 198, accuracy: 0.99 });
  expect(done.findings.toSorted((a: { sku: string }, b: { sku: string }) => (a.sku < b.sku ? -1 : 1))).toEqual([
    { receiver: "leeds", location: "leeds", sku: "sku-3", kind: "late", ours: 46, theirs: 50, action: "sent-again" },
    { receiver: "york", location: "york", sku: "sku-5", kind: "drift", ours: 50, theirs: 43, action: "counted" },
  ]);
  await eventually(async () => holds(leeds, "sku-3") === 46, 30_000);
  const { body } = await server.call("GET", "/v1/stock/sku-5");
  expect(body.locations.map(({ onHand }: { onHand: number }) => onHand)).toEqual([50, 43]);

  // When all agrees nothing has to be waited for.
  expect(await larder("reconcile", "--location", "york")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^LOCATION +COMPARED +MATCHED +UNDER WAY +ACCURACY\nyork +100 +100 +0 +100\.000 %\n$/),
  });
  const history = await larder("reconcile", "--history", "--location", "york");
  expect(history.out.split("\n").slice(1, 3)).toEqual([
    expect.stringMatching(/^york .* 100 +1 +99\.000 %$/),
    expect.stringMatching(/^york .* 100 +0 +100\.000 %$/),
  ]);
  const listed = await server.call("GET", "/v1/reconciliations?location=leeds");
  expect(listed.body.items).toMatchObject([{ id: done.id, accuracy: 0.99 }]);
  const metrics = await server.metrics();
  expect(metrics).toContain('larder_reconciliation_findings_total{location="york",kind="drift"} 1');
  expect(metrics).toContain('larder_reconciliation_accuracy{location="york"} 1');
});
