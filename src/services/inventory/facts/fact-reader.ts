import { Worker } from "node:worker_threads";
import { itemsOf, type ReadItem } from "./read-items.ts";
import type { BatchRead, BatchToRead, Ready } from "./reading-thread.ts";

/** Shorter batches are read before another thread would have heard of them. */
const bytesMin = 16_384;
/** Batches that the thread has at once. It reads faster than this thread decides, so more of them would only fill memory. */
const waitingMax = 16;

export interface FactReaderOptions {
  /** Hears why the thread has ended. */
  readonly onFailure?: (error: unknown) => void;
  /** Milliseconds after which one that has ended is followed by another; 10,000 when not said. */
  readonly restartMs?: number;
  /** Another thread than the one that reads. */
  readonly thread?: URL;
}

/**
 * Reads large batches of facts beside the main thread, which has a fifth more time then for deciding and writing, and is
 * held up by an import for a fraction of what it was. It only ever helps: what the thread does not take is read in the
 * ordinary way.
 */
export class FactReader {
  readonly #options: FactReaderOptions;
  #worker: Worker | undefined;
  #isReady = false;
  #startAt = 0;
  #isClosed = false;
  #lastId = 0;
  readonly #waiting = new Map<number, (read: string | undefined) => void>();

  constructor(options: FactReaderOptions = {}) {
    this.#options = options;
  }

  /**
   * The items of a batch in JSON, given as well-formed UTF-8, for `recordFacts` of an inventory in this process. Undefined
   * when the batch is to be read in the ordinary way: it is short, no plain list of facts, or the thread is not there or
   * has enough to do. Batches are read in the order in which they came.
   */
  async read(json: Uint8Array): Promise<readonly ReadItem[] | undefined> {
    if (json.byteLength < bytesMin || this.#isClosed) return undefined;
    const worker = this.#start();
    if (worker === undefined || !this.#isReady || this.#waiting.size >= waitingMax) return undefined;
    // Its keys may be written in another way than they read; the thread would leave it to us.
    if (Buffer.from(json.buffer, json.byteOffset, json.byteLength).includes("\\u")) return undefined;
    this.#lastId += 1;
    // Of its own: the buffer may be part of one that others have a part of.
    const batch: BatchToRead = { id: this.#lastId, json: new Uint8Array(json) };
    worker.postMessage(batch, [batch.json.buffer]);
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#waiting.set(batch.id, resolve);
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
    const { restartMs = 10_000, thread = new URL("./reading-thread.ts", import.meta.url) } = this.#options;
    this.#startAt = performance.now() + restartMs;
    const worker = new Worker(thread, {
      resourceLimits: { maxYoungGenerationSizeMb: 32, maxOldGenerationSizeMb: 128 },
    });
    this.#worker = worker;
    // The process stays for a request under way, not for this.
    worker.unref();
    worker.on("message", (message: Ready | BatchRead) => {
      if (message === "ready") this.#isReady = true;
      else this.#answer(message.id, message.read);
    });
    worker.on("error", (error) => this.#left(worker, error));
    worker.on("exit", (code) => this.#left(worker, new Error(`it ended with ${code}`)));
    return worker;
  }

  /** A thread has ended, for want of memory or descriptors: after a while the next large batch starts another. */
  #left(worker: Worker | undefined, error?: unknown): void {
    // An error is followed by an exit, by which time there may be another one.
    if (worker === undefined || worker !== this.#worker) return;
    this.#worker = undefined;
    this.#isReady = false;
    for (const id of [...this.#waiting.keys()]) this.#answer(id, undefined);
    if (!this.#isClosed) this.#options.onFailure?.(error);
  }

  #answer(id: number, read: string | undefined): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(read);
  }
}
