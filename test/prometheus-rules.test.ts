import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { metricList } from "../src/platform/telemetry/index.ts";

const folder = fileURLToPath(new URL("../deploy/prometheus/", import.meta.url));

it.each(globSync("*.yaml", { cwd: folder }))(
  "%s rings by metrics that there are, with labels that they have",
  (file) => {
    const known = new Map<string, readonly string[]>(
      Object.values(metricList).map(({ name, labels }) => [name, labels] as const),
    );
    const text = readFileSync(folder + file, "utf8");
    const uses = [...text.matchAll(/\b(larder_[a-z_]+)(?:\{([^}]*)\})?/g)];
    expect(uses.length).toBeGreaterThan(0);
    for (const [, name = "", matchers = ""] of uses) {
      const base = name.replace(/_(?:bucket|sum|count)$/, "");
      expect([...known.keys()]).toContain(known.has(name) ? name : base);
      for (const [, label] of matchers.matchAll(/(\w+)=/g)) expect(known.get(name) ?? known.get(base)).toContain(label);
    }
  },
);
