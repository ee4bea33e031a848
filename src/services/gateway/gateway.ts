import type { FastifyBaseLogger } from "fastify";
import { limits, type TSchema } from "../../kernel/index.ts";
import type { Authenticator } from "../../platform/auth/index.ts";
import { createHttpServer, type HttpServer, type InFlight, type RequestObserver } from "../../platform/http/index.ts";
import type { Archive } from "../archive/index.ts";
import type { Identity } from "../identity/index.ts";
import type { Epcis, Intake } from "../intake/index.ts";
import type { Inventory, RunningInventory } from "../inventory/index.ts";
import type { Relay } from "../relay/index.ts";
import type { Reconciliations, Sync } from "../sync/index.ts";
import { guard } from "./access.ts";
import { archiveRoutes } from "./archive.ts";
import { changesRoutes, isChangesUpgrade } from "./changes.ts";
import { deadLetterRoutes } from "./dead-letters.ts";
import { query } from "./docs.ts";
import { epcisRoutes } from "./epcis.ts";
import { factRoutes, factSchema } from "./facts.ts";
import { keyRoutes } from "./keys.ts";
import { documentApi, namedSchemas } from "./openapi.ts";
import { errorsPage, type MetricsPage, operationRoutes, type Readiness } from "./operations.ts";
import { reconciliationRoutes } from "./reconciliations.ts";
import { itemRoutes, locationRoutes } from "./registry.ts";
import { reservationRoutes } from "./reservations.ts";
import { stockRoutes } from "./stock.ts";
import { syncRoutes } from "./sync.ts";
import { webhookRoutes } from "./webhooks.ts";

export interface GatewayOptions {
  readonly inventory: Inventory;
  /** Of an inventory in this process. */
  readonly readFacts?: RunningInventory["readFacts"];
  readonly identity: Identity;
  readonly intake: Intake;
  readonly epcis: Epcis;
  readonly relay: Relay;
  readonly sync: Sync;
  readonly reconciliations: Reconciliations;
  /** Its routes are there only when it is. */
  readonly archive?: Archive;
  /** Recognises callers; the identity's API keys when absent. */
  readonly authenticator?: Authenticator;
  readonly logger: FastifyBaseLogger;
  readonly readiness: Readiness;
  readonly metrics?: { readonly observe: RequestObserver; readonly expose: () => Promise<MetricsPage> };
  /** What may stand in the data of each type of fact, for the documentation. */
  readonly factSchemas: Readonly<Record<string, TSchema>>;
  /** Whether requests from an address count as those of whoever runs the server, beside this machine's own. */
  readonly isOperator?: (address: string) => boolean;
  readonly heartbeatMs?: number;
  readonly requestsInFlight?: InFlight;
  readonly feedsInFlight?: InFlight;
  readonly drainMs?: number;
}

export interface Gateway {
  /** The routes themselves, for whoever calls them without a socket. */
  readonly server: HttpServer;
  /** Begins to listen and gives the address, as `http://127.0.0.1:8080`. Port 0 takes a free one. */
  listen(host: string, port: number): Promise<string>;
  /**
   * Says at `/readyz` that it is about to stop, and asks every client to come back on another connection; goes on
   * answering all the same.
   */
  drain(): void;
  /** Stops accepting, ends change feeds, lets requests in flight finish for up to 8 s, then cuts what is left. */
  close(): Promise<void>;
  /** The OpenAPI document. */
  openapi(): object;
}

/** The HTTP edge: authenticates, authorises, routes and maps errors; it has no rules of its own. */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { inventory, identity, intake, epcis, relay, sync, reconciliations } = options;
  const { logger, readiness, metrics, factSchemas } = options;
  const authenticator = options.authenticator ?? identity;
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  let isDraining = false;

  const server = createHttpServer({
    logger,
    ...(metrics && { observe: metrics.observe }),
    schemas: { ...namedSchemas, Fact: factSchema(factSchemas) },
    mayUpgrade: isChangesUpgrade,
  });
  guard(server, {
    authenticator,
    isStopping,
    isDraining: () => isDraining,
    ...(options.isOperator && { isOperator: options.isOperator }),
    ...(options.requestsInFlight && { requests: options.requestsInFlight }),
    ...(options.feedsInFlight && { feeds: options.feedsInFlight }),
  });
  // Unknown parameters are refused everywhere, as unknown members of a body are.
  server.addHook("onRoute", (route) => {
    if (route.url.startsWith("/v1/")) route.schema = { querystring: query({}), ...route.schema };
  });
  await documentApi(server);
  errorsPage(server);
  operationRoutes(server, {
    readiness,
    isStopping: () => isDraining || isStopping(),
    ...(metrics && { metrics: metrics.expose }),
  });
  factRoutes(server, inventory, intake, options.readFacts);
  reservationRoutes(server, inventory);
  stockRoutes(server, inventory);
  itemRoutes(server, inventory);
  locationRoutes(server, inventory);
  syncRoutes(server, sync);
  deadLetterRoutes(server, intake);
  epcisRoutes(server, epcis);
  reconciliationRoutes(server, reconciliations);
  keyRoutes(server, identity);
  webhookRoutes(server, relay);
  if (options.archive !== undefined) archiveRoutes(server, options.archive);
  const heartbeatMs = options.heartbeatMs ?? limits.feedHeartbeatMs;
  changesRoutes(server, { inventory, authenticator, heartbeatMs, stopping: stopping.signal });
  await server.ready();

  return {
    server,
    listen: (host, port) => server.listen({ host, port }),
    openapi: () => server.swagger(),
    drain() {
      isDraining = true;
    },
    async close() {
      stopping.abort();
      const cut = setTimeout(() => server.server.closeAllConnections(), options.drainMs ?? limits.drainMs);
      await server.close().finally(() => clearTimeout(cut));
    },
  };
}
