import { describe, expect, it } from "vitest";
import { createMetrics, metricList, noMetrics, watchProcess } from "./index.ts";

describe("metrics", () => {
  it("are written as OpenMetrics", async () => {
    const registry = createMetrics();
    registry.metrics.requests.inc(2, { route: "/v1/events", method: "POST", status: "202" });
    registry.metrics.appendSeconds.observe(0.003);
    registry.metrics.queueLength.set(7);
    const text = await registry.scrape();
    expect(registry.contentType).toContain("application/openmetrics-text");
    expect(text).toContain('larder_gateway_requests_total{route="/v1/events",method="POST",status="202"} 2');
    expect(text).toContain("# TYPE larder_gateway_requests counter");
    expect(text).toContain('larder_inventory_append_seconds_bucket{le="0.005"} 1');
    expect(text).toContain("larder_inventory_queue_length 7");
    expect(text.trimEnd().endsWith("# EOF")).toBe(true);
  });

  it("have names and labels of the conventions, and none grows with the shop", () => {
    const names = Object.values(metricList).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, kind, help, labels } of Object.values<{
      name: string;
      kind: string;
      help: string;
      labels: readonly string[];
    }>(metricList)) {
      expect(name).toMatch(
        /^(larder_(gateway|inventory|intake|relay|sinks|sync|reconciliation|archive|queue|storage|runtime|build)|process)_[a-z_]+$/,
      );
      expect(name.endsWith("_total"), name).toBe(kind === "counter");
      expect(help, name).toMatch(/^[A-Z0-9].*\.$/);
      for (const label of labels) expect(["sku", "actor", "owner", "key"]).not.toContain(label);
      // Only locations that get changes pushed, of which there is a limit.
      if ((labels as readonly string[]).includes("location")) expect(name).toMatch(/^larder_(sync|reconciliation)_/);
    }
  });

  it("of gauges that nobody keeps up are read before a scrape", async () => {
    const registry = createMetrics();
    const stop = watchProcess(registry);
    registry.beforeScrape(() => registry.metrics.storageBytes.set(42, { part: "log" }));
    const text = await registry.scrape();
    stop();
    expect(text).toContain('larder_storage_bytes{part="log"} 42');
    expect(text).toMatch(/process_resident_memory_bytes \d{7,}/);
    expect(text).toMatch(/larder_runtime_event_loop_delay_seconds\{quantile="0.99"\} \d/);
  });

  it("are told but for those that can't be read, which is said once until they can", async () => {
    const failures: unknown[] = [];
    const registry = createMetrics((error) => failures.push(error));
    let problem: Error | undefined = new Error("the disk can't be read");
    registry.beforeScrape(() => {
      if (problem !== undefined) throw problem;
      registry.metrics.archiveFiles.set(3);
    });
    registry.beforeScrape(() => Promise.reject("the queues can't be read"));
    registry.beforeScrape(() => registry.metrics.storageBytes.set(42, { part: "log" }));
    for (let scrapes = 0; scrapes < 3; scrapes += 1)
      expect(await registry.scrape()).toContain('larder_storage_bytes{part="log"} 42');
    expect(failures).toEqual([problem, "the queues can't be read"]);
    problem = undefined;
    expect(await registry.scrape()).toContain("larder_archive_files 3");
    problem = new Error("the disk can't be read again");
    expect(await registry.scrape()).toContain("larder_archive_files 3");
    expect(failures.slice(2)).toEqual([problem]);
  });

  it("forget values of gauges that are cleared", async () => {
    const { metrics, scrape } = createMetrics();
    metrics.queueWaiting.set(3, { queue: "gone" });
    metrics.queueWaiting.clear();
    metrics.queueWaiting.set(4, { queue: "there" });
    const text = await scrape();
    expect(text).toContain('larder_queue_messages{queue="there"} 4');
    expect(text).not.toContain('queue="gone"');
  });

  it("can be left out", () => {
    noMetrics.requests.inc(1, { route: "r", method: "m", status: "200" });
    noMetrics.appendUnits.observe(3);
  });
});
