import { type Instant, parseInstant } from "../../kernel/index.ts";
import { type Delivery, done, type Handled, parseRetryAfter } from "../../platform/messaging/index.ts";
import { type Outbound, OutboundError, signatureHeaders } from "../../platform/outbound/index.ts";
import type { Webhook } from "./domain/index.ts";
import type { Attempt } from "./journal.ts";
import type { Secrets } from "./secrets.ts";

export interface DelivererOptions {
  readonly outbound: Outbound;
  readonly secrets: Secrets;
  readonly clock: () => Instant;
}

/** A message for the receiver of a webhook. */
export interface Note {
  /** Of the event: the same in every attempt, and in every replay. */
  readonly event: string;
  readonly type: string;
  readonly body: string;
  readonly attempt: number;
}

export interface Delivered {
  readonly attempt: Attempt;
  /** What the receiver asked to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Whether the receiver wants nothing any more (410). */
  readonly isGone: boolean;
}

/** Hands one message to the receiver of a webhook, once. Any 2xx is success; redirects are not followed. */
export async function deliver(
  webhook: Webhook,
  { event, type, body, attempt }: Note,
  { outbound, secrets, clock }: DelivererOptions,
  call: { readonly totalMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Delivered> {
  const at = clock();
  const told = { at, event, type, attempt };
  const failed = (cause: string, more: { readonly status?: number; readonly tookMs: number }) => ({
    ...told,
    ...more,
    cause,
  });
  const signers = secretsOf(webhook, secrets, at);
  if (signers.length === 0) return { attempt: failed(secretLost, { tookMs: 0 }), isGone: false };
  try {
    const answer = await outbound.call({
      url: webhook.url,
      method: "POST",
      headers: {
        "content-type": "application/cloudevents+json; charset=utf-8",
        ...signatureHeaders(signers, { id: event, at, body }),
      },
      body,
      ...call,
    });
    const { status } = answer;
    const tookMs = Math.round(answer.tookMs);
    if (status >= 200 && status < 300) return { attempt: { ...told, status, tookMs }, isGone: false };
    const retryAfterMs = parseRetryAfter(answer.headers["retry-after"] ?? "", clock());
    return {
      attempt: failed(`answered ${status}${status >= 300 && status < 400 ? ": redirects are not followed" : ""}`, {
        status,
        tookMs,
      }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      isGone: status === 410,
    };
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return { attempt: failed(error.message, { tookMs: clock() - at }), isGone: false };
  }
}

export const secretLost =
  "its secret can't be made: the server's secret.key is another one; put it back, or rotate the secret";

/** The secrets that sign now: while one is being replaced there are several, the newest first. */
export function secretsOf({ id, secret, formers }: Webhook, secrets: Secrets, now: Instant): readonly string[] {
  const still = formers.filter(({ until }) => now < until);
  const marks = [secret, ...still.map((former) => former.secret)];
  return marks.flatMap((mark) => secrets.find(id, mark) ?? []);
}

export function noteOf({ id, body, headers, attempts }: Delivery): Note {
  return { event: headers["event"] ?? id, type: headers["type"] ?? "", body, attempt: attempts };
}

/** What becomes of a message, by how its delivery went. */
export function handledAs({ attempt, retryAfterMs }: Delivered): Handled {
  if (attempt.cause === undefined) return done;
  return { outcome: "retry", cause: attempt.cause, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** Seconds from an event's being recorded to its delivery. */
export function lagSeconds({ headers }: Delivery, deliveredAt: Instant): number {
  return Math.max(0, deliveredAt - (parseInstant(headers["recorded"] ?? "") ?? deliveredAt)) / 1000;
}
