/**
 * The public contract, corner by corner, on one running server that is held to its OpenAPI document. What a whole journey
 * shows stands in the others.
 */
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { strictClient } from "./conformance.ts";
import { isSplit } from "./mode.ts";
import { adminKey, type CallOptions, Server } from "./server.ts";

const server = new Server();
beforeAll(() => server.start());
afterAll(() => server.stop());

const call = strictClient(server);
let told = 0;
let made = 0;

/** A name that no other test uses. */
function fresh(word: string): string {
  made += 1;
  return `${word}-${made}`;
}

function fact(type: string, data: object, more: object = {}) {
  told += 1;
  return { specversion: "1.0", id: `f${told}`, source: "till", type: `larder.${type}.v1`, data, ...more };
}

const received = (sku: string, quantity: number, more: object = {}) =>
  fact("stock.received", { sku, location: "x", quantity, ...more });
const tell = (...facts: readonly object[]) => call("POST", "/v1/events", { body: facts });
const reserve = (body: object, options: CallOptions = {}) => call("POST", "/v1/reservations", { body, ...options });
const keyFor = async (request: object) =>
  (await call("POST", "/v1/keys", { body: { name: "contract", ...request } })).body;

async function stock(sku: string, query = "", location = "x") {
  const { body } = await call("GET", `/v1/stock/${encodeURIComponent(sku)}${query}`);
  return body.locations.find((one: { location: string }) => one.location === location);
}

async function feed(query = "", options: CallOptions = {}) {
  const headers = { accept: "application/x-ndjson" };
  const { body } = await call("GET", `/v1/changes?follow=false${query}`, { headers, ...options });
  return String(body)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

describe("words", () => {
  it("are counted in characters of their stored form, which is one however it is composed", async () => {
    const [sku, location] = ["é".repeat(100), "🥛".repeat(64)];
    for (const name of [sku, sku.normalize("NFD")])
      expect(await tell(received(name, 1, { location }))).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(await stock(sku.normalize("NFD"), "", location)).toMatchObject({ onHand: 2 });
    const batch = await call("POST", "/v1/availability:batch", { body: { skus: [sku, sku.normalize("NFD")] } });
    expect(batch.body.items).toHaveLength(1);
    expect(await reserve({ lines: [{ sku: sku.normalize("NFD"), quantity: 1 }] })).toMatchObject({ status: 201 });
    const item = { name: "n", unit: "each" };
    expect(await call("PUT", `/v1/items/${encodeURIComponent(sku)}`, { body: item })).toMatchObject({ status: 200 });
    expect(
      await call("POST", "/v1/items:batch", { body: { items: [{ sku: sku.normalize("NFD"), ...item }] } }),
    ).toMatchObject({ status: 200, body: { unchanged: 1 } });
    // Grows to twice its length when it is normalised.
    expect((await tell(received("\u0958".repeat(51), 1))).status).toBe(400);
  });

  it.each([
    { sku: "x".repeat(101) },
    { location: "x".repeat(65) },
    { sku: "" },
    { sku: " x" },
    { sku: "x\u00a0" },
    { sku: "x\u0085y" },
    { sku: "x\u007fy" },
    { quantity: 0 },
    { quantity: 1.5 },
    { quantity: 1e12 + 1 },
    { quantity: "1" },
    { gtin: "4006381333931" },
    { unheardOf: 1 },
  ])("that are no good are rejected: %j", async (data) => {
    expect(await tell(received("x", 1, data))).toMatchObject({
      status: 400,
      body: { code: "all-rejected", accepted: 0, rejected: [{ index: 0, code: "invalid-fact" }] },
    });
  });

  it("may be those of JavaScript itself", async () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    for (const [index, sku] of names.entries()) {
      await tell(received(sku, 5, { location: names.at(-1 - index) }));
      await call("PUT", `/v1/stock/${sku}/policy`, { body: { location: "__proto__", safetyStock: 1 } });
    }
    const { body } = await call("GET", `/v1/availability?${names.map((name) => `sku=${name}`).join("&")}`);
    expect(
      body.items.map(({ sku, onHand, safetyStock }: Record<string, unknown>) => [sku, onHand, safetyStock]),
    ).toEqual(names.map((name) => [name, 5, name === "hasOwnProperty" ? 1 : 0]));
    expect((await tell(fact("x", {}, { type: "__proto__" }))).status).toBe(400);
  });
});

