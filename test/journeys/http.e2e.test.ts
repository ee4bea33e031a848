/** The API as its clients use it; every answer is also held against the OpenAPI document. */
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { strictClient } from "./conformance.ts";
import { adminKey, Server } from "./server.ts";

const server = new Server();
const call = strictClient(server);
let facts = 0;

beforeAll(async () => {
  await server.start();
  for (const [id, priority] of [
    ["s1", 1],
    ["s2", 2],
  ] as const)
    await call("PUT", `/v1/locations/${id}`, { body: { name: id, kind: "store", priority } });
});
afterAll(() => server.stop());

async function tell(type: string, data: object, more: object = {}) {
  facts += 1;
  const body = {
    specversion: "1.0",
    id: `f${facts}`,
    source: "/journey",
    type: `larder.stock.${type}.v1`,
    data,
    ...more,
  };
  const answer = await call("POST", "/v1/events", { body });
  expect(answer.status).toBe(202);
  return answer.body as { position: string };
}

const receive = (sku: string, quantity: number, location = "s1", more: object = {}) =>
  tell("received", { sku, location, quantity, ...more });

const reserve = (body: object, headers: Record<string, string> = {}, key?: string) =>
  call("POST", "/v1/reservations", { body, headers, ...(key !== undefined && { key }) });

async function keyFor(request: object): Promise<{ id: string; key: string }> {
  const { status, body } = await call("POST", "/v1/keys", { body: { name: "journey", ...request } });
  expect(status).toBe(201);
  return body;
}

describe("a reservation", () => {
  it("goes from hold to hand-over, and each end is repeated, not contradicted", async () => {
    await receive("milk", 10);
    const made = await reserve({ id: "cart 1/ü", owner: "ann", lines: [{ sku: "milk", quantity: 4 }] });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      id: "cart 1/ü",
      status: "active",
      lines: [{ sku: "milk", location: "s1", quantity: 4 }],
    });
    const at = String(made.headers["location"]);
    expect((await call("GET", at)).body.id).toBe("cart 1/ü");

    expect(
      (await call("POST", `${at}/extend`, { body: { ttlSeconds: 5000 } })).body.expiresAt > made.body.expiresAt,
    ).toBe(true);
    expect((await call("PUT", `${at}/lines`, { body: { lines: [{ sku: "milk", quantity: 6 }] } })).status).toBe(200);
    const tooMuch = await call("PUT", `${at}/lines`, { body: { lines: [{ sku: "milk", quantity: 11 }] } });
    expect([tooMuch.status, tooMuch.body.code]).toEqual([409, "insufficient-stock"]);
    for (const _ of [1, 2])
      expect((await call("POST", `${at}/confirm`)).body).toMatchObject({ status: "confirmed", expiresAt: null });
    expect((await call("POST", `${at}/extend`, { body: { ttlSeconds: 5 } })).body.code).toBe(
      "reservation-already-confirmed",
    );

    const some = { body: { lines: [{ sku: "milk", quantity: 2 }] } };
    expect((await call("POST", `${at}/fulfil`, some)).body.code).toBe("idempotency-key-required");
    const keyed = { ...some, headers: { "idempotency-key": "part-1" } };
    for (const _ of [1, 2]) expect((await call("POST", `${at}/fulfil`, keyed)).body.status).toBe("partly-fulfilled");
    const over = await call("POST", `${at}/fulfil`, {
      body: { lines: [{ sku: "milk", quantity: 5 }] },
      headers: { "idempotency-key": "part-2" },
    });
    expect(over.body.code).toBe("exceeds-reservation");
    for (const _ of [1, 2]) expect((await call("POST", `${at}/fulfil`)).body.status).toBe("fulfilled");
    expect((await call("POST", `${at}/release`)).status).toBe(409);
    const { body: stock } = await call("GET", "/v1/stock/milk");
    expect(stock.totals).toMatchObject({ onHand: 4, available: 4, reserved: 0, committed: 0 });
  });

  it("is made once for a key, and a refusal spends none", async () => {
    const cart = { lines: [{ sku: "eggs", quantity: 1 }] };
    const key = { "idempotency-key": "cart-2" };
    const refused = await reserve(cart, key);
    expect([refused.status, refused.body.lines]).toEqual([409, [{ sku: "eggs", requested: 1, available: 0 }]]);
    await receive("eggs", 5);
    const answers = [await reserve(cart, key), await reserve(cart, key)];
    expect(answers.map(({ status }) => status)).toEqual([201, 200]);
    expect(answers[1]!.body.id).toBe(answers[0]!.body.id);
    const other = await reserve({ lines: [{ sku: "eggs", quantity: 2 }] }, key);
    expect([other.status, other.body.code]).toEqual([422, "idempotency-key-reused"]);
  });

  it("lapses at its time, and can be had again only if stock still allows", async () => {
    await receive("figs", 1);
    const { body: held } = await reserve({ ttlSeconds: 1, lines: [{ sku: "figs", quantity: 1 }] });
    expect((await reserve({ lines: [{ sku: "figs", quantity: 1 }] })).status).toBe(409);
    await new Promise((resolve) => setTimeout(resolve, Date.parse(held.expiresAt) - Date.now() + 20));
    expect((await call("GET", `/v1/reservations/${held.id}`)).body.status).toBe("expired");
    expect((await call("POST", `/v1/reservations/${held.id}/confirm`)).body.code).toBe("reservation-already-expired");
    const again = await call("POST", `/v1/reservations/${held.id}/confirm`, { body: { reacquire: true } });
    expect([again.status, again.body.status]).toEqual([200, "confirmed"]);
  });

  it("is planned in words, and listed by what one remembers of it", async () => {
    await receive("kale", 3, "s1");
    await receive("kale", 3, "s2");
    const cart = { owner: "bob", reference: "order-9", lines: [{ sku: "kale", quantity: 5 }] };
    const { body: plan } = await call("POST", "/v1/reservations:plan", { body: cart });
    expect(plan.feasible).toBe(true);
    expect(plan.lines.map((line: { because: string }) => line.because.length > 0)).toEqual([true, true]);
    const { body: made } = await reserve(cart);
    expect(made.lines).toHaveLength(2);
    for (const query of ["owner=bob", "reference=order-9", "sku=kale", "status=active&owner=bob"]) {
      const { body } = await call("GET", `/v1/reservations?${query}`);
      expect(body.items.map(({ id }: { id: string }) => id)).toEqual([made.id]);
    }
  });
});

