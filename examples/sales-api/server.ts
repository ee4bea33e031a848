/**
 * A sales API that answers what can be sold from its own memory, at `GET /availability?sku=milk-1l&location=leeds`.
 * Settings: `LARDER_URL`, `LARDER_KEY`, and `PORT` (8090). It starts, and goes on, without Larder.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
// In a project of your own: from "@larder/client".
import { Larder } from "../../sdk/src/index.ts";

const { LARDER_URL = "http://127.0.0.1:8080", LARDER_KEY, PORT = "8090" } = process.env;

const larder = new Larder({ url: LARDER_URL, key: LARDER_KEY });
const cache = larder.cache({ staleAfterMs: 5000 });

/** Milliseconds a customer waits for a sku that is not in memory: longer than a fetch, shorter than patience. */
const waitMs = 100;

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/health") {
    send(response, 200, cache.status());
    return;
  }
  const sku = url.searchParams.get("sku");
  const location = url.searchParams.get("location");
  if (url.pathname !== "/availability" || sku === null || location === null) {
    send(response, 404, { detail: "Ask for /availability?sku=…&location=…" });
    return;
  }
  const known = cache.availability(sku, location);
  const answer = known.known ? known : await cache.availabilityWithin(waitMs, sku, location);
  if (answer.known) {
    const { available, version, ageMs, stale } = answer;
    send(response, 200, { sku, location, available: Math.max(0, available), version, ageMs: Math.round(ageMs), stale });
  } else {
    send(response, answer.reason === "no-such-sku" ? 404 : 503, { sku, location, reason: answer.reason });
  }
});

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    .end(text);
}

server.listen(Number(PORT), "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});

process.on("SIGTERM", () => {
  cache.stop();
  server.close();
  server.closeIdleConnections();
});