describe("facts", () => {
  it("each do what the table says", async () => {
    const sku = fresh("each");
    const steps: [type: string, data: object, after: object][] = [
      ["stock.expected", { quantity: 10, reference: "po" }, { incoming: 10, onHand: 0 }],
      ["stock.received", { quantity: 4, reference: "po" }, { incoming: 6, onHand: 4 }],
      ["stock.received", { quantity: 9, reference: "po" }, { incoming: 0, onHand: 13 }],
      ["stock.sold", { quantity: 3 }, { onHand: 10 }],
      ["stock.returned", { quantity: 1, sellable: false }, { onHand: 11, unavailable: 1 }],
      ["stock.adjusted", { delta: -2, reason: "damage" }, { onHand: 9, available: 8 }],
      ["stock.held-back", { quantity: 3, reason: "recall" }, { unavailable: 4 }],
      ["stock.put-back", { quantity: 2, reason: "fine" }, { unavailable: 2 }],
      ["stock.counted", { quantity: 20 }, { onHand: 20 }],
      ["stock.dispatched", { quantity: 6, transfer: fresh("t"), to: "y" }, { onHand: 14 }],
      ["stock.sold", { quantity: 20 }, { onHand: -6, available: -8 }],
    ];
    for (const [type, data, after] of steps) {
      expect(await tell(fact(type, { sku, location: "x", ...data }))).toMatchObject({ body: { accepted: 1 } });
      expect([type, await stock(sku)]).toMatchObject([type, after]);
      await wait(2); // what happens at the instant of a count belongs to it
    }
    expect(await stock(sku, "", "y")).toMatchObject({ incoming: 6 });
    await tell(fact("stock.sold", { sku, location: "x", quantity: 1 }, { time: "2020-01-01T00:00:00Z" }));
    const trail = await call("GET", `/v1/stock/${sku}/events?limit=1`);
    expect(trail.body.events[0]).toMatchObject({
      type: "larder.stock.sold.v1",
      time: "2020-01-01T00:00:00.000Z",
      data: { absorbedBy: { source: "till" }, actor: "admin", cause: { source: "till" }, balance: { onHand: -6 } },
    });
  });

  it("that name lot unknown mean the units that are in none of the others", async () => {
    const sku = fresh("lots");
    const lots = async () => {
      const { onHand, lots: seen } = await stock(sku, "?lots=true");
      return [onHand, ...seen.map(({ lot, quantity }: Record<string, unknown>) => `${lot} ${quantity}`)];
    };
    await tell(received(sku, 2, { lot: "a" }), received(sku, 3));
    expect(await lots()).toEqual([5, "a 2", "unknown 3"]);
    await tell(fact("stock.sold", { sku, location: "x", lot: "unknown", quantity: 1 }));
    expect(await lots()).toEqual([4, "a 2", "unknown 2"]);
    await wait(2);
    const asOf = new Date().toISOString();
    await tell(fact("stock.counted", { sku, location: "x", lot: "unknown", quantity: 9, asOf }));
    expect(await lots()).toEqual([11, "a 2", "unknown 9"]);
    // The same again when it has to be worked out from the whole history.
    await tell(
      fact("stock.sold", { sku, location: "x", lot: "unknown", quantity: 1 }, { time: "2020-01-01T00:00:00Z" }),
    );
    expect(await lots()).toEqual([11, "a 2", "unknown 9"]);
    const held = fact("stock.held-back", { sku, location: "x", lot: "unknown", quantity: 4, reason: "recall" });
    await tell(held);
    expect(await stock(sku, "?lots=true")).toMatchObject({ unavailable: 4, lots: [{ sellable: 2 }, { sellable: 5 }] });
    await tell(fact("fact.voided", { source: "till", id: held.id, reason: "mistake" }));
    expect(await stock(sku)).toMatchObject({ onHand: 11, unavailable: 0 });
  });

  it("of one order count once, and only the final one lets the rest of its reservation go", async () => {
    const [sku, id, order] = [fresh("order"), fresh("r"), fresh("o")];
    await tell(received(sku, 10));
    await reserve({ id, lines: [{ sku, quantity: 4 }] });
    const completed = (data: object, source = "till") =>
      tell(fact("order.completed", { order, lines: [{ sku, location: "x", quantity: 3 }], ...data }, { source }));
    expect((await completed({ reservation: id })).body).toMatchObject({ accepted: 1 });
    expect(await stock(sku)).toMatchObject({ onHand: 7, reserved: 0, committed: 1 });
    expect((await completed({ final: true })).body).toMatchObject({ accepted: 0, duplicates: 1 });
    expect((await completed({ reservation: id, final: true }, "web")).body).toMatchObject({ accepted: 1 });
    expect(await stock(sku)).toMatchObject({ onHand: 4, committed: 0 });
    expect((await call("GET", `/v1/reservations/${id}`)).body.status).toBe("fulfilled");
  });
});

