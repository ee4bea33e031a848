/** What is shipped to run Larder by: alarms and dashboards ask for metrics, settings and pages that there are. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { dashboardFolder, dashboardJson, dashboards } from "../scripts/dashboards.ts";
import { otherVariables, settingNames, variableOf } from "../src/platform/config/index.ts";
import { metricList } from "../src/platform/telemetry/metric-list.ts";

const home = fileURLToPath(new URL("..", import.meta.url));
const metrics = new Set<string>(
  Object.values(metricList).flatMap(({ name, kind }) =>
    kind === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

/** Names of metrics in a query that there are not. */
function unknownMetrics(query: string): readonly string[] {
  return (query.match(/\b(?:larder|process)_\w+/g) ?? []).filter((name) => !metrics.has(name));
}

describe.each(globSync("deploy/prometheus/*.rules.yaml", { cwd: home }))("%s", (path) => {
  const text = readFileSync(join(home, path), "utf8");

  it("asks for metrics that there are", () => {
    expect(text.match(/\blarder_\w+/g)?.length).toBeGreaterThan(0);
    expect(unknownMetrics(text)).toEqual([]);
  });

  it("names runbooks that there are", () => {
    const runbooks = [...text.matchAll(/^\s*runbook: (.*)$/gm)].map(([, runbook = ""]) => runbook);
    expect(runbooks).toHaveLength(text.match(/- alert:/g)?.length ?? 0);
    for (const runbook of runbooks) expect(existsSync(join(home, runbook)), runbook).toBe(true);
  });
});

describe.each(dashboards)("the dashboard $title", (dashboard) => {
  it("asks for metrics that there are", () => {
    for (const { title, lines } of dashboard.panels)
      for (const expr of Object.values(lines)) expect(unknownMetrics(expr), title).toEqual([]);
  });

  it("is in step with its description", () => {
    expect(readFileSync(join(dashboardFolder, `${dashboard.uid}.json`), "utf8")).toBe(dashboardJson(dashboard));
  });
});

describe("deploy/", () => {
  it("uses settings that there are", () => {
    const proxies = globSync("deploy/haproxy/*.cfg", { cwd: home }).map((path) =>
      readFileSync(join(home, path), "utf8"),
    );
    const ofProxies = proxies.join().match(/LARDER_\w+/g) ?? [];
    const known = new Set([...settingNames.map(variableOf), ...Object.keys(otherVariables), ...ofProxies]);
    for (const path of globSync("deploy/{compose.yaml,Dockerfile,kubernetes/**/*.yaml}", { cwd: home })) {
      const text = readFileSync(join(home, path), "utf8").replaceAll(/^\s*#.*$/gm, "");
      for (const name of text.match(/\bLARDER_[A-Z_]+[A-Z]\b/g) ?? [])
        expect(known.has(name), `${path}: ${name}`).toBe(true);
    }
  });
});
