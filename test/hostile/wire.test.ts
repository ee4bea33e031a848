/** Bytes on the wire that are not quite HTTP, each with what must come of it; the fuzzer tries what nobody thought of. */
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/kernel/index.ts";
import { readAnswers } from "../fuzz/answers.ts";
import { checkAnswer } from "../fuzz/check.ts";
import { House } from "../fuzz/house.ts";

let house: House;
let port: number;
let auth: string;
beforeAll(async () => {
  house = await House.open("memory");
  await house.gateway.listen("127.0.0.1", 0);
  port = (house.gateway.server.server.address() as AddressInfo).port;
  auth = `Authorization: Bearer ${house.keys.admin}\r\n`;
});
afterAll(async () => {
  expect(await house.close()).toEqual([]);
  expect(house.errors).toEqual([]);
});

/** Sends bytes and gives the statuses of the answers; ends by itself when the server says no more. */
async function send(bytes: string | Buffer): Promise<readonly number[]> {
  const socket = connect(port, "127.0.0.1");
  const pieces: Buffer[] = [];
  let quiet: ReturnType<typeof setTimeout> | undefined;
  const wait = () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => socket.end(), 150);
  };
  socket.on("error", () => {});
  socket.on("data", (piece: Buffer) => {
    pieces.push(piece);
    wait();
  });
  socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  wait();
  await new Promise((resolve) => socket.on("close", resolve));
  clearTimeout(quiet);
  const { answers } = readAnswers(Buffer.concat(pieces));
  for (const answer of answers) checkAnswer(answer, answer.hasBody);
  return answers.map(({ status }) => status);
}

const get = (target: string, more = "") =>
  `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}Connection: close\r\n\r\n`;

describe("request targets", () => {
  it.each([
    ["*", 404],
    ["http://127.0.0.1/livez", 200],
    ["//livez", 404],
    ["/../livez", 404],
    ["/v1/../livez", 404],
    ["/livez/", 404],
    ["/livez#a", 200],
    ["/livez?", 200],
    ["livez", 400],
    ["/%2e%2e/etc/passwd", 404],
    ["/docs/static/..%2f..%2f..%2fpackage.json", 404],
    ["/docs/static/%2e%2e/%2e%2e/package.json", 404],
    ["/docs/static/%00", 400],
    [`/v1/stock/${"x".repeat(limits.pathParameterLengthMax + 1)}`, 400],
    ["/v1/stock/%", 400],
    ["/v1/stock/%ff", 400],
    ["/v1/stock/\u00ff", 400],
    ["/\u0000", 400],
    ["", 400],
  ])("%s", async (target, status) => {
    const statuses = await send(get(target, auth));
    expect(statuses).toHaveLength(1);
    // Where the parser may be of two minds, what counts is that nothing is found there.
    if (status === 200) expect(statuses).toEqual([200]);
    else expect([400, 404]).toContain(statuses[0]);
  });

  it("are asked by methods that exist here", async () => {
    expect(await send("CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n")).toEqual([]);
    for (const method of ["TRACE", "OPTIONS", "PROPFIND"])
      expect(await send(get("/v1/items", auth).replace("GET", method))).toEqual([405]);
    for (const method of ["FOO", "get", "G ET", "x".repeat(10_000)])
      expect(await send(get("/v1/items", auth).replace("GET", method))).toEqual([400]);
    expect(await send(`OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toEqual([404]);
  });
});

describe("other protocols", () => {
  it.each([
    ["HTTP/0.9", "GET /livez\r\n\r\n"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["HTTP/2 by version", get("/livez").replace("1.1", "2.0")],
    ["TLS", Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])],
    ["SSH", "SSH-2.0-x\r\n"],
    ["zeros", Buffer.alloc(100_000)],
  ])("%s: 400, and the connection ends", async (_what, bytes) => {
    expect(await send(bytes)).toEqual([400]);
  });

  it("HTTP/1.0 is served, without a host too", async () => {
    expect(await send("GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")).toEqual([200]);
    expect(await send(`GET /livez HTTP/1.0\r\n${auth}\r\n`)).toEqual([200]);
  });
});

describe("headers", () => {
  it("have 16 KiB together", async () => {
    expect(await send(get("/livez", `A: ${"x".repeat(20_000)}\r\n`))).toEqual([431]);
    expect(await send(get("/livez", "a: b\r\n".repeat(5000)))).toEqual([431]);
    expect(await send(`GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)).toEqual([431]);
    expect(await send(get("/livez", `A: ${"x".repeat(10_000)}\r\n`))).toEqual([200]);
  });

  it("may hold many cookies, which mean nothing here", async () => {
    const cookies = Array.from({ length: 200 }, (_, index) => `Cookie: c${index}=1; __proto__=2; admin=true\r\n`).join(
      "",
    );
    expect(await send(get("/v1/items", cookies))).toEqual([401]);
    expect(await send(get("/v1/items", cookies + auth))).toEqual([200]);
  });

  it.each(["a b: c", ": c", "a\u0000: b", "a: \u0000b", "\u00e4: b", " a: b", "a: b\r c", "a: b\nc: d\r"])(
    "%j is none",
    async (line) => {
      const [status = 400] = await send(get("/livez", `${line}\r\n`));
      expect(status).toBe(400);
    },
  );

  it("that expect something are passed over, or asked to go on", async () => {
    expect(await send(get("/livez", "Expect: the-unexpected\r\n"))).toEqual([200]);
    const body = '{"skus":["milk"]}';
    const head = `POST /v1/availability:batch HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n`;
    expect(await send(head + body)).toEqual([200]);
    expect(await send(head.replace(auth, ""))).toEqual([401]);
  });

  it("name one credential", async () => {
    expect(await send(get("/v1/items", `Authorization: Bearer x\r\n${auth}`))).toEqual([401]);
    expect(await send(get("/v1/items", `Authorization: Bearer ${"x".repeat(limits.tokenLengthMax + 1)}\r\n`))).toEqual([
      401,
    ]);
  });
});

