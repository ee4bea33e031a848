import type { IntakeObserver } from "../../services/intake/index.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";

/** Milliseconds between two lines that say the same trouble. */
const sameTroubleMs = 60_000;

/** Puts what intake tells of itself into metrics and the log. */
export function intakeObserver(metrics: Metrics, logger: Logger): IntakeObserver {
  let heldAt = Number.NEGATIVE_INFINITY;
  return {
    settled: (queue, outcome) => metrics.messagesSettled.inc(1, { queue, outcome }),
    judged: (seconds) => metrics.intakeSeconds.observe(seconds),
    held(error) {
      metrics.intakeHeld.inc(1);
      if (performance.now() - heldAt < sameTroubleMs) return;
      heldAt = performance.now();
      logger.warn({ err: error }, "the inventory takes no facts; those that came by the queue wait");
    },
    failed: (error) => logger.error({ err: error }, "the queue of facts failed; it is asked again"),
    deadLetterEnded: (ended) => logger.info(ended, "dead letters ended"),
  };
}
