import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import type { FastifyReply } from "fastify";
import { catalogue, type ErrorCode, limits, type Rejection } from "../../kernel/index.ts";

/** What is wrong with one place of a request. `pointer` is a JSON pointer into that part of it. */
export interface Finding {
  readonly in: "body" | "path" | "query" | "header";
  readonly pointer: string;
  readonly detail: string;
}

/** A request turned down at the rim, thrown to leave hooks, parsers and handlers alike. */
export class RequestError extends Error {
  readonly rejection: Rejection;

  constructor(code: ErrorCode, detail: string, findings: readonly Finding[] = []) {
    super(detail);
    this.name = "RequestError";
    this.rejection = findings.length === 0 ? { code, detail } : { code, detail, extra: { errors: findings } };
  }
}

/** Where the documentation explains a code: a reference relative to the server that answered. */
export function problemType(code: ErrorCode): string {
  return `/docs/errors#${code}`;
}

/** The RFC 9457 document of a rejection. `instance` names the occurrence, not its path: no path leaves the server. */
export function problemDocument(rejection: Rejection, requestId: string): Record<string, unknown> {
  const { http, title } = catalogue[rejection.code];
  return {
    ...rejection.extra,
    type: problemType(rejection.code),
    title,
    status: http,
    code: rejection.code,
    detail: rejection.detail,
    instance: `urn:larder:request:${requestId}`,
    requestId,
  };
}

/** Answers with a problem; 429 and 503 say when to come again. */
export function sendProblem(reply: FastifyReply, rejection: Rejection): FastifyReply {
  const { http } = catalogue[rejection.code];
  if (http === 429 || http === 503) reply.header("retry-after", limits.retryAfterSeconds);
  return reply
    .code(http)
    .header("content-type", "application/problem+json; charset=utf-8")
    .header("cache-control", "no-store")
    .send(JSON.stringify(problemDocument(rejection, reply.request.id)));
}

/** Answers on the bare connection, where nothing of the framework is left to do it, and ends it. */
export function endWithProblem(
  socket: Duplex,
  code: ErrorCode,
  detail: string = `${catalogue[code].title}.`,
  headers: readonly string[] = [],
): void {
  const { http, title } = catalogue[code];
  const body = JSON.stringify(problemDocument({ code, detail }, randomBytes(9).toString("base64url")));
  const lines = [
    `HTTP/1.1 ${http} ${title}`,
    "Content-Type: application/problem+json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
    "Connection: close",
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
  endSoon(socket);
}

/**
 * Ends a connection that Node looks after no more, and cuts it off when the other side does not end it too: nobody
 * reads what still comes, so that its end would never be seen.
 */
export function endSoon(socket: Duplex): void {
  socket.end();
  socket.resume();
  const cut = setTimeout(() => socket.destroy(), limits.socketCloseMs);
  socket.on("close", () => clearTimeout(cut));
}
