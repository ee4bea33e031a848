import {
  accept,
  formatInstant,
  type Instant,
  isDate,
  type Outcome,
  PlatformError,
  parseInstant,
  reject,
} from "../../kernel/index.ts";
import type { LogArchive } from "../../platform/storage/index.ts";
import type { Timers } from "../../platform/timers/index.ts";
import type { ArchivePreparation } from "../inventory/index.ts";
import type { ArchivePlan, ArchiveRequest, ArchiveRun, ArchiveStatus } from "./wire.ts";

/** Moves old days of the log into cold files: when asked, and by itself once a day. */
export interface Archive {
  status(): Promise<ArchiveStatus>;
  /** Tells what a request would move, or begins to move it; a run that is under way goes on, and is answered. */
  start(request: ArchiveRequest): Promise<Outcome<ArchivePlan | ArchiveStatus>>;
}

export interface ArchiveOptions {
  /** Undefined where the store has no cold files. */
  readonly log: LogArchive | undefined;
  readonly preparation: ArchivePreparation;
  readonly clock: () => Instant;
  readonly timers: Timers;
  /** Days after which events are moved by themselves, and by a request without a date; null when they are not. */
  readonly afterDays: number | null;
  /** Milliseconds after midnight, UTC, at which they are moved by themselves; null where only requests move any. */
  readonly dailyAtMs: number | null;
  /** Hears how each run ended. */
  readonly ended?: (run: ArchiveRun, error: unknown) => void;
}

export interface RunningArchive extends Archive {
  /** Resolves when no run is under way. */
  idle(): Promise<void>;
  /** Ends a run after the file under way. */
  stop(): Promise<void>;
}

const dayMs = 86_400_000;
const noColdFiles = "This server's store has no cold files: only a log in a data folder can have such.";

export function startArchive(options: ArchiveOptions): RunningArchive {
  const archive = new LocalArchive(options);
  archive.schedule();
  return archive;
}

class LocalArchive implements RunningArchive {
  readonly #options: ArchiveOptions;
  readonly #stopping = new AbortController();
  #lastRun: ArchiveRun | undefined;
  #running: Promise<void> | undefined;
  #callOff: () => void = () => undefined;

  constructor(options: ArchiveOptions) {
    this.#options = options;
  }

  /** Waits for the next quiet hour, if events are to be moved by themselves. */
  schedule(): void {
    const { afterDays, dailyAtMs, clock, timers } = this.#options;
    if (afterDays === null || dailyAtMs === null || this.#options.log === undefined) return;
    const untilMs = (dailyAtMs - (clock() % dayMs) + dayMs) % dayMs;
    this.#callOff = timers.after(untilMs === 0 ? dayMs : untilMs, () => {
      void this.#startByItself();
      this.schedule();
    });
  }

  /** Nobody waits for the answer: a run that can't even be planned is told as one that failed, and the next day has its own. */
  async #startByItself(): Promise<void> {
    const startedAt = this.#options.clock();
    try {
      await this.start({});
    } catch (error) {
      const before = dateOf(startedAt - (startedAt % dayMs) - (this.#options.afterDays ?? 0) * dayMs);
      const run = { startedAt: formatInstant(startedAt), before, days: 0, files: 0, events: 0, bytes: 0 };
      this.#end(run, error);
    }
  }

  async status(): Promise<ArchiveStatus> {
    const { log, afterDays } = this.#options;
    const { seam = 0, files = 0, coldBytes = 0, freeBytes = 0, hotSince } = log?.figures() ?? {};
    return {
      isRunning: this.#running !== undefined,
      after: log === undefined ? null : afterDays,
      hotSince: hotSince === undefined ? null : formatInstant(hotSince),
      files,
      coldEvents: seam,
      coldBytes,
      freeBytes,
      ...(this.#lastRun && { lastRun: this.#lastRun }),
      ...(log === undefined && { unavailable: noColdFiles }),
    };
  }

  async start({ before, dryRun = false }: ArchiveRequest): Promise<Outcome<ArchivePlan | ArchiveStatus>> {
    const { log, preparation } = this.#options;
    if (log === undefined) return reject({ code: "not-found", detail: noColdFiles });
    const bound = this.#bound(before);
    if (!bound.ok) return bound;
    if (!dryRun && this.#running !== undefined) return accept(await this.status());
    const bounds = { before: bound.value, upTo: await preparation.passed() };
    const days = log.plan(bounds).map(({ day, firstSequence, lastSequence }) => ({
      day,
      events: lastSequence - firstSequence + 1,
    }));
    if (dryRun) return accept({ before: dateOf(bound.value), days });
    this.#running ??= this.#run(log, bounds, days.length).finally(() => {
      this.#running = undefined;
    });
    return accept(await this.status());
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#callOff();
    this.#stopping.abort();
    await this.#running;
  }

  /** The instant before which days are moved: never later than the present day begins. */
  #bound(before: string | undefined): Outcome<Instant> {
    const { afterDays, clock } = this.#options;
    const today = clock() - (clock() % dayMs);
    if (before === undefined) {
      if (afterDays !== null) return accept(today - afterDays * dayMs);
      return reject({
        code: "invalid-request",
        detail: "before is needed, a date as 2026-08-01, because LARDER_ARCHIVE_AFTER is not set.",
      });
    }
    const instant = isDate(before) ? parseInstant(`${before}T00:00:00Z`) : undefined;
    if (instant !== undefined && instant <= today) return accept(instant);
    return reject({
      code: "invalid-request",
      detail: `before must be a date as 2026-08-01, and at most ${dateOf(today)}: the present day is never moved.`,
    });
  }

  async #run(
    log: LogArchive,
    bounds: { readonly before: Instant; readonly upTo: number },
    days: number,
  ): Promise<void> {
    const { clock, preparation } = this.#options;
    let run: ArchiveRun = {
      startedAt: formatInstant(clock()),
      before: dateOf(bounds.before),
      days,
      files: 0,
      events: 0,
      bytes: 0,
    };
    this.#lastRun = run;
    let failure: unknown;
    try {
      await log.run(bounds, {
        signal: this.#stopping.signal,
        beforeMove: (streams, lastSequence) => preparation.keepStates(streams, lastSequence),
        onFile: ({ events, bytes }) => {
          run = { ...run, files: run.files + 1, events: run.events + events, bytes: run.bytes + bytes };
          this.#lastRun = run;
        },
      });
    } catch (error) {
      failure = error;
    }
    this.#end(run, failure);
  }

  #end(run: ArchiveRun, failure: unknown): void {
    const { clock, ended } = this.#options;
    const isKnown = failure instanceof PlatformError;
    const problem = isKnown ? "The disk or a cold file failed; the server's log says how." : "It broke.";
    this.#lastRun = { ...run, ...(failure !== undefined && { problem }), endedAt: formatInstant(clock()) };
    ended?.(this.#lastRun, failure);
  }
}

function dateOf(instant: Instant): string {
  return formatInstant(instant).slice(0, 10);
}
