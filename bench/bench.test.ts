/** That measuring works: one short contest in process, its table, its part of the page and its plot; no figures. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { benchmarks } from "./benchmarks/index.ts";
import { chartOf } from "./benchmarks/reserve.ts";
import type { Settings } from "./harness/benchmark.ts";
import { contest, type Outcome, runHead, runRows } from "./harness/contest.ts";
import { inProcess } from "./harness/in-process.ts";
import { load } from "./harness/load.ts";
import { part, replacePart, verdict } from "./harness/page.ts";
import { svg } from "./harness/plot.ts";
import { isMet, plainText, type Result, type Target, targetsTable } from "./harness/report.ts";
import { median, percentile, short, sorted, spread } from "./harness/stats.ts";

const settings: Settings = {
  isQuick: true,
  isLarge: false,
  rounds: 2,
  loadMs: 150,
  isLate: () => false,
  say: () => undefined,
  tookPart: () => undefined,
};

async function shortContest(): Promise<{ outcome: Outcome; rows: string[][]; chart: string }> {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-test-"));
  const options = { callers: [4], spreadSkus: 20 };
  const contestants = [
    await inProcess("Larder", { kind: "larder", folder: join(folder, "data") }, options, settings),
    await inProcess("nothing", { kind: "bare" }, options, settings),
  ];
  try {
    const outcome = await contest(contestants, settings);
    const chart = svg(chartOf("Reservations", contestants, outcome, 4));
    return { outcome, rows: runRows(contestants, outcome), chart };
  } finally {
    for (const contestant of contestants) await contestant.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

it("compares in rounds, and makes a table, a plot and a part of the page of it", async () => {
  const { outcome, rows, chart } = await shortContest();
  expect(outcome.failures).toEqual([]);
  expect(rows.map((row) => row.slice(0, 3))).toEqual([
    ["Larder", "hot", "4"],
    ["Larder", "spread", "4"],
    ["nothing", "hot", "4"],
    ["nothing", "spread", "4"],
  ]);
  const runs = outcome.of("Larder", "hot", 4);
  expect(runs).toHaveLength(2);
  for (const run of runs) {
    expect(run.done).toBeGreaterThan(0);
    expect(run.failed + run.refused).toBe(0);
    if (process.platform === "linux") expect(run.writtenBytes).toBeGreaterThanOrEqual(0); // 0 on a disk in memory
    expect(run.p99Ms).toBeGreaterThanOrEqual(run.p50Ms);
  }
  const ratio = outcome.ratio(["Larder", "hot", 4], ["nothing", "hot", 4]);
  expect(ratio?.median).toBeLessThan(1); // doing nothing is faster
  expect(chart).toContain("<svg");
  expect(chart.match(/<rect/g)).toHaveLength(1 + 4);

  const result: Result = {
    ...{ name: "x", title: "X", method: "How.", takenAt: "2026-01-02T00:00:00Z", seconds: 1, isQuick: true },
    ...{ command: "npm run bench", commit: "abc", versions: { Redis: "7" }, targets: [] },
    machine: { cpu: "2 × x", memory: "1 GiB", system: "linux", node: "26", load: 0 },
    tables: [{ title: "T", head: runHead, rows }],
  };
  const page = replacePart("before\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nafter\n", "x", part(result));
  expect(page.startsWith("before\n<!-- bench:x -->\nHow.\n")).toBe(true);
  expect(page.endsWith("\n<!-- /bench:x -->\nafter\n")).toBe(true);
  expect(page).toContain("| Larder | hot | 4 |");
  expect(page).toContain("commit abc");
  expect(page).not.toContain("old");
  expect(replacePart("no markers", "x", "y")).toBe("no markers");
  expect(plainText({ title: "T", head: runHead, rows }).split("\n")).toHaveLength(2 + rows.length);
});

it("holds figures against their goals", () => {
  const target = (goal: Partial<Target>, seen?: number): Target => ({
    ...{ what: "w", unit: "×", ...goal },
    ...(seen !== undefined && { seen: spread([seen]) }),
  });
  const [met, missed, unmeasured] = [target({ atLeast: 2 }, 2), target({ atMost: 1 }, 1.01), target({ atLeast: 1 })];
  expect([met, missed, unmeasured].map(isMet)).toEqual([true, false, undefined]);
  expect(targetsTable([met, missed, unmeasured]).rows.map((row) => row[3])).toEqual(["yes", "**no**", "–"]);
  const results = [{ targets: [met, missed, unmeasured] } as unknown as Result];
  expect(verdict(results)).toBe("1 of 3 targets met, 1 not measured, 1 missed: w.");
});

it("counts as statistics have it", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  const ordered = sorted(Array.from({ length: 100 }, (_, index) => 100 - index));
  expect([percentile(ordered, 0), percentile(ordered, 0.5), percentile(ordered, 0.99), percentile(ordered, 1)]).toEqual(
    [1, 51, 100, 100],
  );
  expect([12_345, 123.4, 12.34, 1.234, 0.01234, Number.NaN].map(short)).toEqual([
    "12,300",
    "123",
    "12.3",
    "1.23",
    "0.012",
    "–",
  ]);
});

it("counts the latency of a fixed rate from when a call was due", async () => {
  // One call at a time that takes 20 ms, at 100 a second: those that wait are late by more and more.
  const slow = () => new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 20));
  const paced = await load({ callers: 1, milliseconds: 400, warmUpMs: 0, perSecond: 100 }, slow);
  const closed = await load({ callers: 1, milliseconds: 400, warmUpMs: 0 }, slow);
  expect(paced.p99Ms).toBeGreaterThan(3 * closed.p50Ms);
});

it("has a name and a method for each benchmark, and a limit in time", () => {
  expect(new Set(benchmarks.map(({ name }) => name)).size).toBe(benchmarks.length);
  for (const { method, secondsMax } of benchmarks) {
    expect(method.length).toBeGreaterThan(50);
    expect(secondsMax).toBeLessThanOrEqual(300);
  }
});