describe("reading", () => {
  it("sees a write that it waits for, and says what it does not know", async () => {
    for (let round = 0; round < 20; round += 1) {
      const { position } = await receive("oats", 1);
      const { body } = await call("GET", "/v1/availability?sku=oats&sku=nothing", {
        headers: { "larder-min-position": position },
      });
      expect(body.items[0]).toMatchObject({ sku: "oats", available: round + 1 });
      expect(body.items[1]).toEqual({ sku: "nothing", known: false });
    }
    const { body } = await call("POST", "/v1/availability:batch", { body: { skus: ["oats"], locations: ["s2"] } });
    expect(body.items.every(({ sku }: { sku: string }) => sku === "oats")).toBe(true);
    for (const position of ["", "zzz", "é"].map(encodeURIComponent))
      expect([200, 400]).toContain(
        (
          await call("GET", `/v1/changes?follow=false&after=${position}`, {
            headers: { accept: "application/x-ndjson" },
          })
        ).status,
      );
  });

  it("looks back in time, by what is known now and by what was known then", async () => {
    await receive("rice", 10, "s1", {});
    await new Promise((resolve) => setTimeout(resolve, 5));
    const between = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await tell("sold", { sku: "rice", location: "s1", quantity: 4 }, { time: between });
    const onHand = async (query: string) => (await call("GET", `/v1/stock/rice?${query}`)).body.totals.onHand;
    expect(await onHand("lots=true")).toBe(6);
    expect(await onHand(`knownAt=${between}`)).toBe(10);
    expect(await onHand(`at=${between}`)).toBe(6);
    expect((await call("GET", "/v1/stock/rice?at=yesterday")).status).toBe(400);
  });

  it("tells the story of a sku, page by page", async () => {
    const pages: { type: string }[] = [];
    let cursor: string | undefined;
    do {
      const { body } = await call(
        "GET",
        `/v1/stock/milk/events?limit=2${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      pages.push(...body.events);
      cursor = body.next;
    } while (cursor !== undefined);
    const whole = (await call("GET", "/v1/stock/milk/events?limit=1000")).body.events;
    expect(pages).toEqual(whole);
    expect(whole.at(-1).type).toBe("larder.stock.received.v1");
  });

  it("finds an item by its barcode, and one name however it is composed", async () => {
    await call("PUT", "/v1/items/cafe%CC%81", { body: { name: "Coffee", unit: "g", gtins: ["4006381333931"] } });
    const { body } = await call("GET", "/v1/items?gtin=4006381333931");
    expect(body.items).toMatchObject([{ sku: "caf\u00e9", gtins: ["04006381333931"] }]);
    await tell("received", { gtin: "4006381333931", location: "s1", quantity: 7 });
    expect((await reserve({ lines: [{ sku: "cafe\u0301", quantity: 7 }] })).status).toBe(201);
    expect((await call("GET", "/v1/items?gtin=4006381333932")).body.code).toBe("invalid-check-digit");
    const taken = await call("PUT", "/v1/items/tea", { body: { name: "Tea", unit: "g", gtins: ["4006381333931"] } });
    expect(taken.body.code).toBe("gtin-in-use");
    const many = await call("POST", "/v1/items:batch", {
      body: { items: [{ sku: "tea", name: "Tea", unit: "g" }, { sku: 5 }] },
    });
    expect(many.body).toMatchObject({ accepted: 1, rejected: [{ index: 1 }] });
    expect((await call("GET", "/v1/items?limit=1")).body.next).toBeDefined();
    expect((await call("GET", "/v1/items/none")).status).toBe(404);
  });

  it("keeps policies, general and of a location", async () => {
    await receive("salt", 10);
    await call("PUT", "/v1/stock/salt/policy", { body: { safetyStock: 2 } });
    const { body } = await call("PUT", "/v1/stock/salt/policy", { body: { location: "s1", safetyStock: 3, lowAt: 5 } });
    expect(body).toMatchObject({
      general: { safetyStock: 2 },
      locations: [{ location: "s1", safetyStock: 3, lowAt: 5 }],
    });
    expect((await call("GET", "/v1/stock/salt/policy")).body.general.safetyStock).toBe(2);
    expect((await call("GET", "/v1/stock/salt")).body.totals.available).toBe(7);
  });

  it("lists locations", async () => {
    const { body } = await call("GET", "/v1/locations?limit=1");
    expect(body.items).toHaveLength(1);
    const rest = await call("GET", `/v1/locations?cursor=${encodeURIComponent(body.next)}`);
    expect([body.items[0].id, ...rest.body.items.map(({ id }: { id: string }) => id)].sort()).toEqual(["s1", "s2"]);
    expect((await call("GET", "/v1/locations/s1")).body.priority).toBe(1);
    expect((await call("GET", "/v1/locations/none")).status).toBe(404);
    expect(
      (await call("PUT", "/v1/locations/s3", { body: { name: "x", kind: "store", timeZone: "Mars/Base" } })).status,
    ).toBe(400);
  });
});

describe("a key", () => {
  it("that is limited to a location sees nothing else, anywhere", async () => {
    await receive("plum", 1, "s1");
    await receive("plum", 9, "s2");
    const { key } = await keyFor({ scopes: ["stock:read", "stock:write", "reservations:write"], locations: ["s1"] });
    const { body: stock } = await call("GET", "/v1/stock/plum", { key });
    expect(stock).toMatchObject({ locations: [{ location: "s1" }], totals: { onHand: 1 } });
    const { body: availability } = await call("GET", "/v1/availability?sku=plum", { key });
    expect(availability.items.map(({ location }: { location: string }) => location)).toEqual(["s1"]);
    expect((await call("GET", "/v1/locations/s2", { key })).status).toBe(404);
    expect((await call("GET", "/v1/locations", { key })).body.items.map(({ id }: { id: string }) => id)).toEqual([
      "s1",
    ]);
    expect((await reserve({ lines: [{ sku: "plum", quantity: 2 }] }, {}, key)).status).toBe(409);
    const { body: elsewhere } = await reserve({ lines: [{ sku: "plum", quantity: 1, location: "s2" }] });
    for (const [method, path] of [
      ["GET", ""],
      ["POST", "/release"],
      ["POST", "/confirm"],
    ] as const)
      expect((await call(method, `/v1/reservations/${elsewhere.id}${path}`, { key })).status).toBe(404);
    expect((await call("GET", "/v1/reservations?sku=plum", { key })).body.items).toEqual([]);
    const fact = {
      specversion: "1.0",
      id: "limited",
      source: "/till",
      type: "larder.stock.sold.v1",
      data: { sku: "plum", location: "s2", quantity: 1 },
    };
    const told = await call("POST", "/v1/events", { key, body: fact });
    expect([told.status, told.body.code, told.body.rejected[0].code]).toEqual([400, "all-rejected", "forbidden"]);
    const changes = await call("GET", "/v1/changes?follow=false&sku=plum", {
      key,
      headers: { accept: "application/x-ndjson" },
    });
    expect(changes.body).not.toContain('"s2"');
    expect(changes.body).toContain('"s1"');
  });

  it("that sees only its own reservations takes the others for none", async () => {
    await receive("pear", 5);
    const { key } = await keyFor({ scopes: ["reservations:write"], ownReservations: true });
    const { body: mine } = await reserve({ owner: "o", lines: [{ sku: "pear", quantity: 1 }] }, {}, key);
    const { body: theirs } = await reserve({ owner: "o", lines: [{ sku: "pear", quantity: 1 }] });
    expect((await call("GET", `/v1/reservations/${theirs.id}`, { key })).status).toBe(404);
    expect(
      (await call("GET", "/v1/reservations?owner=o", { key })).body.items.map(({ id }: { id: string }) => id),
    ).toEqual([mine.id]);
  });

  it("works until it is revoked, its open feed too, and neither survives a kill -9 as it was not", async () => {
    const kept = await keyFor({ scopes: ["stock:read"] });
    const gone = await keyFor({ scopes: ["stock:read"] });
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/changes/ws`, [
      "larder.v1",
      `bearer.${gone.key}`,
    ]);
    await once(socket, "open");
    const closed = once(socket, "close");
    expect((await call("DELETE", `/v1/keys/${gone.id}`)).status).toBe(204);
    await receive("nuts", 1);
    expect((await closed)[0]).toBe(4401);
    expect((await call("GET", "/v1/stock/nuts", { key: gone.key })).status).toBe(401);
    await server.crash("gateway", "inventory");
    expect((await call("GET", "/v1/stock/nuts", { key: gone.key })).status).toBe(401);
    expect((await call("GET", "/v1/stock/nuts", { key: kept.key })).body.totals.onHand).toBe(1);
    expect((await call("GET", "/v1/keys")).body.items.map(({ id }: { id: string }) => id)).toContain(kept.id);
  });
});

describe("the change feed", () => {
  it("tells each event once across a restart, whichever way it is read", async () => {
    const sse = async (after: string | undefined, until: string) => {
      const headers = { authorization: `Bearer ${adminKey}`, ...(after !== undefined && { "last-event-id": after }) };
      const response = await fetch(`${server.url}/v1/changes`, { headers });
      let text = "";
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (text.includes(`"${until}"`)) break;
      }
      const whole = text.slice(0, text.lastIndexOf("\n\n"));
      return [...whole.matchAll(/^id: (.+)\ndata: (.+)$/gm)].map(([, id = "", data = ""]) => ({
        id,
        event: JSON.parse(data),
      }));
    };
    const first = await sse(undefined, "nuts");
    await server.crash("inventory", "gateway");
    await receive("last", 1);
    const rest = await sse(first.at(-1)?.id, "last");
    const told = [...first, ...rest].map(({ event }) => event);
    const whole = (await server.changes()).slice(0, told.length);
    expect(told).toEqual(whole);
    expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
    for (const { id, event } of [...first, ...rest]) expect(event.position).toBe(id);
  });
});
