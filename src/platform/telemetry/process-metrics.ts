import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MetricsRegistry } from "./metrics.ts";

/** Milliseconds between the probe's timers: fine enough to see a 10 ms stall, and no measurable load. */
const probeMs = 10;

/** Keeps the metrics about the process itself up to date; returns the way to stop. */
export function watchProcess(registry: MetricsRegistry): () => void {
  const { metrics } = registry;
  const delay = monitorEventLoopDelay({ resolution: probeMs });
  delay.enable();
  metrics.startSeconds.set(Date.now() / 1000 - process.uptime());
  let cpuBefore = 0;
  registry.beforeScrape(() => {
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - probeMs / 1000);
    metrics.eventLoopDelay.set(seconds(delay.percentile(50)), { quantile: "0.5" });
    metrics.eventLoopDelay.set(seconds(delay.percentile(99)), { quantile: "0.99" });
    metrics.eventLoopDelay.set(seconds(delay.max), { quantile: "1" });
    delay.reset();
    const { user, system } = process.cpuUsage();
    const cpu = (user + system) / 1e6;
    metrics.cpuSeconds.inc(cpu - cpuBefore);
    cpuBefore = cpu;
    const memory = process.memoryUsage();
    metrics.residentBytes.set(memory.rss);
    metrics.heapBytes.set(memory.heapUsed);
  });
  return () => delay.disable();
}