describe("framing", () => {
  const hidden = () =>
    `PUT /v1/items/smuggled HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: 26\r\n\r\n{"name":"x","unit":"each"}`;
  const post = (...framing: string[]) =>
    `POST /v1/availability:batch HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\n${framing.map((line) => `${line}\r\n`).join("")}\r\n`;
  const chunk = '11\r\n{"skus":["milk"]}\r\n0\r\n\r\n';

  it.each([
    ["a length and chunks", ["Content-Length: 30", "Transfer-Encoding: chunked"]],
    ["chunks and a length", ["Transfer-Encoding: chunked", "Content-Length: 30"]],
    ["two lengths", ["Content-Length: 0", "Content-Length: 30"]],
    ["two lengths in one", ["Content-Length: 0, 30"]],
    ["a negative length", ["Content-Length: -1"]],
    ["a signed length", ["Content-Length: +30"]],
    ["a hexadecimal length", ["Content-Length: 0x1e"]],
    ["a length beyond 2^64", ["Content-Length: 99999999999999999999999"]],
    ["a name with a space", ["Transfer-Encoding : chunked"]],
    ["a coding nobody knows", ["Transfer-Encoding: xchunked"]],
    ["chunked and then another", ["Transfer-Encoding: chunked, identity"]],
    ["chunked with a vertical tab", ["Transfer-Encoding: \u000bchunked"]],
    ["a line feed alone", ["X: y\nTransfer-Encoding: chunked"]],
  ])("with %s hides no second request", async (_what, framing) => {
    const before = await house.state();
    const statuses = await send(post(...framing) + chunk + hidden());
    expect(statuses.filter((status) => status !== 400)).toEqual([]);
    expect(await house.state()).toBe(before);
  });

  it.each([
    ["a size beyond 2^64", "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"],
    ["a negative size", "-2\r\n{}\r\n0\r\n\r\n"],
    ["a size that is none", "2g\r\n{}\r\n0\r\n\r\n"],
    ["a chunk that is longer than it says", '1\r\n{"skus":["milk"]}\r\n0\r\n\r\n'],
    ["line feeds alone", '11\n{"skus":["milk"]}\n0\n\n'],
    ["an endless extension", `11;${"x".repeat(100_000)}`],
  ])("with %s is refused", async (_what, chunks) => {
    expect(
      (await send(post("Transfer-Encoding: chunked") + chunks)).every((status) => status >= 400 && status < 500),
    ).toBe(true);
  });

  it("may be pipelined, and is answered in order", async () => {
    const all =
      get("/livez").replace("Connection: close\r\n", "") + post("Transfer-Encoding: chunked") + chunk + get("/nowhere");
    expect(await send(all)).toEqual([200, 200, 404]);
  });
});
