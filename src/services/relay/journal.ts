import { type Instant, limits } from "../../kernel/index.ts";
import type { DerivedDocument, Storage } from "../../platform/storage/index.ts";
import type { Timers } from "../../platform/timers/index.ts";

/** One attempt to deliver an event. */
export interface Attempt {
  readonly at: Instant;
  /** Of the event. */
  readonly event: string;
  readonly type: string;
  /** 1 for the first since it was queued or redriven. */
  readonly attempt: number;
  readonly status?: number;
  readonly tookMs: number;
  /** Absent when it was delivered. */
  readonly cause?: string;
}

export interface Place {
  readonly after: string;
  readonly replays: number;
}

/** What is known of a webhook beside the log. */
export interface Progress {
  /** All its events up to here are in its queue, as of so many replays. */
  readonly place?: Place;
  /** Attempts made so far. */
  readonly attempts: number;
  readonly lastSuccessAt?: Instant;
  /** Since when no delivery has succeeded, though some were tried. */
  readonly failingSince?: Instant;
}

const consumer = "relay-journal";
const documentsRead = 5000;
const nothing: Progress = { attempts: 0 };

/**
 * How far each webhook has come, and what became of its newest deliveries: kept with the read models, written now and
 * then. Lost with them, it is no harm: the log tells roughly how far each webhook has come, and queues know what they
 * have had.
 */
export class Journal {
  readonly #storage: Storage;
  readonly #progress = new Map<string, Progress>();
  /** The newest of each webhook, at the index of their number modulo the most that are kept. */
  readonly #attempts = new Map<string, (Attempt | undefined)[]>();
  readonly #put = new Map<string, string>();
  readonly #remove = new Set<string>();
  readonly #onFailure: (error: unknown) => void;
  #stopWriting: () => void = () => undefined;

  constructor(storage: Storage, onFailure: (error: unknown) => void) {
    this.#storage = storage;
    this.#onFailure = onFailure;
  }

  start(timers: Timers, writeEveryMs: number = limits.webhookJournalMs): void {
    for (const { id, body } of this.#documents()) {
      const [webhook = "", slot] = id.split("/");
      if (slot === undefined) this.#progress.set(webhook, JSON.parse(body) as Progress);
      else this.#slots(webhook)[Number(slot)] = JSON.parse(body) as Attempt;
    }
    this.#stopWriting = timers.every(writeEveryMs, () => this.#tryWrite());
  }

  stop(): void {
    this.#stopWriting();
    this.#tryWrite();
  }

  /** The webhooks that something is known of. */
  known(): readonly string[] {
    return [...this.#progress.keys()];
  }

  progress(id: string): Progress {
    return this.#progress.get(id) ?? nothing;
  }

  /** Newest first. */
  attempts(id: string): readonly Attempt[] {
    const slots = this.#slots(id);
    const { attempts } = this.progress(id);
    const numbers = Array.from(
      { length: Math.min(attempts, limits.webhookDeliveriesKept) },
      (_, back) => attempts - 1 - back,
    );
    return numbers.flatMap((number) => slots[number % limits.webhookDeliveriesKept] ?? []);
  }

  /** How far each webhook has come, as a text for the process that goes on. */
  placesAsText(): string {
    const places = [...this.#progress].flatMap(([id, { place }]) => (place === undefined ? [] : [[id, place]]));
    return JSON.stringify(Object.fromEntries(places));
  }

  /**
   * Goes on where another process has left off, by its text: what is known here of places is older. Undefined when it
   * has left none; then the log tells roughly how far each webhook has come. Failures from before are forgotten: what the
   * other process delivered since is not known here.
   */
  takeUpPlaces(text: string | undefined): void {
    const places = new Map(Object.entries(text === undefined ? {} : (JSON.parse(text) as Record<string, Place>)));
    for (const id of new Set([...this.#progress.keys(), ...places.keys()])) {
      const { place: _older, failingSince: _before, ...rest } = this.progress(id);
      const place = places.get(id);
      this.#change(id, place === undefined ? rest : { ...rest, place });
    }
  }

  moved(id: string, place: Place): void {
    this.#change(id, { ...this.progress(id), place });
  }

  attempted(id: string, attempt: Attempt): void {
    const before = this.progress(id);
    const slot = before.attempts % limits.webhookDeliveriesKept;
    this.#slots(id)[slot] = attempt;
    this.#write(`${id}/${String(slot).padStart(4, "0")}`, attempt);
    const { failingSince = attempt.at, ...rest } = before;
    const attempts = before.attempts + 1;
    if (attempt.cause === undefined) {
      const { failingSince: _over, ...success } = before;
      this.#change(id, { ...success, attempts, lastSuccessAt: attempt.at });
    } else {
      this.#change(id, { ...rest, attempts, failingSince });
    }
  }

  /** Begins to count anew: it was enabled, or goes to another address. */
  forgive(id: string): void {
    const { failingSince: _past, ...rest } = this.progress(id);
    this.#change(id, rest);
  }

  forget(id: string): void {
    this.#remove.add(id);
    for (const [slot] of this.#slots(id).entries()) this.#remove.add(`${id}/${String(slot).padStart(4, "0")}`);
    for (const document of this.#remove) this.#put.delete(document);
    this.#progress.delete(id);
    this.#attempts.delete(id);
  }

  #change(id: string, progress: Progress): void {
    this.#progress.set(id, progress);
    this.#write(id, progress);
  }

  #write(id: string, document: object): void {
    this.#remove.delete(id);
    this.#put.set(id, JSON.stringify(document));
  }

  #tryWrite(): void {
    if (this.#put.size === 0 && this.#remove.size === 0) return;
    const put = [...this.#put].map(([id, body]) => ({ id, body }));
    try {
      const checkpoint = this.#storage.head();
      this.#storage.derived.commit([{ consumer, checkpoint, put, remove: [...this.#remove] }]);
      this.#put.clear();
      this.#remove.clear();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #slots(id: string): (Attempt | undefined)[] {
    const found = this.#attempts.get(id);
    if (found !== undefined) return found;
    const made: (Attempt | undefined)[] = [];
    this.#attempts.set(id, made);
    return made;
  }

  *#documents(): Iterable<DerivedDocument> {
    for (let after = ""; ; ) {
      const documents = this.#storage.derived.scan(consumer, after, documentsRead);
      yield* documents;
      const last = documents.at(-1);
      if (last === undefined || documents.length < documentsRead) return;
      after = last.id;
    }
  }
}
