import type { DatabaseSync } from "node:sqlite";
import { formatInstant, type Instant, limits, PlatformError } from "../../../kernel/index.ts";
import { firstValue, pageBytes } from "../../sqlite/index.ts";
import { hashOfManifest, manifestText } from "../cold/index.ts";
import type {
  ArchiveBounds,
  ArchivedFile,
  ArchiveFigures,
  ArchiveOptions,
  ArchiveSpan,
  Epoch,
  LogArchive,
  Sequence,
} from "../port.ts";
import { type ColdWriter, ThreadColdWriter } from "./cold-writer.ts";
import { putManifest, readManifests } from "./log-database.ts";
import type { WholeLog } from "./whole-log.ts";
import type { WriteRequest, WrittenFile } from "./write-cold-file.ts";

/** What the archive is given by the store that it belongs to. */
export interface ArchivedStore {
  readonly folder: string;
  readonly log: DatabaseSync;
  readonly epochs: readonly Epoch[];
  readonly whole: WholeLog;
  readonly head: () => Sequence;
  /** Brings all that the index has in memory onto the disk, so that no later opening has to read it from cold files. */
  readonly persistIndex: () => Promise<void>;
  /** Changes the log's file in the writer's turn; resolves when that is durable. */
  readonly change: (change: (log: DatabaseSync) => void) => Promise<void>;
  readonly coldColumns: URL | undefined;
  readonly coldWriter: ColdWriter | undefined;
}

const dayMs = 86_400_000;

/**
 * Moves days out of `log.db`. For each file in turn: another thread writes it, syncs it and reads it back; then one
 * transaction puts its manifest into the log, and by that moves the seam; then the rows that it stands for are removed, a
 * thousand at a time. Up to the transaction the rows count and the file is nothing; from there on the file counts and
 * the rows are nothing. So a crash loses nothing at any point, and what it left is taken away by the next run.
 */
