import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { startWarehouse, type Warehouse, type WarehouseOptions } from "./server.ts";
import { sign } from "./signature.ts";
import { type PushedRecord, type SnapshotPage, WarehouseStock } from "./stock.ts";

const started: Warehouse[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((warehouse) => warehouse.stop()));
});

async function start(options: Partial<WarehouseOptions> = {}): Promise<Warehouse> {
  const warehouse = await startWarehouse({ location: "leeds", ...options });
  started.push(warehouse);
  return warehouse;
}

function record(sku: string, onHand: number, version: number, location = "leeds"): PushedRecord {
  return { sku, location, available: onHand, onHand, version, changedAt: "2026-01-01T00:00:00Z" };
}

function pushTo({ url }: Warehouse, batch: string, records: readonly PushedRecord[], headers = {}): Promise<Response> {
  const body = JSON.stringify({ location: "leeds", batch, records });
  return fetch(`${url}/stock`, { method: "POST", body, headers });
}

async function snapshotOf({ url }: Warehouse): Promise<SnapshotPage["records"]> {
  const records: SnapshotPage["records"][number][] = [];
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    const page = (await (await fetch(`${url}/snapshot${query}`)).json()) as SnapshotPage;
    records.push(...page.records);
    cursor = page.next;
  } while (cursor !== undefined);
  return records;
}

