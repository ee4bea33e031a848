/** What a hostile or careless client puts into bodies, parameters and headers. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/kernel/index.ts";
import { checkAnswer, checkPrototypes } from "../fuzz/check.ts";
import { House } from "../fuzz/house.ts";
import { nested } from "../fuzz/odd.ts";

let house: House;
let facts = 0;
beforeAll(async () => {
  house = await House.open("sqlite");
});
afterAll(async () => {
  expect(await house.close()).toEqual([]);
  expect(house.errors).toEqual([]);
});

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

/** Asks, and holds the answer against what is promised of every answer: a problem where it is refused, nothing changed by that. */
async function ask(
  method: "GET" | "POST" | "PUT",
  url: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const before = await house.state();
  const answer = await house.gateway.server.inject({
    method,
    url,
    headers: {
      authorization: `Bearer ${house.keys.admin}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { payload: body }),
  });
  checkAnswer({ status: answer.statusCode, contentType: String(answer.headers["content-type"]), body: answer.body });
  checkPrototypes();
  if (answer.statusCode >= 400) expect(await house.state()).toBe(before);
  return { status: answer.statusCode, json: answer.body.startsWith("{") ? answer.json() : {} };
}

function nextId(): string {
  facts += 1;
  return `hostile-${facts}`;
}

/** One fact, with the data given as JSON text; the code of its rejection, or `accepted`. */
async function record(data: string, type = "received", id = nextId()): Promise<string> {
  const { json } = await ask(
    "POST",
    "/v1/events",
    `{"specversion":"1.0","id":"${id}","source":"s","type":"larder.stock.${type}.v1","data":${data}}`,
  );
  const [rejected] = (json["rejected"] ?? []) as { code: string }[];
  return (
    rejected?.code ??
    (json["accepted"] === 1 ? "accepted" : json["duplicates"] === 1 ? "duplicate" : String(json["code"]))
  );
}

/** Of all locations together. By a body, since a client's own URLs take `..` for the way up. */
async function onHand(sku: string): Promise<number | undefined> {
  const { json } = await ask("POST", "/v1/availability:batch", JSON.stringify({ skus: [sku] }));
  const rows = json["items"] as { onHand?: number }[];
  return rows.every(({ onHand }) => onHand === undefined)
    ? undefined
    : rows.reduce((sum, row) => sum + (row.onHand ?? 0), 0);
}

describe("prototypes", () => {
  it.each([
    '{"__proto__": {"admin": true}, "lines": [{"sku": "milk", "quantity": 1}]}',
    '{"lines": [{"sku": "milk", "quantity": 1, "__proto__": {"quantity": 5}}]}',
    '{"constructor": {"prototype": {"admin": true}}, "lines": [{"sku": "milk", "quantity": 1}]}',
    '{"constructor": 1, "lines": [{"sku": "milk", "quantity": 1}]}',
    '{"\\u005f_proto__": null, "lines": [{"sku": "milk", "quantity": 1}]}',
    '{"toString": 1, "lines": [{"sku": "milk", "quantity": 1}]}',
  ])("are not reached by %s", async (body) => {
    expect((await ask("POST", "/v1/reservations", body)).status).toBe(400);
  });

  it("are not reached by queries and headers either", async () => {
    for (const query of [
      "__proto__=1",
      "__proto__[admin]=1",
      "constructor=1",
      "constructor[prototype][x]=1",
      "toString=1",
    ])
      expect((await ask("GET", `/v1/items?${query}`)).status).toBe(400);
    const binary = {
      "ce-specversion": "1.0",
      "ce-id": "1",
      "ce-source": "s",
      "ce-type": "larder.stock.sold.v1",
      "ce-__proto__": "x",
      "ce-constructor": "y",
    };
    await ask("POST", "/v1/events", '{"sku":"milk","location":"s1","quantity":1}', binary);
  });

  it("may name things: those are names like any other", async () => {
    for (const name of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]) {
      expect(
        await record(`{"sku":"${name}","location":"${name}","quantity":2,"lot":"${name}","reference":"${name}"}`),
      ).toBe("accepted");
      const { status } = await ask(
        "POST",
        "/v1/reservations",
        `{"id":"${name}","owner":"${name}","lines":[{"sku":"${name}","location":"${name}","quantity":1}]}`,
      );
      expect(status).toBe(201);
      expect((await ask("GET", `/v1/reservations?owner=${name}`)).json["items"]).toHaveLength(1);
      expect((await ask("GET", `/v1/availability?sku=${name}&location=${name}`)).json["items"]).toMatchObject([
        { available: expect.any(Number) },
      ]);
      expect((await ask("PUT", `/v1/items/${name}`, '{"name":"x","unit":"each"}')).status).toBe(200);
    }
  });
});

describe("numbers", () => {
  it.each([
    "1e308",
    "1e309",
    "-1e400",
    "9007199254740993",
    "1000000000001",
    "1e-7",
    "0.1e0",
    "-0",
    "0",
    "1.5",
    '"1"',
    "true",
    "null",
    "[1]",
    "1".repeat(400),
  ])("a quantity of %s is no quantity", async (number) => {
    expect(await record(`{"sku":"numbers","location":"s1","quantity":${number}}`)).toBe("invalid-fact");
    expect((await ask("POST", "/v1/reservations", `{"lines":[{"sku":"milk","quantity":${number}}]}`)).status).toBe(400);
  });

  it.each(["NaN", "Infinity", "01", "+1", "1.", ".5", "0x10", "1_000"])("%s is no JSON", async (number) => {
    expect(await record(`{"sku":"numbers","location":"s1","quantity":${number}}`)).toBe("invalid-request");
  });

  it("are what they are worth, however they are written", async () => {
    for (const number of ["1", "1.0", "1e0", "10E-1", "100e-2"])
      expect(await record(`{"sku":"one","location":"s1","quantity":${number}}`)).toBe("accepted");
    expect(await onHand("one")).toBe(5);
    expect(await record('{"sku":"one","location":"s1","quantity":1}', "received", "same")).toBe("accepted");
    expect(await record('{"sku":"one","location":"s1","quantity":1.0e0}', "received", "same")).toBe("duplicate");
    // Minus nothing is nothing: it neither corrects anything nor shows.
    expect(await record('{"sku":"one","location":"s1","delta":-0,"reason":"found"}', "adjusted")).toBe("invalid-fact");
    expect(await record('{"sku":"one","location":"s1","quantity":-0}', "counted")).toBe("accepted");
    const { totals } = (await ask("GET", "/v1/stock/one")).json as { totals: Record<string, number> };
    expect(Object.values(totals).some((total) => Object.is(total, -0))).toBe(false);
  });

  it("end at ±10^15 in a total, and the last that fits is exact", async () => {
    const batch = (from: number, type: string) =>
      JSON.stringify(
        Array.from({ length: 1000 }, (_, index) => ({
          specversion: "1.0",
          id: `${type}-${from + index}`,
          source: "great",
          type: `larder.stock.${type}.v1`,
          data: { sku: "great", location: "s1", quantity: 1e12 },
        })),
      );
    expect((await ask("POST", "/v1/events", batch(0, "received"))).json).toMatchObject({ accepted: 1000 });
    expect(await onHand("great")).toBe(1e15);
    expect(await record('{"sku":"great","location":"s1","quantity":1}')).toBe("out-of-range");
    expect(await record('{"sku":"great","location":"s1","quantity":1}', "sold")).toBe("accepted");
    expect(await onHand("great")).toBe(1e15 - 1);
    expect((await ask("POST", "/v1/events", batch(0, "sold"))).json).toMatchObject({ accepted: 1000 });
    expect(await onHand("great")).toBe(-1);
  });

  it("of a member told twice the last one counts, as in JSON.parse", async () => {
    expect(await record('{"sku":"twice","location":"s1","quantity":"x","quantity":3}')).toBe("accepted");
    expect(await onHand("twice")).toBe(3);
  });
});

describe("JSON", () => {
  it.each([64, 65, 1000, 4000, 100_000, 500_000])("of %d levels is refused quickly", async (depth) => {
    for (const inLists of [true, false]) {
      const text = nested(depth, inLists);
      if (text.length > limits.bodyBytesMax) continue;
      const began = process.cpuUsage();
      expect((await ask("POST", "/v1/reservations", text)).status).toBe(400);
      expect(await record(text)).toMatch(/^invalid-/);
      expect(process.cpuUsage(began).user / 1000).toBeLessThan(1500);
    }
  });

  it.each([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]])(
    "with the bytes %j is not UTF-8",
    async (...bytes) => {
      const body = Buffer.concat([
        Buffer.from('{"lines":[{"quantity":1,"sku":"a'),
        Buffer.from(bytes.flat()),
        Buffer.from('"}]}'),
      ]);
      expect((await ask("POST", "/v1/reservations", body)).status).toBe(400);
    },
  );

  it.each(["\\ud800", "a\\udc00b", "\\udc00\\ud800"])("with the lone surrogate %s names nothing", async (text) => {
    expect(await record(`{"sku":"${text}","location":"s1","quantity":1}`)).toBe("invalid-fact");
    expect(
      (await ask("POST", "/v1/reservations", `{"id":"${text}","lines":[{"sku":"milk","quantity":1}]}`)).status,
    ).toBe(400);
    expect((await ask("PUT", "/v1/items/milk", `{"name":"${text}","unit":"each"}`)).status).toBeLessThan(500);
  });

  it("in gzip is not taken, and so is no bomb", async () => {
    for (const coding of ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x"])
      expect((await ask("POST", "/v1/events", "[]", { "content-encoding": coding })).status).toBe(415);
  });

  it("may have a byte order mark in front", async () => {
    expect((await ask("POST", "/v1/reservations", '\ufeff{"lines":[{"sku":"milk","quantity":1}]}')).status).toBe(201);
  });
});

describe("names", () => {
  it("are one in NFC and NFD, and others when they only look alike", async () => {
    expect(await record('{"sku":"cr\\u00e8me","location":"s1","quantity":1}')).toBe("accepted");
    expect(await record('{"sku":"cre\\u0300me","location":"s1","quantity":1}')).toBe("accepted");
    expect(await onHand("cr\u00e8me")).toBe(2);
    expect(await record('{"sku":"cr\\u0435me","location":"s1","quantity":1}')).toBe("accepted");
    expect([await onHand("cr\u0435me"), await onHand("creme")]).toEqual([1, undefined]);
    expect(
      (await ask("POST", "/v1/reservations", '{"id":"e\\u0301","lines":[{"sku":"milk","quantity":1}]}')).status,
    ).toBe(201);
    expect(
      (await ask("POST", "/v1/reservations", '{"id":"\\u00e9","lines":[{"sku":"milk","quantity":1}]}')).status,
    ).toBe(200);
  });

  it.each([
    "..",
    ".",
    "../../etc/passwd",
    "x/y",
    "a\\b",
    "C:\\x",
    "%2e%2e%2f",
    "a?b",
    "a#b",
    "a;b",
    "a&b=c",
    "-rf",
    "~",
    "$HOME",
    "con",
    "\u202e",
  ])("may look like a path: %s", async (name) => {
    expect(await record(JSON.stringify({ sku: name, location: name, quantity: 3 }))).toBe("accepted");
    expect(await onHand(name)).toBe(3);
    const { status } = await ask(
      "POST",
      "/v1/reservations",
      JSON.stringify({ id: name, lines: [{ sku: name, location: name, quantity: 1 }] }),
    );
    expect(status).toBe(201);
    if (!/^\.+$/.test(name))
      expect((await ask("GET", `/v1/reservations/${encodeURIComponent(name)}`)).json["id"]).toBe(name);
  });

  it("are as long as they may be in their stored form, and no longer", async () => {
    const long = "\u{1f600}".repeat(limits.skuLengthMax);
    expect(await record(JSON.stringify({ sku: long, location: "s1", quantity: 1 }))).toBe("accepted");
    expect(await onHand(long)).toBe(1);
    expect(await record(JSON.stringify({ sku: `${long}x`, location: "s1", quantity: 1 }))).toBe("invalid-fact");
    expect(
      await record(JSON.stringify({ sku: "e\u0301".repeat(limits.skuLengthMax), location: "s1", quantity: 1 })),
    ).toBe("accepted");
    expect(
      await record(JSON.stringify({ sku: "\ufb2c".repeat(limits.skuLengthMax), location: "s1", quantity: 1 })),
    ).toBe("invalid-fact");
  });
});

describe("tokens", () => {
  const encoded = (text: string) => Buffer.from(text).toString("base64url");
  const spoilt = async () => {
    const [form = "", epoch = ""] = Buffer.from(await house.inventory.position(), "base64url")
      .toString()
      .split(".");
    return [
      "",
      "x",
      " ",
      "MS4x",
      "\u0000",
      encoded(`${form}.${epoch}.-1`),
      encoded(`${form}.${epoch}.1e3`),
      encoded(`${form}.${epoch}.999999999999999`),
      encoded(`${form}.${epoch}.1.1`),
      encoded(`2.${epoch}.1`),
      encoded(`${form}..1`),
      encoded(`${form}.__proto__.1`),
      `${house.inventory.position()}=`,
      "A".repeat(limits.positionLengthMax + 1),
    ];
  };

  it("of positions are handed back as they were, or refused", async () => {
    for (const token of await spoilt()) {
      const query = encodeURIComponent(token);
      const answers = [
        await ask("GET", `/v1/changes?follow=false&after=${query}`),
        await ask("GET", "/v1/availability?sku=milk", undefined, {
          "larder-min-position": token.replaceAll("\u0000", "\u0001"),
        }),
      ];
      for (const { status } of answers) expect([400, 410]).toContain(status);
    }
  });

  it("in Last-Event-ID are the same", async () => {
    for (const token of [...(await spoilt()).slice(1), "\u00ff", "1, 2", "a".repeat(10_000)]) {
      const { status } = await ask("GET", "/v1/changes?follow=false", undefined, {
        "last-event-id": token.replaceAll("\u0000", "\u0001"),
      });
      expect([400, 410]).toContain(status);
    }
  });

  it("of cursors are refused when they are others", async () => {
    const odd = [
      "x",
      "[]",
      "{}",
      "null",
      "1",
      '[["s1",-1]]',
      '[["s1",1e400]]',
      '[["__proto__",1]]',
      "[[[]]]",
      "0".repeat(17),
      "\u0000",
      "%",
    ];
    for (const route of ["/v1/reservations", "/v1/items", "/v1/locations", "/v1/keys", "/v1/stock/milk/events"]) {
      for (const token of [...odd, ...odd.map(encoded)]) {
        const { status, json } = await ask("GET", `${route}?cursor=${encodeURIComponent(token)}&limit=2`);
        expect([200, 400]).toContain(status);
        // A cursor that can be read may point anywhere in one's own list; nobody else's things are in it.
        if (status === 200) expect(((json["items"] ?? json["events"]) as unknown[]).length).toBeLessThanOrEqual(2);
      }
      expect((await ask("GET", `${route}?cursor=${"A".repeat(5000)}`)).status).toBe(400);
    }
  });

  it("of Idempotency-Key are printable, or refused", async () => {
    const body = '{"lines":[{"sku":"bread","quantity":1}]}';
    for (const key of ["", " ", "\u00ff", "a\u0001b", "\t", "\u00e9", "x".repeat(limits.idempotencyKeyLengthMax + 1)])
      expect((await ask("POST", "/v1/reservations", body, { "idempotency-key": key })).status).toBe(400);
    for (const key of ["__proto__", "../..", '"quoted"', "a, b", "x".repeat(limits.idempotencyKeyLengthMax)]) {
      const first = await ask("POST", "/v1/reservations", body, { "idempotency-key": key });
      const again = await ask("POST", "/v1/reservations", body, { "idempotency-key": key });
      expect([first.status, again.status, again.json["id"]]).toEqual([201, 200, first.json["id"]]);
    }
  });
});
