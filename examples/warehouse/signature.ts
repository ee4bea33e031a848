/** Standard Webhooks signatures (https://www.standardwebhooks.com): how a receiver knows that Larder speaks. */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Seconds by which a message may be old, or ahead of this machine's clock, before it is taken for a replay. */
const toleranceSeconds = 300;

/**
 * Why a message is not to be believed, or undefined when its signature is good. `body` is the text as it came, for a
 * body that was parsed and written again has another signature.
 */
export function signatureProblem(
  secret: string,
  headers: IncomingHttpHeaders,
  body: string,
  now: number,
): string | undefined {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures } = headers;
  if (typeof id !== "string" || typeof timestamp !== "string" || typeof signatures !== "string")
    return "it is not signed";
  if (!(Math.abs(now / 1000 - Number(timestamp)) <= toleranceSeconds)) return "its time is not now";
  const expected = Buffer.from(sign(secret, id, timestamp, body));
  // Several, while a secret is being changed.
  const isGood = signatures.split(" ").some((signature) => {
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  return isGood ? undefined : "its signature is not by this secret";
}

export function sign(secret: string, id: string, timestamp: string, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}
