import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { limits, OutcomeUnknown, PlatformError, Type } from "../../kernel/index.ts";
import { createHttpServer, type HttpServer } from "./server.ts";

const silent = () => {};
const logger = {
  level: "silent",
  fatal: silent,
  error: vi.fn(),
  warn: silent,
  info: silent,
  debug: silent,
  trace: silent,
  silent,
  child: () => logger,
};
const observed: [string, string, number][] = [];
let server: HttpServer;

const Body = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 5, format: "identifier" }),
    count: Type.Optional(Type.Integer()),
    rows: Type.Optional(Type.Array(Type.Integer(), { maxItems: 1000 })),
  },
  { additionalProperties: false },
);

beforeEach(async () => {
  logger.error.mockClear();
  observed.length = 0;
  server = createHttpServer({
    logger,
    observe: (route, method, status) => observed.push([route, method, status]),
  });
  const params = Type.Object({ name: Type.String({ maxLength: 5, format: "identifier" }) });
  const querystring = Type.Object(
    {
      sku: Type.Optional(Type.Array(Type.String())),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
      all: Type.Optional(Type.Boolean()),
    },
    { additionalProperties: false },
  );
  server.post("/things", { schema: { body: Body } }, async (request) => request.body);
  server.post(
    "/maybe",
    { schema: { body: Type.Object({}, { additionalProperties: false }) } },
    async (request) => request.body,
  );
  server.get("/things/:name", { schema: { params, querystring } }, async ({ params, query }) => ({ params, query }));
  server.post("/slow", async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return {};
  });
  server.post("/things::plan", async () => ({}));
  server.get("/fault", async () => {
    throw new PlatformError("storage-unavailable", "ENOSPC: /var/lib/secret.db");
  });
  server.get("/unknown", async () => {
    throw new OutcomeUnknown("the connection to secret.internal was lost");
  });
  server.get("/defect", async () => {
    throw new TypeError("undefined is not /var/lib/secret");
  });
  await server.ready();
});
afterEach(() => server.close());

const post = (payload: string | Buffer, headers: Record<string, string> = { "content-type": "application/json" }) =>
  server.inject({ method: "POST", url: "/things", headers, payload });

