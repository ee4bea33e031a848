import { describe, expect, it } from "vitest";
import { runSharedHistory } from "./shared-history.ts";

describe("histories of several processes on one log", () => {
  it("find nothing wrong, and meet what may go wrong between processes", async () => {
    const faults: Record<string, number> = {};
    for (let seed = 1; seed <= 24; seed += 1) {
      const result = await runSharedHistory(seed, 200);
      expect({ seed, failure: result.failure }).toEqual({ seed, failure: undefined });
      for (const [kind, count] of Object.entries(result.faults)) faults[kind] = (faults[kind] ?? 0) + count;
    }
    for (const kind of ["crash", "store-lost-power", "append-answer-lost", "append-landed-late", "restart", "clock"])
      expect(faults).toHaveProperty(kind);
  }, 240_000);

  it("are the same again for the same seed", async () => {
    const [one, other] = [await runSharedHistory(7, 100), await runSharedHistory(7, 100)];
    expect(one.hash).toBe(other.hash);
  }, 60_000);
});
