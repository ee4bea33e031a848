import type { IntakeObserver } from "../../services/intake/index.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";

/** Milliseconds between two lines that say the same trouble. */
const sameTroubleMs = 60_000;

/** Puts what intake tells of itself into metrics and the log. */
export function intakeObserver(metrics: Metrics, logger: Logger): IntakeObserver {
  const told = new Map<string, number>();
  /** Whether the same has not been told just now. */
  const isNews = (what: string) => {
    const isNew = performance.now() - (told.get(what) ?? Number.NEGATIVE_INFINITY) > sameTroubleMs;
    if (isNew) told.set(what, performance.now());
    return isNew;
  };
  return {
    settled: (queue, outcome) => metrics.messagesSettled.inc(1, { queue, outcome }),
    judged: (seconds) => metrics.intakeSeconds.observe(seconds),
    held(error) {
      metrics.intakeHeld.inc(1);
      if (isNews("held")) logger.warn({ err: error }, "the inventory takes no facts; those that came in wait");
    },
    failed(error) {
      if (isNews("failed")) logger.error({ err: error }, "intake failed; it tries again");
    },
    fileSettled({ file, outcome, problem, report, rejects, summary }) {
      metrics.intakeFiles.inc(1, { outcome });
      const { rows, accepted, duplicates, rejectedCount } = summary ?? {};
      const said = { file, outcome, problem, report, rejects, rows, accepted, duplicates, rejected: rejectedCount };
      logger[outcome === "failed" ? "warn" : "info"](said, "a file was imported");
    },
    deadLetterEnded: (ended) => logger.info(ended, "dead letters ended"),
  };
}
