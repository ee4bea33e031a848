import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import websocket from "@fastify/websocket";
import type { FastifyRequest } from "fastify";
import type { WebSocket } from "ws";
import { limits, type Outcome, reject, type Static, Type } from "../../kernel/index.ts";
import type { Authenticator, Credential } from "../../platform/auth/index.ts";
import { endWithProblem, type HttpServer, sendProblem } from "../../platform/http/index.ts";
import { type ChangesStep, type Inventory, unknownTypeIn, wire } from "../inventory/index.ts";
import { named, operation, query } from "./docs.ts";

export interface ChangesOptions {
  readonly inventory: Inventory;
  readonly authenticator: Authenticator;
  readonly heartbeatMs: number;
  /** Aborted when the server stops: feeds end, and their readers resume elsewhere. */
  readonly stopping: AbortSignal;
}

/** The subprotocol of the change feed over WebSocket. */
export const changesProtocol = "larder.v1";
const socketPath = "/v1/changes/ws";

/** Whether an upgrade is one to the change feed; any other stays a plain request. */
export function isChangesUpgrade({ url = "", headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket" && url.split("?", 1)[0] === socketPath;
}

/**
 * `/v1/changes`: every recorded event once, in order, from a position on; as server-sent events, NDJSON or WebSocket.
 *
 * A heartbeat carries the position that the feed has looked up to, so that who resumes from it skips what did not match.
 * A feed reads the log only as fast as its reader takes what was read; it ends when the reader's credential does.
 */
export function changesRoutes(server: HttpServer, options: ChangesOptions): void {
  const { inventory, authenticator, heartbeatMs, stopping } = options;
  const feed = { config: { access: ["stock:read"], isFeed: true } } as const;

  server.get(
    "/v1/changes",
    { ...feed, exposeHeadRoute: false, schema: { ...documentation, querystring: changesQuery } },
    async (request, reply) => {
      const { raw } = reply;
      const left = new AbortController();
      // Before it is opened, which may take a while: of who leaves meanwhile nothing is heard later.
      raw.on("close", () => left.abort());
      if (raw.destroyed) left.abort();
      const opened = await open(request.query, positionOf(request), request.credential, left.signal);
      if (!opened.ok) return sendProblem(reply, opened.rejection);
      reply.hijack();
      const format = wantsLines(request) ? lines : serverSentEvents;
      raw.writeHead(200, {
        "content-type": format.mediaType,
        "cache-control": "no-store",
        // Proxies such as nginx would otherwise collect events before passing them on.
        "x-accel-buffering": "no",
        "x-request-id": request.id,
      });
      raw.write(format.opening);
      const { follow = true } = request.query;
      const pulse = new Pulse(intervalOf(request.query));
      let isWhole = follow;
      try {
        for await (const step of opened.value) {
          if (!authenticator.stands(request.credential)) break;
          const beats = pulse.isDue(step) && (follow || format.beatsToTheEnd);
          const text = format.events(step.events) + (beats ? format.heartbeat(step) : "");
          if (text !== "" && !raw.write(text)) await drained(raw, left.signal);
          if (!follow && step.caughtUp) {
            isWhole = true;
            break;
          }
        }
        // What should have come to the present and was ended before must not look as if it were all there is.
        if (isWhole) raw.end();
        else raw.destroy();
      } catch (error) {
        if (!left.signal.aborted) request.log.warn({ requestId: request.id, err: error }, "a change feed broke");
        raw.destroy();
      } finally {
        left.abort();
      }
    },
  );

  server.register(async (scope: HttpServer) => {
    await scope.register(websocket, {
      options: {
        maxPayload: 4096, // readers have nothing to say
        handleProtocols: (offered) => (offered.has(changesProtocol) ? changesProtocol : false),
      },
      errorHandler: (error, socket, request) => {
        // What a reader sends or how it leaves is no error of ours, and must not fill the log.
        if (!isOfReader(error)) request.log.error({ requestId: request.id, err: error }, "failed");
        socket.terminate();
      },
    });
    scope.websocketServer.on("wsClientError", (error: Error, socket: Duplex) =>
      endWithProblem(socket, "invalid-request", `${error.message}.`, ["Sec-WebSocket-Version: 13"]),
    );
    scope.route({
      ...feed,
      method: "GET",
      url: socketPath,
      exposeHeadRoute: false,
      schema: { querystring: socketQuery, hide: true },
      handler: (_request, reply) => sendProblem(reply, notUpgraded),
      wsHandler: feedSocket,
    });
  });

  async function feedSocket(socket: WebSocket, request: FastifyRequest): Promise<void> {
    const left = new AbortController();
    socket.on("close", () => left.abort());
    const { credential } = request;
    const asked = request.query as Static<typeof socketQuery>;
    const opened = await open(asked, asked.after, credential, left.signal);
    if (!opened.ok) {
      hangUp(socket, closeCodes.refused, opened.rejection.code);
      return;
    }
    const pulse = new Pulse(intervalOf(asked));
    try {
      for await (const step of opened.value) {
        if (!authenticator.stands(credential)) {
          hangUp(socket, closeCodes.unauthenticated, "unauthenticated");
          return;
        }
        for (const event of step.events) socket.send(JSON.stringify(event));
        if (pulse.isDue(step)) socket.send(heartbeat(step));
        if (socket.bufferedAmount > limits.socketBufferBytesMax) await flushed(socket, step);
      }
      hangUp(socket, closeCodes.goingAway, "shutting-down");
    } catch (error) {
      if (!left.signal.aborted) request.log.warn({ requestId: request.id, err: error }, "a change feed broke");
      socket.terminate();
    } finally {
      left.abort();
    }
  }

  function intervalOf({ heartbeatSeconds }: Static<typeof socketQuery>): number {
    return heartbeatSeconds === undefined ? heartbeatMs : Math.min(heartbeatSeconds * 1000, heartbeatMs);
  }

  function open(
    asked: Static<typeof socketQuery>,
    after: string | undefined,
    credential: Credential,
    left: AbortSignal,
  ): Promise<Outcome<AsyncIterable<ChangesStep>>> {
    const { sku, location, type } = asked;
    const unknown = unknownTypeIn(type);
    if (unknown !== undefined) return Promise.resolve(reject(unknown));
    const filter = {
      ...(sku && { skus: new Set(sku) }),
      ...(location && { locations: new Set(location) }),
      ...(type && { types: new Set(type) }),
    };
    const signal = AbortSignal.any([left, stopping]);
    return inventory.changes(after, filter, credential, { signal, heartbeatMs: intervalOf(asked) });
  }
}

function isOfReader(error: Error): boolean {
  return "code" in error && /^(?:WS_ERR_|E[A-Z]+$)/.test(String(error.code));
}

const notUpgraded = {
  code: "invalid-request",
  detail: "This is for WebSocket clients; others follow /v1/changes.",
} as const;

/** RFC 6455 leaves 4000 and up to applications: ours are 4000 + the HTTP status that they stand for. */
const closeCodes = { goingAway: 1001, refused: 4400, unauthenticated: 4401 } as const;

/** Closes with a reason, and cuts off a reader that does not answer that, so that it can't hold up a stop. */
function hangUp(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  const cut = setTimeout(() => socket.terminate(), limits.socketCloseMs);
  socket.on("close", () => clearTimeout(cut));
}

/** When a reader gets a heartbeat: while nothing comes, and at intervals while events do, so that it knows it has all. */
class Pulse {
  readonly #intervalMs: number;
  #lastAt = performance.now();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  isDue({ events, caughtUp }: ChangesStep): boolean {
    const now = performance.now();
    if (events.length > 0 && !(caughtUp && now - this.#lastAt >= this.#intervalMs)) return false;
    this.#lastAt = now;
    return true;
  }
}

interface Format {
  readonly mediaType: string;
  readonly opening: string;
  readonly events: (events: ChangesStep["events"]) => string;
  readonly heartbeat: (step: ChangesStep) => string;
  /** Whether one that ends at the present has heartbeats too. */
  readonly beatsToTheEnd: boolean;
}

/**
 * Server-sent events. Events have no `event:` of their own, so that `onmessage` gets them; the heartbeat has one, so
 * that it does not, while its `id:` still moves the position that a browser resumes from.
 */
const serverSentEvents: Format = {
  mediaType: "text/event-stream; charset=utf-8",
  opening: "retry: 1000\n\n",
  events: (events) => events.map((event) => `id: ${event.position}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
  heartbeat: ({ position, caughtUp }) =>
    `event: heartbeat\nid: ${position}\ndata: ${JSON.stringify({ position, caughtUp })}\n\n`,
  beatsToTheEnd: true,
};

/** One event a line. One that follows also gets heartbeats; one that ends at the present holds events alone. */
const lines: Format = {
  mediaType: "application/x-ndjson; charset=utf-8",
  opening: "",
  events: (events) => events.map((event) => `${JSON.stringify(event)}\n`).join(""),
  heartbeat: (step) => `${heartbeat(step)}\n`,
  beatsToTheEnd: false,
};

function heartbeat({ position, caughtUp }: ChangesStep): string {
  return JSON.stringify({ type: "heartbeat", position, caughtUp });
}

/** A reader that resumes says so in `Last-Event-ID`; its address still has the `after` it first began with. */
function positionOf(request: FastifyRequest<{ Querystring: Static<typeof changesQuery> }>): string | undefined {
  const resumed = request.headers["last-event-id"];
  return typeof resumed === "string" && resumed !== "" ? resumed : request.query.after;
}

function wantsLines({ headers }: FastifyRequest): boolean {
  return /\bapplication\/(?:x-)?ndjson\b/i.test(headers.accept ?? "");
}

/** Waits until a slow reader has taken what was written; gives up on one that takes nothing at all. */
async function drained(raw: ServerResponse, left: AbortSignal): Promise<void> {
  await once(raw, "drain", { signal: AbortSignal.any([left, AbortSignal.timeout(limits.feedStallMs)]) });
}

async function flushed(socket: WebSocket, step: ChangesStep): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stalled = setTimeout(() => reject(new Error("the reader took nothing")), limits.feedStallMs);
  socket.send(heartbeat(step), (error) => (error ? reject(error) : resolve()));
  await promise.finally(() => clearTimeout(stalled));
}

const many = { minItems: 1, maxItems: limits.batchItemsMax } as const;
const filters = {
  after: Type.Optional(wire.Position),
  sku: Type.Optional(Type.Array(wire.Sku, many)),
  location: Type.Optional(Type.Array(wire.LocationId, many)),
  type: Type.Optional(
    Type.Array(Type.String({ maxLength: 256 }), {
      ...many,
      description: "CloudEvents types; one that no event has is refused.",
    }),
  ),
  heartbeatSeconds: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: limits.feedHeartbeatMs / 1000,
      description: `Seconds between heartbeats at most; default ${limits.feedHeartbeatMs / 1000}.`,
    }),
  ),
};
const socketQuery = query(filters);
const changesQuery = query({
  ...filters,
  follow: Type.Optional(Type.Boolean({ description: "Whether to go on past the present; default true." })),
});

const documentation = operation({
  operationId: "followChanges",
  tag: "Changes",
  summary: "Follow every recorded event",
  description:
    "Each event once, without gaps, in order per sku and location, from the beginning or from `after`. As server-sent events (resume by `Last-Event-ID`; `event: heartbeat` carries the position in its `id`), or as NDJSON with `Accept: application/x-ndjson` (heartbeats are lines of type `heartbeat`). A heartbeat says that everything up to its position has been given, and by `caughtUp` whether that is the present. The same over WebSocket at `/v1/changes/ws`: each message one event; browsers, which can't set headers there, offer the subprotocols `larder.v1` and `bearer.KEY`.",
  answers: {
    200: {
      description: "Events, until one side leaves.",
      schema: named("RecordedCloudEvent", wire.RecordedCloudEvent),
      types: ["text/event-stream", "application/x-ndjson"],
    },
  },
  headers: {
    "last-event-id": "The position to resume from; it counts before `after`.",
    accept: "`application/x-ndjson` for lines; server-sent events otherwise.",
  },
  problems: ["invalid-position", "position-from-another-history"],
});
