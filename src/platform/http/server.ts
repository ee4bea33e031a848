import { randomBytes } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyTypeProvider,
  LogController,
} from "fastify";
import {
  catalogue,
  codeOf,
  type ErrorCode,
  limits,
  type Rejection,
  type Static,
  type TSchema,
} from "../../kernel/index.ts";
import { acceptJson, mediaTypesTaken } from "./body.ts";
import { connectionsMax } from "./open-files.ts";
import { endSoon, endWithProblem, problemDocument, RequestError, sendProblem } from "./problem.ts";
import { routeTable } from "./route-table.ts";
import { requestValidation } from "./validation.ts";

/** Types requests by their TypeBox schemas; answers are free, their schemas only document them. */
export interface SchemaTypes extends FastifyTypeProvider {
  readonly validator: this["schema"] extends TSchema ? Static<this["schema"]> : unknown;
  readonly serializer: unknown;
}

export type HttpServer = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, SchemaTypes>;

/** Told of every request once it is over. `route` is the pattern (`/v1/items/:sku`), or `unmatched`. */
export type RequestObserver = (route: string, method: string, status: number, seconds: number) => void;

export interface HttpServerOptions {
  readonly logger: FastifyBaseLogger;
  readonly observe?: RequestObserver;
  /** Schemas that others may refer to as `{ $ref: "Name#" }`. */
  readonly schemas?: Readonly<Record<string, TSchema>>;
  /** Which upgrades are let through; others are answered as if they had not asked. */
  readonly mayUpgrade?: (request: IncomingMessage) => boolean;
}

/** What nginx logs for a client that left before its answer; never sent. */
const clientLeft = 499;

/**
 * The HTTP base of every service: request ids, limits, JSON in and out, and RFC 9457 problems for whatever goes wrong,
 * the framework's own errors included. Nothing a client sends gives a 5xx, and no stack, path or query leaves.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { logger, observe, schemas = {}, mayUpgrade = () => false } = options;
  const server = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of its own for each request costs more than naming the request where something is logged.
    childLoggerFactory: (parent) => parent,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestReceiveMs,
    connectionTimeout: limits.connectionIdleMs,
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: requestIds(),
    frameworkErrors: (error, request, reply) => answerError(error, request, reply),
    clientErrorHandler: answerUnreadable,
    // Node's own refusal of a missing host is no problem document: `unreadable` looks at it.
    http: {
      shouldUpgradeCallback: mayUpgrade,
      requireHostHeader: false,
      headersTimeout: limits.requestReceiveMs,
      connectionsCheckingInterval: limits.connectionsCheckMs,
    },
    routerOptions: {
      maxParamLength: limits.pathParameterLengthMax,
      onBadUrl: (_path, request, response) => {
        request.resume();
        answerBare(response, { code: "invalid-request", detail: "The path is not percent-encoded UTF-8." });
      },
    },
  }).withTypeProvider<SchemaTypes>();
  const allowedMethods = routeTable(server);

  // Nothing here takes it: the framework would refuse it for its missing type before anyone looks for a route.
  server.addHttpMethod("QUERY", { hasBody: false, overrideExisting: true });
  server.removeAllContentTypeParsers();
  acceptJson(server, ["application/json"]);
  for (const [$id, schema] of Object.entries(schemas)) server.addSchema({ ...schema, $id });
  server.setValidatorCompiler(requestValidation(schemas));
  // Measured: V8's own stringify is as fast as compiled serialisers here, and drops nothing a schema forgot.
  server.setSerializerCompiler(() => JSON.stringify);
  server.setErrorHandler(answerError);
  server.setNotFoundHandler((request, reply) => sendProblem(reply, unmatched(request, reply, allowedMethods)));
  server.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    reply.raw.on("close", () => finish(request, reply, observe));
    // Node hands a socket that asked for an upgrade over for good: an ordinary answer on it has to end it.
    if (request.raw.headers.upgrade !== undefined && mayUpgrade(request.raw))
      reply.raw.on("finish", () => endSoon(request.raw.socket));
    done(unreadable(request));
  });
  server.server.maxConnections = connectionsMax();
  // An unknown expectation is no reason to refuse (RFC 9110, 10.1.1 lets a server pass over it).
  server.server.on("checkExpectation", (request, response) => server.server.emit("request", request, response));
  return server;
}

/** The client's `X-Request-Id` when it is short and plain, else one of our own. */
function requestIds(): (request: { readonly headers: IncomingMessage["headers"] }) => string {
  const prefix = randomBytes(6).toString("base64url");
  let count = 0;
  return ({ headers }) => {
    const given = headers["x-request-id"];
    if (typeof given === "string" && isPlainId(given)) return given;
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}

function isPlainId(text: string): boolean {
  return text.length <= limits.requestIdLengthMax && /^[\w.:-]+$/.test(text);
}

/** What makes a request ambiguous or illegible as a whole, before anyone looks at what it asks for. */
function unreadable({ raw }: FastifyRequest): RequestError | undefined {
  const { httpVersion } = raw;
  // Node takes a request line without a version, or with the next one, as if nothing were wrong.
  if (httpVersion !== "1.1" && httpVersion !== "1.0")
    return new RequestError("invalid-request", "HTTP/1.1 is spoken here.");
  const hosts = hostsIn(raw);
  if (hosts > 1 || (hosts === 0 && httpVersion === "1.1"))
    return new RequestError("invalid-request", "A request has one Host header.");
  if (hasBrokenEncoding(raw.url ?? ""))
    return new RequestError("invalid-request", "The query is not percent-encoded UTF-8.");
  return undefined;
}

/** Node keeps the first of several and says nothing; whoever stands before us may have taken another (RFC 9112, 3.2). */
function hostsIn({ rawHeaders }: IncomingMessage): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === "host") count += 1;
  }
  return count;
}

