import type { InventoryFigures, InventoryObserver } from "../../services/inventory/index.ts";
import type { RecordedUnit, Storage } from "../storage/index.ts";
import type { Counter, Logger, Metrics, MetricsRegistry } from "../telemetry/index.ts";

/** Puts what the inventory tells of itself into metrics, and its failures into the log. */
export function inventoryObserver(metrics: Metrics, logger: Logger): InventoryObserver {
  return {
    appended(units, events, seconds) {
      metrics.appendUnits.observe(units);
      metrics.appendSeconds.observe(seconds);
      metrics.eventsAppended.inc(events);
    },
    decidedAgain: (commands) => metrics.decidedAgain.inc(commands),
    stockOut: () => metrics.stockOuts.inc(1),
    shortfall: () => metrics.shortfalls.inc(1),
    factsRecorded(accepted, duplicates, rejectedCodes) {
      if (accepted > 0) metrics.facts.inc(accepted, { outcome: "accepted" });
      if (duplicates > 0) metrics.facts.inc(duplicates, { outcome: "duplicate" });
      for (const outcome of rejectedCodes) metrics.facts.inc(1, { outcome });
    },
    reservationAnswered: (operation, outcome) => metrics.reservations.inc(1, { operation, outcome }),
    availabilityRead(skus) {
      metrics.availabilityReads.inc(1);
      metrics.availabilitySkus.inc(skus);
    },
    expiryRecorded(secondsLate) {
      metrics.expiries.inc(1);
      metrics.expiryDelaySeconds.observe(secondsLate);
    },
    consumerFailed(consumer, error) {
      metrics.consumerFailures.inc(1, { consumer });
      logger.error({ consumer, err: error }, "a consumer of the log failed");
    },
    upkeepFailed(work, error) {
      metrics.upkeepFailures.inc(1, { work });
      logger.error({ work, err: error }, "work beside the log failed and is tried again");
    },
  };
}

/** Counted first: telling a metric costs more than the fact itself would. */
function factsByType(units: readonly RecordedUnit[]): ReadonlyMap<string, number> {
  const facts = new Map<string, number>();
  for (const { meta } of units) {
    const type = meta.fact?.type;
    if (type !== undefined) facts.set(type, (facts.get(type) ?? 0) + 1);
  }
  return facts;
}

/** Milliseconds between looks at how far the read side is behind. */
const lagLookMs = 250;

/** Reads the inventory's own figures at each scrape; returns the way to stop. */
export function watchInventory(
  figures: () => InventoryFigures,
  storage: Storage,
  { metrics, beforeScrape }: MetricsRegistry,
): () => void {
  let caughtUpAt = performance.now();
  const look = () => {
    if (figures().lagEvents === 0) caughtUpAt = performance.now();
  };
  const timer = setInterval(look, lagLookMs).unref();
  const unsubscribe = storage.subscribe((units) => {
    for (const [type, facts] of factsByType(units)) metrics.factsRecorded.inc(facts, { type });
  });
  const hits = totalInto((by) => metrics.stateCache.inc(by, { result: "hit" }));
  const misses = totalInto((by) => metrics.stateCache.inc(by, { result: "miss" }));
  const written = totalInto((by) => metrics.snapshotsWritten.inc(by));
  const discarded = new Map<string, (total: number) => void>();

  beforeScrape(() => {
    const now = figures();
    look();
    metrics.projectionLagEvents.set(now.lagEvents);
    metrics.projectionLagSeconds.set(now.lagEvents === 0 ? 0 : (performance.now() - caughtUpAt) / 1000);
    metrics.queueLength.set(now.queueLength);
    metrics.cachedStates.set(now.cacheSize);
    hits(now.cacheHits);
    misses(now.cacheMisses);
    written(now.snapshotsWritten);
    for (const [reason, total] of Object.entries(now.snapshotsDiscarded)) {
      const into = discarded.get(reason) ?? totalInto((by) => metrics.snapshotsDiscarded.inc(by, { reason }));
      discarded.set(reason, into);
      into(total);
    }
  });
  return () => {
    clearInterval(timer);
    unsubscribe();
  };
}

/** Turns a total that someone else keeps into the steps that a counter takes. */
function totalInto(inc: Counter["inc"]): (total: number) => void {
  let before = 0;
  return (total) => {
    inc(Math.max(0, total - before));
    before = total;
  };
}
