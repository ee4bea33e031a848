import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FactInput, isLarderError, isStockChange } from "./index.ts";
import { fact, startLarder } from "./larder.fixture.ts";

let started: Awaited<ReturnType<typeof startLarder>>;
const larder = () => started.larder;

beforeAll(async () => {
  started = await startLarder();
});
afterAll(() => started.stop());

describe("a client of a real server", () => {
  it("takes a purchase from the shelf to the customer", async () => {
    await larder().putItem("milk", { name: "Milk", unit: "each" });
    await larder().record([fact("in", "received", "milk", "leeds", 5)]);
    const cart = await larder().reserve({ lines: [{ sku: "milk", quantity: 4, location: "leeds" }] });
    expect(cart).toMatchObject({ status: "active", lines: [{ sku: "milk", quantity: 4, lineIndex: 0 }] });
    expect((await larder().planReservation({ lines: [{ sku: "milk", quantity: 2 }] })).short).toHaveLength(1);
    await larder().confirmReservation(cart.id);
    const done = await larder().fulfilReservation(cart.id, { lines: [{ sku: "milk", quantity: 4 }] });
    expect(done.status).toBe("fulfilled");
    const { locations } = await larder().getStock("milk", {});
    expect(locations).toMatchObject([{ location: "leeds", onHand: 1, available: 1 }]);
    const { items } = await larder().getAvailability({ sku: ["milk", "no such"] }, { minPosition: done.position });
    expect(items).toMatchObject([
      { sku: "milk", available: 1 },
      { sku: "no such", known: false },
    ]);
  });

  it("tells a refusal by its code, with the numbers", async () => {
    await larder().record([fact("short", "received", "rare", "leeds", 1)]);
    const refused = larder().reserve({ lines: [{ sku: "rare", quantity: 2, location: "leeds" }] });
    const error: unknown = await refused.catch((thrown: unknown) => thrown);
    if (!isLarderError(error, "insufficient-stock")) throw error;
    expect(error.problem.lines).toEqual([{ sku: "rare", location: "leeds", requested: 2, available: 1 }]);
    expect(error.requestId).toBeTruthy();
    const wrong: unknown = await larder()
      .extendReservation("r", { ttlSeconds: 0 })
      .catch((thrown: unknown) => thrown);
    expect(wrong).toMatchObject({ code: "invalid-request", status: 400, errors: [{ pointer: "/ttlSeconds" }] });
  });

  it("reads texts, makes keys, and is told of one that is unknown", async () => {
    expect(await larder().getMetrics()).toContain("# EOF");
    expect((await larder().isReady()).ok).toBe(true);
    const made = await larder().createKey({ name: "till", scopes: ["stock:read"] });
    expect(await larder().revokeKey(made.id)).toBeUndefined();
    await expect(larder().revokeKey("no such")).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("facts", () => {
  it("go in batches, and rejected ones are counted over all of them", async () => {
    const bad = { id: "bad", type: "larder.stock.sold.v1", data: { sku: "x", location: "y", quantity: -1 } } as const;
    const facts = function* (): Generator<FactInput> {
      for (let index = 0; index < 2500; index += 1)
        yield index === 2100 ? bad : fact(`many-${index}`, "received", "grain", "silo", 1);
    };
    const receipt = await larder().record(facts());
    expect(receipt).toMatchObject({ accepted: 2499, duplicates: 0, rejected: [{ index: 2100, id: "bad" }] });
    expect(await larder().record(facts())).toMatchObject({ accepted: 0, duplicates: 2499 });
    const { items } = await larder().getAvailability({ sku: ["grain"] }, { minPosition: receipt.position });
    expect(items).toMatchObject([{ onHand: 2499 }]);
  });

  it("are as many to a batch as fit a request, whatever their size", async () => {
    const reference = "ü".repeat(250);
    const long = Array.from({ length: 2000 }, (_, index) => ({
      ...{ id: `long-${index}`.padEnd(250, "x"), type: "larder.stock.received.v1" as const },
      data: { sku: "long", location: "silo", quantity: 1, reference, lot: reference },
    }));
    expect(await larder().record(long)).toMatchObject({ accepted: 2000, rejected: [] });
  });

  it("have a receipt also when all of a batch were rejected", async () => {
    const bad = { type: "larder.stock.sold.v1", data: { sku: " ", location: "y", quantity: 1 } } as const;
    expect(await larder().record([bad])).toMatchObject({ accepted: 0, rejected: [{ index: 0, code: "invalid-fact" }] });
    await expect(larder().recordFacts([])).resolves.toMatchObject({ accepted: 0 });
  });

  it("get the client's source and an id of their own where they have none", async () => {
    const plain = { type: "larder.stock.received.v1", data: { sku: "plain", location: "silo", quantity: 1 } } as const;
    expect(await larder().record([plain, { ...plain, source: undefined, id: undefined }])).toMatchObject({
      accepted: 2,
    });
    const { events } = await larder().getStockEvents("plain");
    expect(events.map(({ data }) => (data["cause"] as { source: string }).source)).toEqual(["/tests", "/tests"]);
  });
});

describe("lists", () => {
  it("give every row, page by page", async () => {
    await larder().putItems({
      items: Array.from({ length: 7 }, (_, n) => ({ sku: `p${n}`, name: "P", unit: "each" })),
    });
    const skus: string[] = [];
    for await (const { sku } of larder().allItems({ limit: 2 })) skus.push(sku);
    expect(skus.filter((sku) => /^p\d$/.test(sku)).sort()).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    expect(new Set(skus).size).toBe(skus.length);
  });

  it("go on where a page before ended", async () => {
    const first = await larder().listItems({ limit: 3 });
    const rest: string[] = [];
    for await (const { sku } of larder().allItems({ limit: 3, cursor: first.next })) rest.push(sku);
    expect(rest).not.toContain(first.items[0]?.sku);
    expect(rest.length).toBeGreaterThan(3);
  });
});

describe("changes", () => {
  it("end at the present when not told to follow, and tell stocks from the rest", async () => {
    const { position } = await larder().record([fact("c1", "received", "chalk", "leeds", 3)]);
    await larder().reserve({ lines: [{ sku: "chalk", quantity: 1, location: "leeds" }] });
    const seen: unknown[] = [];
    for await (const event of larder().changes({ after: position, follow: false }))
      seen.push(isStockChange(event) ? event.data.balance.available : event.type);
    expect(seen).toEqual([2, "larder.reservation.status-changed.v1"]);
  });
});
