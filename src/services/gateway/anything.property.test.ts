/** Whatever a client sends, through the real inventory: never a 5xx, never an answer that is not JSON or a problem. */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import type { InjectOptions } from "fastify";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConsumerHost } from "../../platform/consumer/index.ts";
import { MemoryStorage } from "../../platform/storage/memory/index.ts";
import { createIdentity } from "../identity/index.ts";
import { factSchemas, inventoryTagging, type RunningInventory, startInventory } from "../inventory/index.ts";
import { createGateway, type Gateway } from "./gateway.ts";

const adminKey = "an admin key for anything";
let gateway: Gateway;
let inventory: RunningInventory;
let host: ConsumerHost;
const failed: unknown[] = [];

beforeAll(async () => {
  const storage = new MemoryStorage({ tagging: inventoryTagging });
  const clock = Date.now;
  const identity = createIdentity({ storage, clock, random: randomBytes });
  host = new ConsumerHost(storage);
  await host.start([identity.consumer]);
  inventory = await startInventory({ storage, clock, randomId: () => randomBytes(16).toString("hex") });
  await identity.ensureAdminKey(adminKey);
  const silent = () => {};
  const logger = {
    level: "error",
    fatal: silent,
    error: (line: unknown) => failed.push(line),
    warn: silent,
    info: silent,
    debug: silent,
    trace: silent,
    silent,
    child: () => logger,
  };
  gateway = await createGateway({ inventory, identity, logger, readiness: async () => ({}), factSchemas });
});
afterAll(async () => {
  await gateway.close();
  await inventory.stop();
  host.stop();
});

const text = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "s1",
    "s2",
    "milk",
    "2026-11-21",
    "2026-02-30",
    "2026-11-21T00:00:00Z",
    "4006381333931",
    "priority",
    "nearest",
    "each",
    "store",
    "__proto__",
    "constructor",
    "active",
    "",
  ),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const number = fc.oneof(
  fc.integer({ min: -2, max: 20 }),
  fc.constantFrom(1e12, 1e15, -1e12, 2 ** 53, 0.5, 1e308),
  fc.double(),
);
const leaf = fc.oneof(text, number, fc.boolean(), fc.constant(null));
const members = [
  "id",
  "owner",
  "reference",
  "ttlSeconds",
  "allowPartial",
  "strategy",
  "near",
  "lines",
  "sku",
  "skus",
  "quantity",
  "location",
  "locations",
  "sellableUntil",
  "lot",
  "lat",
  "lon",
  "reacquire",
  "name",
  "unit",
  "gtins",
  "plu",
  "kind",
  "priority",
  "position",
  "timeZone",
  "safetyStock",
  "lowAt",
  "backorderLimit",
  "items",
  "scopes",
  "sources",
  "expiresAt",
  "specversion",
  "source",
  "type",
  "time",
  "data",
  "delta",
  "reason",
  "asOf",
  "transfer",
  "to",
  "from",
  "order",
  "final",
  "reservation",
  "dueOn",
  "gtin",
];
const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...members), tie("value"), { maxKeys: 6 }),
  ),
}));

