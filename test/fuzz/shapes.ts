/** Bytes that are nearly HTTP: what proxies and parsers are known to disagree about, and what no parser should take. */

import { mutateBytes } from "./odd.ts";
import type { Random } from "./random.ts";
import type { Sent } from "./requests.ts";

const crlf = "\r\n";

/** A request as it goes over the wire; `more` are header lines of any kind. */
export function wireOf(
  { method, url, headers, body }: Sent,
  more: readonly string[] = [],
  framing = lengthOf(body),
): Buffer {
  const lines = [`${method} ${url} HTTP/1.1`, ...(more.some((line) => /^host/i.test(line)) ? [] : ["Host: 127.0.0.1"])];
  const own = headers
    .filter(([name]) => !/^(?:host|expect|te|trailer)$/.test(name))
    .map(([name, value]) => `${name}: ${value}`);
  const head = Buffer.from([...lines, ...own, ...framing, ...more, "", ""].join(crlf), "latin1");
  return body === undefined ? head : Buffer.concat([head, body]);
}

function lengthOf(body: Buffer | undefined): readonly string[] {
  return body === undefined ? [] : [`Content-Length: ${body.length}`];
}

const closing = ["Connection: close"];

/** One input: bytes to send, all at once or in pieces. */
export function shaped(
  sent: Sent,
  others: readonly Sent[],
  random: Random,
): { readonly kind: string; readonly bytes: Buffer } {
  const body = sent.body ?? Buffer.from("{}");
  const withBody: Sent = { ...sent, body };
  const whole = () => wireOf(sent, closing);
  const framed = (...framing: string[]) => wireOf(withBody, closing, framing);
  const chunked = (content: string, ...framing: string[]) =>
    wireOf(
      { ...sent, body: Buffer.from(content, "latin1") },
      closing,
      framing.length > 0 ? framing : ["Transfer-Encoding: chunked"],
    );
  const chunk = `${body.length.toString(16)}${crlf}${body.toString("latin1")}${crlf}0${crlf}${crlf}`;
  const hidden = `POST /v1/items/smuggled HTTP/1.1${crlf}Host: x${crlf}Content-Length: 2${crlf}${crlf}{}`;
  const text = () => whole().toString("latin1");

  const shapes: Readonly<Record<string, () => Buffer | string>> = {
    whole,
    mutated: () => mutateBytes(whole(), random),
    "much mutated": () => mutateBytes(whole(), random, 30),
    "cut off": () => whole().subarray(0, random.below(whole().length)),
    pipelined: () => Buffer.concat([...others.map((other) => wireOf(other)), whole()]),
    "pipelined and spoilt": () =>
      mutateBytes(Buffer.concat([...others.map((other) => wireOf(other)), whole()]), random, 2),
    "length too small": () => framed(`Content-Length: ${random.below(body.length + 1)}`),
    "length too great": () => framed(`Content-Length: ${body.length + random.between(1, 100)}`),
    "two lengths": () => framed(`Content-Length: ${body.length}`, `Content-Length: ${random.below(10)}`),
    "length twice": () => framed(`Content-Length: ${body.length}`, `Content-Length: ${body.length}`),
    "odd length": () =>
      framed(
        `Content-Length: ${random.pick(["-1", "+5", "0x10", "1e3", "5, 5", "5 5", "", "99999999999999999999", "1_0", "\u00b2"])}`,
      ),
    "length and chunks": () => chunked(chunk + hidden, `Content-Length: ${chunk.length}`, "Transfer-Encoding: chunked"),
    "chunks and length": () => chunked(chunk + hidden, "Transfer-Encoding: chunked", "Content-Length: 3"),
    chunked: () => chunked(chunk),
    "odd coding": () =>
      chunked(
        chunk + hidden,
        `Transfer-Encoding: ${random.pick(["xchunked", "chunked, identity", "identity, chunked", "chunked, chunked", "\tchunked", "chunked\t", "CHUNKED", "gzip, chunked", "\u000bchunked", "chunked;q=1", ""])}`,
      ),
    "two codings": () =>
      chunked(
        chunk + hidden,
        "Transfer-Encoding: chunked",
        `Transfer-Encoding: ${random.pick(["identity", "chunked", "x"])}`,
      ),
    "spaced name": () => chunked(chunk + hidden, "Transfer-Encoding : chunked"),
    "folded coding": () => chunked(chunk + hidden, `Transfer-Encoding:${crlf} chunked`),
    "odd chunk": () =>
      chunked(
        random.pick([
          `FFFFFFFFFFFFFFFFF${crlf}`,
          `-1${crlf}a${crlf}`,
          `2;a=${"x".repeat(20_000)}${crlf}{}${crlf}0${crlf}${crlf}`,
          `2 ${crlf}{}${crlf}0${crlf}${crlf}`,
          `0x2${crlf}{}${crlf}`,
          `2\n{}\n0\n\n`,
          `3${crlf}{}${crlf}0${crlf}${crlf}`,
          `1${crlf}{}${crlf}0${crlf}${crlf}`,
        ]),
      ),
    trailers: () =>
      chunked(
        chunk.slice(0, -2) +
          random.pick([
            `Authorization: x${crlf}${crlf}`,
            `Content-Length: 5${crlf}${crlf}`,
            `A: ${"x".repeat(20_000)}${crlf}${crlf}`,
            `\u0000${crlf}${crlf}`,
          ]),
      ),
    "great body": () => {
      const great = Buffer.alloc(random.pick([1_048_576, 1_048_577, 1_200_000]), " ");
      return random.chance(0.5)
        ? wireOf({ ...sent, body: great }, closing)
        : Buffer.concat([
            wireOf({ ...sent, body: Buffer.alloc(0) }, closing, ["Transfer-Encoding: chunked"]),
            Buffer.from(`${great.length.toString(16)}${crlf}${great}${crlf}0${crlf}${crlf}`),
          ]);
    },
    "many trailers": () => chunked(`${chunk.slice(0, -2)}${`a: b${crlf}`.repeat(5000)}${crlf}`),
    "bare line feeds": () => text().replaceAll(crlf, "\n"),
    "bare returns": () => text().replaceAll(crlf, "\r"),
    "folded header": () => wireOf(sent, ["X-A: 1\r\n 2", ...closing]),
    "odd header": () =>
      wireOf(sent, [
        random.pick([
          "a b: c",
          ": c",
          "a\u0000: b",
          "a: \u0000",
          "a",
          "\u00e4: b",
          "a: \u0001",
          " a: b",
          "a\t: b",
          "(a): b",
        ]),
        ...closing,
      ]),
    "many headers": () =>
      wireOf(sent, [
        ...Array.from({ length: random.pick([100, 1999, 5000]) }, (_, index) => `h${index}: 1`),
        ...closing,
      ]),
    "many cookies": () =>
      wireOf(sent, [...Array.from({ length: 300 }, (_, index) => `Cookie: c${index}=${"x".repeat(20)}`), ...closing]),
    "great header": () =>
      wireOf(sent, [`X-A: ${"x".repeat(random.pick([8000, 15_000, 17_000, 200_000]))}`, ...closing]),
    "long path": () =>
      wireOf({ ...sent, url: `/v1/stock/${"x".repeat(random.pick([3000, 3100, 15_000, 70_000]))}` }, closing),
    "two hosts": () => wireOf(sent, ["Host: a", "Host: b", ...closing]),
    "odd host": () =>
      wireOf(sent, [
        `Host: ${random.pick(["", "a b", "localhost, evil", "[::1", "x".repeat(5000), "127.0.0.1@evil", "\u00ff"])}`,
        ...closing,
      ]),
    "no host": () => text().replace(/Host: [^\r]*\r\n/, ""),
    "odd version": () =>
      text().replace(
        "HTTP/1.1",
        random.pick(["HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "http/1.1", "HTTP/1.", "HTTP/11", "XTTP/1.1", ""]),
      ),
    "without version": () =>
      random.pick(["GET /livez\r\n", "GET /v1/stock/milk\r\n\r\n", "GET\r\n\r\n", "\r\n\r\n", " \r\n\r\n"]),
    "odd target": () =>
      text().replace(
        /^(\S+) \S+/,
        (_all, method: string) =>
          `${method} ${random.pick(["*", "http://elsewhere/livez", "http://127.0.0.1/livez", "//livez", "/../livez", "/./livez", "/v1/../livez", "/livez#a", "livez", "?a=b", "/%2e%2e/", "http://", "ftp://x/", "/livez?a=\u00ff", "/\u0000", "/livez;a=b", "\\livez", "127.0.0.1:80"])}`,
      ),
    connect: () =>
      `CONNECT ${random.pick(["127.0.0.1:22", "/livez", "x", "x:99999"])} HTTP/1.1${crlf}Host: x${crlf}Connection: close${crlf}${crlf}`,
    "another protocol": () =>
      random.pick([
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0",
        "\u0016\u0003\u0001\u0002\0\u0001\0\u0001",
        "SSH-2.0-x\r\n",
        "EHLO x\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "\0",
        `${"\0".repeat(20_000)}`,
      ]),
    expects: () =>
      wireOf(withBody, [`Expect: ${random.pick(["100-continue", "100-Continue, x", "200-ok", ""])}`, ...closing]),
    upgrades: () =>
      wireOf(sent, [
        `Connection: Upgrade${random.chance(0.5) ? ", close" : ""}`,
        `Upgrade: ${random.pick(["h2c", "websocket", "TLS/1.0", "websocket, h2c", ""])}`,
      ]),
    "blank lines first": () => crlf.repeat(random.pick([1, 3, 1000])) + text(),
    "odd method": () =>
      text().replace(
        /^\S+/,
        random.pick(["get", "FOO", "", "G\u0000T", "QUERY", "PURGE", "x".repeat(5000), "M-SEARCH", "SOURCE", "LINK"]),
      ),
    "closed connection": () =>
      wireOf(sent, [
        `Connection: ${random.pick(["close, keep-alive", "x", "", "content-length", "authorization, close"])}`,
      ]),
  };
  const kind = random.pick(Object.keys(shapes));
  const made = shapes[kind]?.() ?? "";
  return { kind, bytes: typeof made === "string" ? Buffer.from(made, "latin1") : made };
}

/** A WebSocket's opening and what is then sent on it, mostly not what RFC 6455 allows. */
export function webSocketBytes(key: string, query: string, random: Random): Buffer {
  const isRight = random.chance(0.7);
  const odd = (right: string, ...wrong: string[]) => (isRight || random.chance(0.7) ? right : random.pick(wrong));
  const lines = [
    `${odd("GET", "POST", "HEAD", "PUT")} /v1/changes/ws${query} HTTP/${odd("1.1", "1.0")}`,
    "Host: 127.0.0.1",
    `Connection: ${odd("Upgrade", "keep-alive, Upgrade", "close", "")}`,
    `Upgrade: ${odd("websocket", "WebSocket", "h2c", "")}`,
    `Sec-WebSocket-Version: ${odd("13", "8", "99", "", "13, 8", "x")}`,
    `Sec-WebSocket-Key: ${odd("dGhlIHNhbXBsZSBub25jZQ==", "", "x", "dGhlIHNhbXBsZSBub25jZQ", "x".repeat(500))}`,
    ...(random.chance(0.5) ? [`Authorization: Bearer ${key}`] : []),
    ...(random.chance(0.5)
      ? [
          `Sec-WebSocket-Protocol: ${odd(`larder.v1, bearer.${key.replaceAll(" ", "%20")}`, ",,,", "larder.v2", "\u00ff", "larder.v1, larder.v1", "bearer.")}`,
        ]
      : []),
    ...(random.chance(0.3)
      ? [
          `Sec-WebSocket-Extensions: ${odd("permessage-deflate", "permessage-deflate; server_max_window_bits=99", ";;", "x; y=\u0022", "permessage-deflate, permessage-deflate")}`,
        ]
      : []),
    "",
    "",
  ];
  const frames = random.list(0, 4, () => frame(random));
  return Buffer.concat([Buffer.from(lines.join(crlf), "latin1"), ...frames]);
}

function frame(random: Random): Buffer {
  const opcode = random.pick([0, 1, 1, 2, 3, 8, 8, 9, 10, 11, 15]);
  const payload = random.pick([
    Buffer.from("hello"),
    Buffer.from([0xff, 0xfe]),
    random.bytes(2),
    Buffer.from([0x03, 0xe8]),
    Buffer.from([0, 1]),
    Buffer.alloc(130),
    Buffer.alloc(5000),
    Buffer.alloc(0),
  ]);
  const first = (random.chance(0.8) ? 0x80 : 0) | (random.chance(0.1) ? 0x40 : 0) | opcode;
  const isMasked = random.chance(0.85);
  const claimed = random.chance(0.1) ? random.pick([2 ** 31, 2 ** 52, 126]) : payload.length;
  const head = claimed < 126 ? Buffer.from([first, claimed]) : Buffer.alloc(10);
  if (claimed >= 126) {
    head[0] = first;
    head[1] = 127;
    head.writeBigUInt64BE(random.chance(0.1) ? 2n ** 64n - 1n : BigInt(claimed), 2);
  }
  if (!isMasked) return Buffer.concat([head, payload]);
  head[1] = head[1]! | 0x80;
  const mask = random.bytes(4);
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index % 4]!)]);
}
