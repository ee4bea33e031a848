import type { InjectOptions } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { catalogue, type ErrorCode, PlatformError } from "../../kernel/index.ts";
import { InFlight } from "../../platform/http/index.ts";
import { credential, type Fixture, reservation, startFixture } from "./fixture.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
beforeEach(() => fixture.reset());
afterAll(() => fixture.gateway.close());

function ask(
  method: string,
  url: string,
  token?: string,
  body?: unknown,
  headers: Record<string, string> = {},
  { gateway } = fixture,
) {
  return gateway.server.inject({
    method: method as NonNullable<InjectOptions["method"]>,
    url,
    remoteAddress: "192.0.2.1",
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && { payload: body as object }),
  });
}

const lines = [{ sku: "milk", quantity: 1 }];
type Route = readonly [method: string, url: string, openTo: readonly string[], body?: unknown, asked?: string];

/** Every route: whose token opens it, and a request that passes. */
const routes: readonly Route[] = [
  ["POST", "/v1/events", ["stock:write"], [], "recordFacts"],
  ["POST", "/v1/reservations", ["reservations:write"], { lines }, "reserve"],
  ["POST", "/v1/reservations:plan", ["reservations:write"], { lines }, "plan"],
  ["GET", "/v1/reservations", ["reservations:write", "stock:read"], undefined, "reservations"],
  ["GET", "/v1/reservations/r", ["reservations:write", "stock:read"], undefined, "reservation"],
  ["POST", "/v1/reservations/r/extend", ["reservations:write"], { ttlSeconds: 5 }, "extend"],
  ["PUT", "/v1/reservations/r/lines", ["reservations:write"], { lines }, "amend"],
  ["POST", "/v1/reservations/r/confirm", ["reservations:write"], undefined, "confirm"],
  ["POST", "/v1/reservations/r/fulfil", ["reservations:write"], undefined, "fulfil"],
  ["POST", "/v1/reservations/r/release", ["reservations:write"], undefined, "release"],
  ["GET", "/v1/availability?sku=a", ["stock:read"], undefined, "availability"],
  ["POST", "/v1/availability:batch", ["stock:read"], { skus: ["a"] }, "availability"],
  ["GET", "/v1/stock/a", ["stock:read"], undefined, "stock"],
  ["GET", "/v1/stock/a/events", ["stock:read"], undefined, "stockEvents"],
  ["GET", "/v1/stock/a/policy", ["stock:read"], undefined, "policy"],
  ["PUT", "/v1/stock/a/policy", ["stock:write"], { lowAt: 5 }, "setPolicy"],
  ["GET", "/v1/items", ["stock:read"], undefined, "items"],
  ["GET", "/v1/items?gtin=40170725", ["stock:read"], undefined, "itemsByGtin"],
  ["GET", "/v1/items/a", ["stock:read"], undefined, "item"],
  ["PUT", "/v1/items/a", ["stock:write"], { name: "A", unit: "each" }, "putItem"],
  ["POST", "/v1/items:batch", ["stock:write"], { items: [1] }, "putItems"],
  ["GET", "/v1/dead-letters?queue=q", ["dlq:admin"], undefined, "deadLetters.list"],
  ["GET", "/v1/dead-letters/d", ["dlq:admin"], undefined, "deadLetters.read"],
  ["POST", "/v1/dead-letters/d/redrive", ["dlq:admin"], undefined, "deadLetters.redrive"],
  ["POST", "/v1/dead-letters:redrive", ["dlq:admin"], { queue: "q" }, "deadLetters.redriveQueue"],
  ["DELETE", "/v1/dead-letters/d?reason=old", ["dlq:admin"], undefined, "deadLetters.discard"],
  ["GET", "/v1/locations", ["stock:read"], undefined, "locations"],
  ["GET", "/v1/locations/s1", ["stock:read"], undefined, "location"],
  ["GET", "/v1/locations?gln=9506000134352", ["stock:read"], undefined, "locationsByGln"],
  ["POST", "/v1/epcis/capture", ["stock:write"], [], "capture"],
  ["GET", "/v1/epcis/capture", ["stock:read"], undefined, "jobs"],
  ["GET", "/v1/epcis/events", ["stock:read"], undefined, "epcis.events"],
  ["GET", "/v1/epcis/events/e1", ["stock:read"], undefined, "epcis.event"],
  ["GET", "/v1/epcis/capture/j1", ["stock:read"], undefined, "job"],
  ["PUT", "/v1/locations/s1", ["sync:admin"], { name: "S", kind: "store" }, "putLocation"],
  ["POST", "/v1/reconciliations", ["sync:admin"], { mode: "report" }, "reconciliations.request"],
  ["GET", "/v1/reconciliations?location=s1", ["sync:admin"], undefined, "reconciliations.reconciliations"],
  ["GET", "/v1/reconciliations:accuracy", ["sync:admin"], undefined, "reconciliations.accuracy"],
  ["GET", "/v1/reconciliations/r", ["sync:admin"], undefined, "reconciliations.reconciliation"],
  ["POST", "/v1/keys", ["admin"], { name: "k", scopes: ["stock:read"] }],
  ["GET", "/v1/keys", ["admin"]],
  ["DELETE", "/v1/keys/none", ["admin"]],
];