describe("the example warehouse", () => {
  it("keeps the highest version of each sku and location, in whatever order and however often batches come", () => {
    const some = fc.record({
      sku: fc.constantFrom("milk", "bread"),
      location: fc.constantFrom("leeds", "york"),
      version: fc.integer({ min: 1, max: 9 }),
    });
    const batches = fc.array(fc.record({ id: fc.nat(5), records: fc.array(some, { maxLength: 4 }) }));
    fc.assert(
      fc.property(batches, (all) => {
        const stock = new WarehouseStock({ location: "leeds", authority: "ours", clock: () => 0 });
        const highest = new Map<string, number>();
        const seen = new Set<number>();
        for (const { id, records } of all) {
          const isNew = !seen.has(id);
          seen.add(id);
          const pushed = records.map(({ sku, location, version }) => record(sku, 100 + version, version, location));
          expect(stock.take(String(id), pushed)).toBe(isNew ? "taken" : "repeated");
          if (!isNew) continue;
          for (const { sku, location, version } of records) {
            const pair = `${sku} ${location}`;
            highest.set(pair, Math.max(highest.get(pair) ?? 0, version));
          }
        }
        const held = [...stock.all()].map(({ sku, location, version, onHand }) => {
          expect(onHand).toBe(100 + version);
          return [`${sku} ${location}`, version];
        });
        expect(new Map(held as [string, number][])).toEqual(highest);
      }),
    );
  });

  it("gives all it holds page by page, each once, although more is added meanwhile", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 })), fc.integer({ min: 1, max: 4 }), (skus, size) => {
        const stock = new WarehouseStock({ location: "leeds", authority: "ours", clock: () => 0 });
        stock.take(
          "first",
          skus.map((sku) => record(sku, 1, 1)),
        );
        const seen: string[] = [];
        let cursor: string | undefined;
        let added = 0;
        do {
          const page = stock.snapshot(cursor, size);
          seen.push(...page.records.filter(({ onHand }) => onHand === 1).map(({ sku }) => sku));
          cursor = page.next;
          added += 1;
          stock.take(`later ${added}`, [record(`${added} added`, 2, 1)]);
        } while (cursor !== undefined && added < 200);
        expect(seen.sort()).toEqual([...skus].sort());
      }),
    );
  });

  it("believes only what is signed by its secret, now", async () => {
    const secret = `whsec_${Buffer.from("a secret of this test").toString("base64")}`;
    const now = Date.parse("2026-01-01T12:00:00Z");
    const warehouse = await start({ secret, clock: () => now });
    const records = [record("milk", 5, 1)];
    const body = JSON.stringify({ location: "leeds", batch: "b", records });
    const headersOf = (key: string, seconds: number, of = body) => ({
      "webhook-id": "b",
      "webhook-timestamp": String(seconds),
      "webhook-signature": `v1,bm90IHRoaXM= ${sign(key, "b", String(seconds), of)}`,
    });
    const wrong = [
      {},
      headersOf("whsec_b3RoZXI=", now / 1000),
      headersOf(secret, now / 1000 - 301),
      headersOf(secret, now / 1000 + 301),
      headersOf(secret, now / 1000, `${body} `),
      headersOf(secret, Number.NaN),
    ];
    for (const headers of wrong) expect((await pushTo(warehouse, "b", records, headers)).status).toBe(401);
    expect(warehouse.stock.get("milk")).toBeUndefined();
    expect((await pushTo(warehouse, "b", records, headersOf(secret, now / 1000))).status).toBe(200);
    expect(warehouse.stock.get("milk")).toMatchObject({ onHand: 5, version: 1 });
  });

  it("signs as the standard's own example does", () => {
    const signature = sign(
      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "1614265330",
      '{"test": 2432232314}',
    );
    expect(signature).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  it("tells versions of what was pushed, and times of its own figures, which no push overwrites", async () => {
    const warehouse = await start({ authority: "theirs", clock: () => Date.parse("2026-01-01T12:00:00Z") });
    await pushTo(warehouse, "a", [record("milk", 5, 1), record("milk", 7, 3, "york")]);
    await warehouse.move("milk", -2);
    await pushTo(warehouse, "b", [record("milk", 9, 2)]);
    await warehouse.count("bread", 4);
    const asOf = "2026-01-01T12:00:00.000Z";
    expect(await snapshotOf(warehouse)).toEqual([
      { sku: "bread", location: "leeds", onHand: 4, asOf },
      { sku: "milk", location: "leeds", onHand: 3, asOf },
      { sku: "milk", location: "york", onHand: 7, version: 3 },
    ]);
  });

  it("dates its moves after every snapshot that does not show them", () => {
    const stock = new WarehouseStock({ location: "leeds", authority: "theirs", clock: () => 1000 });
    expect(stock.move("milk", 1)).toBe(1000);
    stock.snapshot(undefined, 10);
    expect(stock.move("milk", 1)).toBe(1001);
  });

  it("tells Larder of what it moves and counts", async () => {
    const facts: { readonly url?: string; readonly body: unknown }[] = [];
    // Another of these servers stands for Larder: what it does not know it answers with 404.
    const other = await start();
    const original = globalThis.fetch;
    globalThis.fetch = async (url, init) => {
      facts.push({ url: String(url), body: JSON.parse(String(init?.body)) });
      return facts.length === 1 ? new Response("{}") : await original(url, init);
    };
    try {
      const warehouse = await start({ larder: { url: other.url, key: "k" }, clock: () => 0 });
      await warehouse.move("milk", -2);
      await warehouse.count("milk", 6);
      expect(facts.map(({ body }) => body)).toMatchObject([
        { type: "larder.stock.sold.v1", data: { sku: "milk", location: "leeds", quantity: 2 } },
        { type: "larder.stock.counted.v1", data: { quantity: 6 } },
      ]);
      expect(warehouse.counters.untold).toBe(1);
    } finally {
      globalThis.fetch = original;
    }
  });

  it("goes wrong as its switches say", async () => {
    const warehouse = await start();
    const control = async (body: object) =>
      (await fetch(`${warehouse.url}/control`, { method: "PUT", body: JSON.stringify(body) })).status;
    expect(await control({ down: 1 })).toBe(400);
    expect(await control({ errorRate: 1.5 })).toBe(400);
    expect(await control({ upset: true })).toBe(400);

    expect(await control({ errorRate: 1 })).toBe(200);
    expect((await pushTo(warehouse, "a", [record("milk", 5, 1)])).status).toBe(500);
    await control({ errorRate: 0, lostRate: 1 });
    expect((await pushTo(warehouse, "b", [record("milk", 5, 1)])).status).toBe(200);
    expect(warehouse.stock.get("milk")).toBeUndefined();

    await control({ lostRate: 0, timeoutRate: 1 });
    const unanswered = fetch(`${warehouse.url}/stock`, {
      method: "POST",
      body: JSON.stringify({ location: "leeds", batch: "c", records: [record("milk", 5, 1)] }),
      signal: AbortSignal.timeout(200),
    });
    await expect(unanswered).rejects.toThrow();
    expect(warehouse.stock.get("milk")).toMatchObject({ onHand: 5 });

    await control({ timeoutRate: 0, down: true });
    await expect(pushTo(warehouse, "d", [])).rejects.toThrow();
    await control({ down: false });
    expect((await pushTo(warehouse, "d", [])).status).toBe(200);
    expect(warehouse.counters).toMatchObject({ failed: 1, lost: 1, unanswered: 1, pushes: 3 });
  });

  it("refuses what it can't read", async () => {
    const { url } = await start();
    const post = async (path: string, body: string) => (await fetch(`${url}${path}`, { method: "POST", body })).status;
    expect(await post("/stock", "{")).toBe(400);
    expect(await post("/stock", '{"location": "york", "batch": "b", "records": []}')).toBe(400);
    expect(await post("/stock", " ".repeat(1_048_577))).toBe(413);
    expect(await post("/move", '{"sku": "milk"}')).toBe(400);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });
});
