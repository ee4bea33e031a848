/** Webhooks as their receivers see them: a server as a process of its own, and receivers over real connections. */
import { readFileSync } from "node:fs";
import { createServer, type Server as HttpServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReceiver, Shelf } from "../../examples/webhooks/receiver.ts";
import { run as runProgram } from "../../src/cli/program.ts";
import { limits } from "../../src/kernel/index.ts";
import { strictClient } from "./conformance.ts";
import { home } from "./larder.ts";
import { isSplit } from "./mode.ts";
import { adminKey, Server } from "./server.ts";

const server = new Server({
  env: { LARDER_OUTBOUND_ALLOW: "127.0.0.1", LARDER_DELIVERY_MAX_ATTEMPTS: "4", LARDER_DELIVERY_BACKOFF: "20ms" },
});
const call = strictClient(server);
let facts = 0;

beforeAll(() => server.start());
afterAll(() => server.stop());

interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver whose answers the test tells; down, it refuses connections. */
class Receiver {
  readonly got: Got[] = [];
  status = 204;
  #server: HttpServer | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hooks`;
  }

  async up(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString();
      if (this.status < 300) this.got.push({ headers: request.headers, body });
      response.writeHead(this.status).end();
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async down(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  get skus(): string[] {
    return this.got.map(({ body }) => JSON.parse(body).data.sku);
  }
}

async function withReceiver(test: (receiver: Receiver) => Promise<void>): Promise<void> {
  const receiver = new Receiver();
  await receiver.up();
  await test(receiver).finally(() => receiver.down());
}

async function receive(sku: string, times = 1, location = "s1"): Promise<string> {
  const batch = Array.from({ length: times }, () => {
    facts += 1;
    const data = { sku, location, quantity: 1 };
    return { specversion: "1.0", id: `f${facts}`, source: "/journey", type: "larder.stock.received.v1", data };
  });
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const { status, body } = await call("POST", "/v1/events", { body: batch, headers });
  expect(status).toBe(202);
  return body.position;
}

async function made(request: object, key?: string): Promise<{ id: string; secret: string; path: string }> {
  const { status, body, headers } = await call("POST", "/v1/webhooks", {
    body: request,
    ...(key !== undefined && { key }),
  });
  expect([status, body.code]).toEqual([201, undefined]);
  expect(headers["cache-control"]).toBe("no-store");
  return { id: body.id, secret: body.secret, path: `/v1/webhooks/${body.id}` };
}

const view = async (path: string) => (await call("GET", path)).body;
/** One process frees at its start what it had leased; where there may be others, a lease that a killed one had has to run out. */
const waitMsMax = isSplit ? limits.webhookLeaseMs + 30_000 : 20_000;
const eventually = (condition: () => unknown) => expect.poll(condition, { interval: 20, timeout: waitMsMax });

describe("a webhook", () => {
  it("posts what is recorded, signed, once and in order, and survives that the receiver is down", () =>
    withReceiver(async (receiver) => {
      const { secret, path } = await made({ url: receiver.url });
      await receive("milk", 50);
      await eventually(() => receiver.got.length).toBe(50);
      const versions = receiver.got.map(({ headers, body }) => {
        const event = new Webhook(secret).verify(body, headers as Record<string, string>) as {
          data: { version: number };
        };
        return event.data.version;
      });
      expect(versions).toEqual(versions.map((_, index) => index + 1));

      await receiver.down();
      await receive("bread");
      await eventually(async () => (await view(path)).failingSince).not.toBeNull();
      await receiver.up();
      await eventually(async () => (await view(path)).deadLetters + receiver.got.length).toBe(51);
      await call("POST", `${path}/enable`);
      await eventually(() => receiver.skus.slice(50)).toEqual(["bread"]);
      const { body } = await call("GET", `${path}/deliveries?limit=200`);
      expect(body.items[0]).toMatchObject({ delivered: true, status: 204 });
      expect(body.items).toContainEqual(
        expect.objectContaining({ delivered: false, cause: "the connection was refused" }),
      );
      await call("DELETE", path);
    }));

  it("keeps the receiver of the guide in step with the shelf", async () => {
    const shelf = new Shelf();
    let secret = "";
    const receiver = createServer((request, response) =>
      createReceiver(secret, shelf).emit("request", request, response),
    );
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
      const webhook = await made({ url, types: ["larder.stock.received.v1", "larder.reservation.reserved.v1"] });
      secret = webhook.secret;
      await receive("eggs", 3, "s2");
      const reserved = await call("POST", "/v1/reservations", {
        body: { lines: [{ sku: "eggs", quantity: 1, location: "s2" }] },
      });
      expect(reserved.status).toBe(201);
      await eventually(() => shelf.available.get("s2/eggs")).toEqual({ version: 4, quantity: 2 });
      const { body } = await call("POST", `${webhook.path}/test`);
      expect(body).toMatchObject({ delivered: true, status: 204 });
      secret = "whsec_c29tZSBvdGhlciBzZWNyZXQgb2Ygb3Vycw==";
      expect((await call("POST", `${webhook.path}/test`)).body).toMatchObject({ delivered: false, status: 401 });
      await call("DELETE", webhook.path);
    } finally {
      receiver.closeAllConnections();
      receiver.close();
    }
    const guide = readFileSync(join(home, "docs/guides/webhooks.md"), "utf8");
    const example = readFileSync(join(home, "examples/webhooks/receiver.ts"), "utf8");
    const [, shown = "nothing"] = /```ts\n(.*?)```/s.exec(guide) ?? [];
    expect(example).toContain(shown);
  });

  it("goes on where it was after a kill, replays, rotates its secret, and is disabled by 410", () =>
    withReceiver(async (receiver) => {
      const { secret, path } = await made({ url: receiver.url, skus: ["tea", "salt", "rice"] });
      const position = await receive("tea");
      await eventually(() => receiver.skus).toEqual(["tea"]);
      receiver.status = 503;
      await receive("salt");
      await server.crash("relay");
      receiver.status = 204;
      await call("POST", `${path}/enable`);
      await eventually(() => receiver.skus).toContain("salt");

      const before = receiver.got.length;
      await call("POST", `${path}/replay`, { body: { after: position } });
      await eventually(() => receiver.skus.slice(before)).toEqual(["salt"]);
      expect(receiver.got.at(-1)?.headers["webhook-id"]).toBe(receiver.got[1]?.headers["webhook-id"]);

      const { body: rotated } = await call("POST", `${path}/rotate-secret`);
      await receive("rice");
      await eventually(() => receiver.skus.at(-1)).toBe("rice");
      const { headers, body } = receiver.got.at(-1) as Got;
      for (const each of [secret, rotated.secret]) new Webhook(each).verify(body, headers as Record<string, string>);

      receiver.status = 410;
      await receive("tea");
      await eventually(async () => (await view(path)).status).toBe("disabled");
      expect((await view(path)).reason).toContain("410");
      expect((await server.readiness()).checks["relay"]).toEqual({ ok: true, detail: "1 webhook; 1 disabled" });
      await call("DELETE", path);
    }));

  it("is looked after from the command line", () =>
    withReceiver(async (receiver) => {
      // In this process: a dozen others would take half a minute.
      const run = async (...args: string[]) => {
        const [out, err]: [string[], string[]] = [[], []];
        const code = await runProgram(["webhooks", ...args, "--url", server.url, "--key", adminKey], {
          env: {},
          out: (line) => void out.push(line),
          note: (line) => void err.push(line),
          raw: (part) => void out.push(part),
          isTerminal: { out: false, err: false },
          paint: (_style, text) => text,
        });
        return { code, out: out.join("\n"), err: err.join("\n") };
      };
      const created = await run("create", receiver.url, "--sku", "beans", "--json");
      expect(created.code).toBe(0);
      const { id, secret, skus } = JSON.parse(created.out);
      expect([secret.slice(0, 6), skus]).toEqual(["whsec_", ["beans"]]);
      expect((await run("test", id)).out).toMatch(/^It was answered 204 after \d+ ms\.$/);
      const position = await receive("beans");
      await receive("beans");
      await eventually(() => receiver.got.length).toBe(3);
      expect((await run("list")).out).toContain(`${id}  active`);
      expect((await run("show", id)).out).toContain("answered 204");
      await run("replay", id, "--after", position);
      await eventually(() => receiver.got.length).toBe(4);
      const rotated = await run("rotate-secret", id);
      expect(rotated.out).toMatch(/^whsec_/);
      expect(rotated.err).toContain("shown this once");
      expect((await run("pause", id)).out).toBe(`Webhook ${id} is paused.`);
      expect((await run("enable", id)).out).toBe(`Webhook ${id} is enabled.`);
      receiver.status = 500;
      const failed = await run("test", id);
      expect([failed.code, failed.err]).toEqual([1, expect.stringContaining("answered 500")]);
      expect(await server.metrics()).toContain(`larder_queue_messages{queue="webhook-${id}"} 0`);
      expect((await run("delete", id)).out).toBe(`Webhook ${id} is deleted.`);
      expect((await run("show", id)).code).toBe(1);
      expect(await server.metrics()).not.toContain(id);
    }));

  it("is made by those who may, tells a limited key nothing of other places, and calls no private address", async () => {
    const keyOf = async (request: object) =>
      (await call("POST", "/v1/keys", { body: { name: "journey", ...request } })).body.key;
    const reader = await keyOf({ scopes: ["stock:read", "stock:write", "reservations:write"] });
    const store = await keyOf({ scopes: ["sync:admin"], locations: ["s1"] });
    const webhook = { url: "https://example.com/" };
    expect((await call("POST", "/v1/webhooks", { body: webhook, key: reader })).status).toBe(403);
    const mine = await made(webhook, store);
    const others = await made(webhook, adminKey);
    expect((await call("GET", mine.path, { key: store })).body.limitedTo).toEqual(["s1"]);
    expect((await call("GET", others.path, { key: store })).status).toBe(404);
    expect((await call("GET", "/v1/webhooks", { key: store })).body.items.map(({ id }: { id: string }) => id)).toEqual([
      mine.id,
    ]);
    for (const url of [
      "http://127.0.0.2/",
      "http://169.254.169.254/latest/meta-data/",
      "http://[::1]/",
      "http://0x7f000002/",
      "ftp://example.com/",
      "https://a:b@example.com/",
    ]) {
      const { status, body } = await call("POST", "/v1/webhooks", { body: { url } });
      expect([url, status, body.code]).toEqual([url, 400, "invalid-request"]);
    }
    for (const { path } of [mine, others]) expect((await call("DELETE", path)).status).toBe(204);
    expect((await call("GET", mine.path)).status).toBe(404);
    // Nothing of a webhook is an event of the feed, and no secret is in the log of the server.
    expect((await server.changes()).filter(({ type }) => type.includes("webhook"))).toEqual([]);
    expect(server.stderr).not.toContain("whsec_");
  });
});
