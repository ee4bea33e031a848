export { createLogger, type Logger, type LoggerOptions, silentLogger } from "./logger.ts";
export { type MemoryWatch, watchMemory } from "./memory.ts";
export { type MetricName, metricList, metricsReference } from "./metric-list.ts";
export {
  type Counter,
  createMetrics,
  type Gauge,
  type Histogram,
  type Metrics,
  type MetricsRegistry,
  noMetrics,
} from "./metrics.ts";
export { watchProcess } from "./process-metrics.ts";
