import { describe, expect, it } from "vitest";
import { decideRetry } from "../messaging/index.ts";
import { deliveryPolicy } from "./index.ts";

describe("the retry schedule of deliveries", () => {
  it("is what the settings say", () => {
    const policy = deliveryPolicy({ deliveryMaxAttempts: 3, deliveryBackoff: "2s" });
    expect(policy).toMatchObject({ attemptsMax: 3, firstDelayMs: 2000 });
  });

  it("lasts 6 hours on average and 12 at most by default, as the setting's description says", () => {
    const policy = deliveryPolicy({ deliveryMaxAttempts: 60, deliveryBackoff: "500ms" });
    const hours = (random: number) => {
      let now = 0;
      for (let attempts = 1; ; attempts += 1) {
        const decision = decideRetry(policy, { attempts, firstAttemptAt: 0 }, now, () => random);
        if (decision.action === "give-up") return now / 3_600_000;
        now += decision.delayMs;
      }
    };
    expect(hours(0.5)).toBeCloseTo(6, 0);
    expect(hours(1 - Number.EPSILON)).toBeCloseTo(12, 0);
  });
});