/** What a server answers to these very bytes; `stays` leaves it to the server to end the connection. */
async function raw(bytes: string | Uint8Array, stays = false): Promise<string> {
  if (!server.server.listening) await server.listen({ host: "127.0.0.1", port: 0 });
  const socket = connect((server.server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", silent);
  if (stays) socket.write(bytes);
  else socket.end(bytes);
  let answer = "";
  for await (const chunk of socket) answer += chunk;
  return answer;
}

describe("request ids", () => {
  it("are the client's when plain, else our own, on every answer", async () => {
    const given = await server.inject({ url: "/things/a", headers: { "x-request-id": "abc-1.2:3_4" } });
    expect(given.headers["x-request-id"]).toBe("abc-1.2:3_4");
    for (const bad of ["a b", "x".repeat(129), 'a"', ""]) {
      const { headers } = await server.inject({ url: "/nowhere", headers: { "x-request-id": bad } });
      expect(headers["x-request-id"]).toMatch(/^[\w-]{8}-\w+$/);
    }
    const own = await Promise.all([1, 2, 3].map(() => server.inject({ url: "/things/a" })));
    expect(new Set(own.map(({ headers }) => headers["x-request-id"])).size).toBe(3);
  });

  it("are named by problems", async () => {
    const answer = await server.inject({ url: "/nowhere", headers: { "x-request-id": "r1" } });
    expect(answer.json()).toEqual({
      type: "/docs/errors#not-found",
      title: "Not found",
      status: 404,
      code: "not-found",
      detail: "There is nothing here.",
      instance: "urn:larder:request:r1",
      requestId: "r1",
    });
    expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
  });
});

describe("bodies", () => {
  it("are not coerced, cut or filled in, and every finding is told", async () => {
    const answer = await post('{"name":" a","count":"1","more/~":true}');
    expect(answer.statusCode).toBe(400);
    const { errors } = answer.json() as { errors: { pointer: string }[] };
    expect(errors).toHaveLength(3);
    expect(errors.map(({ pointer }) => pointer).sort()).toEqual(["/count", "/more~1~0", "/name"]);
  });

  it("are told of their first finding only, and quickly, when large", async () => {
    const answer = await post(JSON.stringify({ name: "a", rows: Array.from({ length: 200_000 }, () => "x") }));
    expect(answer.statusCode).toBe(413);
    const other = await post(JSON.stringify({ count: "x".repeat(20_000), other: 1 }));
    expect((other.json() as { errors: object[] }).errors).toHaveLength(1);
  });

  it("give at most 20 findings", async () => {
    const answer = await post(JSON.stringify({ name: "a", rows: Array.from({ length: 100 }, () => "x") }));
    expect((answer.json() as { errors: object[] }).errors).toHaveLength(20);
  });

  it("count as {} when there is none", async () => {
    for (const headers of [{}, { "content-type": "application/json" }]) {
      const answer = await server.inject({ method: "POST", url: "/maybe", headers });
      expect([answer.statusCode, answer.json()]).toEqual([200, {}]);
    }
    expect((await server.inject({ method: "POST", url: "/things" })).json()).toMatchObject({
      errors: [{ in: "body", pointer: "/name", detail: "is required" }],
    });
  });

  it.each([
    ["malformed", '{"name": }', 400, "line 1, column 10"],
    ["cut off", '{"name"', 400, "line 1, column 8"],
    ["not UTF-8", Buffer.from([0x22, 0xff, 0x22]), 400, "UTF-8"],
    ["with a prototype", '{"__proto__": {}, "name": "a"}', 400, "not allowed"],
    ["with a constructor", '{"constructor": {"prototype": {}}, "name": "a"}', 400, "not allowed"],
    ["too deep", "[".repeat(100_000), 400, "deeper"],
    ["a little too deep", "[".repeat(4000), 400, "column 4001"],
    ["too large", `"${"x".repeat(1_048_576)}"`, 413, "bytes"],
    ["null", "null", 400, "required"],
  ])("%s: a problem that says so", async (_what, body, status, part) => {
    const answer = await post(body);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
    expect(answer.json().detail).toContain(part);
  });

  it.each([
    [{ "content-type": "text/plain" }],
    [{ "content-type": "application/xml" }],
    [{ "content-type": "nonsense" }],
    [{}],
    [{ "content-type": "application/json; charset=latin1" }],
    [{ "content-type": "application/json", "content-encoding": "gzip" }],
  ])("are refused with 415 as %o", async (headers) => {
    const answer = await post('{"name":"a"}', headers as Record<string, string>);
    expect([answer.statusCode, answer.json().code]).toEqual([415, "unsupported-media-type"]);
  });

  it("are told what is taken when they are of another media type", async () => {
    const answer = await post("name=a", { "content-type": "application/x-www-form-urlencoded" });
    expect(answer.json().detail).toBe(
      'The Content-Type is "application/x-www-form-urlencoded"; taken here: application/json.',
    );
    expect((await post("name=a", {})).json().detail).toBe("No Content-Type came; taken here: application/json.");
  });

  it("are taken with any spelling of UTF-8", async () => {
    for (const charset of ["utf-8", "UTF-8", '"utf8"'])
      expect((await post('{"name":"é"}', { "content-type": `application/json; charset=${charset}` })).statusCode).toBe(
        200,
      );
  });

  it("never give a 5xx, whatever their bytes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array(),
          fc.json(),
          fc.jsonValue().map((v) => JSON.stringify({ name: v })),
        ),
        async (bytes) => {
          expect((await post(Buffer.from(bytes as string))).statusCode).toBeLessThan(500);
        },
      ),
      { numRuns: 200 },
    );
    expect(logger.error).not.toHaveBeenCalled();
  });
});

