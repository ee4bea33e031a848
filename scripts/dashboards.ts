/**
 * Writes the dashboards of `deploy/grafana/dashboards/` from the short descriptions below: one for each who looks.
 * `test/dashboards.test.ts` holds them in step, and every metric that they ask for against those that there are.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

interface Panel {
  readonly title: string;
  /** What it means when the line moves. */
  readonly says: string;
  readonly unit: "reqps" | "s" | "short" | "percentunit" | "bytes" | "ops" | "bool_on_off";
  /** Legend by expression of Prometheus. */
  readonly lines: Readonly<Record<string, string>>;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
}

const quantile = (share: number, metric: string, by = "") =>
  `histogram_quantile(${share}, sum by (le${by && `, ${by}`}) (rate(${metric}_bucket[$__rate_interval])))`;
const rate = (metric: string, by: string) => `sum by (${by}) (rate(${metric}[$__rate_interval]))`;

export const dashboards: readonly Dashboard[] = [
  {
    uid: "larder-operations",
    title: "Larder: operations",
    panels: [
      {
        title: "Ready",
        says: "0: /readyz of that process says why it can't work.",
        unit: "bool_on_off",
        lines: { "{{instance}}": "larder_runtime_ready" },
      },
      {
        title: "Requests",
        says: "By status; 409 are refusals, which are answers like any other.",
        unit: "reqps",
        lines: { "{{status}}": rate("larder_gateway_requests_total", "status") },
      },
      {
        title: "Answers that failed",
        says: "Share of 5xx; above 1 % for two minutes LarderErrors rings.",
        unit: "percentunit",
        lines: {
          "5xx": `sum(rate(larder_gateway_requests_total{status=~"5..|INTERNAL|UNAVAILABLE|UNKNOWN|DATA_LOSS"}[$__rate_interval])) / sum(rate(larder_gateway_requests_total[$__rate_interval]))`,
        },
      },
      {
        title: "Time to an answer",
        says: "All routes but change feeds.",
        unit: "s",
        lines: {
          p50: quantile(0.5, "larder_gateway_request_seconds"),
          p99: quantile(0.99, "larder_gateway_request_seconds"),
        },
      },
      {
        title: "Slowest routes",
        says: "p99 by route.",
        unit: "s",
        lines: { "{{route}}": `topk(8, ${quantile(0.99, "larder_gateway_request_seconds", "route")})` },
      },
      {
        title: "One append, until it is durable",
        says: "The disk, or PostgreSQL with the way to it.",
        unit: "s",
        lines: {
          p50: quantile(0.5, "larder_inventory_append_seconds"),
          p99: quantile(0.99, "larder_inventory_append_seconds"),
        },
      },
      {
        title: "Commands in one append",
        says: "Group commit: it grows by itself with the load.",
        unit: "short",
        lines: {
          mean: "sum(rate(larder_inventory_append_units_sum[$__rate_interval])) / sum(rate(larder_inventory_append_units_count[$__rate_interval]))",
        },
      },
      {
        title: "Decided again",
        says: "Commands whose grounds had changed: several processes race for the same stocks. Routing keeps it low.",
        unit: "ops",
        lines: { "{{instance}}": rate("larder_inventory_decided_again_total", "instance") },
      },
      {
        title: "Commands that wait",
        says: "50,000 at one process, and more are turned away.",
        unit: "short",
        lines: { "{{instance}}": "larder_inventory_queue_length" },
      },
      {
        title: "Read side behind",
        says: "How old availability is. Over 5 s LarderReadSideBehind rings.",
        unit: "s",
        lines: { "{{instance}}": "larder_inventory_projection_lag_seconds" },
      },
      {
        title: "Event loop",
        says: "By how much timers came late, at worst, since the last scrape.",
        unit: "s",
        lines: { "{{instance}}": 'larder_runtime_event_loop_delay_seconds{quantile="1"}' },
      },
      {
        title: "Memory and log",
        says: "Resident memory by process, and bytes of the log.",
        unit: "bytes",
        lines: {
          "{{instance}}": "process_resident_memory_bytes",
          "log at {{instance}}": 'larder_storage_bytes{part="log"}',
        },
      },
    ],
  },
  {
    uid: "larder-stock",
    title: "Larder: stock and promises",
    panels: [
      {
        title: "Facts recorded",
        says: "By type.",
        unit: "ops",
        lines: { "{{type}}": "max by (type) (rate(larder_inventory_facts_recorded_total[$__rate_interval]))" },
      },
      {
        title: "Facts judged",
        says: "Duplicates are senders who make sure; every other outcome but `accepted` is a sender who is wrong.",
        unit: "ops",
        lines: { "{{outcome}}": rate("larder_inventory_facts_total", "outcome") },
      },
      {
        title: "Reservations placed and refused",
        says: "`insufficient-stock` is demand that could not be met.",
        unit: "ops",
        lines: {
          "{{outcome}}": `sum by (outcome) (rate(larder_inventory_reservations_total{operation="reserve"}[$__rate_interval]))`,
        },
      },
      {
        title: "What becomes of reservations",
        says: "Confirmed, fulfilled, released, extended; those that lapse are under expiry.",
        unit: "ops",
        lines: {
          "{{operation}}": `sum by (operation) (rate(larder_inventory_reservations_total{operation!="reserve", outcome="ok"}[$__rate_interval]))`,
        },
      },
      {
        title: "Out of stock, and short",
        says: "A shortfall is a fact that left less than was promised.",
        unit: "short",
        lines: {
          "stock-outs in an hour": "max(increase(larder_inventory_stock_outs_total[1h]))",
          "shortfalls in an hour": "max(increase(larder_inventory_shortfalls_total[1h]))",
        },
      },
      {
        title: "Expiry",
        says: "How late lapsed holds are recorded; a decision never counts on them anyway.",
        unit: "s",
        lines: { p99: quantile(0.99, "larder_inventory_expiry_delay_seconds") },
      },
    ],
  },
  {
    uid: "larder-delivery",
    title: "Larder: delivery to others",
    panels: [
      {
        title: "Dead letters",
        says: "Each waits for someone.",
        unit: "short",
        lines: { "{{queue}}": "max by (queue) (larder_queue_dead_letters) > 0" },
      },
      {
        title: "Messages that wait",
        says: "By queue.",
        unit: "short",
        lines: { "{{queue}}": "max by (queue) (larder_queue_messages)" },
      },
      {
        title: "The oldest message",
        says: "A queue whose line rises has nobody who takes from it.",
        unit: "s",
        lines: { "{{queue}}": "max by (queue) (larder_queue_oldest_seconds)" },
      },
      {
        title: "From receipt to record",
        says: "Facts sent with `Prefer: respond-async`.",
        unit: "s",
        lines: { p99: quantile(0.99, "larder_intake_seconds") },
      },
      {
        title: "Webhooks: from record to delivery",
        says: "Over all webhooks.",
        unit: "s",
        lines: { p50: quantile(0.5, "larder_relay_lag_seconds"), p99: quantile(0.99, "larder_relay_lag_seconds") },
      },
      {
        title: "Webhooks that fail",
        says: "Their receivers answer with errors, or not at all.",
        unit: "short",
        lines: { failing: "max(larder_relay_webhooks_failing)" },
      },
      {
        title: "Warehouses: from record to acknowledgement",
        says: "p95 by location.",
        unit: "s",
        lines: { "{{location}}": quantile(0.95, "larder_sync_latency_seconds", "location") },
      },
      {
        title: "Warehouses that are down",
        says: "1: only probed until it answers again.",
        unit: "bool_on_off",
        lines: { "{{location}}": "max by (location) (larder_sync_circuit_open)" },
      },
      {
        title: "Agreement with warehouses",
        says: "Of the stocks last compared, the share that agreed.",
        unit: "percentunit",
        lines: { "{{location}}": "min by (location) (larder_reconciliation_accuracy)" },
      },
    ],
  },
];