describe("reservations", () => {
  it("are refused for what can't be asked", async () => {
    const line = { sku: "milk", quantity: 1 };
    const bodies = [
      { lines: [] },
      { lines: Array.from({ length: 81 }, () => line) },
      { lines: [line], strategy: "nearest" },
      { lines: [line], strategy: "best" },
      { lines: [{ ...line, location: "x", locations: ["y"] }] },
      { lines: [{ ...line, sellableUntil: "2026-02-30" }] },
      { lines: [line], ttlSeconds: 0 },
      { lines: [line], ttlSeconds: 2_592_001 },
      { lines: [line], owner: null },
      { lines: [{ ...line, quantity: "1" }] },
      { lines: [line], unheardOf: 1 },
    ];
    for (const body of bodies)
      for (const path of ["/v1/reservations", "/v1/reservations:plan"])
        expect([body, await call("POST", path, { body })]).toMatchObject([
          body,
          { status: 400, body: { code: "invalid-request", errors: [{}], requestId: expect.any(String) } },
        ]);
  });

  it("cover 80 pairs at most, sum lines that ask for the same, and take locations in their order", async () => {
    const sku = fresh("pairs");
    await tell(...Array.from({ length: 81 }, (_, index) => received(sku, 1, { location: `l${index}` })));
    expect(await reserve({ lines: [{ sku, quantity: 81 }] })).toMatchObject({
      status: 422,
      body: { code: "too-many-allocations" },
    });
    const two = { sku, quantity: 1, locations: ["l7", "l3", "l5"] };
    expect((await reserve({ lines: [two, two] })).body.lines).toEqual([
      { sku, location: "l7", quantity: 1, lineIndex: 0 },
      { sku, location: "l3", quantity: 1, lineIndex: 0 },
    ]);
    expect((await reserve({ lines: [{ sku, quantity: 79 }] })).status).toBe(201);
  });
});

