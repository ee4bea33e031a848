import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { Larder } from "../../sdk/src/index.ts";
import { eventually, freePort } from "./larder.ts";
import { patience } from "./mode.ts";
import { adminKey, Server } from "./server.ts";

let server: Server;
let larder: Larder;

beforeAll(async () => {
  server = new Server({ env: { LARDER_PORT: String(await freePort()) } });
  await server.start();
  larder = new Larder({ url: server.url, key: adminKey, source: "/docks/1", retries: 60 });
});
afterAll(() => server.stop());

const received = (id: string, quantity: number) =>
  ({ id, type: "larder.stock.received.v1", data: { sku: "milk", location: "leeds", quantity } }) as const;

it("a sales API goes on without Larder, says how old its answers are, and is right again when Larder is back", {
  timeout: 180_000 * patience,
}, async () => {
  await larder.record([received("1", 10)]);
  const cache = larder.cache({ skus: ["milk"], staleAfterMs: 1500 });
  onTestFinished(() => cache.stop());
  expect(await cache.ready()).toBe(true);
  const milk = () => cache.availability("milk", "leeds");
  expect(milk()).toMatchObject({ known: true, available: 10, stale: false });
  const { id } = await larder.reserve({ lines: [{ sku: "milk", location: "leeds", quantity: 3 }] });
  await eventually(() => cache.everywhere("milk")[0]?.available === 7, 30_000);

  await server.end("SIGKILL");
  await eventually(() => milk().stale, 30_000);
  expect(milk()).toMatchObject({ known: true, available: 7, reserved: 3 });
  expect(cache.status()).toMatchObject({ isFollowing: false, error: { code: "unreachable" } });

  // What is safe to repeat waits for Larder by itself.
  const released = larder.releaseReservation(id);
  await server.start();
  expect(await released).toMatchObject({ status: "released" });
  await eventually(() => cache.everywhere("milk")[0]?.available === 10 && !milk().stale, 30_000);
  expect(cache.status()).toMatchObject({ isFollowing: true, error: undefined });

  // Another history: an empty Larder at the same address.
  await server.end("SIGTERM");
  server.forget();
  await server.start();
  await larder.record([received("1", 4)]);
  await eventually(() => cache.everywhere("milk")[0]?.available === 4 && !milk().stale, 30_000);
  expect(milk()).toMatchObject({ version: 1, onHand: 4 });
});
