import type { Instant } from "../../../kernel/index.ts";
import { appendTo, type RecordedEvent, type Storage } from "../../../platform/storage/index.ts";
import { captureTags } from "../../inventory/index.ts";
import { type CaptureEvent, type CaptureJob, evolveCapture } from "../domain/capture/job.ts";

const prefix = "capture-";

export interface Found {
  readonly id: string;
  readonly job: CaptureJob;
}

/** Capture jobs, each a stream of the log. */
export class CaptureJobs {
  readonly #storage: Storage;
  readonly #clock: () => Instant;
  readonly #randomId: () => string;

  constructor(storage: Storage, clock: () => Instant, randomId: () => string) {
    this.#storage = storage;
    this.#clock = clock;
    this.#randomId = randomId;
  }

  async read(id: string): Promise<{ readonly job: CaptureJob | undefined; readonly version: number }> {
    const events = await this.#storage.readStream(prefix + id);
    return { job: fold(events), version: events.at(-1)?.version ?? 0 };
  }

  /** Appends to a job that has this version; false when others were faster. Durable when it resolves. */
  async append(id: string, version: number, event: CaptureEvent, actor: string): Promise<boolean> {
    return await appendTo(this.#storage, {
      stream: prefix + id,
      version,
      events: [event],
      command: `capture-${this.#randomId()}`,
      actor,
      now: this.#clock(),
    });
  }

  /** Newest first: all, or those of one credential. `before` is the `next` of the page before. */
  async list(
    actor: string | undefined,
    before: number | undefined,
    limit: number,
  ): Promise<{ readonly found: readonly Found[]; readonly next: number | undefined }> {
    const tag = actor === undefined ? captureTags.any : captureTags.of(actor);
    const places = await this.#storage.findTagged(tag, before, limit + 1);
    const found: Found[] = [];
    for (const place of places.slice(0, limit)) {
      const [unit] = await this.#storage.readLog(place - 1, 1);
      const [first] = unit?.events ?? [];
      // A unit may be found by chance: tags are hashes.
      if (first?.type !== "CaptureAccepted" || (actor !== undefined && unit?.meta.actor !== actor)) continue;
      const { job } = await this.read(first.stream.slice(prefix.length));
      if (job !== undefined) found.push({ id: first.stream.slice(prefix.length), job });
    }
    return { found, next: places.length > limit ? places[limit - 1] : undefined };
  }
}

function fold(events: readonly RecordedEvent[]): CaptureJob | undefined {
  return events.reduce<CaptureJob | undefined>(
    // Only this service appends to these streams.
    (job, event) => evolveCapture(job, event as unknown as CaptureEvent, event.unit),
    undefined,
  );
}
