import { describe, expect, it } from "vitest";
import { whyNoCluster } from "../../scripts/cluster/index.ts";
import { chaos } from "./chaos.ts";
import { faults } from "./faults.ts";

const missing = whyNoCluster();
if (missing !== undefined) console.warn(`SKIPPED: chaos needs a cluster.\n${missing}`);

describe.skipIf(missing !== undefined)("a split cluster", () => {
  // What is found once in three times is found: it is not tried again.
  const once = { retry: 0, timeout: 900_000 };

  it(
    "loses nothing, oversells nothing, and is at work again within a minute, whatever happens to it",
    once,
    async () => {
      const seed = Number(process.env["LARDER_TEST_SEED"] ?? 20_261_126);
      const report = await chaos({ shape: "split", seed, say: console.log });
      console.log(`chaos, seed ${seed}: ${JSON.stringify(report)}`);
      expect(report.findings, `seed ${seed}`).toEqual([]);
      expect(report.crashes, "processes that ended by themselves").toBe(0);
      expect(Object.keys(report.steadySeconds)).toEqual(Object.keys(faults));
      // A run without these would prove little.
      expect(report.answered).toBeGreaterThan(500);
      expect(report.refused).toBeGreaterThan(50);
      expect(report.unknown).toBeGreaterThan(20);
      expect(report.histories.accepted).toBeGreaterThan(5);
      if (!report.hadWrongClock) console.warn("SKIPPED: without faketime no process had a wrong clock");
    },
  );
});
