import prometheus from "prom-client";
import { expect, it } from "vitest";
import { CounterTally, HistogramTally } from "./tally.ts";

function openMetrics() {
  const registry = new prometheus.Registry<prometheus.OpenMetricsContentType>();
  registry.setContentType(prometheus.Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

it("writes what the library's own counters and histograms write", async () => {
  const [ours, theirs] = [openMetrics(), openMetrics()];
  const counterSpec = { name: "larder_x_requests_total", help: "Requests.", labels: ["route", "status"] };
  const histogramSpec = { name: "larder_x_seconds", help: "Seconds.", labels: ["route"] };
  const plainSpec = { name: "larder_x_units", help: "Units.", labels: [] };
  const emptySpec = { name: "larder_x_never_total", help: "Never.", labels: [] };
  const buckets = [0.001, 0.01, 1];

  const counter = new CounterTally(counterSpec);
  const histogram = new HistogramTally(histogramSpec, buckets);
  const plain = new HistogramTally(plainSpec, buckets);
  for (const tally of [counter, histogram, plain, new CounterTally(emptySpec)])
    ours.registerMetric(tally as unknown as prometheus.Metric);
  const registers = [theirs];
  const named = (spec: typeof counterSpec) => ({ ...spec, labelNames: spec.labels, registers });
  const theirCounter = new prometheus.Counter(named(counterSpec));
  const theirHistogram = new prometheus.Histogram({ ...named(histogramSpec), buckets });
  const theirPlain = new prometheus.Histogram({ ...named({ ...plainSpec, labels: [] }), buckets });
  new prometheus.Counter(named({ ...emptySpec, labels: [] }));

  for (const [index, value] of [0, 0.001, 0.0011, 0.5, 1, 7, 0.01].entries()) {
    const labels = { route: `/r/${index % 2}`, status: index % 3 === 0 ? "200" : '4"9' };
    counter.inc(index, labels);
    theirCounter.inc(labels, index);
    histogram.observe(value, { route: labels.route });
    theirHistogram.observe({ route: labels.route }, value);
    plain.observe(value);
    theirPlain.observe(value);
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
  expect(await ours.metrics()).toBe(await theirs.metrics()); // reading changes nothing
});

it("refuses what is no count", () => {
  const spec = { name: "larder_x_total", help: "X.", labels: [] };
  expect(() => new CounterTally(spec).inc(-1)).toThrow(RangeError);
  expect(() => new CounterTally(spec).inc(Number.NaN)).toThrow(RangeError);
  expect(() => new HistogramTally(spec, [1]).observe(Number.POSITIVE_INFINITY)).toThrow(RangeError);
});
