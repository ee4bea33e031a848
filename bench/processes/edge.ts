/**
 * The HTTP server that stands before every peer: Larder's own base, guard, route and schema, so that what differs is
 * what reserves. The bare server answers a constant there: the ceiling of anything behind this edge.
 */
import { randomBytes } from "node:crypto";
import type { FastifyReply } from "fastify";
import { ConsumerHost } from "../../src/platform/consumer/index.ts";
import { createHttpServer, type HttpServer, sendProblem } from "../../src/platform/http/index.ts";
import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { silentLogger } from "../../src/platform/telemetry/index.ts";
import { guard } from "../../src/services/gateway/access.ts";
import { createIdentity, type Identity } from "../../src/services/identity/index.ts";
import { wire } from "../../src/services/inventory/index.ts";
import { type Contender, type ContenderSpec, location, openContender } from "../contenders/contender.ts";
import { serveCalls } from "../harness/child.ts";

let contender: Contender | undefined;
let server: HttpServer | undefined;

serveCalls({
  async open({ spec, key }: { spec: ContenderSpec; key: string }) {
    contender = await openContender(spec);
    server = createHttpServer({ logger: silentLogger() });
    guard(server, { authenticator: await identityWith(key), isStopping: () => false });
    if (spec.kind === "bare") bareRoutes(server);
    else reserveRoute(server, contender);
    return await server.listen({ host: "127.0.0.1", port: 0 });
  },
  prepare: ({ skus, units }: { skus: readonly string[]; units: number }) => contender?.prepare(skus, units),
  async close() {
    server?.server.closeAllConnections();
    await server?.close();
    await contender?.close();
  },
});

async function identityWith(key: string): Promise<Identity> {
  const storage = new MemoryStorage();
  const identity = createIdentity({ storage, clock: Date.now, random: randomBytes });
  await new ConsumerHost(storage).start([identity.consumer]);
  await identity.ensureAdminKey(key);
  return identity;
}

/** As long as Larder's are. */
const position = "MS5lZGE5NDk2OS01YTUzLTQyMzctOTI4ZC01ZDBiMTMwM2FjYWMuMTIzNDU2Nzg";

const writing = { config: { access: ["reservations:write"] } } as const;
const reading = { config: { access: ["stock:read"] } } as const;

function reserveRoute(http: HttpServer, { reserve }: Contender): void {
  http.post(
    "/v1/reservations",
    { ...writing, schema: { body: wire.ReserveRequest } },
    async ({ body: { id = "", lines } }, reply) => {
      const sku = lines[0]?.sku ?? "";
      if (!(await reserve(sku, id)))
        return sendProblem(reply, { code: "insufficient-stock", detail: "There is not enough of it." });
      reply.code(201).header("location", `/v1/reservations/${encodeURIComponent(id)}`);
      return send(reply, JSON.stringify(reservation(id, sku, Date.now())));
    },
  );
}

/** What Larder answers, as it writes it. */
function reservation(id: string, sku: string, now: number) {
  return {
    id,
    status: "active",
    createdAt: new Date(now).toISOString(),
    expiresAt: new Date(now + 900_000).toISOString(),
    owner: null,
    reference: null,
    lines: [{ sku, location, quantity: 1, lineIndex: 0 }],
    position,
  };
}

/** Constants of the size of what Larder answers: one reservation, one item, a thousand items. */
function bareRoutes(http: HttpServer): void {
  const reserved = JSON.stringify(reservation("bench-1234567", "sku-1234", 0));
  const items = (count: number) => JSON.stringify({ items: Array(count).fill(item), position });
  const [one, thousand] = [items(1), items(1000)];
  http.post("/v1/reservations", { ...writing, schema: { body: wire.ReserveRequest } }, async (_request, reply) =>
    send(reply.code(201).header("location", "/v1/reservations/bench-1234567"), reserved),
  );
  http.get("/v1/availability", reading, async (_request, reply) => send(reply, one));
  http.post(
    "/v1/availability::batch",
    { ...reading, schema: { body: wire.AvailabilityBatchRequest } },
    async (_request, reply) => send(reply, thousand),
  );
}

const item = {
  sku: "spread-1234",
  location,
  onHand: 1_000_000_000,
  unavailable: 0,
  reserved: 0,
  committed: 0,
  safetyStock: 0,
  incoming: 0,
  available: 1_000_000_000,
  updatedAt: "2026-11-21T00:00:00.000Z",
  version: 1,
};

function send(reply: FastifyReply, json: string): FastifyReply {
  return reply.header("content-type", "application/json; charset=utf-8").send(json);
}
