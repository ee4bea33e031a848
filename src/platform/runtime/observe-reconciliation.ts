import type { ReconciliationObserver, RunningReconciliations } from "../../services/sync/index.ts";
import type { Logger, Metrics, MetricsRegistry } from "../telemetry/index.ts";

/** Puts what reconciliation tells of itself into metrics, and what it found or could not do into the log. */
export function reconciliationObserver(metrics: Metrics, logger: Logger): ReconciliationObserver {
  return {
    compared({ location, cause, compared, inFlight, found, kinds, actions, passedOver = [] }) {
      if (cause !== undefined) {
        metrics.reconciliations.inc(1, { location, outcome: "failed" });
        logger.warn({ location, cause }, "a location could not be compared with");
        return;
      }
      metrics.reconciliations.inc(1, { location, outcome: "done" });
      metrics.reconciledStocks.inc(compared, { location });
      for (const [kind, count] of Object.entries(kinds)) metrics.reconciliationFindings.inc(count, { location, kind });
      for (const [action, count] of Object.entries(actions))
        metrics.reconciliationActions.inc(count, { location, action });
      for (const { reason, count, first } of passedOver)
        logger.warn({ location, reason, count, first }, "stocks could not be compared");
      const line = { location, compared, inFlight, found, kinds, actions };
      if (found > 0) logger.warn(line, "a location differs");
      else logger.info(line, "a location agrees");
    },
    failed: (what, err) => logger.error({ what, err }, "reconciliation failed here, and tries again"),
  };
}

/** Reads at each scrape how well each location agreed at last. */
export function watchReconciliation(
  newest: RunningReconciliations["newest"],
  { metrics, beforeScrape }: MetricsRegistry,
): void {
  beforeScrape(() => {
    for (const { location, compared, found } of newest())
      metrics.reconciliationAccuracy.set(compared === 0 ? 1 : (compared - found) / compared, { location });
  });
}
