import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type CloudEvent, httpItemSink, httpItemUnits, httpSink } from "./index.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Seen {
  readonly path: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
type Answer = (response: ServerResponse, seen: Seen) => void;

/** A server that answers its requests with these, one after the other, and with the last for ever. */
async function serve(...answers: Answer[]) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const one = { path: request.url, headers: request.headers, body: Buffer.concat(pieces).toString() };
    seen.push(one);
    answers[Math.min(seen.length, answers.length) - 1]?.(response, one);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
const lost: Answer = (response) => response.socket?.destroy();
const all: Answer = (response, { body }) =>
  json(202, { accepted: JSON.parse(body).length, duplicates: 0, rejected: [], position: "p" })(response, {} as Seen);

const fact = (id: string, reference = ""): CloudEvent => ({
  specversion: "1.0",
  id,
  source: "tills",
  type: "larder.stock.sold.v1",
  time: "2026-11-21T09:30:00Z",
  data: { sku: "milk", location: "1", quantity: 1, reference },
});
const key = "a key";
const random = () => 0;

describe("httpSink", () => {
  it("posts a batch of CloudEvents with its key", async () => {
    const { url, seen } = await serve(all);
    const receipt = await httpSink({ url: `${url}/`, key }).send([fact("1"), fact("2")]);
    expect(receipt).toEqual({ accepted: 2, duplicates: 0, rejected: [], position: "p" });
    expect(seen).toMatchObject([
      {
        path: "/v1/events",
        headers: { authorization: "Bearer a key", "content-type": "application/cloudevents-batch+json" },
      },
    ]);
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual([fact("1"), fact("2")]);
  });

  it.each([
    ["a page", (response: ServerResponse) => void response.writeHead(200).end("<html>log in</html>")],
    ["nothing", (response: ServerResponse) => void response.writeHead(204).end()],
    ["too few", json(202, { accepted: 1, duplicates: 0, rejected: [] })],
    ["no numbers", json(202, { accepted: "all", duplicates: 0, rejected: [] })],
  ])("takes %s for no receipt", async (_what, answer) => {
    const { url, seen } = await serve(answer);
    const sending = httpSink({ url, key }).send([fact("1"), fact("2")]);
    await expect(sending).rejects.toMatchObject({
      code: "server-refused",
      message: expect.stringContaining("address"),
    });
    expect(seen).toHaveLength(1);
  });

  it.each(["0", "Sat, 01 Jan 2000 00:00:00 GMT"])(
    "gives up in time where it may come back at once (%s)",
    async (after) => {
      const { url, seen } = await serve(json(503, {}, { "retry-after": after }));
      const sending = httpSink({ url, key, random, retryMsMax: 700 }).send([fact("1")]);
      await expect(sending).rejects.toMatchObject({ code: "server-unreachable" });
      expect(seen.length).toBeLessThan(6);
    },
  );

  it("waits as long as the server asks, some time at least, and sends the same again after a lost answer", async () => {
    const { url, seen } = await serve(
      json(503, {}, { "retry-after": "0" }),
      json(429, {}, { "retry-after": "1" }),
      lost,
      all,
    );
    const retries: [string, number][] = [];
    const sink = httpSink({ url, key, random, onRetry: (why, waitMs) => retries.push([why, waitMs]) });
    expect((await sink.send([fact("1")])).accepted).toBe(1);
    expect(retries.map(([, waitMs]) => waitMs)).toEqual([100, 1000, 400]);
    expect(retries.map(([why]) => why.replace(url, ""))).toEqual([
      "/v1/events answers 503",
      "/v1/events answers 429",
      expect.stringMatching(/can't be reached/),
    ]);
    expect(new Set(seen.map(({ body }) => body)).size).toBe(1);
  });

  it("gives up a server that stays away, and one that refuses", async () => {
    const { url } = await serve(json(503, {}, { "retry-after": "1" }));
    const away = httpSink({ url, key, retryMsMax: 500 }).send([fact("1")]);
    await expect(away).rejects.toMatchObject({ code: "server-unreachable" });
    const refusing = await serve(json(401, { code: "unauthenticated", detail: "Who are you?" }));
    const refused = httpSink({ url: refusing.url, key }).send([fact("1")]);
    await expect(refused).rejects.toThrow(/answers 401: Who are you\? Give a key by --key or LARDER_KEY/);
    expect(refusing.seen).toHaveLength(1);
    const nowhere = httpSink({ url: "127.0.0.1", key }).send([fact("1")]);
    await expect(nowhere).rejects.toThrow("127.0.0.1/v1/events is no URL to send to");
    const gone = await serve(all);
    servers.pop()?.close();
    const nobody = httpSink({ url: gone.url, key, retryMsMax: 10 }).send([fact("1")]);
    await expect(nobody).rejects.toMatchObject({ code: "server-unreachable" });
  });

  it("reads the list when every fact was rejected", async () => {
    const rejected = [{ index: 0, id: "1", code: "invalid-fact", detail: "no" }];
    const { url } = await serve(json(400, { code: "all-rejected", accepted: 0, duplicates: 0, rejected }));
    expect(await httpSink({ url, key }).send([fact("1")])).toEqual({ accepted: 0, duplicates: 0, rejected });
  });

  it("cuts what is over a body's limit, and what the server finds too large, and keeps the places", async () => {
    const answer: Answer = (response, { body }) => {
      const facts: CloudEvent[] = JSON.parse(body);
      if (facts.length > 5) return json(413, {})(response, {} as Seen);
      const rejected = facts.flatMap(({ id }, index) =>
        id === "9" ? [{ index, id, code: "invalid-fact", detail: "9" }] : [],
      );
      json(202, { accepted: facts.length - rejected.length, duplicates: 0, rejected })(response, {} as Seen);
    };
    const { url, seen } = await serve(answer);
    const facts = Array.from({ length: 12 }, (_, index) => fact(String(index), "x".repeat(100_000)));
    const receipt = await httpSink({ url, key }).send(facts);
    expect(receipt).toMatchObject({ accepted: 11, rejected: [{ index: 9, id: "9" }] });
    expect(Math.max(...seen.map(({ body }) => body.length))).toBeLessThan(1_048_576);
  });

  it("stops at once when asked", async () => {
    const { url } = await serve(json(503, {}, { "retry-after": "60" }));
    const stop = new AbortController();
    const sink = httpSink({ url, key, onRetry: () => stop.abort() });
    await expect(sink.send([fact("1")], stop.signal)).rejects.toThrow(/abort/i);
  });
});

it("httpItemSink posts items", async () => {
  const { url, seen } = await serve(json(200, { accepted: 1, unchanged: 0, rejected: [], position: "p" }));
  const item = { sku: "m", name: "Milk", unit: "each" };
  expect(await httpItemSink({ url, key }).send([item])).toEqual({
    accepted: 1,
    unchanged: 0,
    rejected: [],
    position: "p",
  });
  expect(seen).toMatchObject([{ path: "/v1/items:batch", body: JSON.stringify({ items: [item] }) }]);
});

describe("httpItemUnits", () => {
  const gtins = ["04006381333931"];
  it("asks in which unit an item is kept", async () => {
    const { url, seen } = await serve(json(200, { items: [{ sku: "rice", unit: "g" }] }));
    expect(await httpItemUnits({ url, key })(gtins)).toEqual(new Map([["04006381333931", "g"]]));
    expect(seen[0]?.path).toBe("/v1/items?gtin=04006381333931");
    for (const nothing of [json(200, { items: [] }), json(404, { code: "not-found" })]) {
      const none = await serve(nothing);
      expect(await httpItemUnits({ url: none.url, key })(gtins)).toEqual(new Map());
    }
  });

  it("does not do without an answer: a key that may not ask is told which scope it needs", async () => {
    const { url } = await serve(json(403, { code: "forbidden", detail: "The credential may not." }));
    await expect(httpItemUnits({ url, key })(gtins)).rejects.toThrow(
      /answers 403: The credential may not\. The key needs the scope stock:read/,
    );
    const broken = await serve(json(500, { detail: "It is broken." }));
    await expect(httpItemUnits({ url: broken.url, key })(gtins)).rejects.toMatchObject({ code: "server-refused" });
  });
});
