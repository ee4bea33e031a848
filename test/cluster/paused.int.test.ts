/** A process that decides stands still with what it was asked, and goes on when others have answered for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster, pause, whyNoCluster } from "../../scripts/cluster/index.ts";
import { Api } from "../journeys/api.ts";

const missing = whyNoCluster();
if (missing !== undefined) console.warn(`SKIPPED: no process is paused.\n${missing}`);

/** So many that some surely belong to each of the two that decide. */
const skus = Array.from({ length: 16 }, (_, index) => `paused-${index}`);

describe.skipIf(missing !== undefined)("a process that decides and stands still", () => {
  const folder = mkdtempSync(join(tmpdir(), "larder-paused-"));
  let cluster: Cluster;
  let api: Api;
  beforeAll(async () => {
    cluster = await Cluster.start({ folder, shape: "split", ports: "free", say: () => undefined });
    api = new Api(() => cluster.url, cluster.adminKey, 64);
  }, 200_000);
  afterAll(async () => {
    api.close();
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const once = { retry: 0, timeout: 120_000 };

  it("does nothing of what another one has refused meanwhile, though it has become possible", once, async () => {
    const process = cluster.process("inventory-1");
    process.pause();
    const answers = await Promise.all(
      skus.map(async (sku) => {
        const from = performance.now();
        const body = { id: `r-${sku}`, ttlSeconds: 600, lines: [{ sku, location: "leeds", quantity: 1 }] };
        const { status } = await api.call("POST", "/v1/reservations", { body });
        return { status, ms: performance.now() - from };
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(skus.map(() => 409));
    expect(answers.filter(({ ms }) => ms > 1500).length).toBeGreaterThan(0);
    const facts = skus.map((sku) => ({
      ...{ specversion: "1.0", source: "paused", id: sku, type: "larder.stock.received.v1" },
      data: { sku, location: "leeds", quantity: 5 },
    }));
    const headers = { "content-type": "application/cloudevents-batch+json" };
    expect(await api.call("POST", "/v1/events", { body: facts, headers })).toMatchObject({ status: 202 });
    process.resume();
    await process.ready();
    await pause(2000);
    const looks = await Promise.all(skus.map((sku) => api.call("GET", `/v1/reservations/r-${sku}`)));
    expect(looks.map(({ status }) => status)).toEqual(skus.map(() => 404));
  });
});
