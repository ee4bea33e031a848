import { invariant, limits, parseDuration } from "../../kernel/index.ts";
import type { RetryPolicy } from "../messaging/index.ts";

export interface DeliverySettings {
  readonly deliveryMaxAttempts: number;
  /** The first delay, as `500ms`. */
  readonly deliveryBackoff: string;
}

/** How long whatever Larder delivers to others is tried: webhooks and pushes to warehouses alike. */
export function deliveryPolicy({ deliveryMaxAttempts, deliveryBackoff }: DeliverySettings): RetryPolicy {
  const firstDelayMs = parseDuration(deliveryBackoff);
  invariant(firstDelayMs !== undefined, "the configuration lets no other delay through");
  return {
    firstDelayMs,
    delayMsMax: limits.deliveryDelayMsMax,
    attemptsMax: deliveryMaxAttempts,
    elapsedMsMax: limits.deliveryElapsedMsMax,
  };
}