export class SqliteArchive implements LogArchive {
  readonly #store: ArchivedStore;
  readonly #writer: ColdWriter;
  #running: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(store: ArchivedStore) {
    this.#store = store;
    this.#writer = store.coldWriter ?? new ThreadColdWriter();
  }

  figures(): ArchiveFigures {
    const { log, whole } = this.#store;
    return {
      seam: whole.seam,
      hotSince: whole.hot.recordedAt(whole.seam + 1),
      files: whole.cold.manifests.length,
      coldBytes: whole.cold.manifests.reduce((sum, { bytes }) => sum + bytes, 0),
      freeBytes: Number(firstValue(log, "PRAGMA freelist_count")) * pageBytes,
    };
  }

  plan(bounds: ArchiveBounds): readonly ArchiveSpan[] {
    const spans: ArchiveSpan[] = [];
    for (let after = this.#store.whole.seam; ; ) {
      const span = this.#spanAfter(after, bounds);
      if (span === undefined) return spans;
      spans.push(span);
      after = span.lastSequence;
    }
  }

  run(bounds: ArchiveBounds, options: ArchiveOptions = {}): Promise<readonly ArchivedFile[]> {
    return this.#alone(() => this.#moveAll(bounds, options));
  }

  /** Moves whatever units a span names, whether or not they are a whole day: the step that `run` is made of. */
  move(span: ArchiveSpan, options: ArchiveOptions = {}): Promise<ArchivedFile> {
    return this.#alone(() => this.#move(span, options));
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(unavailable("is closed"));
    if (this.#running !== undefined) return Promise.reject(unavailable("is being written already"));
    const running = work().finally(() => {
      this.#running = undefined;
    });
    this.#running = running.catch(() => undefined);
    return running;
  }

  /** Breaks off what is under way; what was moved stays moved. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writer.stop();
    await this.#running;
  }

  async #moveAll(bounds: ArchiveBounds, options: ArchiveOptions): Promise<readonly ArchivedFile[]> {
    const { whole, log, persistIndex } = this.#store;
    const moved: ArchivedFile[] = [];
    // After a move whose sync failed nobody knew whether the log has its manifest; by now it has, or has not.
    for (const manifest of readManifests(log)) if (manifest.firstSequence > whole.seam) whole.moved(manifest);
    await this.#removeMoved();
    await persistIndex();
    try {
      for (;;) {
        if (this.#isClosed) throw unavailable("is closed");
        const span = options.signal?.aborted ? undefined : this.#spanAfter(whole.seam, bounds);
        if (span === undefined) return moved;
        const file = await this.#move(span, options);
        moved.push(file);
        options.onFile?.(file);
      }
    } finally {
      await this.#writer.stop();
    }
  }

  async #move(span: ArchiveSpan, { beforeMove }: ArchiveOptions): Promise<ArchivedFile> {
    const { whole, epochs, change } = this.#store;
    const newest = whole.cold.manifests.at(-1);
    const { manifest, text, streams } = await this.#write({
      ...span,
      epoch: epochOf(epochs, span.firstSequence).number,
      previous: newest === undefined ? null : hashOfManifest(manifestText(newest)),
    });
    await beforeMove?.(streams, manifest.lastSequence);
    await change((log) => putManifest(log, manifest, text));
    whole.moved(manifest);
    await this.#removeMoved();
    const { day, file, firstSequence, lastSequence, events, bytes } = manifest;
    return { day, file, firstSequence, lastSequence, events, bytes };
  }

  /** Removes the rows that cold files stand for, also those that a run before this one has left. */
  async #removeMoved(): Promise<void> {
    const { log, whole, change } = this.#store;
    const oldest = log.prepare("SELECT seq FROM log ORDER BY seq LIMIT 1");
    for (;;) {
      const first = Number(oldest.get()?.["seq"] ?? Number.POSITIVE_INFINITY);
      if (first > whole.seam || this.#isClosed) return;
      const last = Math.min(whole.seam, first + limits.archiveRemoveRowsMax - 1);
      await change((database) => database.prepare("DELETE FROM log WHERE seq <= ?").run(last));
    }
  }

  /** The next day, or the part of it that is of one epoch, if all of it is within the bounds. */
  #spanAfter(after: Sequence, { before, upTo }: ArchiveBounds): ArchiveSpan | undefined {
    const { whole, epochs, head } = this.#store;
    const at = whole.hot.recordedAt(after + 1);
    if (at === undefined) return undefined;
    const nextDay = (Math.floor(at / dayMs) + 1) * dayMs;
    if (nextDay > before) return undefined;
    const ofDay = whole.hot.sequenceAt(nextDay - 1, head());
    // The newest unit stays hot: its place and time are what the log goes on from.
    if (ofDay >= head() || ofDay > upTo) return undefined;
    const nextEpoch = epochs.find(({ startsAfter }) => startsAfter > after);
    const lastSequence = Math.min(ofDay, nextEpoch?.startsAfter ?? ofDay);
    return { day: dayOf(at), firstSequence: after + 1, lastSequence };
  }

  async #write(request: WriteRequest): Promise<WrittenFile> {
    const { folder, coldColumns } = this.#store;
    try {
      return await this.#writer.write({ folder, coldColumns: coldColumns?.href }, request);
    } catch (error) {
      throw unavailable("can't be written", error);
    }
  }
}

function dayOf(instant: Instant): string {
  return formatInstant(instant).slice(0, 10);
}

/** The epoch that an event was recorded in. */
function epochOf(epochs: readonly Epoch[], seq: Sequence): Epoch {
  const epoch = epochs.findLast(({ startsAfter }) => startsAfter < seq);
  if (epoch === undefined) throw new PlatformError("storage-unavailable", "the log has no epoch");
  return epoch;
}

function unavailable(problem: string, cause?: unknown): PlatformError {
  return new PlatformError("storage-unavailable", `the archive ${problem}`, { cause });
}
