import type { RelayFigures, RelayObserver } from "../../services/relay/index.ts";
import type { Logger, Metrics, MetricsRegistry } from "../telemetry/index.ts";

/** Puts what the relay tells of itself into metrics, and what an operator should see into the log. */
export function relayObserver(metrics: Metrics, logger: Logger): RelayObserver {
  return {
    attempted(isDelivered, seconds, lagSeconds) {
      metrics.webhookAttempts.inc(1, { outcome: isDelivered ? "delivered" : "failed" });
      metrics.webhookAttemptSeconds.observe(seconds);
      if (isDelivered) metrics.webhookLagSeconds.observe(lagSeconds);
    },
    // All webhooks as one: counters are never forgotten, and webhooks come and go.
    settled: (outcome) => metrics.messagesSettled.inc(1, { queue: "webhooks", outcome }),
    disabled(webhook, reason) {
      metrics.webhooksDisabled.inc(1);
      logger.warn({ webhook, reason }, "a webhook was disabled");
    },
    failed: (what, err) => logger.error({ what, err }, "the relay failed, and tries again"),
  };
}

/** Reads the relay's own figures at each scrape. */
export function watchRelay(figures: () => RelayFigures, { metrics, beforeScrape }: MetricsRegistry): void {
  beforeScrape(() => {
    const { active, paused, disabled, failing } = figures();
    for (const [status, count] of Object.entries({ active, paused, disabled })) metrics.webhooks.set(count, { status });
    metrics.webhooksFailing.set(failing);
  });
}
