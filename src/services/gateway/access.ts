import { isUtf8 } from "node:buffer";
import type { FastifyReply, FastifyRequest } from "fastify";
import { limits, type Rejection } from "../../kernel/index.ts";
import { type Authenticator, allows, type Credential, type Scope } from "../../platform/auth/index.ts";
import { type HttpServer, InFlight, sendProblem } from "../../platform/http/index.ts";

/**
 * Who may use a route: a credential with any of these scopes; or whoever runs the server (`operators`: a peer on the
 * loopback interface or at an operator's address, or any valid credential). A route that says nothing is for operators.
 */
export type Access = readonly Scope[] | "operators";

declare module "fastify" {
  interface FastifyContextConfig {
    readonly access?: Access;
    /** Answers until one side leaves: counted apart from requests that end by themselves. */
    readonly isFeed?: boolean;
  }
  interface FastifyRequest {
    /** Who asks. Set before any handler of a route with scopes runs. */
    credential: Credential;
  }
}

export interface AccessOptions {
  readonly authenticator: Authenticator;
  /** Once true, new requests are turned away with `shutting-down`. */
  readonly isStopping: () => boolean;
  /** Once true, answers ask the client to come back on another connection. */
  readonly isDraining?: () => boolean;
  readonly isOperator?: (address: string) => boolean;
  readonly requests?: InFlight;
  readonly feeds?: InFlight;
}

const nobody: Credential = { id: "", name: "", scopes: new Set(), ownReservations: false };

/** The one hook that every request passes: who is it, may it, and is there room. */
export function guard(server: HttpServer, options: AccessOptions): void {
  const { authenticator, isStopping, isDraining = () => false, isOperator = () => false } = options;
  const requests = options.requests ?? new InFlight();
  const feeds = options.feeds ?? new InFlight(limits.credentialFeedsMax, limits.feedsMax);

  server.decorateRequest("credential", undefined as unknown as Credential);
  server.addHook("onRequest", (request, reply, done) => {
    if (isDraining()) reply.header("connection", "close");
    const go = (refused: Rejection | undefined) => (refused === undefined ? done() : void sendProblem(reply, refused));
    if (isStopping()) return go(stopping(reply));
    if (request.is404) return done();
    const token = bearerToken(request);
    if (token === undefined) return go(admit(request, reply, false, undefined));
    const credential = authenticator.authenticate(token);
    if (credential !== undefined || authenticator.learn === undefined)
      return go(admit(request, reply, true, credential));
    authenticator.learn(token).then(() => {
      // Who has left meanwhile takes no place, which nothing would free again.
      const learnt = reply.raw.destroyed ? undefined : authenticator.authenticate(token);
      go(isStopping() ? stopping(reply) : admit(request, reply, true, learnt));
    });
  });

  function admit(
    request: FastifyRequest,
    reply: FastifyReply,
    hasToken: boolean,
    credential: Credential | undefined,
  ): Rejection | undefined {
    const { access = "operators", isFeed = false } = request.routeOptions.config;
    if (credential === undefined) {
      if (access !== "operators" || !(isLocal(request) || isOperators(request)))
        return unauthenticated(reply, hasToken);
      request.credential = nobody;
      return undefined;
    }
    if (access !== "operators" && !access.some((scope) => allows(credential, scope))) return forbidden(reply, access);

    const places = isFeed ? feeds : requests;
    const full = places.enter(credential.id);
    if (full !== undefined) return full;
    reply.raw.on("close", () => places.leave(credential.id));
    request.credential = credential;
    return undefined;
  }

  /** Whether the peer is at an operator's address, and no proxy speaks for another. */
  function isOperators({ socket, headers }: FastifyRequest): boolean {
    return isOperator(socket.remoteAddress ?? "") && !isForwarded(headers);
  }
}

function stopping(reply: FastifyReply): Rejection {
  reply.header("connection", "close");
  return { code: "shutting-down", detail: "The server is stopping; ask again in a moment." };
}

function unauthenticated(reply: FastifyReply, hasToken: boolean): Rejection {
  reply.header("www-authenticate", `Bearer realm="larder"${hasToken ? ', error="invalid_token"' : ""}`);
  return {
    code: "unauthenticated",
    detail: hasToken
      ? "This key is not known, was revoked, or has expired."
      : "Send an API key as `Authorization: Bearer lk_…`.",
  };
}

function forbidden(reply: FastifyReply, scopes: readonly Scope[]): Rejection {
  const named = scopes.join(" ");
  reply.header("www-authenticate", `Bearer realm="larder", error="insufficient_scope", scope="${named}"`);
  return { code: "forbidden", detail: `This needs the scope ${scopes.join(" or ")}.`, extra: { scopes } };
}

/**
 * The token of `Authorization: Bearer`. A browser can't set that header on a WebSocket, so there it may offer the token
 * as a subprotocol, `larder.v1, bearer.TOKEN`: unlike a query it does not end up in logs and histories.
 */
function bearerToken({ headers }: FastifyRequest): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) {
    const token = authorization.slice(7).trim();
    const isBearer = authorization.slice(0, 7).toLowerCase() === "bearer " && token.length <= limits.tokenLengthMax;
    return isBearer ? decoded(token) : "";
  }
  if (headers.upgrade === undefined) return undefined;
  return /(?:^|[,\s])bearer\.([^,\s]+)/.exec(headers["sec-websocket-protocol"] ?? "")?.[1];
}

/** Node reads header bytes as Latin-1; an operator's key may be any text, which clients send as UTF-8. */
function decoded(token: string): string {
  if (/^[!-~]*$/.test(token)) return token;
  const bytes = Buffer.from(token, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : token;
}

/**
 * Whether the peer is this machine itself: it comes over the loopback interface, no proxy speaks for another, and it
 * asked for a local name, so that a web page elsewhere can't reach in through a name that it points here.
 */
function isLocal({ socket, headers }: FastifyRequest): boolean {
  const { remoteAddress = "" } = socket;
  const isLoopback = /^(?:::ffff:)?127\.|^::1$/.test(remoteAddress);
  return (
    isLoopback &&
    !isForwarded(headers) &&
    /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(headers.host ?? "")
  );
}

function isForwarded(headers: FastifyRequest["headers"]): boolean {
  return forwardingHeaders.some((name) => headers[name] !== undefined);
}

const forwardingHeaders = ["forwarded", "x-forwarded-for", "x-real-ip", "via"] as const;
