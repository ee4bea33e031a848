import type { SyncObserver, SyncStatus } from "../../services/sync/index.ts";
import type { Logger, Metrics, MetricsRegistry } from "../telemetry/index.ts";

/** Puts what sync tells of itself into metrics, and its alarms and failures into the log. */
export function syncObserver(metrics: Metrics, logger: Logger): SyncObserver {
  return {
    taken(location, records, latenciesMs) {
      metrics.syncPushes.inc(1, { location, outcome: "taken" });
      metrics.syncRecords.inc(records, { location });
      for (const ms of latenciesMs) metrics.syncLatencySeconds.observe(Math.max(0, ms) / 1000, { location });
    },
    pushFailed: (location, outcome) => metrics.syncPushes.inc(1, { location, outcome }),
    gaveUp(location, cause) {
      metrics.syncDeadLetters.inc(1, { location });
      logger.warn({ location, cause }, "a stock is not pushed any more: it is a dead letter");
    },
    alarm(location, alarm, isOn) {
      if (isOn) logger.warn({ location, alarm }, "an alarm of sync begins");
      else logger.info({ location, alarm }, "an alarm of sync ends");
    },
    circuit(location, isOpen, cause) {
      if (isOpen) logger.warn({ location, cause }, "a location counts as down, and is only probed");
      else logger.info({ location }, "a location is back");
    },
    failed: (what, err) => logger.error({ what, err }, "sync failed here, and tries again"),
  };
}

/** Reads at each scrape how it stands with each receiver. */
export function watchSync(all: () => readonly SyncStatus[], { metrics, beforeScrape }: MetricsRegistry): void {
  const { syncWaiting, syncOldestSeconds, syncErrorRate, syncCircuitOpen, syncAlarm } = metrics;
  beforeScrape(() => {
    // One that is no receiver any more is told of no more.
    for (const gauge of [syncWaiting, syncOldestSeconds, syncErrorRate, syncCircuitOpen, syncAlarm]) gauge.clear();
    for (const { location, waiting, oldestWaitingSeconds, errorRate, circuit, alarms } of all()) {
      syncWaiting.set(waiting, { location });
      syncOldestSeconds.set(oldestWaitingSeconds ?? 0, { location });
      syncErrorRate.set(errorRate ?? 0, { location });
      syncCircuitOpen.set(circuit === "closed" ? 0 : 1, { location });
      for (const alarm of ["slow", "failing"] as const)
        syncAlarm.set(alarms.includes(alarm) ? 1 : 0, { location, alarm });
    }
  });
}