function hasBrokenEncoding(url: string): boolean {
  if (!url.includes("%")) return false;
  try {
    decodeURIComponent(url);
    return false;
  } catch {
    return true;
  }
}

function finish(request: FastifyRequest, reply: FastifyReply, observe: RequestObserver | undefined): void {
  const status = reply.raw.writableFinished ? reply.raw.statusCode : clientLeft;
  const route = request.routeOptions.url ?? "unmatched";
  const seconds = reply.elapsedTime / 1000;
  observe?.(route, request.method, status, seconds);
  const line = { requestId: request.id, method: request.method, route, status, seconds };
  if (status >= 500) request.log.warn(line, "answered");
  else request.log.debug(line, "answered");
}

function unmatched(
  request: FastifyRequest,
  reply: FastifyReply,
  allowedMethods: (path: string) => readonly string[],
): Rejection {
  const path = (request.raw.url ?? "").split(/[?#]/, 1)[0] ?? "";
  const allowed = allowedMethods(path);
  if (allowed.length === 0) return { code: "not-found", detail: "There is nothing here." };
  if (allowed.includes(request.method)) return { code: "invalid-request", detail: "A part of the path is too long." };
  reply.header("allow", allowed.join(", "));
  return { code: "method-not-allowed", detail: `Only ${allowed.join(", ")} can be used here.` };
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const rejection = isMediaTypeError(error) ? mediaTypeRejection(request) : rejectionOf(error);
  if (catalogue[rejection.code].http >= 500)
    request.log.error({ requestId: request.id, err: error, code: rejection.code }, "failed");
  sendProblem(reply, rejection);
}

function isMediaTypeError(error: unknown): boolean {
  return (error as Partial<FastifyError> | undefined)?.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE";
}

/** Says what came and what is taken: curl, for one, sends forms unless it is told otherwise. */
function mediaTypeRejection(request: FastifyRequest): Rejection {
  const given = request.headers["content-type"]?.slice(0, shownMediaTypeCharsMax);
  const came = given === undefined ? "No Content-Type came" : `The Content-Type is "${given}"`;
  const taken = mediaTypesTaken(request).join(", ");
  return { code: "unsupported-media-type", detail: `${came}; taken here: ${taken}.` };
}

const shownMediaTypeCharsMax = 100;

/** What a client is told of something that was thrown. */
export function rejectionOf(error: unknown): Rejection {
  if (error instanceof RequestError) return error.rejection;
  // The message is for the log: it may name files and hosts.
  const fault = codeOf(error);
  if (fault !== undefined) return { code: fault, detail: `${catalogue[fault].title}.` };
  const { code = "", statusCode = 500 } = (error ?? {}) as Partial<FastifyError>;
  const known = frameworkCodes[code];
  if (known !== undefined) return known;
  if (statusCode >= 400 && statusCode < 500) return { code: "invalid-request", detail: "The request can't be read." };
  return { code: "internal", detail: "Something is wrong with the server; the request id finds it in the log." };
}

const frameworkCodes: Readonly<Record<string, Rejection>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: "payload-too-large", detail: `A body has at most ${limits.bodyBytesMax} bytes.` },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: "invalid-request",
    detail: "The body is not as long as Content-Length says.",
  },
  FST_ERR_BAD_URL: { code: "invalid-request", detail: "The path is not percent-encoded UTF-8." },
};

/** Answers where there is no reply of the framework yet. */
function answerBare(response: ServerResponse, rejection: Rejection): void {
  const id = randomBytes(9).toString("base64url");
  response.writeHead(catalogue[rejection.code].http, {
    "content-type": "application/problem+json; charset=utf-8",
    "x-request-id": id,
  });
  response.end(JSON.stringify(problemDocument(rejection, id)));
}

/** Connections that were told so; more of the same may follow on them. */
const givenUp = new WeakSet<Socket>();

/** Answers bytes that Node could not read as a request. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (givenUp.has(socket)) return;
  givenUp.add(socket);
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const code: ErrorCode =
    error.code === "HPE_HEADER_OVERFLOW"
      ? "headers-too-large"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "request-timeout"
        : "invalid-request";
  afterPending(socket, () => endWithProblem(socket, code));
}

/**
 * Lets requests that came whole before the bad bytes be answered first: their client would take a refusal for the answer
 * to what was done. Into the middle of an answer, such as a feed, nothing can be said.
 */
function afterPending(socket: Socket, say: () => void): void {
  const { _httpMessage: pending } = socket as Socket & { readonly _httpMessage?: ServerResponse | null };
  if (!pending?.req.complete) say();
  else if (pending.headersSent && !pending.writableEnded) socket.destroy();
  else pending.once("finish", () => socket.writable && afterPending(socket, say));
}
