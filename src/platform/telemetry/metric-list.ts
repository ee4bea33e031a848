import { limits } from "../../kernel/index.ts";

/**
 * Every metric, once; `docs/reference/metrics.md` is written from here. Names begin with the module that counts, units
 * are seconds and bytes. Names and labels are public: dashboards and alarms are made of them. No metric is labelled by
 * sku or client, or by any location: those grow without bound. Only locations that get changes pushed are labels of
 * `larder_sync_…` and `larder_reconciliation_…`: there are at most `limits.syncReceiversMax` of them.
 */
interface MetricSpec {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
}

/** Seconds: from half a millisecond, below which no client notices, to the 10 s after which they give up. */
const latencies = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

export const metricList = {
  requests: {
    name: "larder_gateway_requests_total",
    kind: "counter",
    help: "HTTP requests answered, by route, method and status.",
    labels: ["route", "method", "status"],
  },
  requestSeconds: {
    name: "larder_gateway_request_seconds",
    kind: "histogram",
    help: "Seconds from receiving a request to its answer. Change feeds are left out: they last as long as their reader.",
    labels: ["route", "method"],
    buckets: latencies,
  },
  openFeeds: {
    name: "larder_gateway_open_feeds",
    kind: "gauge",
    help: "Change feeds being read now.",
    labels: [],
  },
  reservations: {
    name: "larder_inventory_reservations_total",
    kind: "counter",
    help: "Requests about reservations, by operation (reserve, extend, amend, confirm, fulfil, release) and outcome: ok, or the code of the refusal.",
    labels: ["operation", "outcome"],
  },
  facts: {
    name: "larder_inventory_facts_total",
    kind: "counter",
    help: "Facts judged, by outcome: accepted, duplicate, or the code of the rejection.",
    labels: ["outcome"],
  },
  factsRecorded: {
    name: "larder_inventory_facts_recorded_total",
    kind: "counter",
    help: "Facts recorded, by type. Each process tells of those of all that share its log: take the greatest.",
    labels: ["type"],
  },
  appendUnits: {
    name: "larder_inventory_append_units",
    kind: "histogram",
    help: "Units in one append: commands that shared one durable write.",
    labels: [],
    buckets: sizes,
  },
  appendSeconds: {
    name: "larder_inventory_append_seconds",
    kind: "histogram",
    help: "Seconds of one append, until it was durable.",
    labels: [],
    buckets: latencies,
  },
  eventsAppended: {
    name: "larder_inventory_events_appended_total",
    kind: "counter",
    help: "Events that are durable in the log.",
    labels: [],
  },
  queueLength: {
    name: "larder_inventory_queue_length",
    kind: "gauge",
    help: "Commands that wait for the ledger.",
    labels: [],
  },
  decidedAgain: {
    name: "larder_inventory_decided_again_total",
    kind: "counter",
    help: "Commands decided again because what they were decided on had changed, or their append failed.",
    labels: [],
  },
  stateCache: {
    name: "larder_inventory_state_cache_total",
    kind: "counter",
    help: "Look-ups of states in memory, by result: hit, or miss (read from snapshot and log).",
    labels: ["result"],
  },
  cachedStates: {
    name: "larder_inventory_cached_states",
    kind: "gauge",
    help: "Stocks and reservations in memory.",
    labels: [],
  },
  snapshotsWritten: {
    name: "larder_inventory_snapshots_written_total",
    kind: "counter",
    help: "Snapshots of states written.",
    labels: [],
  },
  snapshotsDiscarded: {
    name: "larder_inventory_snapshots_discarded_total",
    kind: "counter",
    help: "Snapshots that were not believed, by reason: damaged, stale, or other-shape.",
    labels: ["reason"],
  },
  projectionLagSeconds: {
    name: "larder_inventory_projection_lag_seconds",
    kind: "gauge",
    help: "Seconds since the read side had last seen every event, to a quarter of a second; 0 when it has.",
    labels: [],
  },
  projectionLagEvents: {
    name: "larder_inventory_projection_lag_events",
    kind: "gauge",
    help: "Events that the read side has not seen yet.",
    labels: [],
  },
  availabilityReads: {
    name: "larder_inventory_availability_reads_total",
    kind: "counter",
    help: "Reads of availability; a batch is one.",
    labels: [],
  },
  availabilitySkus: {
    name: "larder_inventory_availability_skus_total",
    kind: "counter",
    help: "Skus asked for in reads of availability.",
    labels: [],
  },
  stockOuts: {
    name: "larder_inventory_stock_outs_total",
    kind: "counter",
    help: "Times that a sku at a location ran out, as told by larder.stock.out.v1. Each process tells of all that share its log.",
    labels: [],
  },
  shortfalls: {
    name: "larder_inventory_shortfalls_total",
    kind: "counter",
    help: "Facts that left less than was promised. Each process tells of all that share its log.",
    labels: [],
  },
  expiries: {
    name: "larder_inventory_expiries_recorded_total",
    kind: "counter",
    help: "Lapsed holds and lots recorded because their time had come.",
    labels: [],
  },
  expiryDelaySeconds: {
    name: "larder_inventory_expiry_delay_seconds",
    kind: "histogram",
    help: "Seconds from the end of a hold or lot to its being recorded.",
    labels: [],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60],
  },
  consumerFailures: {
    name: "larder_inventory_consumer_failures_total",
    kind: "counter",
    help: "Times that something which follows the log failed, by its name. Its read model stands still until a restart.",
    labels: ["consumer"],
  },
  upkeepFailures: {
    name: "larder_inventory_upkeep_failures_total",
    kind: "counter",
    help: "Times that work beside the log failed and was left to be tried again: expiry, seals, housekeeping, derived (commits of what is derived), or reading (the thread that reads large batches of facts).",
    labels: ["work"],
  },
  reconciliations: {
    name: "larder_reconciliation_locations_total",
    kind: "counter",
    help: "Comparisons with a location, by outcome: done, or failed (its snapshot could not be read).",
    labels: ["location", "outcome"],
  },
  reconciledStocks: {
    name: "larder_reconciliation_stocks_total",
    kind: "counter",
    help: "Stocks that were compared with a location.",
    labels: ["location"],
  },
  reconciliationFindings: {
    name: "larder_reconciliation_findings_total",
    kind: "counter",
    help: "Stocks found to differ at a location, by kind: missing-here, missing-there, late, drift.",
    labels: ["location", "kind"],
  },
  reconciliationActions: {
    name: "larder_reconciliation_actions_total",
    kind: "counter",
    help: "What was done about what was found: none, sent-again, counted.",
    labels: ["location", "action"],
  },
  reconciliationAccuracy: {
    name: "larder_reconciliation_accuracy",
    kind: "gauge",
    help: "Of the stocks last compared with a location, the share that agreed.",
    labels: ["location"],
  },
  storageBytes: {
    name: "larder_storage_bytes",
    kind: "gauge",
    help: "Bytes on disk, by part: log (the record), cold (the part of it in cold files), or derived (can be rebuilt).",
    labels: ["part"],
  },
  storageFreeBytes: {
    name: "larder_storage_free_bytes",
    kind: "gauge",
    help: "Bytes of the log's file that are free, as after days were moved out of it, and taken by what is recorded next.",
    labels: [],
  },
  archiveHotAge: {
    name: "larder_archive_hot_age_seconds",
    kind: "gauge",
    help: "Age of the oldest event in the hot log: when it grows beyond LARDER_ARCHIVE_AFTER by days, nothing is moved any more.",
    labels: [],
  },
  archiveEvents: {
    name: "larder_archive_events",
    kind: "gauge",
    help: "Events in cold files.",
    labels: [],
  },
  archiveFiles: {
    name: "larder_archive_files",
    kind: "gauge",
    help: "Cold files.",
    labels: [],
  },
  archiveRuns: {
    name: "larder_archive_runs_total",
    kind: "counter",
    help: "Runs that moved days into cold files, by outcome: ok or failed.",
    labels: ["outcome"],
  },
  archiveLastSuccess: {
    name: "larder_archive_last_success_timestamp_seconds",
    kind: "gauge",
    help: "When the last run ended well, in seconds since 1970; 0 before the first since the start.",
    labels: [],
  },
  storageEvents: {
    name: "larder_storage_events",
    kind: "gauge",
    help: "Events in the log.",
    labels: [],
  },
  queueWaiting: {
    name: "larder_queue_messages",
    kind: "gauge",
    help: "Messages of a queue that have not come to an end, dead letters left out.",
    labels: ["queue"],
  },
  queueOldestSeconds: {
    name: "larder_queue_oldest_seconds",
    kind: "gauge",
    help: "Seconds since the oldest of these messages was sent; 0 when there is none.",
    labels: ["queue"],
  },
  messagesSettled: {
    name: "larder_queue_settled_total",
    kind: "counter",
    help: "Messages that a worker let go, by outcome: done, retried, dead, or lost (its lease had run out).",
    labels: ["queue", "outcome"],
  },
  intakeSeconds: {
    name: "larder_intake_seconds",
    kind: "histogram",
    help: "Seconds from the receipt of a fact by the queue to its being recorded, or turned down as a dead letter.",
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600],
  },
  intakeFiles: {
    name: "larder_intake_files_total",
    kind: "counter",
    help: "Files of the watched folder that were imported, by outcome: done, or failed (not read to the end).",
    labels: ["outcome"],
  },
  intakeHeld: {
    name: "larder_intake_held_total",
    kind: "counter",
    help: "Times that the inventory took no facts from the queue, which waits then: its store is down or full, or too much waits.",
    labels: [],
  },
  deadLetters: {
    name: "larder_queue_dead_letters",
    kind: "gauge",
    help: "Messages of a queue that could not be handled and wait for someone to redrive or discard them.",
    labels: ["queue"],
  },
  deadLetterOldestSeconds: {
    name: "larder_queue_dead_letter_oldest_seconds",
    kind: "gauge",
    help: "Seconds since the oldest dead letter became one; 0 when there is none.",
    labels: ["queue"],
  },
  webhookAttempts: {
    name: "larder_relay_attempts_total",
    kind: "counter",
    help: "Attempts to deliver an event to a webhook, by outcome: delivered or failed.",
    labels: ["outcome"],
  },
  webhookAttemptSeconds: {
    name: "larder_relay_attempt_seconds",
    kind: "histogram",
    help: "Seconds of one attempt to deliver an event to a webhook.",
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  },
  webhookLagSeconds: {
    name: "larder_relay_lag_seconds",
    kind: "histogram",
    help: "Seconds from an event's being recorded to its delivery to a webhook.",
    labels: [],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30, 300, 3600, 43_200],
  },
  webhooks: {
    name: "larder_relay_webhooks",
    kind: "gauge",
    help: "Webhooks, by status: active, paused, or disabled; those that are failing are active.",
    labels: ["status"],
  },
  webhooksFailing: {
    name: "larder_relay_webhooks_failing",
    kind: "gauge",
    help: "Active webhooks whose last delivery failed.",
    labels: [],
  },
  webhooksDisabled: {
    name: "larder_relay_webhooks_disabled_total",
    kind: "counter",
    help: "Times that a webhook was disabled because its receiver was gone or had failed for days.",
    labels: [],
  },
  sinkEvents: {
    name: "larder_sinks_events_total",
    kind: "counter",
    help: "Recorded events that a sink (nats, redis) has acknowledged.",
    labels: ["sink"],
  },
  sinkLagSeconds: {
    name: "larder_sinks_lag_seconds",
    kind: "histogram",
    help: "Seconds from an event's being recorded to a sink's having acknowledged it.",
    labels: ["sink"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600, 43_200],
  },
  sinkLagEvents: {
    name: "larder_sinks_lag_events",
    kind: "gauge",
    help: "Events of the log that a sink has not got yet.",
    labels: ["sink"],
  },
  sinkUp: {
    name: "larder_sinks_up",
    kind: "gauge",
    help: "Whether the last attempt at a sink succeeded; 0 also while it waits for `larder resume`.",
    labels: ["sink"],
  },
  sinkFailures: {
    name: "larder_sinks_failures_total",
    kind: "counter",
    help: "Attempts at a sink that failed.",
    labels: ["sink"],
  },
  sinkMoves: {
    name: "larder_sinks_moved_total",
    kind: "counter",
    help: "Times that a sink did not stand where it was left: it lost something, or another process has written to it.",
    labels: ["sink"],
  },
  sinkFillings: {
    name: "larder_sinks_fillings_total",
    kind: "counter",
    help: "Times that a sink was filled anew, because it held nothing of this log.",
    labels: ["sink"],
  },
  syncPushes: {
    name: "larder_sync_pushes_total",
    kind: "counter",
    help: "Pushes to a location, by outcome: taken; refused (the receiver does not want the records), busy (it has too much to do), failed (no answer, or an error).",
    labels: ["location", "outcome"],
  },
  syncRecords: {
    name: "larder_sync_records_total",
    kind: "counter",
    help: "Records that a location has acknowledged.",
    labels: ["location"],
  },
  syncLatencySeconds: {
    name: "larder_sync_latency_seconds",
    kind: "histogram",
    help: "Seconds from recording a change to its acknowledgement by a location that gets it pushed.",
    labels: ["location"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 1.2, 2.5, 5, 10, 60, 600],
  },
  syncWaiting: {
    name: "larder_sync_waiting",
    kind: "gauge",
    help: "Stocks (sku and location) whose newest figures a location has not acknowledged.",
    labels: ["location"],
  },
  syncOldestSeconds: {
    name: "larder_sync_oldest_waiting_seconds",
    kind: "gauge",
    help: "Seconds that the oldest change has waited which a location has not acknowledged; 0 when there is none.",
    labels: ["location"],
  },
  syncErrorRate: {
    name: "larder_sync_error_rate",
    kind: "gauge",
    help: "Of the pushes to a location in the last five minutes, the share that failed; 0 when there was none.",
    labels: ["location"],
  },
  syncCircuitOpen: {
    name: "larder_sync_circuit_open",
    kind: "gauge",
    help: "1 while a location counts as down and is only probed; else 0.",
    labels: ["location"],
  },
  syncAlarm: {
    name: "larder_sync_alarm",
    kind: "gauge",
    help: "1 while an alarm of a location rings: slow (a change waits or took over 5 s), failing (over 1 % of its pushes failed); else 0.",
    labels: ["location", "alarm"],
  },
  syncDeadLetters: {
    name: "larder_sync_given_up_total",
    kind: "counter",
    help: "Stocks that a location would not take, which became dead letters.",
    labels: ["location"],
  },
  outgoingPaused: {
    name: "larder_storage_outgoing_paused",
    kind: "gauge",
    help: "1 while everything outgoing waits for `larder resume`, as after a restore; else 0.",
    labels: [],
  },
  ready: {
    name: "larder_runtime_ready",
    kind: "gauge",
    help: "1 while /readyz answers 200; else 0.",
    labels: [],
  },
  eventLoopDelay: {
    name: "larder_runtime_event_loop_delay_seconds",
    kind: "gauge",
    help: "Seconds by which timers came late since the last scrape, by quantile: 0.5, 0.99, or 1 for the longest.",
    labels: ["quantile"],
  },
  build: {
    name: "larder_build_info",
    kind: "gauge",
    help: "Always 1; the labels say what runs.",
    labels: ["version", "node", "sqlite", "engine"],
  },
  cpuSeconds: {
    name: "process_cpu_seconds_total",
    kind: "counter",
    help: "Seconds of processor time used, by the program and for it by the kernel.",
    labels: [],
  },
  residentBytes: {
    name: "process_resident_memory_bytes",
    kind: "gauge",
    help: "Bytes of memory in use.",
    labels: [],
  },
  heapBytes: {
    name: "larder_runtime_heap_bytes",
    kind: "gauge",
    help: "Bytes of the JavaScript heap in use.",
    labels: [],
  },
  startSeconds: {
    name: "process_start_time_seconds",
    kind: "gauge",
    help: "When the process started, in seconds since 1970.",
    labels: [],
  },
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof metricList;

export function metricSpec(name: MetricName): MetricSpec {
  return metricList[name];
}

/** The text of `docs/reference/metrics.md`. */
export function metricsReference(): string {
  const rows = Object.values(metricList as Record<string, MetricSpec>).map(({ name, kind, help, labels, buckets }) => {
    const labelled = labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${kind} | ${labelled} | ${help}${buckets ? ` Buckets: ${buckets.join(", ")}.` : ""} |`;
  });
  return `# Metrics

<!-- Written by scripts/reference.ts from src/platform/telemetry/metric-list.ts; edit that, then run \`node bin/larder.js --tool scripts/reference.ts\`. -->

\`GET /metrics\` answers in the OpenMetrics text format: open to callers on the same machine, by any valid API key to
others. No metric is labelled by sku, so their number stays the same however large the shop is. Only \`larder_sync_…\` and
\`larder_reconciliation_…\` are labelled by location: by those that get changes pushed, of which there are at most ${limits.syncReceiversMax}.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
}