describe("recorded events", () => {
  it("say the balance after them, their version, who brought them about and by what", async () => {
    const [sku, id] = [fresh("feed"), fresh("r")];
    await tell(received(sku, 2));
    await reserve({ id, lines: [{ sku, quantity: 2 }] });
    await tell(fact("stock.adjusted", { sku, location: "x", delta: -1, reason: "theft" }));
    await call("PUT", `/v1/stock/${sku}/policy`, { body: { safetyStock: 1 } });
    await call("POST", `/v1/reservations/${id}/fulfil`);
    await tell(received(sku, 1, { lot: "old", expiresOn: "2020-01-01" }));
    const events = (await feed(`&sku=${sku}`)).filter(({ data }) => data.balance !== undefined);
    const cause = { source: "till", id: expect.any(String) };
    const expected = [
      ["larder.stock.received.v1", cause],
      ["larder.reservation.reserved.v1", { reservation: id }],
      ["larder.stock.out.v1", { reservation: id }],
      ["larder.stock.adjusted.v1", cause],
      ["larder.stock.shortfall.v1", cause],
      ["larder.stock.policy-set.v1", { policy: sku }],
      ["larder.reservation.fulfilled.v1", { reservation: id }],
      ["larder.stock.shortfall.v1", { reservation: id }],
      ["larder.stock.received.v1", cause],
      ["larder.stock.lot-expired.v1", cause],
    ];
    expect(events.map(({ type, data }) => [type, data.cause])).toEqual(expected);
    for (const [index, { data, position }] of events.entries()) {
      expect(data).toMatchObject({
        sku,
        location: "x",
        version: index + 1,
        actor: "admin",
        recordedAt: expect.any(String),
      });
      expect(typeof position).toBe("string");
    }
    expect(events.map(({ data }) => data.balance.onHand)).toEqual([2, 2, 2, 1, 1, 1, -1, -1, 0, 0]);
  });
});

describe("a transfer", () => {
  it("tells of both its ends when they happened, and what was short", async () => {
    const [sku, transfer] = [fresh("moved"), fresh("t")];
    const times = ["2026-01-01T10:00:00.000Z", "2026-01-02T10:00:00.000Z"];
    await tell(fact("stock.dispatched", { sku, location: "x", to: "y", transfer, quantity: 10 }, { time: times[0] }));
    await tell(fact("stock.arrived", { sku, location: "y", from: "x", transfer, quantity: 8 }, { time: times[1] }));
    expect(await stock(sku, "", "y")).toMatchObject({ onHand: 8, incoming: 0 });
    const [dispatched, arrived] = (await feed(`&sku=${sku}`)).filter(({ type }) => type.startsWith("larder.transfer."));
    expect([dispatched.time, arrived.time]).toEqual(times);
    expect(arrived).toMatchObject({ type: "larder.transfer.arrived.v1", data: { transfer, at: "y", difference: -2 } });
    for (const { time } of await feed()) expect(new Date(time).toISOString()).toBe(time);
  });
});

describe("a limited key", () => {
  it("speaks for its sources and locations only, fact by fact", async () => {
    const sku = fresh("limited");
    await tell(received(sku, 1), received(sku, 4, { location: "y" }));
    const limits = { locations: ["y"], sources: ["till-y"] };
    const { key } = await keyFor({ scopes: ["stock:read", "stock:write", "reservations:write"], ...limits });
    const at = (location: string, source: string) => ({ ...received(sku, 1, { location }), source });
    const body = [at("y", "till-y"), at("y", "till"), at("x", "till-y")];
    expect(await call("POST", "/v1/events", { body, key })).toMatchObject({
      status: 202,
      body: {
        accepted: 1,
        rejected: [
          { index: 1, code: "forbidden" },
          { index: 2, code: "forbidden" },
        ],
      },
    });
    expect((await call("GET", `/v1/stock/${sku}`, { key })).body).toMatchObject({
      locations: [{ location: "y" }],
      totals: { onHand: 5 },
    });
    const seen = await feed("", { key, headers: { accept: "application/x-ndjson" } });
    expect(new Set(seen.flatMap(({ data }) => data.location ?? []))).toEqual(new Set(["y"]));
    const elsewhere = { lines: [{ sku, quantity: 1, location: "x" }] };
    expect((await reserve(elsewhere, { key })).status).toBe(404);
    const other = (await reserve(elsewhere)).body.id;
    expect((await call("GET", `/v1/reservations/${other}`, { key })).status).toBe(404);
    expect((await reserve({ lines: [{ sku, quantity: 6 }] }, { key })).body).toMatchObject({
      lines: [{ available: 5 }],
    });
  });

  it("ends at its time", async () => {
    const { key } = await keyFor({ scopes: ["stock:read"], expiresAt: new Date(Date.now() + 1500).toISOString() });
    expect((await call("GET", "/v1/availability?sku=a", { key })).status).toBe(200);
    await wait(1500);
    expect(await call("GET", "/v1/availability?sku=a", { key })).toMatchObject({
      status: 401,
      body: { code: "unauthenticated" },
    });
  });
});

