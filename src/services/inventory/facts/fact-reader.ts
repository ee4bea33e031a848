import { Worker } from "node:worker_threads";
import { itemsOf, type ReadItem } from "./read-items.ts";
import type { BatchRead, BatchToRead, Ready } from "./reading-thread.ts";

/** Shorter batches are read before another thread would have heard of them. */
const bytesMin = 16_384;
/** Batches that the thread has at once: one in hand and one next. With more, this thread would wait for that one. */
const waitingMax = 2;
/** Milliseconds after which a thread that has ended is followed by another. */
const restartMs = 10_000;

/**
 * Reads large batches of facts beside the main thread, which has a fifth more time then for deciding and writing, and is
 * held up by an import for a fraction of what it was. It only ever helps: what the thread does not take is read in the
 * ordinary way.
 */
export class FactReader {
  readonly #thread: URL;
  #worker: Worker | undefined;
  #isReady = false;
  #startAt = 0;
  #isClosed = false;
  #lastId = 0;
  readonly #waiting = new Map<number, (read: string | undefined) => void>();

  /** Tests give another thread than the one that reads. */
  constructor(thread: URL = new URL("./reading-thread.ts", import.meta.url)) {
    this.#thread = thread;
  }

  /**
   * The items of a batch in JSON, given as well-formed UTF-8, for `recordFacts` of an inventory in this process. Undefined
   * when the batch is to be read in the ordinary way: it is short, no plain list of facts, or the thread is not there or
   * has enough to do.
   */
  async read(json: Uint8Array): Promise<readonly ReadItem[] | undefined> {
    if (json.byteLength < bytesMin || this.#isClosed) return undefined;
    const worker = this.#start();
    if (worker === undefined || !this.#isReady || this.#waiting.size >= waitingMax) return undefined;
    this.#lastId += 1;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#waiting.set(this.#lastId, resolve);
    worker.postMessage({ id: this.#lastId, json } satisfies BatchToRead);
    const read = await promise;
    return read === undefined ? undefined : itemsOf(read);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    await worker?.terminate();
    this.#left(worker);
  }

  #start(): Worker | undefined {
    if (this.#worker !== undefined || performance.now() < this.#startAt) return this.#worker;
    const worker = new Worker(this.#thread, {
      resourceLimits: { maxYoungGenerationSizeMb: 32, maxOldGenerationSizeMb: 128 },
    });
    this.#worker = worker;
    // The process stays for a request under way, not for this.
    worker.unref();
    worker.on("message", (message: Ready | BatchRead) => {
      if (message === "ready") this.#isReady = true;
      else this.#answer(message.id, message.read);
    });
    worker.on("error", () => this.#left(worker));
    worker.on("exit", () => this.#left(worker));
    return worker;
  }

  /** A thread has ended, for want of memory or descriptors: after a while the next large batch starts another. */
  #left(worker: Worker | undefined): void {
    // An error is followed by an exit, by which time there may be another one.
    if (worker === undefined || worker !== this.#worker) return;
    this.#worker = undefined;
    this.#startAt = performance.now() + restartMs;
    this.#isReady = false;
    for (const id of [...this.#waiting.keys()]) this.#answer(id, undefined);
  }

  #answer(id: number, read: string | undefined): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(read);
  }
}