describe("paths and queries", () => {
  it("are decoded, brought to NFC, and may hold a slash", async () => {
    const answer = await server.inject({ url: "/things/e%CC%81%2Fb?sku=a&sku=e%CC%81&limit=5&all=true" });
    expect(answer.json()).toEqual({
      params: { name: "\u00e9/b" },
      query: { sku: ["a", "\u00e9"], limit: 5, all: true },
    });
    expect((await server.inject({ url: "/things/a?sku=a" })).json()).toMatchObject({ query: { sku: ["a"] } });
  });

  it.each([
    ["/things/a%00b", "path", "/name"],
    ["/things/%20a", "path", "/name"],
    ["/things/abcdef", "path", "/name"],
    ["/things/a?limit=x", "query", "/limit"],
    ["/things/a?limit=1&limit=2", "query", "/limit"],
    ["/things/a?limit=1e400", "query", "/limit"],
    ["/things/a?limit=-1e400", "query", "/limit"],
    [`/things/a?limit=${"1".repeat(400)}`, "query", "/limit"],
    ["/things/a?unknown=1", "query", "/unknown"],
    ["/things/a?__proto__=1", "query", "/__proto__"],
  ])("%s is refused by name", async (url, part, pointer) => {
    const answer = await server.inject({ url });
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors).toMatchObject([{ in: part, pointer }]);
  });

  it.each(["/things/%", "/things/%C3%28", "/%ff", "/things/a?sku=%", "/things/a?sku=%c3%28"])(
    "%s is no URL",
    async (url) => {
      const answer = await server.inject({ url });
      expect([answer.statusCode, answer.json().code]).toEqual([400, "invalid-request"]);
    },
  );

  it("too long are 400, not 404", async () => {
    const answer = await server.inject({ url: `/things/${"x".repeat(4000)}` });
    expect([answer.statusCode, answer.json().code]).toEqual([400, "invalid-request"]);
  });

  it("answer 405 with what is allowed", async () => {
    for (const method of ["DELETE", "PATCH", "OPTIONS", "PUT"] as const) {
      const answer = await server.inject({ method, url: "/things/a" });
      expect([answer.statusCode, answer.headers.allow]).toEqual([405, "GET, HEAD"]);
    }
    expect((await server.inject({ method: "GET", url: "/things:plan" })).headers.allow).toBe("POST");
    expect(await raw("TRACE /things/a HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(/^HTTP\/1.1 405 .*\r\nallow: GET, HEAD/is);
    expect(await raw("PROPFIND /things/a HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(/^HTTP\/1.1 405 /);
    expect(await raw("QUERY /things/a HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(/^HTTP\/1.1 405 .*\r\nallow: GET, HEAD/is);
    expect(await raw("QUERY /none HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(/^HTTP\/1.1 404 /);
    const asked = "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nall";
    expect(await raw(`QUERY /things/a HTTP/1.1\r\nHost: x\r\n${asked}`)).toMatch(/^HTTP\/1.1 405 /);
  });
});

describe("faults", () => {
  it("say nothing of where they happened, and are logged", async () => {
    const fault = await server.inject({ url: "/fault" });
    expect([fault.statusCode, fault.json().code, fault.headers["retry-after"]]).toEqual([
      503,
      "storage-unavailable",
      "1",
    ]);
    const defect = await server.inject({ url: "/defect" });
    expect([defect.statusCode, defect.json().code]).toEqual([500, "internal"]);
    expect(fault.body + defect.body).not.toMatch(/secret|\/var|stack|TypeError|\/fault|\/defect/);
    expect(logger.error).toHaveBeenCalledTimes(2);
  });
});

describe("a lost answer of the store", () => {
  it("is a passing fault, and no defect of the server", async () => {
    const { statusCode, headers, body } = await server.inject({ url: "/unknown" });
    expect([statusCode, headers["retry-after"]]).toEqual([503, "1"]);
    expect(JSON.parse(body)).toMatchObject({ code: "storage-unavailable" });
    expect(body).not.toContain("secret");
  });
});

describe("bytes that are no request", () => {
  it.each([
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00", 400],
    ["a bad version", "GET / HTTP/9.9\r\n\r\n", 400],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["a bad header", "GET / HTTP/1.1\r\nHost: x\r\na b: c\r\n\r\n", 400],
    ["two lengths", "POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400],
    [
      "a length and chunks",
      "POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
      400,
    ],
    ["too many headers", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    [
      "a bad chunk",
      "POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      400,
    ],
    ["no version", "GET /things/a\r\n\r\n", 400],
    ["the next version", "GET /things/a HTTP/2.0\r\nHost: x\r\n\r\n", 400],
    ["two hosts", "GET /things/a HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", 400],
    ["a bad path", "GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ])("%s", async (_what, bytes, status) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it("are answered as problems", async () => {
    for (const lines of ["", "Host: x\r\nHost: x\r\n"]) {
      const answer = await raw(`GET /things/a HTTP/1.1\r\nConnection: close\r\n${lines}\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 400 .*application\/problem\+json.*"detail":"A request has one Host header."/s);
    }
    expect(await raw("nonsense\r\n\r\n")).toMatch(/application\/problem\+json.*"code":"invalid-request"/s);
    expect(await raw(`GET / HTTP/1.1\r\nA: ${"x".repeat(20_000)}\r\n\r\n`)).toContain('"code":"headers-too-large"');
  });

  it.each([
    ["bytes that are no request", "nonsense\r\n\r\n"],
    ["a flood of headers", `GET / HTTP/1.1\r\nA: ${"x".repeat(20_000)}\r\n\r\n`],
  ])("let nobody keep a connection that was refused: %s", async (_what, bytes) => {
    await server.listen({ host: "127.0.0.1", port: 0 });
    // Ends nothing by itself.
    const socket = connect({
      port: (server.server.address() as AddressInfo).port,
      host: "127.0.0.1",
      allowHalfOpen: true,
    });
    socket.on("error", silent);
    socket.write(bytes);
    await once(socket, "data");
    await vi.waitFor(
      async () =>
        expect(await new Promise((resolve) => server.server.getConnections((_error, count) => resolve(count)))).toBe(0),
      { timeout: 10 * limits.socketCloseMs },
    );
    socket.destroy();
    await server.close();
  });

  it("are answered after what came whole before them", async () => {
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n`;
    const slow = `${head("/slow")}\r\n{}`;
    const answers = await raw(`${slow}${slow}nonsense\r\n\r\n`, true);
    expect(answers.match(/HTTP\/1.1 (?:200|400) /g)).toEqual(["HTTP/1.1 200 ", "HTTP/1.1 200 ", "HTTP/1.1 400 "]);
    const closed = await raw(`${head("/slow")}Connection: close\r\n\r\n{}GET /more HTTP/1.1\r\n\r\n`, true);
    expect(closed.match(/HTTP\/1.1 \d+ /g)).toEqual(["HTTP/1.1 200 "]);
    // A body that is broken is its own request's fault.
    const broken = `${slow}POST /slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`;
    expect((await raw(broken, true)).match(/HTTP\/1.1 \d+ /g)).toEqual(["HTTP/1.1 200 ", "HTTP/1.1 400 "]);
  });

  it("are told that a body is too large while it is still coming", async () => {
    const head = "POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`;
    const chunked = await raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(40)}`);
    expect(chunked).toMatch(/^HTTP\/1.1 413 .*"code":"payload-too-large"/s);
    expect(await raw(`${head}Content-Length: 9999999\r\n\r\n${" ".repeat(1000)}`)).toMatch(/^HTTP\/1.1 413 /);
  });

  it("are asked for when the client waits to be", async () => {
    const head = "POST /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    const asked = await raw(`${head}Expect: 100-continue\r\nContent-Length: 12\r\n\r\n{"name":"a"}`);
    expect(asked).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
  });

  it("may expect something, or ask to speak another protocol, without harm", async () => {
    const asked =
      "GET /things/a HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nExpect: the-unexpected\r\nUpgrade: h2c\r\n\r\n";
    expect(await raw(asked)).toMatch(/^HTTP\/1.1 200 /);
  });

  it("never give a 5xx", async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1 }),
      fc.string({ minLength: 1 }).map((s) => new TextEncoder().encode(`GET /${s}\r\n\r\n`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        expect(await raw(sent)).not.toMatch(/^HTTP\/1.1 5/);
      }),
      { numRuns: 100 },
    );
  });
});

describe("the observer", () => {
  it("is told of each request once, by its route", async () => {
    await server.listen({ host: "127.0.0.1", port: 0 });
    const base = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
    for (const path of ["/things/a", "/things/%20", "/nowhere?x=1"]) await (await fetch(base + path)).text();
    await vi.waitFor(() =>
      expect(observed).toEqual([
        ["/things/:name", "GET", 200],
        ["/things/:name", "GET", 400],
        ["unmatched", "GET", 404],
      ]),
    );
  });
});
