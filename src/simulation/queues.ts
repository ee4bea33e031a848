/**
 * The file of the queues on the simulated disk. What was written durably survives a crash. Of what came after it (leases,
 * acknowledgements, retries) any beginning does, and a write that was under way may have been made though nobody was told.
 */
import { PlatformError } from "../kernel/index.ts";
import type { BookWriter, QueueBook } from "../platform/messaging/book.ts";
import type { Messaging, OutgoingMessage } from "../platform/messaging/index.ts";
import { LocalMessaging } from "../platform/messaging/local-messaging.ts";
import { MemoryBook } from "../platform/messaging/memory/memory-book.ts";
import type { Timers } from "../platform/timers/index.ts";
import type { Random } from "./random.ts";
import type { Life } from "./scheduler.ts";

/** What is to happen to one call. */
export interface QueueFate {
  /** Milliseconds that a durable write takes. */
  readonly ms: number;
  /** `failed`: nothing is done, and that is known. */
  readonly fault?: "failed" | "answer-lost";
  /** The process dies when it was written, or when that is durable. */
  readonly crash?: "written" | "synced";
}

/** Who decides what goes wrong with the queues. */
export interface QueueFates {
  of(when: "durable" | "soon"): QueueFate;
  /** Ends the process, and crashes its disk. */
  crash(): void;
}

/** Hears what is put into a queue, and when by the server's clock. A crash may undo it. */
export type SendListener = (queue: string, message: OutgoingMessage, now: number) => void;

type Work = (book: QueueBook) => unknown;

export class QueuesDisk {
  readonly #clock: () => number;
  readonly #onSend: SendListener;
  #book: WatchedBook;
  /** As it was, and what was done to it since. */
  #basis: MemoryBook;
  #since: { readonly at: number; readonly work: Work }[] = [];
  /** How much of `#since` is durable. */
  #durable = 0;
  #underWay: Work | undefined;
  /** When what is being done to the book is done. */
  #now: number | undefined;

  constructor(clock: () => number, onSend: SendListener) {
    this.#clock = clock;
    this.#onSend = onSend;
    this.#book = new WatchedBook(onSend);
    this.#basis = new MemoryBook();
  }

  /** The queues as one process has them: once it is dead, nothing is done for it and nothing answered. */
  openFor(life: Life, timers: Timers, fates: QueueFates): Messaging {
    let last: Promise<unknown> = Promise.resolve();
    const writer: BookWriter = {
      run: <T>(work: (book: QueueBook) => T, when: "durable" | "soon"): Promise<T> => {
        const done = last.then(() => this.#run(work, when, life, timers, fates));
        last = done.catch(() => undefined);
        return done;
      },
      close: async () => undefined,
    };
    return new LocalMessaging(writer, { clock: () => this.#now ?? this.#clock(), timer: timers.after });
  }

  async #run<T>(
    work: (book: QueueBook) => T,
    when: "durable" | "soon",
    life: Life,
    timers: Timers,
    fates: QueueFates,
  ): Promise<T> {
    if (life.dead) return await never();
    const { ms, fault, crash } = fates.of(when);
    if (when === "durable") {
      this.#underWay = work;
      if (ms > 0) await new Promise<void>((resolve) => void timers.after(ms, resolve));
      if (crash === "written") {
        fates.crash();
        return await never();
      }
      this.#underWay = undefined;
    }
    if (fault === "failed") throw new PlatformError("storage-unavailable", "the queues can't be written: a fault");
    const value = this.#do(work);
    if (when === "durable") this.#sync();
    if (crash === "synced") {
      fates.crash();
      return await never();
    }
    if (fault === "answer-lost") throw new Error("the answer of the queues was lost: a fault");
    return value;
  }

  #do<T>(work: (book: QueueBook) => T): T {
    const at = this.#clock();
    this.#since.push({ at, work });
    return this.#at(at, () => work(this.#book));
  }

  #sync(): void {
    this.#durable = this.#since.length;
    if (this.#durable < callsKept) return;
    this.#basis = new MemoryBook().holdAs(this.#book);
    this.#since = [];
    this.#durable = 0;
  }

  /** Loses power. Says whether anything was lost that someone had been told of. */
  crash(random: Random): "nothing-lost" | "answers-lost" {
    const kept = random.between(this.#durable, this.#since.length);
    const isLanded = kept === this.#since.length && random.chance(0.5);
    const done = this.#since.slice(0, kept);
    if (this.#underWay !== undefined && isLanded) done.push({ at: this.#clock(), work: this.#underWay });
    const isSame = kept === this.#since.length;
    this.#underWay = undefined;
    this.#since = [];
    this.#durable = 0;
    this.#book = new WatchedBook(this.#onSend).holdAs(this.#basis);
    for (const { at, work } of done) {
      // What it refused then it refuses again.
      this.#at(at, () => attempt(() => work(this.#book)));
    }
    this.#basis = new MemoryBook().holdAs(this.#book);
    return isSame ? "nothing-lost" : "answers-lost";
  }

  #at<T>(at: number, run: () => T): T {
    this.#now = at;
    try {
      return run();
    } finally {
      this.#now = undefined;
    }
  }
}

class WatchedBook extends MemoryBook {
  readonly #onSend: SendListener;

  constructor(onSend: SendListener) {
    super();
    this.#onSend = onSend;
  }

  override send(queue: string, message: OutgoingMessage, now: number): void {
    if (!this.isKnown(queue, message.id, now)) this.#onSend(queue, message, now);
    super.send(queue, message, now);
  }
}

/** Calls that are done again after a crash, at most about: copying the queues costs more than a few. */
const callsKept = 300;

function attempt(run: () => unknown): void {
  try {
    run();
  } catch {
    // Known already to who asked.
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
