/**
 * Receives Larder's webhooks: checks who sent them, and keeps what is available of each sku at each location.
 *
 *     WEBHOOK_SECRET=whsec_… node bin/larder.js --tool examples/webhooks/receiver.ts
 *
 * It listens on port 9600, or that of PORT, of this machine, which Larder must be allowed to call (LARDER_OUTBOUND_ALLOW=127.0.0.1).
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";

/** Whether a delivery was signed with the secret, less than five minutes ago (Standard Webhooks). */
export function isGenuine(secret: string, headers: IncomingHttpHeaders, body: string): boolean {
  const id = String(headers["webhook-id"]);
  const timestamp = String(headers["webhook-timestamp"]);
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) < 300)) return false;
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const expected = Buffer.from(`v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`);
  // While a secret is being replaced there are two signatures.
  const given = String(headers["webhook-signature"])
    .split(" ")
    .map((text) => Buffer.from(text));
  return given.some((signature) => signature.length === expected.length && timingSafeEqual(signature, expected));
}

/** What is available, by location and sku, each with the version that it is of. */
export class Shelf {
  readonly available = new Map<string, { readonly version: number; readonly quantity: number }>();

  take(event: { data: { sku?: string; location?: string; version?: number; balance?: { available: number } } }): void {
    const { sku, location, version, balance } = event.data;
    if (sku === undefined || location === undefined || version === undefined || balance === undefined) return;
    const place = `${location}/${sku}`;
    // An event may come twice, and after a replay older ones come again: the highest version holds.
    if (version <= (this.available.get(place)?.version ?? 0)) return;
    this.available.set(place, { version, quantity: balance.available });
  }
}

export function createReceiver(secret: string, shelf: Shelf): Server {
  return createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    if (!isGenuine(secret, request.headers, body)) {
      response.writeHead(401).end();
      return;
    }
    shelf.take(JSON.parse(body));
    // Any 2xx says that it need not come again. Answer soon; do what takes long later.
    response.writeHead(204).end();
  });
}

if (import.meta.main) {
  const shelf = new Shelf();
  const { WEBHOOK_SECRET: secret, PORT: port = "9600" } = process.env;
  if (secret === undefined) {
    console.error("WEBHOOK_SECRET is missing: `larder webhooks create` shows it once.");
    process.exit(2);
  }
  createReceiver(secret, shelf).listen(Number(port), "127.0.0.1", () => console.log(`Listening on 127.0.0.1:${port}.`));
}
