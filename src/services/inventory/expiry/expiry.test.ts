import { describe, expect, it } from "vitest";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { accepted, caller, fact } from "../fixture.ts";
import { startInventory } from "../inventory.ts";
import { inventoryTagging } from "../reservations/lists.ts";

const sweepEveryMs = 17;

describe("the record of what has lapsed", () => {
  it("is made in the end though the clock went back between the look for it and the decision", async () => {
    const storage = new MemoryStorage({ tagging: inventoryTagging });
    const clock = { now: 1_000_000 };
    let sweep = () => {};
    let ids = 0;
    const inventory = await startInventory({
      storage,
      clock: () => clock.now,
      randomId: () => {
        ids += 1;
        return `id-${ids}`;
      },
      sweepEveryMs,
      timers: {
        ...systemTimers,
        every: (ms, run) => {
          if (ms === sweepEveryMs) sweep = run;
          return () => {};
        },
      },
    });
    const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
    const expiries = async () =>
      (await storage.readStream("reservation-r")).filter(({ type }) => type === "ReservationExpired").length;
    await inventory.recordFacts([fact("stock.received", { sku: "a", location: "x", quantity: 1 })], caller);
    accepted(
      await inventory.reserve({ id: "r", ttlSeconds: 60, lines: [{ sku: "a", quantity: 1, location: "x" }] }, caller),
    );
    clock.now += 600_000;
    sweep();
    clock.now -= 600_000;
    await settled();
    expect(await expiries()).toBe(0);
    clock.now += 61_000;
    sweep();
    await settled();
    expect(await expiries()).toBe(1);
    await inventory.stop();
  });
});
