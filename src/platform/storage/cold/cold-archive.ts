import { formatInstant, limits, PlatformError } from "../../../kernel/index.ts";
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
import { type ColdManifest, hashOfManifest, manifestText } from "./manifest.ts";
import type { WholeLog } from "./whole-log.ts";
import type { WriteRequest, WrittenFile } from "./write-file.ts";

/** What the archive asks of the engine whose log it is. */
export interface ArchivedLog {
  readonly epochs: readonly Epoch[];
  readonly whole: WholeLog;
  head(): Sequence;
  /** Writes units to a cold file and reads it back (`writeFile`), where nobody waits for it. */
  write(request: WriteRequest): Promise<WrittenFile>;
  /** Breaks off what is being written, and lets go of what that took. */
  stopWriting(): Promise<void>;
  /** The manifests that the log has now, oldest first. */
  readManifests(): readonly ColdManifest[];
  /** Puts a manifest into the log, in the writer's turn. Durable when it resolves; when it rejects, nobody knows. */
  putManifest(manifest: ColdManifest, text: string): Promise<void>;
  /** The first event that the engine itself still has; undefined when it has none. */
  firstHot(): Sequence | undefined;
  /** Removes the units that end by a sequence, in the writer's turn. */
  removeUpTo(last: Sequence): Promise<void>;
  /** Brings all that the index has in memory onto the disk, so that no later opening has to read it from cold files. */
  persistIndex(): Promise<void>;
  /** As in `ArchiveFigures`. */
  freeBytes(): number;
}

const dayMs = 86_400_000;

/**
 * Moves days out of the hot log. For each file in turn: it is written, synced and read back; then its manifest is put into
 * the log, and by that the seam moves; then the units that it stands for are removed, a thousand at a time. Up to the
 * manifest the hot units count and the file is nothing; from there on the file counts and they are nothing. So a crash loses
 * nothing at any point, and what it left is taken away by the next run.
 */
export class ColdArchive implements LogArchive {
  readonly #log: ArchivedLog;
  #running: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(log: ArchivedLog) {
    this.#log = log;
  }

  figures(): ArchiveFigures {
    const { whole } = this.#log;
    return {
      seam: whole.seam,
      hotSince: whole.hot.recordedAt(whole.seam + 1),
      files: whole.cold.manifests.length,
      coldBytes: whole.cold.manifests.reduce((sum, { bytes }) => sum + bytes, 0),
      freeBytes: this.#log.freeBytes(),
    };
  }

  plan(bounds: ArchiveBounds): readonly ArchiveSpan[] {
    const spans: ArchiveSpan[] = [];
    for (let after = this.#log.whole.seam; ; ) {
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
    await this.#log.stopWriting();
    await this.#running;
  }

  async #moveAll(bounds: ArchiveBounds, options: ArchiveOptions): Promise<readonly ArchivedFile[]> {
    const { whole } = this.#log;
    const moved: ArchivedFile[] = [];
    // After a move whose sync failed nobody knew whether the log has its manifest; by now it has, or has not.
    for (const manifest of this.#log.readManifests()) if (manifest.firstSequence > whole.seam) whole.moved(manifest);
    await this.#removeMoved();
    await this.#log.persistIndex();
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
      await this.#log.stopWriting();
    }
  }

  async #move(span: ArchiveSpan, { beforeMove }: ArchiveOptions): Promise<ArchivedFile> {
    const { whole, epochs } = this.#log;
    const newest = whole.cold.manifests.at(-1);
    const { manifest, text, streams } = await this.#write({
      ...span,
      epoch: epochOf(epochs, span.firstSequence).number,
      previous: newest === undefined ? null : hashOfManifest(manifestText(newest)),
    });
    await beforeMove?.(streams, manifest.lastSequence);
    await this.#log.putManifest(manifest, text);
    whole.moved(manifest);
    await this.#removeMoved();
    const { day, file, firstSequence, lastSequence, events, bytes } = manifest;
    return { day, file, firstSequence, lastSequence, events, bytes };
  }

  /** Removes the units that cold files stand for, also those that a run before this one has left. */
  async #removeMoved(): Promise<void> {
    const { whole } = this.#log;
    for (;;) {
      const first = this.#log.firstHot() ?? Number.POSITIVE_INFINITY;
      if (first > whole.seam || this.#isClosed) return;
      await this.#log.removeUpTo(Math.min(whole.seam, first + limits.archiveRemoveRowsMax - 1));
    }
  }

  /** The next day, or the part of it that is of one epoch, if all of it is within the bounds. */
  #spanAfter(after: Sequence, { before, upTo }: ArchiveBounds): ArchiveSpan | undefined {
    const { whole, epochs } = this.#log;
    const head = this.#log.head();
    const at = whole.hot.recordedAt(after + 1);
    if (at === undefined) return undefined;
    const nextDay = (Math.floor(at / dayMs) + 1) * dayMs;
    if (nextDay > before) return undefined;
    const ofDay = whole.hot.sequenceAt(nextDay - 1, head);
    // The newest unit stays hot: its place and time are what the log goes on from.
    if (ofDay >= head || ofDay > upTo) return undefined;
    // A restore may have gone back further than the one before it: then the later epoch is what ends this one.
    const later = epochs.slice(epochs.indexOf(epochOf(epochs, after + 1)) + 1);
    const lastSequence = Math.min(ofDay, ...later.map(({ startsAfter }) => startsAfter));
    return { day: formatInstant(at).slice(0, 10), firstSequence: after + 1, lastSequence };
  }

  async #write(request: WriteRequest): Promise<WrittenFile> {
    try {
      return await this.#log.write(request);
    } catch (error) {
      throw unavailable("can't be written", error);
    }
  }
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