/** Bodies that are right or almost so, to reach what lies behind the schemas. */
const name = fc.oneof({ weight: 9, arbitrary: fc.constantFrom("a", "b", "s1", "s2") }, text);
const count = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 5 }) }, number);
const line = fc.record(
  { sku: name, quantity: count, location: name, sellableUntil: text, lot: name },
  { requiredKeys: ["sku", "quantity"] },
);
const lines = fc.record({ lines: fc.array(line, { minLength: 1, maxLength: 4 }) });
const stockFact = fc.record({
  type: fc.constantFrom("larder.stock.received.v1", "larder.stock.sold.v1", "larder.stock.counted.v1"),
  data: fc.record(
    { sku: name, location: name, quantity: count, lot: name },
    { requiredKeys: ["sku", "location", "quantity"] },
  ),
});
const oddFact = fc.record({
  type: fc.constantFrom(...Object.keys(factSchemas), "larder.stock.sold.v2"),
  data: fc.dictionary(fc.constantFrom(...members), leaf),
});
const facts = fc.array(
  fc
    .tuple(
      fc.record({ specversion: fc.constant("1.0"), id: fc.oneof(name, text), source: name }),
      fc.oneof(stockFact, oddFact),
    )
    .map(([envelope, told]) => ({ ...envelope, ...told })),
  { minLength: 1, maxLength: 3 },
);
const item = { name: text, unit: fc.constantFrom("each", "g"), gtins: fc.array(text, { maxLength: 2 }) };
const cart = fc.record(
  {
    id: name,
    owner: name,
    ttlSeconds: count,
    allowPartial: fc.boolean(),
    lines: fc.array(line, { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: ["lines"] },
);

/** Each route, with bodies made for it. */
const routes: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  "POST /v1/events": facts,
  "POST /v1/reservations": cart,
  "POST /v1/reservations:plan": cart,
  "GET /v1/reservations": json,
  "GET /v1/reservations/:p": json,
  "POST /v1/reservations/:p/extend": fc.record({ ttlSeconds: count }),
  "PUT /v1/reservations/:p/lines": lines,
  "POST /v1/reservations/:p/confirm": fc.record({ reacquire: fc.boolean() }, { requiredKeys: [] }),
  "POST /v1/reservations/:p/fulfil": fc.oneof(lines, fc.constant({})),
  "POST /v1/reservations/:p/release": fc.constant({}),
  "GET /v1/availability": json,
  "POST /v1/availability:batch": fc.record({ skus: fc.array(name, { minLength: 1, maxLength: 3 }) }),
  "GET /v1/stock/:p": json,
  "GET /v1/stock/:p/events": json,
  "GET /v1/stock/:p/policy": json,
  "PUT /v1/stock/:p/policy": fc.record({ location: name, safetyStock: count, lowAt: count }, { requiredKeys: [] }),
  "GET /v1/items": json,
  "GET /v1/items/:p": json,
  "PUT /v1/items/:p": fc.record(item),
  "POST /v1/items:batch": fc.record({ items: fc.array(fc.record({ sku: name, ...item }), { maxLength: 3 }) }),
  "GET /v1/locations": json,
  "GET /v1/locations/:p": json,
  "PUT /v1/locations/:p": fc.record(
    { name: text, kind: fc.constant("store"), timeZone: text },
    { requiredKeys: ["name", "kind"] },
  ),
  "POST /v1/keys": fc.record(
    { name: text, scopes: fc.constant(["stock:read"]), expiresAt: text },
    { requiredKeys: ["name", "scopes"] },
  ),
  "GET /v1/keys": json,
  "DELETE /v1/keys/:p": json,
};
const parameters = ["sku", "location", "limit", "cursor", "owner", "status", "lots", "at", "knownAt", "gtin", "other"];
const request = fc.constantFrom(...Object.keys(routes)).chain((route) =>
  fc.record({
    route: fc.constant(route),
    part: fc.oneof({ weight: 5, arbitrary: name }, text, fc.constantFrom("%", "%ff", "a/b", "..")),
    query: fc.array(fc.tuple(fc.constantFrom(...parameters), fc.oneof(name, text, number.map(String))), {
      maxLength: 3,
    }),
    body: fc.oneof({ weight: 4, arbitrary: routes[route] ?? json }, json),
    headers: fc.record(
      {
        "idempotency-key": fc.constantFrom("k1", "k2", "x".repeat(300)),
        "larder-min-position": fc.constantFrom("p", "MS4x"),
      },
      { requiredKeys: [] },
    ),
  }),
);

/** A refusal for want of stock, which generated requests reach in most runs but not in all. */
const tooMany = {
  route: "POST /v1/reservations",
  part: "",
  query: [],
  body: { lines: [{ sku: "nowhere-to-be-found", quantity: 1 }] },
  headers: {},
};

describe("anything a client can send", () => {
  it("is answered by JSON or a problem, and never breaks the server", async () => {
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(request, async ({ route, part, query, body, headers }) => {
        const [method = "", path = ""] = route.split(" ");
        // A lone surrogate has no percent-encoding; the server gets what a sloppy client would send.
        const encode = (value: string) => (value.isWellFormed() ? encodeURIComponent(value) : "%ED%A0%80");
        // Most routes know no parameters: asking for some would end each request there.
        const asked = method === "GET" ? query : query.slice(2);
        const search = asked.map(([name, value]) => `${name}=${encode(value)}`).join("&");
        const answer = await gateway.server.inject({
          method: method as NonNullable<InjectOptions["method"]>,
          url: `${path.replace(":p", encode(part) || "x")}?${search}`,
          headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json", ...headers },
          ...(method !== "GET" && { payload: JSON.stringify(body) }),
        });
        seen.add(answer.statusCode);
        expect(answer.statusCode, answer.body).toBeLessThan(500);
        if (answer.statusCode !== 204)
          expect(String(answer.headers["content-type"])).toMatch(/^application\/(problem\+)?json/);
        if (answer.statusCode >= 400)
          expect(answer.json()).toMatchObject({ status: answer.statusCode, code: expect.any(String) });
      }),
      { numRuns: 1000, examples: [[tooMany]] },
    );
    expect(failed).toEqual([]);
    // The requests are good enough to reach every kind of answer.
    for (const status of [200, 201, 202, 400, 404, 409]) expect(seen).toContain(status);
  });
});
