/** Clients that drip, stay silent, take nothing, or come in thousands: others are served meanwhile. */
import { type AddressInfo, connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { limits } from "../../src/kernel/index.ts";
import { readAnswers } from "../fuzz/answers.ts";
import { House } from "../fuzz/house.ts";

/** By 500: with those that are let in, ten thousand feeds are asked for. */
const refusedRounds = 18;

/** The same limits, shorter: what is tested is that they exist. */
const short = { requestReceiveMs: 3000, connectionsCheckMs: 100, connectionIdleMs: 3000 };
const usual = { ...limits };
let house: House;
let port: number;
const sockets: Socket[] = [];

async function start(limited: Partial<Record<keyof typeof limits, number>>): Promise<void> {
  Object.assign(limits, limited);
  house = await House.open("memory", limits.feedHeartbeatMs);
  await house.gateway.listen("127.0.0.1", 0);
  port = (house.gateway.server.server.address() as AddressInfo).port;
}
afterEach(async () => {
  Object.assign(limits, usual);
  for (const socket of sockets.splice(0)) socket.destroy();
  expect(await house.close()).toEqual([]);
  expect(house.errors).toEqual([]);
});

/** A connection whose answers are kept; `ended` resolves with them once the server has ended it. */
function open(): { readonly socket: Socket; readonly ended: Promise<Buffer> } {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const pieces: Buffer[] = [];
  socket.on("error", () => {});
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  sockets.push(socket);
  const ended = new Promise<Buffer>((resolve) => socket.on("close", () => resolve(Buffer.concat(pieces))));
  return { socket, ended };
}

const statusesOf = (bytes: Buffer) => readAnswers(bytes).answers.map(({ status }) => status);

async function isServed(): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/stock/milk`, {
    headers: { authorization: `Bearer ${house.keys.reader}`, connection: "close" },
  });
  await answer.text();
  return answer.status === 200;
}

/** Sends a byte now and then until the server has had enough. */
async function drip(bytes: string, everyMs: number): Promise<readonly number[]> {
  const { socket, ended } = open();
  let at = 0;
  const timer = setInterval(() => {
    if (socket.writable) socket.write(bytes[at % bytes.length]!);
    at += 1;
  }, everyMs);
  return statusesOf(await ended.finally(() => clearInterval(timer)));
}

describe("a slow client", () => {
  beforeEach(() => start(short));

  it("that drips its headers is told so and cut off, and others are served meanwhile", async () => {
    const slow = Array.from({ length: 50 }, () =>
      drip(`GET /livez HTTP/1.1\r\nHost: x\r\nX-A: ${"a".repeat(10_000)}`, 50),
    );
    for (let time = 0; time < 5; time += 1) expect(await isServed()).toBe(true);
    for (const statuses of await Promise.all(slow)) expect(statuses).toEqual([408]);
  });

  it("that drips its body is told so and cut off, and nothing is recorded of it", async () => {
    const before = await house.state();
    const head = `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${house.keys.admin}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`;
    const { socket, ended } = open();
    socket.write(head);
    const timer = setInterval(() => socket.writable && socket.write(" "), 50);
    expect(statusesOf(await ended.finally(() => clearInterval(timer)))).toEqual([408]);
    expect(await house.state()).toBe(before);
  });

  it("that says nothing at all is let go", async () => {
    const { ended } = open();
    expect(statusesOf(await ended).filter((status) => status !== 408)).toEqual([]);
  });

  it("that takes no answer is let go, with its place", async () => {
    const wide = Array.from({ length: 1000 }, (_, index) => ({
      specversion: "1.0",
      id: `w${index}`,
      source: "s",
      type: "larder.stock.received.v1",
      data: { sku: "milk", location: `wide-${index}`, quantity: 1 },
    }));
    await house.inventory.recordFacts(wide, { id: "admin", ownReservations: false });
    const { socket, ended } = open();
    socket.pause();
    const ask = `GET /v1/stock/milk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${house.keys.admin}\r\n\r\n`;
    socket.write(ask.repeat(50));
    const count = () =>
      new Promise<number>((resolve) => house.gateway.server.server.getConnections((_error, found) => resolve(found)));
    await vi.waitFor(async () => expect(await count()).toBe(1));
    await vi.waitFor(async () => expect(await count()).toBe(0), { timeout: 25_000, interval: 200 });
    expect(await isServed()).toBe(true);
    socket.destroy();
    await ended;
  });
});

describe("idle feeds", () => {
  beforeEach(() => start({}));

  const feed = (key: string) => `GET /v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`;

  async function newKey(index: number): Promise<string> {
    const answer = await house.gateway.server.inject({
      method: "POST",
      url: "/v1/keys",
      headers: { authorization: `Bearer ${house.keys.admin}` },
      payload: { name: `feeds ${index}`, scopes: ["stock:read"] },
    });
    return answer.json().key;
  }

  /** Opens a feed and gives the status of its answer. */
  async function openFeed(key: string): Promise<number> {
    const { socket } = open();
    socket.write(feed(key));
    const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    return Number(first.toString("latin1", 9, 12));
  }

  it("are let in up to a limit for each key and one for all, whoever asks thousands of times, and cost little", {
    timeout: 120_000,
  }, async () => {
    const keys = await Promise.all(
      Array.from({ length: limits.feedsMax / limits.credentialFeedsMax + 1 }, (_, index) => newKey(index)),
    );
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const heapAfterGc = () => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const heapBefore = heapAfterGc();
    const statuses = new Map<number, number>();
    for (const [index, key] of keys.entries()) {
      const asked = index === 0 ? limits.credentialFeedsMax + 5 : limits.credentialFeedsMax;
      const answered = await Promise.all(Array.from({ length: asked }, () => openFeed(key)));
      for (const status of answered) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect(Object.fromEntries(statuses)).toEqual({ 200: limits.feedsMax, 429: 5, 503: limits.credentialFeedsMax });
    // Both ends of each connection are in this process.
    const perFeed = (heapAfterGc() - heapBefore) / limits.feedsMax;
    console.log(`${Math.round(perFeed)} bytes of heap for each idle feed, both ends`);
    expect(perFeed).toBeLessThan(100_000);
    // Those that are refused end at once, and keep nobody from being served.
    const last = keys.at(-1)!;
    for (let round = 0; round < refusedRounds; round += 1) {
      const refused = await Promise.all(
        Array.from({ length: 500 }, async () => {
          const { socket, ended } = open();
          socket.write(feed(last).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
          return statusesOf(await ended);
        }),
      );
      expect(new Set(refused.flat())).toEqual(new Set([503]));
    }
    expect(await isServed()).toBe(true);
    expect(house.inventory.figures().openFeeds).toBe(limits.feedsMax);
  });

  it("free their place when they leave, however they do", async () => {
    const key = await newKey(0);
    for (let round = 0; round < 3; round += 1) {
      expect(
        new Set(await Promise.all(Array.from({ length: limits.credentialFeedsMax }, () => openFeed(key)))),
      ).toEqual(new Set([200]));
      for (const [index, socket] of sockets.splice(0).entries())
        index % 2 === 0 ? socket.destroy() : socket.resetAndDestroy();
      for (let wait = 0; wait < 200 && house.inventory.figures().openFeeds > 0; wait += 1)
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
});
