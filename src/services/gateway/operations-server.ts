import type { FastifyBaseLogger } from "fastify";
import type { Authenticator } from "../../platform/auth/index.ts";
import { createHttpServer } from "../../platform/http/index.ts";
import { guard } from "./access.ts";
import { type MetricsPage, operationRoutes, type Readiness } from "./operations.ts";

export interface OperationsServerOptions {
  readonly logger: FastifyBaseLogger;
  readonly readiness: Readiness;
  readonly metrics: () => Promise<MetricsPage>;
  /** Recognises callers that are not on this machine; absent where a process knows nobody. */
  readonly authenticator?: Authenticator;
  /** Whether requests from an address count as those of whoever runs the server, beside this machine's own. */
  readonly isOperator: (address: string) => boolean;
}

/** `/livez`, `/readyz` and `/metrics` of a process that has no gateway. */
export interface OperationsServer {
  /** Begins to listen and gives the address, as `http://127.0.0.1:8080`. Port 0 takes a free one. */
  listen(host: string, port: number): Promise<string>;
  close(): Promise<void>;
}

export async function createOperationsServer(options: OperationsServerOptions): Promise<OperationsServer> {
  const { logger, readiness, metrics, isOperator, authenticator = nobodyKnown } = options;
  const server = createHttpServer({ logger });
  let isStopping = false;
  guard(server, { authenticator, isOperator, isStopping: () => false });
  operationRoutes(server, { readiness, metrics, isStopping: () => isStopping });
  await server.ready();
  return {
    listen: (host, port) => server.listen({ host, port }),
    async close() {
      isStopping = true;
      server.server.closeIdleConnections();
      await server.close();
    },
  };
}

const nobodyKnown: Authenticator = { authenticate: () => undefined, stands: () => false };
