import type { FastifyReply, FastifyRequest } from "fastify";
import { limits, type Outcome } from "../../kernel/index.ts";
import { RequestError, sendProblem } from "../../platform/http/index.ts";

/** Answers with what was asked for, or with the problem that stood against it. */
export function answer<T extends object>(reply: FastifyReply, outcome: Outcome<T>): FastifyReply {
  return outcome.ok ? sendJson(reply, outcome.value) : sendProblem(reply, outcome.rejection);
}

export function sendJson(reply: FastifyReply, value: object): FastifyReply {
  return reply.header("content-type", "application/json; charset=utf-8").send(JSON.stringify(value));
}

/** The `Idempotency-Key` of a request: any printable ASCII, as the client chose it. */
export function idempotencyKey({ headers }: FastifyRequest): string | undefined {
  const key = headers["idempotency-key"];
  if (key === undefined || isIdempotencyKey(key)) return key;
  throw new RequestError("invalid-request", `Idempotency-Key ${keyProblem}.`, [
    { in: "header", pointer: "/idempotency-key", detail: keyProblem },
  ]);
}

export const keyProblem = `must be 1 to ${limits.idempotencyKeyLengthMax} printable ASCII characters`;

export function isIdempotencyKey(key: unknown): key is string {
  return typeof key === "string" && key.length <= limits.idempotencyKeyLengthMax && /^[!-~](?:[ -~]*[!-~])?$/.test(key);
}
