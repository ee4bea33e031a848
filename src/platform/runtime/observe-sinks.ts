import { formatInstant, type Instant, limits } from "../../kernel/index.ts";
import type { SinkFigures, SinksObserver } from "../../services/relay/index.ts";
import type { Logger, Metrics, MetricsRegistry } from "../telemetry/index.ts";
import type { Check, Checks } from "./module.ts";

/** Puts what the sinks tell of themselves into metrics, and what an operator should see into the log. */
export function sinksObserver(metrics: Metrics, logger: Logger): SinksObserver {
  return {
    carried(sink, lagSeconds) {
      metrics.sinkEvents.inc(lagSeconds.length, { sink });
      for (const seconds of lagSeconds) metrics.sinkLagSeconds.observe(seconds, { sink });
    },
    filling(sink, why) {
      metrics.sinkFillings.inc(1, { sink });
      logger.info({ sink, why }, "a sink is filled from the log");
    },
    moved(sink, err) {
      metrics.sinkMoves.inc(1, { sink });
      logger.warn({ sink, err }, "a sink does not stand where it was left: it goes on from where it stands");
    },
    failed(sink, err, isFirst) {
      metrics.sinkFailures.inc(1, { sink });
      if (isFirst) logger.error({ sink, err }, "a sink fails, and is tried again until it works");
    },
    back: (sink) => logger.info({ sink }, "a sink works again"),
  };
}

/** Reads at each scrape how it stands with each sink. */
export function watchSinks(all: () => readonly SinkFigures[], { metrics, beforeScrape }: MetricsRegistry): void {
  beforeScrape(() => {
    // One that another process carries to is told of there.
    metrics.sinkUp.clear();
    metrics.sinkLagEvents.clear();
    for (const { name, status, lagEvents } of all()) {
      if (status === "elsewhere") continue;
      metrics.sinkUp.set(status === "down" || status === "paused" ? 0 : 1, { sink: name });
      // It was not asked yet how far it has come.
      if (status !== "paused") metrics.sinkLagEvents.set(lagEvents, { sink: name });
    }
  });
}

/** Each sink by its name. One that is away is no reason to turn requests away; after a while someone has to look. */
export function sinkChecks(all: readonly SinkFigures[], now: Instant): Checks {
  return Object.fromEntries(all.map((figures) => [figures.name, sinkCheck(figures, now)]));
}

function sinkCheck({ status, lagEvents, down }: SinkFigures, now: Instant): Check {
  if (status === "elsewhere") return { ok: true, detail: "another process carries to it" };
  if (status === "paused") return { ok: true, detail: "paused after a restore, until `larder resume`" };
  const behind = `${lagEvents} events behind`;
  if (down === undefined) return { ok: true, detail: status === "following" ? behind : `${status}, ${behind}` };
  const detail = `down since ${formatInstant(down.since)}: ${down.reason}; ${behind}, which wait in the log`;
  const needsSomeone = now - down.since > limits.sinkDownMsMax;
  return { ok: true, ...(needsSomeone && { needsSomeone }), detail };
}
