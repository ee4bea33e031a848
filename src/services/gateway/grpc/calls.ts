/** What every call over gRPC passes: who is it, may it, is there room and time; and how it ends. */
import type { EventEmitter } from "node:events";
import type { Message } from "@bufbuild/protobuf";
import { type Metadata, type ServerUnaryCall, type sendUnaryData, status, type UntypedHandleCall } from "@grpc/grpc-js";
import type { FastifyBaseLogger } from "fastify";
import { catalogue, limits, type Rejection } from "../../../kernel/index.ts";
import { type Authenticator, allows, type Credential, type Scope } from "../../../platform/auth/index.ts";
import { type InFlight, RequestError, rejectionOf } from "../../../platform/http/index.ts";
import { serviceError, statusOf } from "./problem.ts";
import { refuseUnknown } from "./unknown-fields.ts";

/** Told of every call once it is over, with the name of its status. */
export type CallObserver = (method: string, status: string, seconds: number) => void;

export interface CallRules {
  readonly authenticator: Authenticator;
  readonly logger: FastifyBaseLogger;
  readonly requests: InFlight;
  readonly feeds: InFlight;
  readonly observe: CallObserver;
  /** Aborted when the server stops. */
  readonly stopping: AbortSignal;
}

type StreamCall = AnyCall & Pick<EventEmitter, "emit" | "on">;

type AnyCall = Pick<ServerUnaryCall<unknown, unknown>, "metadata" | "getDeadline" | "getPath" | "cancelled">;

/** A stream that has passed; `signal` is aborted when the client leaves or the server stops. */
export interface Streaming {
  readonly credential: Credential;
  readonly signal: AbortSignal;
}

/** One message in, one out. */
export function unary<Input extends Message, Output>(
  rules: CallRules,
  scopes: readonly Scope[],
  handle: (request: Input, credential: Credential) => Promise<Output>,
) {
  type UnaryCall = ServerUnaryCall<Input, Output>;
  const handler = (call: UnaryCall, admitted: Admitted, answer: sendUnaryData<Output>): void => {
    const startedAt = performance.now();
    const ended = (name: string) => rules.observe(call.getPath(), name, (performance.now() - startedAt) / 1000);
    if ("refused" in admitted) {
      ended(status[statusOf(admitted.refused)]);
      answer(serviceError(admitted.refused));
      return;
    }
    const { credential, leave } = admitted;
    (async () => {
      refuseUnknown(call.request);
      return await handle(call.request, credential);
    })()
      .then(
        (output) => {
          ended("OK");
          answer(null, output);
        },
        (error: unknown) => {
          const rejection = toldOf(error, call, rules);
          ended(status[statusOf(rejection)]);
          answer(serviceError(rejection));
        },
      )
      .finally(leave);
  };
  return (call: UnaryCall, answer: sendUnaryData<Output>): void =>
    whenAdmitted(rules, call, scopes, rules.requests, (admitted) => handler(call, admitted, answer));
}

/**
 * A call whose side or sides stream. What `handle` gives is the answer of one that answers once; one that answers by a
 * stream ends it itself when all went well. What is thrown ends it otherwise.
 */
export function streaming<Call extends StreamCall, Output>(
  rules: CallRules,
  scopes: readonly Scope[],
  handle: (call: Call, streaming: Streaming) => Promise<Output>,
): UntypedHandleCall {
  const handler = (call: Call, admitted: Admitted, answer?: sendUnaryData<Output>): void => {
    const startedAt = performance.now();
    const observe = (name: string) => rules.observe(call.getPath(), name, (performance.now() - startedAt) / 1000);
    const end = (rejection: Rejection) => {
      observe(status[statusOf(rejection)]);
      if (answer === undefined) call.emit("error", serviceError(rejection));
      else answer(serviceError(rejection));
    };
    if ("refused" in admitted) {
      end(admitted.refused);
      return;
    }
    const { credential, leave } = admitted;
    const left = new AbortController();
    call.on("cancelled", () => left.abort());
    call.on("close", () => left.abort());
    const signal = AbortSignal.any([left.signal, rules.stopping]);
    handle(call, { credential, signal })
      .then(
        (output) => {
          observe("OK");
          answer?.(null, output);
        },
        (error: unknown) => end(toldOf(error, call, rules)),
      )
      .finally(() => {
        left.abort();
        leave();
      });
  };
  const begin = (call: Call, answer?: sendUnaryData<Output>): void =>
    whenAdmitted(rules, call, scopes, rules.feeds, (admitted) => handler(call, admitted, answer));
  // grpc-js has one type for each shape of a call, and the description says which this is.
  return begin as unknown as UntypedHandleCall;
}