const [columns, width, height] = [3, 8, 8];

/** A dashboard as Grafana reads it. */
export function dashboardJson({ uid, title, panels }: Dashboard): string {
  const datasource = { type: "prometheus", uid: "$datasource" };
  const json = {
    uid,
    title,
    tags: ["larder"],
    timezone: "utc",
    schemaVersion: 39,
    editable: false,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    templating: { list: [{ name: "datasource", type: "datasource", query: "prometheus", label: "Prometheus" }] },
    panels: panels.map((panel, index) => ({
      id: index + 1,
      type: "timeseries",
      title: panel.title,
      description: panel.says,
      datasource,
      gridPos: { x: (index % columns) * width, y: Math.floor(index / columns) * height, w: width, h: height },
      fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
      options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
      targets: Object.entries(panel.lines).map(([legendFormat, expr], line) => ({
        refId: String.fromCharCode(65 + line),
        datasource,
        expr,
        legendFormat,
      })),
    })),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

export const dashboardFolder = fileURLToPath(new URL("../deploy/grafana/dashboards", import.meta.url));

if (import.meta.main) {
  mkdirSync(dashboardFolder, { recursive: true });
  for (const dashboard of dashboards) {
    writeFileSync(join(dashboardFolder, `${dashboard.uid}.json`), dashboardJson(dashboard));
    console.log(`deploy/grafana/dashboards/${dashboard.uid}.json`);
  }
}
