import type { FastifyBaseLogger } from "fastify";
import { limits } from "../../../kernel/index.ts";
import type { Authenticator } from "../../../platform/auth/index.ts";
import { GrpcServer, type TlsFiles } from "../../../platform/grpc/index.ts";
import { InFlight } from "../../../platform/http/index.ts";
import type { Inventory } from "../../inventory/index.ts";
import { availabilityService } from "./availability.ts";
import type { CallObserver, CallRules } from "./calls.ts";
import { changeService } from "./changes.ts";
import { factService } from "./facts.ts";
import { AvailabilityService } from "./generated/larder/v1/availability_pb.js";
import { ChangeService } from "./generated/larder/v1/changes_pb.js";
import { FactService } from "./generated/larder/v1/facts_pb.js";
import { ReservationService } from "./generated/larder/v1/reservations_pb.js";
import { reservationService } from "./reservations.ts";

export interface GrpcGatewayOptions {
  readonly inventory: Inventory;
  readonly authenticator: Authenticator;
  readonly logger: FastifyBaseLogger;
  /** Shared with HTTP, so that a credential has one share of the server. */
  readonly requestsInFlight?: InFlight;
  readonly feedsInFlight?: InFlight;
  readonly observe?: CallObserver;
  readonly heartbeatMs?: number;
  readonly tls?: TlsFiles;
}

/** The edge of gRPC: the same keys, scopes, limits and meanings as over HTTP; it has no rules of its own. */
export interface GrpcGateway {
  /** Begins to listen and gives the address, as `127.0.0.1:9090`. Port 0 takes a free one. */
  listen(host: string, port: number): Promise<string>;
  /** Tells load balancers, by the health service, that it is about to stop; goes on answering all the same. */
  drain(): void;
  /** Takes nothing new, ends the streams once what they have asked is answered, then cuts what is left. */
  close(): Promise<void>;
}

export function createGrpcGateway(options: GrpcGatewayOptions): GrpcGateway {
  const { inventory, authenticator, logger, observe = () => undefined, tls } = options;
  const stopping = new AbortController();
  const rules: CallRules = {
    ...{ authenticator, logger, observe },
    requests: options.requestsInFlight ?? new InFlight(),
    feeds: options.feedsInFlight ?? new InFlight(limits.credentialFeedsMax, limits.feedsMax),
    stopping: stopping.signal,
  };
  const heartbeatMs = options.heartbeatMs ?? limits.feedHeartbeatMs;
  const server = new GrpcServer({
    services: [
      { description: ReservationService, implementation: reservationService(inventory, rules) },
      { description: FactService, implementation: factService(inventory, rules) },
      { description: AvailabilityService, implementation: availabilityService(inventory, rules) },
      { description: ChangeService, implementation: changeService(inventory, rules, heartbeatMs) },
    ],
    messageBytesMax: limits.bodyBytesMax,
    ...(tls && { tls }),
  });
  return {
    listen: (host, port) => server.listen(host, port),
    drain: () => server.leave(),
    async close() {
      server.leave();
      stopping.abort();
      await server.close(limits.drainMs);
    },
  };
}
