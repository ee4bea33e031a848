import type { ArchiveRun } from "../../services/archive/index.ts";
import type { LogArchive } from "../storage/index.ts";
import type { Logger, Metrics, MetricsRegistry } from "../telemetry/index.ts";

/** Counts runs of the archive, and puts how they ended into the log. */
export function archiveObserver(metrics: Metrics, logger: Logger, clock: () => number) {
  return (run: ArchiveRun, err: unknown): void => {
    const { days, files, events, bytes } = run;
    metrics.archiveRuns.inc(1, { outcome: err === undefined ? "ok" : "failed" });
    if (err === undefined) metrics.archiveLastSuccess.set(Math.floor(clock() / 1000));
    if (err === undefined)
      logger.info({ days, files, events, bytes }, "old days of the log were moved into cold files");
    else
      logger.error({ days, files, events, bytes, err }, "old days of the log could not all be moved into cold files");
  };
}

/** Reads the archive's own figures at each scrape. */
export function watchArchive(
  archive: LogArchive | undefined,
  { metrics, beforeScrape }: MetricsRegistry,
  clock: () => number,
): void {
  if (archive === undefined) return;
  metrics.archiveLastSuccess.set(0);
  beforeScrape(() => {
    const { seam, hotSince, files, coldBytes, freeBytes } = archive.figures();
    metrics.archiveEvents.set(seam);
    metrics.archiveFiles.set(files);
    metrics.archiveHotAge.set(hotSince === undefined ? 0 : Math.max(0, (clock() - hotSince) / 1000));
    metrics.storageBytes.set(coldBytes, { part: "cold" });
    metrics.storageFreeBytes.set(freeBytes);
  });
}
