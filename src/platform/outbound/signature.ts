/** Signatures of what Larder sends (Standard Webhooks 1.0, symmetric). docs/adr/0021 says why without its library. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { type Instant, limits } from "../../kernel/index.ts";

const prefix = "whsec_";

/** A secret as it is shown and stored: `whsec_` and base64 of the random bytes it is given, which are the key. */
export function webhookSecret(key: Uint8Array): string {
  return prefix + Buffer.from(key).toString("base64");
}

/** Why a text that a user gives is no secret of the standard; undefined when it is one. */
export function secretProblem(secret: string): string | undefined {
  const text = secret.startsWith(prefix) ? secret.slice(prefix.length) : "";
  const { length } = keyOf(secret);
  const isGood =
    /^[A-Za-z0-9+/]+={0,2}$/.test(text) && length >= limits.webhookKeyBytesMin && length <= limits.webhookKeyBytesMax;
  return isGood
    ? undefined
    : `must be ${prefix} followed by ${limits.webhookKeyBytesMin} to ${limits.webhookKeyBytesMax} bytes in base64.`;
}

export interface Signed {
  /** The same in every attempt. */
  readonly id: string;
  /** When the attempt is made. */
  readonly at: Instant;
  readonly body: string;
}

/** The headers of one attempt, signed with each of the secrets: while one is being replaced there are two. */
export function signatureHeaders(
  secrets: readonly string[],
  { id, at, body }: Signed,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1000));
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": secrets.map((secret) => signature(secret, id, timestamp, body)).join(" "),
  };
}

/**
 * Whether what came in was signed with the secret, by a clock at most five minutes from ours. Compares in constant time.
 * For receivers: tests, examples, and other servers that push to this one.
 */
export function isSigned(
  secret: string,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  body: string,
  now: Instant,
): boolean {
  const id = String(headers["webhook-id"]);
  const timestamp = String(headers["webhook-timestamp"]);
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp) * 1000) > limits.webhookClockSkewMsMax)
    return false;
  const expected = Buffer.from(signature(secret, id, timestamp, body));
  return String(headers["webhook-signature"])
    .split(" ")
    .map((given) => Buffer.from(given))
    .some((given) => given.length === expected.length && timingSafeEqual(given, expected));
}

function signature(secret: string, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(prefix.length), "base64");
}
