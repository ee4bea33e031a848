import { Worker } from "node:worker_threads";
import type { CheckpointReply, CheckpointRequest } from "./checkpoint-worker.ts";
import { openDatabase } from "./database.ts";

/** Copies WALs into their databases on another thread, which is started when it is first needed. */
export class Checkpointer {
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, (reply: CheckpointReply) => void>();

  /** Copies what it can without waiting for anybody. Never throws: what could not be copied is tried again later. */
  run(path: string): Promise<CheckpointReply> {
    const id = this.#nextId;
    this.#nextId += 1;
    const { promise, resolve } = Promise.withResolvers<CheckpointReply>();
    this.#waiting.set(id, resolve);
    const request: CheckpointRequest = { id, path };
    const worker = this.#start();
    // The process stays for work under way, and for nothing else.
    worker.ref();
    worker.postMessage(request);
    return promise;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#waiting.keys()].map((id) => this.#settled(id)));
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #settled(id: number): Promise<void> {
    return new Promise((resolve) => {
      const answer = this.#waiting.get(id);
      this.#waiting.set(id, (reply) => {
        answer?.(reply);
        resolve();
      });
    });
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./checkpoint-worker.ts", import.meta.url));
    worker.on("message", (reply: CheckpointReply) => this.#answer(reply));
    worker.on("error", (error) => {
      this.#worker = undefined;
      for (const id of [...this.#waiting.keys()]) this.#answer({ id, frames: 0, copied: 0, error: String(error) });
    });
    this.#worker = worker;
    return worker;
  }

  #answer(reply: CheckpointReply): void {
    const answer = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    answer?.(reply);
  }
}

/** Pages after which a WAL is copied into its database: 64 MB, so that copying is rare and opening after a crash quick. */
export const walFramesMax = 16_000;

/**
 * Keeps one WAL from growing without bound. Once it is long, most of it is copied beside the writer; then the writer
 * waits once while the little that came meanwhile is copied, and begins the file anew with its next write. A writer that
 * is much faster than the copy waits for that too.
 */
export class WalKeeper {
  readonly #checkpointer: Checkpointer;
  readonly #path: string;
  readonly #framesMax: number;
  #frames = 0;
  #copying: Promise<void> | undefined;
  #isRestDue = false;
  #copyingRest: Promise<void> | undefined;

  constructor(checkpointer: Checkpointer, path: string, framesMax: number) {
    this.#checkpointer = checkpointer;
    this.#path = path;
    this.#framesMax = framesMax;
  }

  /**
   * To be told after each write, once it is on disk: about how many frames it took. Starts copying when the WAL has become
   * long: what is in it now, and nothing of what is written meanwhile, whose sync may fail.
   */
  wrote(frames: number): void {
    this.#frames += frames;
    if (this.#frames < this.#framesMax || this.#copying !== undefined || this.#isRestDue) return;
    this.#copying = this.#copy().then((isCopied) => {
      this.#copying = undefined;
      this.#isRestDue = isCopied;
      if (!isCopied) this.#frames = 0;
    });
  }

  /** False when nothing could be copied, for want of a descriptor or whatever: that is tried again when as much is written. */
  async #copy(): Promise<boolean> {
    let letGo: () => void;
    try {
      letGo = hold(this.#path);
    } catch {
      return false;
    }
    try {
      return (await this.#checkpointer.run(this.#path)).error === undefined;
    } catch {
      return false;
    } finally {
      letGo();
    }
  }

  /** Whether the writer should wait for `catchUp` before it writes again. */
  get isBehind(): boolean {
    return this.#isRestDue || (this.#copying !== undefined && this.#frames > this.#framesMax * 4);
  }

  /** Waits for a copy that can't keep up with the writer, and copies what is left while the writer holds still. */
  async catchUp(): Promise<void> {
    await this.#copying;
    if (this.#isRestDue) await this.#copyRest();
  }

  /**
   * When a reader still needs old frames, or the writer did not hold
   * still, the WAL can't begin anew yet; it is tried again when it has grown by a quarter of its length.
   */
  #copyRest(): Promise<void> {
    this.#copyingRest ??= this.#checkpointer.run(this.#path).then(({ frames, copied }) => {
      this.#copyingRest = undefined;
      this.#isRestDue = false;
      this.#frames = frames === copied ? 0 : Math.ceil(this.#framesMax * 0.75);
    });
    return this.#copyingRest;
  }
}

/** Reads a database as it is now until the answer is called: no frame that comes later is copied over what is read. */
function hold(path: string): () => void {
  const reader = openDatabase(path, { readOnly: true });
  try {
    reader.exec("BEGIN; SELECT count(*) FROM sqlite_schema");
  } catch (error) {
    reader.close();
    throw error;
  }
  return () => reader.close();
}
