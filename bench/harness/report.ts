/** What a benchmark hands back, and how it is kept: as JSON in `bench/results/`, from which the page is written. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { probeSync } from "./disk.ts";
import { type Spread, short, shortSpread } from "./stats.ts";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A figure that design.md's page of goals asks for, beside what was seen. */
export interface Target {
  readonly what: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: string;
  /** Absent when it was not measured; `why` says why. */
  readonly seen?: Spread;
  readonly why?: string;
}

export interface Bar {
  readonly label: string;
  readonly value: Spread;
  readonly isOurs: boolean;
}

/** Bars on a logarithmic scale, in groups. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly groups: readonly { readonly label: string; readonly bars: readonly Bar[] }[];
}

export interface Section {
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
  /** Sentences a reader needs: what was left out, what failed. */
  readonly notes?: readonly string[];
  readonly chart?: Chart;
  /** Each run by itself, for whoever wants to look closer. */
  readonly raw?: unknown;
}

export interface Machine {
  readonly cpu: string;
  readonly memory: string;
  readonly system: string;
  readonly node: string;
  /** Processes that wanted a core when the benchmark began: more than next to none, and others were at work. */
  readonly load: number;
  /** Milliseconds that the disk took to sync 4 KiB when the benchmark began, the median of 60. */
  readonly syncMs?: number;
}

/** One benchmark as it was run. */
export interface Result extends Section {
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly takenAt: string;
  readonly seconds: number;
  readonly isQuick: boolean;
  /** The options it was run with, to type them again. */
  readonly command: string;
  readonly commit: string;
  readonly machine: Machine;
  /** Of databases and libraries that took part. */
  readonly versions: Readonly<Record<string, string>>;
}

export const home = join(import.meta.dirname, "../..");
const folder = join(home, "bench/results");

export function isMet({ atLeast, atMost, seen }: Target): boolean | undefined {
  if (seen === undefined) return undefined;
  return (atLeast === undefined || seen.median >= atLeast) && (atMost === undefined || seen.median <= atMost);
}

export function targetsTable(targets: readonly Target[]): Table {
  return {
    title: "Targets",
    head: ["target", "goal", "seen: median [min..max]", "met"],
    rows: targets.map((target) => {
      const { what, atLeast, atMost, unit, seen, why = "not measured" } = target;
      const goal = [
        atLeast === undefined ? [] : `≥ ${short(atLeast)}`,
        atMost === undefined ? [] : `≤ ${short(atMost)}`,
      ];
      const met = isMet(target);
      return [
        what,
        `${goal.flat().join(", ")} ${unit}`.trim(),
        seen === undefined ? why : `${shortSpread(seen)} ${unit}`.trim(),
        met === undefined ? "–" : met ? "yes" : "**no**",
      ];
    }),
  };
}

export function markdown({ head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map((_cell, column) => (column === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

/** The same table for a terminal. */
export function plainText({ title, head, rows }: Table): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [title, line(head), ...rows.map(line)].join("\n");
}

export function describeMachine(): Machine {
  const { model = "unknown" } = cpus()[0] ?? {};
  return {
    cpu: `${cpus().length} × ${model.trim()}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${release()}`,
    node: process.versions.node,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    syncMs: Math.round(probeSync().p50Ms * 1000) / 1000,
  };
}

/** The commit that is checked out, with a star when what was measured is not quite that. */
export function describeCommit(): string {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: home, encoding: "utf8" }).trim();
  try {
    const isChanged = git("status", "--porcelain", "--", "src", "bench", "package-lock.json", ":!bench/results") !== "";
    return git("rev-parse", "--short", "HEAD") + (isChanged ? "*" : "");
  } catch {
    return "unknown";
  }
}

export function keep(result: Result): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${result.name}.json`), `${JSON.stringify(result, undefined, 1)}\n`);
}

/** What was kept, by the benchmark's name. */
export function kept(): Map<string, Result> {
  mkdirSync(folder, { recursive: true });
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const results = files.map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Result);
  return new Map(results.map((result) => [result.name, result]));
}
