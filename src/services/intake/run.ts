import { Delivery, type Receipt } from "./delivery.ts";
import type { Mapped } from "./domain/mapper.ts";
import type { Row } from "./domain/rows.ts";
import { ImportError } from "./failure.ts";
import type { ImportInput } from "./input.ts";
import type { RejectsWriter } from "./rejects.ts";
import { type ImportSummary, Tallies } from "./summary.ts";

export interface ImportProgress {
  /** As they stand in the file, packed or not. */
  readonly bytesRead: number;
  readonly bytesTotal?: number;
  readonly rows: number;
  readonly rejected: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** At the rate so far; absent when the size is not known. */
  readonly secondsLeft?: number;
}

export interface ImportOptions {
  readonly input: ImportInput;
  readonly rejects?: RejectsWriter;
  /** Maps everything and sends nothing. */
  readonly dryRun?: boolean;
  /** Stops the import; what is under way is given up, and the summary says that it is not complete. */
  readonly signal?: AbortSignal;
  /** Hears of the progress at most four times a second, and at the end. */
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Milliseconds of a clock that never goes back; default the process's. */
  readonly now?: () => number;
}

const progressMsMin = 250;

/** One import: its tallies, its clock, and what holds for facts and items alike. */
export class Run {
  readonly tallies = new Tallies();
  readonly #options: ImportOptions;
  readonly #now: () => number;
  readonly #began: number;
  #bytesRead = 0;
  #rejected = 0;
  #told = Number.NEGATIVE_INFINITY;

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#began = this.#now();
  }

  /**
   * Opens the delivery, lets `read` fill it, and sums up, also when the import was stopped or failed. What was read before the
   * file turned out to be damaged or cut off is sent, and its rejects are written.
   */
  async carryOut<T>(
    send: (made: readonly T[]) => Promise<Receipt>,
    read: (delivery: Delivery<T>) => Promise<void>,
  ): Promise<ImportSummary> {
    const { dryRun = false, rejects, signal } = this.#options;
    const delivery = new Delivery(dryRun ? sendNothing : send, this.tallies, rejects);
    try {
      await read(delivery);
      await delivery.finish();
      this.progressed(true);
      return this.#summary(true);
    } catch (error) {
      if (error instanceof ImportError && signal?.aborted !== true) await delivery.finish().catch(() => undefined);
      await delivery.settle();
      if (signal?.aborted === true) return this.#summary(false);
      if (error instanceof ImportError) error.summary = this.#summary(false);
      throw error;
    }
  }

  readonly readBytes = (count: number): void => {
    this.#options.signal?.throwIfAborted();
    this.#bytesRead += count;
  };

  /** Tallies what became of a row, and gives what it made. */
  note<T>(mapped: Mapped<T>, row: Row, delivery: Delivery<T>): readonly T[] {
    this.tallies.rows += 1;
    switch (mapped.kind) {
      case "yields":
        return mapped.made;
      case "rejected": {
        const { by, reason, detail } = mapped;
        delivery.reject({ line: row.line, by, reason, row, ...(detail !== undefined && { detail }) });
        this.#rejected += 1;
        return [];
      }
      case "ignored":
        this.tallies.ignore(mapped.reason);
        return [];
      case "repeated":
        this.tallies.repeated += 1;
        return [];
    }
  }

  progressed(isLast = false): void {
    const { onProgress, input } = this.#options;
    const now = this.#now();
    if (onProgress === undefined || (!isLast && now - this.#told < progressMsMin)) return;
    this.#told = now;
    const seconds = (now - this.#began) / 1000;
    const { bytesTotal } = input;
    const share = bytesTotal === undefined || this.#bytesRead === 0 ? undefined : this.#bytesRead / bytesTotal;
    onProgress({
      bytesRead: this.#bytesRead,
      ...(bytesTotal !== undefined && { bytesTotal }),
      rows: this.tallies.rows,
      rejected: this.#rejected,
      seconds,
      rowsPerSecond: seconds > 0 ? Math.round(this.tallies.rows / seconds) : 0,
      ...(share !== undefined && { secondsLeft: Math.max(0, seconds / share - seconds) }),
    });
  }

  #summary(isComplete: boolean): ImportSummary {
    return this.tallies.summary((this.#now() - this.#began) / 1000, isComplete);
  }
}

async function sendNothing(): Promise<Receipt> {
  return { accepted: 0, duplicates: 0, rejected: [] };
}
