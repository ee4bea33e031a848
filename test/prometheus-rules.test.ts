import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { metricList } from "../src/platform/telemetry/metric-list.ts";

const home = fileURLToPath(new URL("..", import.meta.url));
const names = new Set<string>(Object.values(metricList).map(({ name }) => name));

describe.each(globSync(join(home, "deploy", "prometheus", "*.rules.yaml")))("%s", (path) => {
  const text = readFileSync(path, "utf8");

  it("asks for metrics that there are", () => {
    const asked = [...text.matchAll(/^\s*expr: (.*)$/gm)].flatMap(([, expr = ""]) => expr.match(/\blarder_\w+/g) ?? []);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter((name) => !names.has(name))).toEqual([]);
  });

  it("names runbooks that there are", () => {
    for (const [, runbook = ""] of text.matchAll(/^\s*runbook: (.*)$/gm))
      expect(existsSync(join(home, runbook)), runbook).toBe(true);
  });
});
