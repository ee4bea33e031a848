import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alarmsOf, PushRecord } from "./record.ts";

const second = 1000;

describe("how pushes went", () => {
  it("is told within a tenth, and exactly at the worst", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 300 }), (latencies) => {
        const record = new PushRecord();
        for (const [index, latency] of latencies.entries()) record.taken(index * 100, 1, [latency]);
        const { p50, p95, max } = record.summary(latencies.length * 100);
        const sorted = [...latencies].sort((a, b) => a - b);
        const exact = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
        expect(max).toBe(sorted.at(-1));
        for (const [told, share] of [
          [p50, 0.5],
          [p95, 0.95],
        ] as const) {
          expect(told).toBeGreaterThanOrEqual(exact(share) / 1.1 - 1);
          expect(told).toBeLessThanOrEqual(exact(share) * 1.1 + 1);
        }
      }),
    );
  });

  it("is of the last five minutes", () => {
    const record = new PushRecord();
    record.taken(0, 10, [4000]);
    record.failed(10 * second, "no answer");
    expect(record.summary(20 * second)).toMatchObject({ errorRate: 0.5, pushes: 2, max: 4000 });
    expect(record.summary(301 * second)).toMatchObject({ errorRate: 1, pushes: 1, max: null });
    expect(record.summary(400 * second)).toMatchObject({ errorRate: null, pushes: 0, p50: null, recordsPerSecond: 0 });
    expect(record.lastError).toBe("no answer");
  });
});

describe("alarms", () => {
  it("ring above 5 s, for what waits now or took so long a minute ago, and above 1 %", () => {
    const record = new PushRecord();
    for (let push = 0; push < 99; push += 1) record.taken(push, 1, [100]);
    expect(alarmsOf(record.summary(second), 5000)).toEqual([]);
    expect(alarmsOf(record.summary(second), 5001)).toEqual(["slow"]);
    record.failed(200, "");
    expect(alarmsOf(record.summary(second), 0)).toEqual([]);
    record.failed(200, "");
    expect(alarmsOf(record.summary(second), 0)).toEqual(["failing"]);
    for (let push = 0; push < 20; push += 1) record.taken(300, 1, [9000]);
    expect(alarmsOf(record.summary(second), 0)).toContain("slow");
    expect(alarmsOf(record.summary(90 * second), 0)).not.toContain("slow");
  });

  it("say nothing of errors before enough was pushed to tell", () => {
    const record = new PushRecord();
    for (let push = 0; push < 9; push += 1) record.failed(push, "");
    expect(alarmsOf(record.summary(second), 0)).toEqual([]);
    record.failed(10, "");
    expect(alarmsOf(record.summary(second), 0)).toEqual(["failing"]);
  });
});