describe.each(routes.map((route) => ({ route, title: `${route[0]} ${route[1]}` })))("$title", ({ route }) => {
  const [method, url, openTo, body, asked] = route;

  beforeEach(() => {
    fixture.fake.answers["reserve"] = { created: true, reservation };
    fixture.fake.answers["recordFacts"] = { accepted: 0, duplicates: 0, rejected: [], position: "9" };
  });

  it("opens to its scopes and to admin, and to nobody else", async () => {
    const tokens = [...fixture.identity.credentials.keys()];
    for (const token of tokens) {
      const { statusCode } = await ask(method, url, token, body);
      if (openTo.includes(token) || token === "admin") expect([200, 201, 202, 404]).toContain(statusCode);
      else expect(statusCode).toBe(403);
    }
    expect((await ask(method, url, undefined, body)).statusCode).toBe(401);
    if (asked === undefined) return;
    const opened = new Set([...openTo, "admin"]).size;
    const calls = fixture.fake.calls.filter((call) => call.method === asked);
    expect(calls).toHaveLength(opened);
    expect(fixture.fake.calls.filter((call) => call.method !== "position")).toHaveLength(opened);
  });

  it("refuses what it does not know", async () => {
    const queried = await ask(method, `${url}${url.includes("?") ? "&" : "?"}surprise=1`, "admin", body);
    expect(queried.json().errors).toMatchObject([{ in: "query", pointer: "/surprise" }]);
    if (body === undefined || Array.isArray(body)) return;
    const answer = await ask(method, url, "admin", { ...(body as object), surprise: 1 });
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors).toMatchObject([{ in: "body", pointer: "/surprise" }]);
  });
});

describe("who may speak", () => {
  it("is told what is missing", async () => {
    const none = await ask("GET", "/v1/stock/a");
    expect(none.headers["www-authenticate"]).toBe('Bearer realm="larder"');
    const wrong = await ask("GET", "/v1/stock/a", "wrong");
    expect([wrong.statusCode, wrong.headers["www-authenticate"]]).toEqual([
      401,
      'Bearer realm="larder", error="invalid_token"',
    ]);
    const basic = await ask("GET", "/v1/stock/a", undefined, undefined, { authorization: "Basic admin" });
    expect(basic.statusCode).toBe(401);
    const narrow = await ask("GET", "/v1/stock/a", "stock:write");
    expect(narrow.json()).toMatchObject({ code: "forbidden", scopes: ["stock:read"] });
    expect(narrow.json().detail).toContain("stock:read");
    expect(narrow.headers["www-authenticate"]).toContain('scope="stock:read"');
  });

  it("is found out before a key is refused that another process has just made", async () => {
    const made = credential("made elsewhere", ["stock:read"]);
    fixture.identity.elsewhere.set("new", made);
    const answer = await ask("GET", "/v1/stock/a", "new");
    expect([answer.statusCode, answer.headers["www-authenticate"]]).toEqual([200, undefined]);
    expect(fixture.fake.asked("stock")[2]).toBe(made);
  });

  it("is handed on as the caller, limits and all", async () => {
    const limited = credential("limited", ["stock:read"], { locations: new Set(["s1"]) });
    fixture.identity.credentials.set("limited", limited);
    await ask("GET", "/v1/stock/a", "limited");
    expect(fixture.fake.asked("stock")[2]).toBe(limited);
  });

  it("may have a key of any text, however its client writes it", async () => {
    fixture.identity.credentials.set("schlüssel für den laden", credential("u", ["stock:read"]));
    const utf8 = Buffer.from("schlüssel für den laden").toString("latin1");
    for (const written of [utf8, "schlüssel für den laden"])
      expect((await ask("GET", "/v1/stock/a", written)).statusCode).toBe(200);
  });

  it("is let in by a bearer of any case, and stops being let in once revoked", async () => {
    const spelled = { authorization: "bearer admin" };
    expect((await ask("GET", "/v1/stock/a", undefined, undefined, spelled)).statusCode).toBe(200);
    expect((await ask("DELETE", "/v1/keys/stock:read", "admin")).statusCode).toBe(204);
    expect((await ask("GET", "/v1/stock/a", "stock:read")).statusCode).toBe(401);
  });
});

