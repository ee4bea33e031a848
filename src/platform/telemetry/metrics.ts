import prometheus from "prom-client";
import { type MetricName, metricList, metricSpec } from "./metric-list.ts";
import { CounterTally, HistogramTally } from "./tally.ts";

type LabelsOf<Name extends MetricName> = (typeof metricList)[Name]["labels"][number];
/** The labels a call has to give; none where the metric has none. */
type At<Label extends string> = [Label] extends [never] ? [] : [labels: Readonly<Record<Label, string>>];

export interface Counter<Label extends string = never> {
  inc(by: number, ...at: At<Label>): void;
}
export interface Gauge<Label extends string = never> {
  set(value: number, ...at: At<Label>): void;
  /** Forgets all values: for what may be no more by the time it is read again. */
  clear(): void;
}
export interface Histogram<Label extends string = never> {
  observe(value: number, ...at: At<Label>): void;
}

interface Instruments<Label extends string> {
  readonly counter: Counter<Label>;
  readonly gauge: Gauge<Label>;
  readonly histogram: Histogram<Label>;
}

/** All metrics by their name in the list, each with what its kind can do. Services take a `Pick` of it. */
export type Metrics = {
  readonly [Name in MetricName]: Instruments<LabelsOf<Name>>[(typeof metricList)[Name]["kind"]];
};

export interface MetricsRegistry {
  readonly metrics: Metrics;
  readonly contentType: string;
  /**
   * Has `read` called before each scrape, to set gauges that nobody keeps up otherwise. It must be quick. Where it fails, its gauges
   * stay as they were, and all else is told.
   */
  beforeScrape(read: () => void | Promise<void>): void;
  /** The text of a scrape. */
  scrape(): Promise<string>;
}

/** `readFailed` hears the first failure of a reader, and the next one only after it has read again. */
export function createMetrics(readFailed: (error: unknown) => void = () => {}): MetricsRegistry {
  const registry = new prometheus.Registry<prometheus.OpenMetricsContentType>();
  registry.setContentType(prometheus.Registry.OPENMETRICS_CONTENT_TYPE);
  const readers: (() => Promise<void>)[] = [];
  return {
    metrics: instruments((name) => register(name, registry)),
    contentType: prometheus.Registry.OPENMETRICS_CONTENT_TYPE,
    beforeScrape: (read) => void readers.push(guarded(read, readFailed)),
    scrape: async () => {
      await Promise.all(readers.map((read) => read()));
      return await registry.metrics();
    },
  };
}

/** A reader that never fails: a scrape that failed as a whole would look like a process that is gone. */
function guarded(read: () => void | Promise<void>, readFailed: (error: unknown) => void): () => Promise<void> {
  let isFailing = false;
  return async () => {
    try {
      await read();
      isFailing = false;
    } catch (error) {
      if (!isFailing) readFailed(error);
      isFailing = true;
    }
  };
}

/** Metrics that count nothing: the default of whoever takes some. */
export const noMetrics: Metrics = instruments(() => {
  const ignore = () => {};
  return { inc: ignore, set: ignore, observe: ignore, clear: ignore };
});

type AnyInstrument = Record<"inc" | "set" | "observe", (value: number, labels?: Record<string, string>) => void> & {
  readonly clear: () => void;
};

function instruments(make: (name: MetricName) => AnyInstrument): Metrics {
  const names = Object.keys(metricList) as MetricName[];
  return Object.fromEntries(names.map((name) => [name, make(name)])) as unknown as Metrics;
}

function register(name: MetricName, registry: prometheus.Registry<prometheus.OpenMetricsContentType>): AnyInstrument {
  const spec = metricSpec(name);
  const misused = () => {
    throw new TypeError(`${spec.name} is a ${spec.kind}`);
  };
  const unusable: AnyInstrument = { inc: misused, set: misused, observe: misused, clear: misused };
  // All that the registry asks of a metric is its name, its type and its samples.
  const registered = <T extends CounterTally | HistogramTally>(tally: T): T => {
    registry.registerMetric(tally as unknown as prometheus.Metric);
    return tally;
  };
  switch (spec.kind) {
    case "counter": {
      const counter = registered(new CounterTally(spec));
      return { ...unusable, inc: (by, labels) => counter.inc(by, labels) };
    }
    case "gauge": {
      const { help, labels: labelNames } = spec;
      const gauge = new prometheus.Gauge({
        name: spec.name,
        help,
        labelNames: [...labelNames],
        registers: [registry],
      });
      return { ...unusable, set: (value, labels = {}) => gauge.set(labels, value), clear: () => gauge.reset() };
    }
    case "histogram": {
      const histogram = registered(new HistogramTally(spec, spec.buckets ?? []));
      return { ...unusable, observe: (value, labels) => histogram.observe(value, labels) };
    }
  }
}