describe("what no client should send", () => {
  /** Sends bytes as they are, and gives the status of the answer. */
  const raw = (bytes: string) =>
    new Promise<number>((resolve) => {
      let text = "";
      const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
      const end = () => {
        socket.destroy();
        resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0));
      };
      socket.on("error", end).on("close", end);
      socket.on("data", (chunk) => {
        text += chunk;
        end();
      });
      socket.write(bytes);
    });
  const head = `Host: 127.0.0.1\r\nAuthorization: Bearer ${adminKey}\r\nContent-Type: application/json\r\n`;
  const post = (path: string, body: string) =>
    raw(`POST ${path} HTTP/1.1\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const data = (text: string) =>
    `{"specversion":"1.0","id":"${fresh("raw")}","source":"s","type":"larder.stock.received.v1","data":${text}}`;

  it.each([
    ["/v1/events", data('{"sku":"a","location":"b","quantity":1e400}')],
    ["/v1/events", data('{"sku":"a","location":"b","quantity":1,"__proto__":{"lot":"q"}}')],
    ["/v1/events", data(`${'{"a":'.repeat(60)}1${"}".repeat(60)}`)],
    ["/v1/events", `${"[".repeat(200_000)}${"]".repeat(200_000)}`],
    ["/v1/reservations", `${'{"lines":'.repeat(50_000)}1${"}".repeat(50_000)}`],
    ["/v1/reservations", '{"constructor":{"prototype":{}},"lines":[{"sku":"a","quantity":1}]}'],
    ["/v1/reservations", "null"],
    ["/v1/events", "[null,5,[],{}]"],
    ["/v1/events", "\0"],
    ["/v1/keys", '{"name":"x","scopes":["__proto__"]}'],
  ])("is 400: %s %.60s", async (path, body) => {
    expect(await post(path, body)).toBe(400);
  });

  it.each([
    ["/v1/stock/%ff", 400],
    ["/v1/stock/%ed%a0%80", 400],
    ["/v1/availability?sku=%00", 400],
    ["/v1/availability?__proto__=1", 400],
    ["/v1/items?cursor=!!", 400],
    ["/v1/locations?cursor=!!", 400],
    ["/v1/reservations?cursor=!!", 400],
    ["/v1/stock/x/events?cursor=!!", 400],
    ["/v1/changes?follow=false&after=!!", 400],
    ["/v1/stock/x?at=99999-01-01T00:00:00Z", 400],
    ["/docs/%2e%2e/%2e%2e/package.json", 404],
  ])("is no 5xx: GET %s", async (path, status) => {
    await tell(received("x", 1));
    expect((await server.call("GET", path)).status).toBe(status);
  });

  it("is told from what is meant for another method, type or size", async () => {
    expect(await server.call("DELETE", "/v1/events")).toMatchObject({ status: 405, headers: { allow: "POST" } });
    expect(
      await server.call("POST", "/v1/events", { body: [], headers: { "content-type": "text/xml" } }),
    ).toMatchObject({
      status: 415,
      body: { code: "unsupported-media-type" },
    });
    expect(await raw(`POST /v1/events HTTP/1.1\r\n${head}Content-Length: 1048577\r\n\r\n`)).toBe(413);
    const flood = Array.from({ length: 3000 }, (_, index) => `X-${index}: ${"y".repeat(20)}\r\n`).join("");
    // A proxy that stands before it says so in its own words.
    expect(isSplit ? [400, 431] : [431]).toContain(await raw(`GET /livez HTTP/1.1\r\n${head}${flood}\r\n`));
    expect((await call("GET", "/livez")).status).toBe(200);
  });
});
