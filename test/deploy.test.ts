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

/** What every process that follows a log, or has its queues open, tells of the whole: of several that share it one counts. */
const toldByEach = /\blarder_(?:inventory_(?:facts_recorded|stock_outs|shortfalls)_total|queue_(?!settled)\w+)/;

it("counts once what several processes of a cluster tell alike", () => {
  const rules = globSync("deploy/prometheus/*.rules.yaml", { cwd: home }).flatMap((path) =>
    (readFileSync(join(home, path), "utf8").match(/^\s*expr: (?:\|\n(?:\s{10,}.*\n)+|.*)/gm) ?? []).map(String),
  );
  const panels = dashboards.flatMap(({ panels }) => panels.flatMap(({ lines }) => Object.values(lines)));
  const asked = [...rules, ...panels].filter((expr) => toldByEach.test(expr));
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((expr) => !/^(?:\s*expr: )?max(?: by \(\w+\) )?\(/.test(expr))).toEqual([]);
});

describe("deploy/", () => {
  it("takes no variables that Kubernetes makes of the names of Services: one called larder would be a wrong setting", () => {
    for (const path of globSync("deploy/kubernetes/base/*.yaml", { cwd: home })) {
      const text = readFileSync(join(home, path), "utf8");
      const count = (part: RegExp) => text.match(part)?.length ?? 0;
      expect(count(/^ {6}enableServiceLinks: false$/gm), path).toBe(count(/^kind: Deployment$/gm));
    }
  });

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