describe("operators' routes", () => {
  const urls = [
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/errors",
    "/docs/static/swagger-ui.css",
    "/docs/json",
  ];
  const from = (remoteAddress: string, url: string, headers: Record<string, string> = { host: "localhost:8080" }) =>
    fixture.gateway.server.inject({ url, remoteAddress, headers });

  it.each(urls)("%s is open on loopback, by any key elsewhere", async (url) => {
    for (const peer of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
      expect((await from(peer, url)).statusCode).toBe(200);
    for (const peer of ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"])
      expect((await from(peer, url)).statusCode).toBe(401);
    expect((await ask("GET", url, "nobody")).statusCode).toBe(200);
    expect((await ask("GET", url, "wrong")).statusCode).toBe(401);
  });

  it.each([
    { host: "localhost", "x-forwarded-for": "192.0.2.1" },
    { host: "localhost", forwarded: "for=192.0.2.1" },
    { host: "rebound.example" },
    { host: "127.0.0.1.example" },
  ])("are not opened by a proxy or a borrowed name: %o", async (headers) => {
    expect((await from("127.0.0.1", "/metrics", headers as Record<string, string>)).statusCode).toBe(401);
  });

  it("are open at operators' addresses too, but not to those whom they pass on", async () => {
    const other = await startFixture({ isOperator: (address) => address === "10.1.2.3" });
    const ready = (remoteAddress: string, headers: Record<string, string> = {}) =>
      other.gateway.server.inject({ url: "/readyz", remoteAddress, headers: { host: "gateway-1:8080", ...headers } });
    expect((await ready("10.1.2.3")).statusCode).toBe(200);
    expect((await ready("10.1.2.4")).statusCode).toBe(401);
    expect((await ready("10.1.2.3", { "x-forwarded-for": "192.0.2.1" })).statusCode).toBe(401);
    const api = { url: "/v1/stock/a", remoteAddress: "10.1.2.3" };
    expect((await other.gateway.server.inject(api)).statusCode).toBe(401);
    await other.gateway.close();
  });

  it("/readyz says that the server drains, while everything else is answered, each time for the last time", async () => {
    const other = await startFixture();
    const before = await ask("GET", "/v1/stock/a", "stock:read", undefined, {}, other);
    expect(before.headers["connection"]).not.toBe("close");
    other.gateway.drain();
    expect((await ask("GET", "/readyz", "nobody", undefined, {}, other)).statusCode).toBe(503);
    expect((await ask("GET", "/livez", "nobody", undefined, {}, other)).statusCode).toBe(200);
    const answer = await ask("GET", "/v1/stock/a", "stock:read", undefined, {}, other);
    expect([answer.statusCode, answer.headers["connection"]]).toEqual([200, "close"]);
    await other.gateway.close();
  });

  it("takes no members where the path says all", async () => {
    const calls = routes.filter(([method, , , body]) => method === "POST" && body === undefined);
    expect(calls.length).toBeGreaterThanOrEqual(4);
    for (const [method, url, [scope = ""]] of calls) {
      const answer = await ask(method, url, scope, { because: 1 });
      expect([url, answer.statusCode, answer.json().errors?.[0]?.pointer]).toEqual([url, 400, "/because"]);
    }
  });

  it("never opens the API itself", async () => {
    expect((await from("127.0.0.1", "/v1/stock/a")).statusCode).toBe(401);
  });

  it("/readyz says what is not ready", async () => {
    const readiness = async () => ({ a: { ok: true }, b: { ok: false, detail: "behind" } });
    const other = await startFixture({ readiness });
    const answer = await ask("GET", "/readyz", "nobody", undefined, {}, other);
    expect([answer.statusCode, answer.json()]).toEqual([503, { ok: false, checks: await readiness() }]);
    expect(answer.headers["retry-after"]).toBe("1");
    await other.gateway.close();
  });

  it("/docs/errors has an anchor for each code, where problems point", async () => {
    const page = await ask("GET", "/docs/errors", "nobody");
    for (const code of Object.keys(catalogue)) expect(page.body).toContain(`id="${code}"`);
    expect((await ask("GET", "/nowhere")).json().type).toBe("/docs/errors#not-found");
  });

  it("/docs lets a browser run nothing but what came with it", async () => {
    const page = await ask("GET", "/docs", "nobody");
    expect(page.headers["content-security-policy"]).toContain("script-src 'self';");
    expect(page.body).not.toMatch(/<script(?![^>]*\bsrc="\/docs)[^>]*>|\bon\w+="/);
  });
});

describe("facts", () => {
  const fact = { specversion: "1.0", id: "1", source: "/till", type: "larder.stock.sold.v1", data: { sku: "a" } };
  const receipt = { accepted: 1, duplicates: 0, rejected: [], position: "9" };
  const post = (type: string, body: unknown, headers: Record<string, string> = {}) =>
    ask("POST", "/v1/events", "stock:write", typeof body === "string" ? body : JSON.stringify(body), {
      "content-type": type,
      ...headers,
    });

  beforeEach(() => {
    fixture.fake.answers["recordFacts"] = receipt;
  });

  it.each([
    ["application/cloudevents+json", fact, [fact]],
    ["application/cloudevents+json; charset=UTF-8", fact, [fact]],
    ["application/cloudevents-batch+json", [fact, 5], [fact, 5]],
    ["application/json", fact, [fact]],
    ["application/json", [fact], [fact]],
  ])("come as %s", async (type, body, items) => {
    const answer = await post(type, body);
    expect([answer.statusCode, answer.json()]).toEqual([202, receipt]);
    expect(fixture.fake.asked("recordFacts")[0]).toEqual(items);
  });

  it("are put into the queue when the client does not wait for their judgement", async () => {
    fixture.fake.answers["enqueueFacts"] = { queued: 2 };
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const headers = { prefer: "respond-async, wait=10", traceparent: trace };
    const answer = await post("application/cloudevents-batch+json", [fact, 5], headers);
    expect([answer.statusCode, answer.json()]).toEqual([202, { queued: 2 }]);
    expect(answer.headers["preference-applied"]).toBe("respond-async");
    const [facts, by, traceparent] = fixture.fake.asked("enqueueFacts");
    expect([facts, (by as { id: string }).id, traceparent]).toEqual([[fact, 5], "stock:write", trace]);
    expect(fixture.fake.calls.some(({ method }) => method === "recordFacts")).toBe(false);
    // What can't be parsed or is too much is refused at once.
    expect((await post("application/cloudevents-batch+json", "[", headers)).statusCode).toBe(400);
    expect((await post("application/cloudevents-batch+json", Array(1001).fill(1), headers)).statusCode).toBe(413);
    const waited = await post("application/cloudevents-batch+json", [fact]);
    expect(waited.headers["preference-applied"]).toBeUndefined();
  });

  describe("that are read beside the main thread", () => {
    const type = "application/cloudevents-batch+json";
    let own: Fixture;
    let offered: string[];
    let read: () => Promise<readonly unknown[] | undefined>;
    beforeAll(async () => {
      own = await startFixture({
        readFacts: (json) => {
          offered.push(Buffer.from(json).toString());
          return read();
        },
      });
    });
    beforeEach(() => {
      own.reset();
      offered = [];
      own.fake.answers["recordFacts"] = receipt;
      own.fake.answers["enqueueFacts"] = { queued: 2 };
    });
    afterAll(() => own.gateway.close());
    const send = (body: string, headers: Record<string, string> = {}) =>
      ask("POST", "/v1/events", "stock:write", body, { "content-type": type, ...headers }, own);

    it("are recorded as they were read", async () => {
      read = async () => ["a", "b"];
      const answer = await send(JSON.stringify([fact, 5]));
      expect([answer.statusCode, answer.json()]).toEqual([202, receipt]);
      expect(own.fake.asked("recordFacts")[0]).toEqual(["a", "b"]);
      expect(offered).toEqual([JSON.stringify([fact, 5])]);
    });

    it.each([
      ["are left to it", async () => undefined],
      ["the reader fails", () => Promise.reject(new Error("gone"))],
    ])("are read here when they %s", async (_why, fails) => {
      read = fails;
      await send(JSON.stringify([fact, 5]));
      expect(own.fake.asked("recordFacts")[0]).toEqual([fact, 5]);
      const answer = await send('[{"id":');
      expect([answer.statusCode, answer.json().detail]).toEqual([400, expect.stringContaining("line 1, column 8")]);
    });

    it("are no facts for a queue, nor in another coding or form", async () => {
      read = async () => ["never"];
      expect((await send(JSON.stringify([fact]), { prefer: "respond-async" })).statusCode).toBe(202);
      expect(own.fake.asked("enqueueFacts")[0]).toEqual([fact]);
      expect((await send("[]", { "content-encoding": "gzip" })).statusCode).toBe(415);
      for (const other of ["application/json", "application/cloudevents+json"])
        await send(JSON.stringify(fact), { "content-type": other });
      expect(offered).toEqual([]);
    });
  });

  it("come in binary mode", async () => {
    const { data, ...attributes } = fact;
    const headers = Object.fromEntries(
      Object.entries({ ...attributes, subject: "é" }).map(([name, value]) => [`ce-${name}`, encodeURIComponent(value)]),
    );
    await post("application/json", data, headers);
    expect(fixture.fake.asked("recordFacts")[0]).toEqual([
      { ...fact, subject: "é", datacontenttype: "application/json" },
    ]);
  });

  it.each([
    ["application/cloudevents+json", [fact]],
    ["application/cloudevents-batch+json", fact],
    ["application/json", "5"],
    ["application/json", ""],
    ["application/cloudevents+json", "{"],
  ])("are malformed when %s holds %j", async (type, body) => {
    const answer = await post(type, body);
    expect([answer.statusCode, answer.json().code]).toEqual([400, "invalid-request"]);
    expect(fixture.fake.calls).toEqual([]);
  });

  it("are at most 1,000", async () => {
    expect(
      (
        await post(
          "application/json",
          Array.from({ length: 1000 }, () => 1),
        )
      ).statusCode,
    ).toBe(202);
    const answer = await post(
      "application/json",
      Array.from({ length: 1001 }, () => 1),
    );
    expect([answer.statusCode, answer.json().code]).toEqual([413, "payload-too-large"]);
    expect((await post("text/csv", "a")).statusCode).toBe(415);
  });

  it("that were all rejected are a problem with the list; some are not", async () => {
    const rejected = [{ index: 0, id: "1", code: "invalid-fact", detail: "no" }];
    fixture.fake.answers["recordFacts"] = { ...receipt, accepted: 0, rejected };
    const answer = await post("application/json", [fact]);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({
      code: "all-rejected",
      rejected,
      accepted: 0,
      duplicates: 0,
      position: "9",
      status: 400,
    });
    fixture.fake.answers["recordFacts"] = { ...receipt, accepted: 0, duplicates: 1, rejected };
    expect((await post("application/json", [fact, fact])).statusCode).toBe(202);
  });

  it("alone may be sent as CloudEvents", async () => {
    const answer = await ask("POST", "/v1/reservations", "admin", "{}", {
      "content-type": "application/cloudevents+json",
    });
    expect(answer.statusCode).toBe(415);
  });
});

describe("reservations", () => {
  it("are 201 with their place when made, 200 when made before", async () => {
    fixture.fake.answers["reserve"] = { created: true, reservation };
    const made = await ask("POST", "/v1/reservations", "admin", { lines }, { "idempotency-key": "k 1" });
    expect([made.statusCode, made.headers.location, made.json()]).toEqual([
      201,
      "/v1/reservations/cart%2F1",
      reservation,
    ]);
    expect(fixture.fake.asked("reserve")).toEqual([{ lines }, fixture.identity.credentials.get("admin"), "k 1"]);
    fixture.fake.answers["reserve"] = { created: false, reservation };
    const again = await ask("POST", "/v1/reservations", "admin", { lines });
    expect([again.statusCode, again.headers.location]).toEqual([200, undefined]);
  });

  it("are found by any id, encoded", async () => {
    await ask("GET", "/v1/reservations/cart%2Fe%CC%81%3F", "admin");
    expect(fixture.fake.asked("reservation")[0]).toBe("cart/\u00e9?");
  });

  it("carry what a refusal knows, at the top of the problem, and never over its own members", async () => {
    const short = [{ sku: "milk", requested: 2, available: 1 }];
    fixture.fake.rejection = {
      code: "insufficient-stock",
      detail: "1 line is short.",
      extra: { lines: short, status: "lies" },
    };
    const answer = await ask("POST", "/v1/reservations", "admin", { lines });
    expect(answer.statusCode).toBe(409);
    expect(answer.json()).toMatchObject({
      code: "insufficient-stock",
      lines: short,
      status: 409,
      detail: "1 line is short.",
    });
  });

  it.each(["", "x".repeat(257), "é", " a", "a\tb"])("take no Idempotency-Key %j", async (key) => {
    const answer = await ask("POST", "/v1/reservations", "admin", { lines }, { "idempotency-key": key });
    expect([answer.statusCode, answer.json().errors?.[0]?.pointer]).toEqual([400, "/idempotency-key"]);
  });

  it("need a key to be fulfilled by lines, and none to be fulfilled whole", async () => {
    const answer = await ask("POST", "/v1/reservations/r/fulfil", "admin", { lines });
    expect([answer.statusCode, answer.json().code]).toEqual([400, "idempotency-key-required"]);
    await ask("POST", "/v1/reservations/r/fulfil", "admin", { lines }, { "idempotency-key": "k" });
    expect(fixture.fake.asked("fulfil").slice(0, 2)).toEqual(["r", lines]);
    expect((await ask("POST", "/v1/reservations/r/fulfil", "admin", {})).statusCode).toBe(200);
  });

  it("have at most 80 lines", async () => {
    const many = (count: number) => ({ lines: Array.from({ length: count }, () => lines[0]) });
    fixture.fake.answers["reserve"] = { created: false, reservation };
    expect((await ask("POST", "/v1/reservations", "admin", many(80))).statusCode).toBe(200);
    expect((await ask("POST", "/v1/reservations", "admin", many(81))).statusCode).toBe(400);
  });

  it("are listed by what was asked, 100 when no limit was", async () => {
    await ask("GET", "/v1/reservations?owner=o&status=active&sku=s&reference=r&cursor=c", "admin");
    expect(fixture.fake.asked("reservations")[0]).toEqual({
      owner: "o",
      status: "active",
      sku: "s",
      reference: "r",
      cursor: "c",
      limit: 100,
    });
    for (const bad of ["status=open", "limit=0", "limit=1001", "limit=1.5", "owner=%20"])
      expect((await ask("GET", `/v1/reservations?${bad}`, "admin")).statusCode).toBe(400);
  });
});

describe("reading", () => {
  it("asks for many skus and locations, and waits for a position", async () => {
    await ask("GET", "/v1/availability?sku=a&sku=b&location=x", "admin", undefined, { "larder-min-position": "p" });
    expect(fixture.fake.asked("availability").filter((_, index) => index !== 2)).toEqual([["a", "b"], ["x"], "p"]);
    const long = await ask("GET", "/v1/availability?sku=a", "admin", undefined, {
      "larder-min-position": "p".repeat(2049),
    });
    expect(long.json().code).toBe("invalid-position");
  });

  it("takes at most 1,000 skus", async () => {
    const skus = Array.from({ length: 1001 }, (_, index) => `s${index}`);
    const answer = await ask("POST", "/v1/availability:batch", "admin", { skus });
    expect([answer.statusCode, answer.json().code]).toEqual([413, "payload-too-large"]);
    const query = skus.map((sku) => `sku=${sku}`).join("&");
    expect((await ask("GET", `/v1/availability?${query}`, "admin")).statusCode).toBe(413);
    expect((await ask("POST", "/v1/availability:batch", "admin", { skus: skus.slice(1) })).statusCode).toBe(200);
  });

  it("looks back and into lots", async () => {
    await ask("GET", "/v1/stock/a%2Fb?lots=true&at=2026-11-21T00:00:00Z&knownAt=2026-11-22T00:00:00Z", "admin");
    expect(fixture.fake.asked("stock").slice(0, 2)).toEqual([
      "a/b",
      { lots: true, at: "2026-11-21T00:00:00Z", knownAt: "2026-11-22T00:00:00Z" },
    ]);
    for (const bad of ["lots=1", "lots=yes"])
      expect((await ask("GET", `/v1/stock/a?${bad}`, "admin")).statusCode).toBe(400);
  });
});

describe("every code", () => {
  const codes = Object.keys(catalogue) as ErrorCode[];

  it.each(codes)("%s has its status", async (code) => {
    fixture.fake.rejection = { code, detail: "d" };
    const answer = await ask("GET", "/v1/stock/a", "admin");
    expect([answer.statusCode, answer.json().code]).toEqual([catalogue[code].http, code]);
    const waits = [429, 503].includes(catalogue[code].http);
    expect(answer.headers["retry-after"]).toBe(waits ? "1" : undefined);
  });

  it("thrown by the platform too, without its message", async () => {
    fixture.fake.answers["stock"] = new PlatformError("overloaded", "queue at /data is full");
    const answer = await ask("GET", "/v1/stock/a", "admin");
    expect([answer.statusCode, answer.json().code, answer.body.includes("/data")]).toEqual([503, "overloaded", false]);
    fixture.fake.answers["stock"] = new Error("bang /etc");
    const broken = await ask("GET", "/v1/stock/a", "admin");
    expect([broken.statusCode, broken.json().code, broken.body.includes("bang")]).toEqual([500, "internal", false]);
    expect(fixture.logged.error).toHaveLength(2);
  });
});

describe("room", () => {
  it("is kept for others: one credential can't take every place, nor all together too many", async () => {
    const other = await startFixture({ requestsInFlight: new InFlight(2, 3) });
    const { promise, resolve } = Promise.withResolvers<void>();
    other.fake.answers["stock"] = () => promise.then(() => ({ ok: true, value: {} }));
    const read = (token: string) => ask("GET", "/v1/stock/a", token, undefined, {}, other);
    const waiting = [read("admin"), read("admin")];
    await new Promise((done) => setTimeout(done, 20));
    expect((await read("admin")).statusCode).toBe(429);
    waiting.push(read("stock:read"));
    await new Promise((done) => setTimeout(done, 20));
    expect((await read("stock:read")).statusCode).toBe(503);
    resolve();
    expect((await Promise.all(waiting)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    await new Promise((done) => setTimeout(done, 20));
    expect((await read("admin")).statusCode).toBe(200);
    await other.gateway.close();
  });
});

describe("keys", () => {
  it("show their secret once, and no cache keeps it", async () => {
    const answer = await ask("POST", "/v1/keys", "admin", { name: "k", scopes: ["stock:read"] });
    expect([answer.statusCode, answer.headers.location, answer.headers["cache-control"]]).toEqual([
      201,
      "/v1/keys/k1",
      "no-store",
    ]);
    expect(answer.json().key).toBe("lk_secret");
    for (const bad of [{ scopes: [] }, { scopes: ["god"] }, { scopes: ["admin", "admin"] }, { locations: [] }])
      expect((await ask("POST", "/v1/keys", "admin", { name: "k", scopes: ["admin"], ...bad })).statusCode).toBe(400);
  });
});
