import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocket } from "ws";
import { limits } from "../../kernel/index.ts";
import { InFlight } from "../../platform/http/index.ts";
import type { ChangesStep } from "../inventory/index.ts";
import { type Fixture, recorded, startFixture } from "./fixture.ts";

let fixture: Fixture;
let port: number;

beforeEach(async () => {
  fixture = await startFixture({ feedsInFlight: new InFlight(2, 3), drainMs: 500 });
  await fixture.gateway.listen("127.0.0.1", 0);
  ({ port } = fixture.gateway.server.server.address() as AddressInfo);
});
afterEach(() => fixture.gateway.close());

const step = (position: string, ...events: ChangesStep["events"]): ChangesStep => ({
  events,
  position,
  caughtUp: true,
});
const key = (token: string) => ({ authorization: `Bearer ${token}` });

function feed(path = "", headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/v1/changes${path}`, {
    headers: { ...key("admin"), ...headers },
    signal: signal ?? null,
  });
}

/** Steps that the test hands over one by one; ends with the feed. */
function script() {
  const queue: ChangesStep[] = [];
  let wake = () => {};
  const asked: (string | undefined)[] = [];
  const state = { ended: false };
  fixture.fake.steps = async function* (after, signal) {
    asked.push(after);
    signal.addEventListener("abort", () => wake());
    try {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      state.ended = true;
    }
  };
  const say = (...steps: ChangesStep[]) => {
    queue.push(...steps);
    wake();
  };
  return { say, asked, state };
}

async function readUntil(response: Response, part: string): Promise<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes(part)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  void reader.cancel().catch(() => {});
  return text;
}

describe("server-sent events", () => {
  it("carry each event with its position, and heartbeats that move the position on", async () => {
    const { say } = script();
    say(step("2", recorded("1"), recorded("2")), step("5"));
    const response = await feed();
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("x-request-id")).toBeTruthy();
    expect(await readUntil(response, "heartbeat")).toBe(
      `retry: 1000\n\nid: 1\ndata: ${JSON.stringify(recorded("1"))}\n\nid: 2\ndata: ${JSON.stringify(recorded("2"))}\n\nevent: heartbeat\nid: 5\ndata: {"position":"5","caughtUp":true}\n\n`,
    );
  });

  it("keep to one line whatever the data holds", async () => {
    const { say } = script();
    say(step("1", recorded("1", { text: "a\n\ndata: b\r\u2028" })));
    const text = await readUntil(await feed(), "\u2028");
    expect(text.split("\n").filter((line) => line.startsWith("data:"))).toHaveLength(1);
  });

  it("resume where the reader was, which is later than where it began", async () => {
    const begun = async (path: string, headers: Record<string, string>) => {
      const { say, asked } = script();
      say(step("9"));
      await readUntil(await feed(path, headers), "heartbeat");
      return asked;
    };
    expect(await begun("?after=3", {})).toEqual(["3"]);
    expect(await begun("?after=3", { "last-event-id": "7" })).toEqual(["7"]);
    expect(await begun("?after=3", { "last-event-id": "" })).toEqual(["3"]);
    expect(await begun("", {})).toEqual([undefined]);
  });

  it("filter by sku, location and type, several of each", async () => {
    const { say } = script();
    say(step("1"));
    await readUntil(await feed("?sku=a&sku=b&location=x&type=larder.stock.sold.v1"), "heartbeat");
    expect(fixture.fake.asked("changes")[1]).toEqual({
      skus: new Set(["a", "b"]),
      locations: new Set(["x"]),
      types: new Set(["larder.stock.sold.v1"]),
    });
  });

  it("are refused like anything else before they begin", async () => {
    fixture.fake.rejection = { code: "position-from-another-history", detail: "Left behind by a restore." };
    const response = await feed("?after=old");
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
      410,
      "position-from-another-history",
    ]);
    expect((await feed("", key("stock:write"))).status).toBe(403);
    expect((await feed("?surprise=1")).status).toBe(400);
    expect((await feed("?type=larder.stock.solt.v1")).status).toBe(400);
  });

  it("stop reading the log when the reader leaves", async () => {
    const { say, state } = script();
    say(step("1"));
    await readUntil(await feed(), "heartbeat");
    await vi.waitFor(() => expect(state.ended).toBe(true));
  });

  it("do not begin for a reader that left while they were opened, and its place is free again", async () => {
    const { say, state } = script();
    const gate = Promise.withResolvers<void>();
    fixture.fake.opening = gate.promise;
    const leaving = [new AbortController(), new AbortController()];
    const left = leaving.map(({ signal }) => feed("", {}, signal).catch(() => undefined));
    await vi.waitFor(() => expect(fixture.fake.calls).toHaveLength(2));
    for (const each of leaving) each.abort();
    await Promise.all(left);
    await new Promise((resolve) => setTimeout(resolve, 100));
    gate.resolve();
    await vi.waitFor(() => expect(state.ended).toBe(true));
    fixture.fake.opening = Promise.resolve();
    say(step("1"));
    await vi.waitFor(async () => expect(await readUntil(await feed(), "heartbeat")).toContain("heartbeat"));
  });

  it("have no place for a reader that left while it was found out who it is", async () => {
    script();
    const gate = Promise.withResolvers<void>();
    const asked = vi.spyOn(fixture.identity, "learn");
    fixture.identity.asking = gate.promise;
    fixture.identity.elsewhere.set("new", fixture.identity.credentials.get("admin")!);
    const leaving = new AbortController();
    const left = feed("", key("new"), leaving.signal).catch(() => undefined);
    await vi.waitFor(() => expect(asked).toHaveBeenCalled());
    leaving.abort();
    await left;
    await new Promise((resolve) => setTimeout(resolve, 100));
    gate.resolve();
    await vi.waitFor(() => expect(fixture.identity.credentials.has("new")).toBe(true));
    const stay = new AbortController();
    for (let times = 0; times < 2; times += 1) expect((await feed("", {}, stay.signal)).status).toBe(200);
    stay.abort();
  });

  it("end when their key is revoked, before another event is told", async () => {
    const { say, state } = script();
    say(step("1", recorded("1")));
    const response = await feed("", key("stock:read"));
    await fixture.identity.revokeKey("stock:read", fixture.identity.credentials.get("admin")!);
    say(step("2", recorded("2")));
    const text = await response.text();
    expect(text).not.toContain("id: 2");
    expect(state.ended).toBe(true);
  });

  it("end cleanly when the server stops", async () => {
    const { say } = script();
    say(step("1", recorded("1")));
    const response = await feed();
    const text = response.text();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const started = performance.now();
    await fixture.gateway.close();
    expect(await text).toContain("id: 1");
    expect(performance.now() - started).toBeLessThan(400);
  });

  it("break off without an end when the log can't be read, and say so in ours", async () => {
    fixture.fake.steps = async function* () {
      yield step("1", recorded("1"));
      throw new Error("disk");
    };
    await expect(feed().then((response) => response.text())).rejects.toThrow();
    await vi.waitFor(() => expect(fixture.logged.warn.length).toBeGreaterThan(0));
  });

  it("are so many at once, each place free again once left", async () => {
    script();
    const leave = [new AbortController(), new AbortController()];
    for (const { signal } of leave) expect((await feed("", {}, signal)).status).toBe(200);
    expect((await feed()).status).toBe(429);
    leave[0]!.abort();
    await vi.waitFor(async () => {
      const last = new AbortController();
      const { status } = await feed("", {}, last.signal);
      last.abort();
      expect(status).toBe(200);
    });
    leave[1]!.abort();
  });

  it("read the log only as fast as a slow reader takes it", async () => {
    let told = 0;
    const padding = "x".repeat(100_000);
    fixture.fake.steps = async function* (_after, signal) {
      while (!signal.aborted && told < 1000) {
        told += 1;
        yield step(String(told), recorded(String(told), { padding }));
        await new Promise(setImmediate);
      }
    };
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n");
    await once(socket, "readable");
    await new Promise((resolve) => setTimeout(resolve, 500));
    // 100 MB were there to tell; the buffers of two sockets on loopback hold far less.
    expect(told).toBeLessThan(500);
    const before = told;
    socket.resume();
    await vi.waitFor(() => expect(told).toBeGreaterThan(before + 100), { timeout: 5000 });
    socket.destroy();
  });
});

describe("lines", () => {
  const asLines = { accept: "application/x-ndjson" };

  it("are one event each, and with follow=false end at the present, events alone", async () => {
    const late: ChangesStep = { ...step("3", recorded("3")), caughtUp: false };
    script().say(late, { ...step("4"), caughtUp: false }, step("5", recorded("5")), step("6", recorded("6")));
    const response = await feed("?follow=false", asLines);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    expect(await response.text()).toBe(`${JSON.stringify(recorded("3"))}\n${JSON.stringify(recorded("5"))}\n`);
  });

  it("have heartbeats when they go on", async () => {
    script().say(step("4"));
    expect(await readUntil(await feed("", asLines), "\n")).toBe(
      '{"type":"heartbeat","position":"4","caughtUp":true}\n',
    );
  });

  it("say how far they are while they look through a long log, and that this is not the present", async () => {
    script().say({ ...step("4"), caughtUp: false });
    expect(await readUntil(await feed("", asLines), "\n")).toBe(
      '{"type":"heartbeat","position":"4","caughtUp":false}\n',
    );
  });

  it("have heartbeats among events that never cease, no further apart than asked for", async () => {
    const { say } = script();
    const busy = setInterval(() => say(step("4", recorded("4"))), 20);
    onTestFinished(() => clearInterval(busy));
    const text = await readUntil(await feed("?heartbeatSeconds=1", asLines), "heartbeat");
    expect(text).toContain(`${JSON.stringify(recorded("4"))}\n{"type":"heartbeat","position":"4","caughtUp":true}`);
    expect(fixture.fake.asked("changes")[3]).toMatchObject({ heartbeatMs: 1000 });
    expect((await feed("?heartbeatSeconds=16")).status).toBe(400);
  });

  it("break off when they end before the present that they were to come to", async () => {
    fixture.fake.steps = async function* () {
      yield { ...step("3", recorded("3")), caughtUp: false };
    };
    const response = await feed("?follow=false", asLines);
    await expect(response.text()).rejects.toThrow();
  });
});

describe("WebSocket", () => {
  const url = () => `ws://127.0.0.1:${port}/v1/changes/ws`;

  async function messages(socket: WebSocket, count: number): Promise<unknown[]> {
    const seen: unknown[] = [];
    for await (const [data] of on(socket)) {
      seen.push(JSON.parse(String(data)));
      if (seen.length === count) break;
    }
    return seen;
  }

  async function* on(socket: WebSocket): AsyncGenerator<[unknown]> {
    const queue: unknown[] = [];
    let wake = () => {};
    socket.on("message", (data) => {
      queue.push(data);
      wake();
    });
    for (;;) {
      while (queue.length > 0) yield [queue.shift()];
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  async function refused(socket: WebSocket): Promise<number> {
    const [, response] = (await once(socket, "unexpected-response")) as [
      unknown,
      { statusCode: number; destroy(): void },
    ];
    socket.on("error", () => {});
    response.destroy();
    return response.statusCode;
  }

  it("sends an event a message, and heartbeats", async () => {
    const { say, asked } = script();
    const socket = new WebSocket(`${url()}?after=3&sku=a`, { headers: key("admin") });
    const seen = messages(socket, 2);
    await once(socket, "open");
    say(step("4", recorded("4")), step("6"));
    expect(await seen).toEqual([recorded("4"), { type: "heartbeat", position: "6", caughtUp: true }]);
    expect(asked).toEqual(["3"]);
    expect(fixture.fake.asked("changes")[1]).toEqual({ skus: new Set(["a"]) });
    socket.terminate();
  });

  it("takes a browser's key as a subprotocol, and does not repeat it", async () => {
    const { state } = script();
    expect(await refused(new WebSocket(url(), ["larder.v1", "bearer.lk_wrong"]))).toBe(401);
    fixture.identity.credentials.set("lk_abc", fixture.identity.credentials.get("stock:read")!);
    const opened = new WebSocket(url(), ["larder.v1", "bearer.lk_abc"]);
    await once(opened, "open");
    expect(opened.protocol).toBe("larder.v1");
    opened.close();
    await vi.waitFor(() => expect(state.ended).toBe(true));
  });

  it("is refused by HTTP's statuses", async () => {
    expect(await refused(new WebSocket(url()))).toBe(401);
    expect(await refused(new WebSocket(url(), { headers: key("stock:write") }))).toBe(403);
    expect(await refused(new WebSocket(`${url()}?surprise=1`, { headers: key("admin") }))).toBe(400);
    expect(await refused(new WebSocket(url().replace("/ws", "/other"), { headers: key("admin") }))).toBe(404);
  });

  it("tells who does not speak it where else to go", async () => {
    const response = await feed("/ws");
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, "invalid-request"]);
  });

  it("closes with a reason when the position is no good, the key is revoked, or the server stops", async () => {
    const closed = async (socket: WebSocket) => {
      const [code, reason] = (await once(socket, "close")) as [number, Buffer];
      return [code, String(reason)];
    };
    fixture.fake.rejection = { code: "invalid-position", detail: "no" };
    expect(await closed(new WebSocket(`${url()}?after=x`, { headers: key("admin") }))).toEqual([
      4400,
      "invalid-position",
    ]);
    fixture.fake.rejection = undefined;

    const { say } = script();
    const revoked = new WebSocket(url(), { headers: key("stock:read") });
    await once(revoked, "open");
    await fixture.identity.revokeKey("stock:read", fixture.identity.credentials.get("admin")!);
    const ending = closed(revoked);
    say(step("1", recorded("1")));
    expect(await ending).toEqual([4401, "unauthenticated"]);

    const stopped = new WebSocket(url(), { headers: key("admin") });
    await once(stopped, "open");
    const last = closed(stopped);
    await fixture.gateway.close();
    expect((await last)[0]).toBe(1001);
  });

  it("waits for a slow reader", async () => {
    let told = 0;
    const padding = "x".repeat(100_000);
    fixture.fake.steps = async function* (_after, signal) {
      while (!signal.aborted && told < 1000) {
        told += 1;
        yield step(String(told), recorded(String(told), { padding }));
        await new Promise(setImmediate);
      }
    };
    const socket = new WebSocket(url(), { headers: key("admin") });
    await once(socket, "open");
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(told).toBeLessThan(500);
    const before = told;
    socket.resume();
    await vi.waitFor(() => expect(told).toBeGreaterThan(before + 100), { timeout: 5000 });
    socket.terminate();
  });

  it("does not let a reader that is deaf to the end hold up a stop", async () => {
    script();
    const socket = new WebSocket(url(), { headers: key("admin") });
    await once(socket, "open");
    socket.pause();
    const started = performance.now();
    await fixture.gateway.close();
    expect(performance.now() - started).toBeLessThan(3000);
    socket.terminate();
  });

  it.each([
    ["a bad key", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"], "Key"],
    ["another version", ["Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], "Version"],
    [
      "bad subprotocols",
      ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: ,,"],
      "Protocol",
    ],
  ])("refuses a handshake with %s by a problem, and frees its place", async (_what, lines, named) => {
    // Three places there are for feeds.
    for (let time = 0; time < 5; time += 1) {
      const socket = connect(port, "127.0.0.1");
      const head = [
        "GET /v1/changes/ws HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Authorization: Bearer admin",
      ];
      socket.write([...head, ...lines, "", ""].join("\r\n"));
      let answer = "";
      for await (const piece of socket) answer += piece;
      expect(answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"invalid-request"/s);
      expect(answer).toContain(named);
    }
  });

  it.each(["HEAD", "POST", "GET"])(
    "keeps no connection of a refused upgrade by %s, and a stop does not wait for one",
    async (method) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.on("error", () => {});
      socket.write(
        `${method} /v1/changes/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmore`,
      );
      await once(socket, "data");
      const { server } = fixture.gateway.server;
      const open = () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
      await vi.waitFor(async () => expect(await open()).toBe(0), { timeout: 10 * limits.socketCloseMs });
      socket.destroy();
      await fixture.gateway.close();
    },
  );

  it("does not fill the log with what a reader sends wrongly", async () => {
    script();
    const socket = new WebSocket(url(), { headers: key("admin") });
    await once(socket, "open");
    socket.on("error", () => {});
    // A frame with bits set that mean nothing here.
    (socket as unknown as { _socket: NodeJS.WritableStream })._socket.write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]));
    expect(((await once(socket, "close")) as [number])[0]).toBe(1002);
    expect(fixture.logged.error).toEqual([]);
  });

  it("hangs up on a reader that talks too much", async () => {
    script();
    const socket = new WebSocket(url(), { headers: key("admin") });
    await once(socket, "open");
    socket.on("error", () => {});
    socket.send("x".repeat(5000));
    expect(((await once(socket, "close")) as [number])[0]).toBe(1009);
  });
});

describe("a stop", () => {
  it("answers what is in flight, and nothing new", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    fixture.fake.answers["stock"] = () => promise;
    const read = () => fetch(`http://127.0.0.1:${port}/v1/stock/a`, { headers: key("admin") });
    const inFlight = read();
    await vi.waitFor(() => fixture.fake.asked("stock"));
    const closing = fixture.gateway.close();
    await expect(read()).rejects.toThrow();
    resolve({ ok: true, value: { sku: "a" } });
    expect(await (await inFlight).json()).toEqual({ sku: "a" });
    await closing;
  });

  it("turns away who still has a connection, and is over in time though someone never finishes", async () => {
    fixture.fake.answers["stock"] = () => new Promise(() => {});
    const ask = "GET /v1/stock/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n";
    const stuck = connect(port, "127.0.0.1");
    stuck.write(ask);
    stuck.on("error", () => {});
    await vi.waitFor(() => fixture.fake.asked("stock"));
    const started = performance.now();
    await fixture.gateway.close();
    expect(performance.now() - started).toBeLessThan(1500);
    // Pushes and deliveries end after the gateway, and all of it within the time that a process has.
    expect(limits.drainMs + limits.syncStopMs + limits.webhookStopMs).toBeLessThan(9500);
  });
});
