import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../../kernel/index.ts";
import { decideRetry, parseRetryAfter } from "./index.ts";

const policy = { firstDelayMs: 500, delayMsMax: 60_000, attemptsMax: 12, elapsedMsMax: 3_600_000 };
const failed = (attempts: number, retryAfterMs?: number) => ({
  attempts,
  firstAttemptAt: 1000,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const delay = (attempts: number, random: number, retryAfterMs?: number) => {
  const decision = decideRetry(policy, failed(attempts, retryAfterMs), 1000, () => random);
  return decision.action === "retry" ? decision.delayMs : decision.because;
};

describe("a retry", () => {
  it("waits up to the first delay, twice as long each time, and never longer than the longest", () => {
    const almost = 1 - Number.EPSILON;
    const longest = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((attempts) => delay(attempts, almost));
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
  });

  it("is drawn evenly from nothing up", () => {
    expect([0, 0.25, 0.5, 0.75].map((random) => delay(3, random))).toEqual([0, 500, 1000, 1500]);
  });

  it("waits for what the other side asks, with the jitter on top, up to a limit", () => {
    expect(delay(1, 0, 120_000)).toBe(120_000);
    expect(delay(1, 0.5, 120_000)).toBe(120_250);
    expect(delay(1, 0, -5)).toBe(0);
    const patient = { ...policy, elapsedMsMax: Number.MAX_SAFE_INTEGER };
    expect(decideRetry(patient, failed(1, 1e12), 1000, () => 0)).toEqual({
      action: "retry",
      delayMs: limits.retryAfterMsMax,
    });
  });

  it("is given up after so many attempts, and when its time would be over before it begins", () => {
    expect(delay(11, 0)).toBe(0);
    expect(delay(12, 0)).toBe("attempts");
    const late = (now: number, retryAfterMs: number) => decideRetry(policy, failed(2, retryAfterMs), now, () => 0);
    expect(late(3_600_000, 1000)).toEqual({ action: "retry", delayMs: 1000 });
    expect(late(3_600_000, 1001)).toEqual({ action: "give-up", because: "time" });
  });

  it("is a whole number of milliseconds that a queue takes, whatever it is asked", () => {
    const anything = fc.record({
      firstDelayMs: fc.integer({ min: 1, max: 1e9 }),
      delayMsMax: fc.integer({ min: 1, max: 1e12 }),
      attemptsMax: fc.constant(100_000),
      elapsedMsMax: fc.constant(Number.MAX_SAFE_INTEGER),
    });
    fc.assert(
      fc.property(
        anything,
        fc.integer({ min: 1, max: 99_999 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (own, attempts, random) => {
          const decision = decideRetry(own, failed(attempts), 1000, () => random);
          if (decision.action !== "retry") throw new Error("there was time");
          expect(Number.isInteger(decision.delayMs)).toBe(true);
          expect(decision.delayMs).toBeGreaterThanOrEqual(0);
          expect(decision.delayMs).toBeLessThanOrEqual(Math.min(limits.retryDelayMsMax, own.delayMsMax));
        },
      ),
    );
  });
});

describe("Retry-After", () => {
  it("is read as seconds or as a date", () => {
    const now = Date.parse("2026-11-21T09:30:00Z");
    expect(parseRetryAfter("120", now)).toBe(120_000);
    expect(parseRetryAfter("0", now)).toBe(0);
    expect(parseRetryAfter("Sat, 21 Nov 2026 09:32:00 GMT", now)).toBe(120_000);
    expect(parseRetryAfter("Sat, 21 Nov 2026 09:29:00 GMT", now)).toBe(0);
    for (const text of ["", "-1", "1.5", "soon", "2026-11-21T09:32:00Z", "Sat, 99 Nov 2026 09:32:00 GMT", "1e3"]) {
      expect(parseRetryAfter(text, now), text).toBeUndefined();
    }
  });
});