/** A rejection, thrown to end a call. */
export class Refused extends Error {
  readonly rejection: Rejection;

  constructor(rejection: Rejection) {
    super(rejection.detail);
    this.rejection = rejection;
  }
}

export const stoppingRejection: Rejection = {
  code: "shutting-down",
  detail: "The server is stopping; call again in a moment.",
};

export const revoked: Rejection = {
  code: "unauthenticated",
  detail: "This key is not known, was revoked, or has expired.",
};

/** What a client is told of what was thrown; what is our fault is logged. */
export function toldOf(error: unknown, call: Pick<AnyCall, "getPath">, { logger }: CallRules): Rejection {
  if (error instanceof Refused) return error.rejection;
  const rejection = rejectionOf(error);
  if (catalogue[rejection.code].http >= 500) logger.error({ err: error, method: call.getPath() }, "failed");
  return rejection;
}

type Admitted = { readonly credential: Credential; readonly leave: () => void } | { readonly refused: Rejection };

/** Whether a call may go on: known at once, unless it has to be found out about its token first. */
function whenAdmitted(
  rules: CallRules,
  call: AnyCall,
  scopes: readonly Scope[],
  places: InFlight,
  go: (admitted: Admitted) => void,
): void {
  const admitted = admit(rules, call, scopes, places);
  const isNobody = "refused" in admitted && admitted.refused === revoked;
  const learning = isNobody ? rules.authenticator.learn?.(bearerToken(call.metadata) ?? "") : undefined;
  if (learning === undefined) go(admitted);
  else void learning.then(() => go(admit(rules, call, scopes, places)));
}

function admit(
  { authenticator, stopping }: CallRules,
  call: AnyCall,
  scopes: readonly Scope[],
  places: InFlight,
): Admitted {
  if (stopping.aborted) return { refused: stoppingRejection };
  // The deadline of a client may have passed while the call was on its way or waited here: nobody would read the answer.
  if (call.cancelled || Number(call.getDeadline()) <= Date.now())
    return { refused: { code: "request-timeout", detail: "The deadline of the call has passed." } };
  const token = bearerToken(call.metadata);
  const credential = token === undefined ? undefined : authenticator.authenticate(token);
  if (credential === undefined) return { refused: token === undefined ? noToken : revoked };
  if (!scopes.some((scope) => allows(credential, scope)))
    return { refused: { code: "forbidden", detail: `This needs the scope ${scopes.join(" or ")}.` } };
  const full = places.enter(credential.id);
  if (full !== undefined) return { refused: full };
  return { credential, leave: () => places.leave(credential.id) };
}

const noToken: Rejection = {
  code: "unauthenticated",
  detail: "Send an API key in the metadata, as `authorization: Bearer lk_…`.",
};

function bearerToken(metadata: Metadata): string | undefined {
  const [authorization] = metadata.get("authorization");
  if (typeof authorization !== "string" || !/^bearer /i.test(authorization)) return undefined;
  const token = authorization.slice(7).trim();
  return token.length <= limits.tokenLengthMax ? token : undefined;
}

/** The texts of a message that JSON would leave out: an absent field and an empty list are the same in proto3. */
export function listed<T>(name: string, list: readonly T[]): Record<string, readonly T[]> {
  return list.length === 0 ? {} : { [name]: list };
}

/** Refuses a list that is too long before anything of it is looked at. */
export function atMost(count: number, max: number, what: string): void {
  if (count > max) throw new RequestError("payload-too-large", `At most ${max} ${what} at once.`);
}
