/** When a failed attempt is made again: the one place that says so. Pure; the time and randomness are arguments. */
import { type Instant, limits } from "../../kernel/index.ts";

export interface RetryPolicy {
  /** Milliseconds; the longest wait before the second attempt, doubled for each one after it. */
  readonly firstDelayMs: number;
  /** Milliseconds that no wait is longer than, but for one that the other side asks for. */
  readonly delayMsMax: number;
  readonly attemptsMax: number;
  /** Milliseconds from the first attempt after which no further one is begun. */
  readonly elapsedMsMax: number;
}

export interface FailedAttempt {
  /** How many attempts there have been, this one too. */
  readonly attempts: number;
  readonly firstAttemptAt: Instant;
  /** What the other side asked to wait, in milliseconds. */
  readonly retryAfterMs?: number;
}

export type RetryDecision =
  | { readonly action: "retry"; readonly delayMs: number }
  | { readonly action: "give-up"; readonly because: "attempts" | "time" };

/**
 * Capped exponential backoff with full jitter: a wait drawn evenly from nothing up to the longest, so that those who
 * failed together don't come back together (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 * A Retry-After is waited out first, up to `limits.retryAfterMsMax`, and the jitter comes on top of it.
 *
 * `random` gives a number from 0 up to, not including, 1.
 */
export function decideRetry(
  policy: RetryPolicy,
  { attempts, firstAttemptAt, retryAfterMs = 0 }: FailedAttempt,
  now: Instant,
  random: () => number,
): RetryDecision {
  if (attempts >= policy.attemptsMax) return { action: "give-up", because: "attempts" };
  const longest = Math.min(policy.delayMsMax, policy.firstDelayMs * 2 ** Math.max(0, attempts - 1));
  const asked = Math.min(Math.max(0, retryAfterMs), limits.retryAfterMsMax);
  const delayMs = Math.min(limits.retryDelayMsMax, Math.ceil(asked + random() * longest));
  const wouldBegin = now + delayMs - firstAttemptAt;
  return wouldBegin > policy.elapsedMsMax ? { action: "give-up", because: "time" } : { action: "retry", delayMs };
}

/** What a `Retry-After` asks for in milliseconds (RFC 9110, 10.2.3: seconds or a date); undefined when it can't be read. */
export function parseRetryAfter(value: string, now: Instant): number | undefined {
  if (/^\d{1,15}$/.test(value)) return Number(value) * 1000;
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
