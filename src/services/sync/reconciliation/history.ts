import { limits } from "../../../kernel/index.ts";
import type { Consumer } from "../../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedEvent, RecordedUnit } from "../../../platform/storage/index.ts";
import { type AccuracyPoint, evolveRun, type Run, type RunEvent } from "../domain/reconciliation/index.ts";

const family = "reconciliation";
const streamPrefix = `${family}-`;

export function runStream(id: string): string {
  return streamPrefix + id;
}

/** One run with all its findings, from the events of its stream. */
export function runOf(id: string, events: readonly RecordedEvent[]): Run | undefined {
  return events.reduce<Run | undefined>((run, event) => evolved(run, id, event), undefined);
}

/** What is kept of a run: without findings, which its stream has. */
type KeptRun = Run & { readonly order: number };

/**
 * The newest reconciliations, and how well each location agreed over time; both bounded. Follows the log, which has all of
 * them for ever.
 */
export class ReconciliationHistory implements Consumer {
  readonly name = "reconciliations";
  readonly family = family;
  /** Oldest first. */
  readonly #runs = new Map<string, KeptRun>();
  readonly #points = new Map<string, readonly AccuracyPoint[]>();
  readonly #changed = new Set<string>();

  /** Newest first, from after a given one. */
  runs(): readonly Run[] {
    return [...this.#runs.values()].reverse();
  }

  /** Those that have not ended, oldest first. */
  unfinished(): readonly Run[] {
    return [...this.#runs.values()].filter(({ endedAt }) => endedAt === undefined);
  }

  get(id: string): Run | undefined {
    return this.#runs.get(id);
  }

  /** When the newest run that its time had come for was requested; undefined when there was none. */
  lastScheduledAt(): number | undefined {
    return this.runs().find(({ scheduled }) => scheduled)?.requestedAt;
  }

  /** The locations that were ever compared, by id. */
  locations(): readonly string[] {
    return [...this.#points.keys()].sort();
  }

  /** Oldest first. */
  pointsOf(location: string): readonly AccuracyPoint[] {
    return this.#points.get(location) ?? [];
  }

  load(documents: Iterable<DerivedDocument>): void {
    const runs: KeptRun[] = [];
    for (const { id, body } of documents) {
      const kept: unknown = JSON.parse(body);
      if (id.startsWith(runDocument)) runs.push(kept as KeptRun);
      else this.#points.set(id.slice(pointsDocument.length), kept as readonly AccuracyPoint[]);
    }
    for (const run of runs.sort((a, b) => a.order - b.order)) this.#runs.set(run.id, run);
  }

  apply({ events }: RecordedUnit): void {
    for (const event of events) {
      if (!event.stream.startsWith(streamPrefix)) continue;
      const id = event.stream.slice(streamPrefix.length);
      const known = this.#runs.get(id);
      const run = evolved(known, id, event);
      if (run === undefined) continue;
      const results = run.results.map((result) => ({ ...result, findings: [] }));
      this.#runs.set(id, { ...run, results, order: known?.order ?? event.seq });
      this.#changed.add(runDocument + id);
      if (event.type === "LocationReconciled") this.#addPoint(event);
    }
    this.#forgetOldest();
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put: DerivedDocument[] = [];
    const remove: string[] = [];
    for (const id of this.#changed) {
      const kept = id.startsWith(runDocument)
        ? this.#runs.get(id.slice(runDocument.length))
        : this.#points.get(id.slice(pointsDocument.length));
      if (kept === undefined) remove.push(id);
      else put.push({ id, body: JSON.stringify(kept) });
    }
    this.#changed.clear();
    return { put, remove };
  }

  #addPoint({ data }: RecordedEvent): void {
    const {
      location,
      cause,
      startedAt: at,
      compared,
      found,
    } = data as (RunEvent & { type: "LocationReconciled" })["data"];
    if (cause !== undefined) return;
    // A document is applied again after a crash: one point for each time.
    const others = this.pointsOf(location).filter((point) => point.at !== at);
    this.#points.set(location, [...others, { at, compared, found }].slice(-limits.accuracyPointsMax));
    this.#changed.add(pointsDocument + location);
  }

  #forgetOldest(): void {
    for (const { id, endedAt } of this.#runs.values()) {
      if (this.#runs.size <= limits.reconciliationsKeptMax) return;
      if (endedAt === undefined) continue;
      this.#runs.delete(id);
      this.#changed.add(runDocument + id);
    }
  }
}

const runDocument = "run-";
const pointsDocument = "accuracy-";

function evolved(run: Run | undefined, id: string, event: RecordedEvent): Run | undefined {
  const { type, data, version, unit } = event;
  // Only reconciliation appends to these streams.
  return evolveRun(run, { type, data } as RunEvent, { id, at: unit.recordedAt, by: unit.actor, version });
}
