import dns from "node:dns";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { certificate, key } from "../platform/outbound/certificate.fixture.ts";
import { command } from "./fixture.ts";

// A server behind TLS that takes all stock and is always sold out: no promise of it can be one too many.

let server: Server;
const trusted = getCACertificates("default");

beforeEach(async () => {
  setDefaultCACertificates([...trusted, certificate]);
  const lookup = (_name: string, _options: object, tell: (error: null, found: dns.LookupAddress[]) => void) =>
    tell(null, [{ address: "127.0.0.1", family: 4 }]);
  vi.spyOn(dns, "lookup").mockImplementation(lookup as unknown as typeof dns.lookup);
  server = createServer({ cert: certificate, key }, (request, response) => {
    const isReservation = request.url === "/v1/reservations";
    const body = request.url === "/v1/events" ? { accepted: 1, duplicates: 0, rejected: [] } : { items: [] };
    request.resume().on("end", () => {
      response.writeHead(isReservation ? 409 : 200, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(async () => {
  vi.restoreAllMocks();
  setDefaultCACertificates(trusted);
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

it("measures a server behind TLS, and says where it is", { timeout: 30_000 }, async () => {
  const url = `https://shop.test:${(server.address() as AddressInfo).port}`;
  const { code, out, err } = await command([
    ...["bench", "--seconds", "1", "--connections", "2"],
    ...["--url", `${url}/`, "--key", "k"],
  ]);
  expect([code, err]).toEqual([0, expect.stringContaining("scarce")]);
  const [circumstances, _titles, ...rows] = out.trimEnd().split("\n");
  expect(circumstances).toContain(`; 2 connections, callers on this machine, the server at ${url}`);
  expect(rows.map((row) => row.split(/ +/)[0])).toEqual(["hot", "spread", "scarce"]);
});
