import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { WriteRequest, WrittenFile } from "../cold/index.ts";
import type { WriteReply } from "./archive-worker.ts";
import type { ColdFilePlace } from "./write-cold-file.ts";

/** Writes cold files, one at a time. */
export interface ColdWriter {
  write(place: ColdFilePlace, request: WriteRequest): Promise<WrittenFile>;
  /** Breaks off what is under way, and lets go of what it holds. It may be used again. */
  stop(): Promise<void>;
}

/** Writes on another thread, which is there as long as files are written. */
export class ThreadColdWriter implements ColdWriter {
  #worker: Worker | undefined;

  async write(place: ColdFilePlace, request: WriteRequest): Promise<WrittenFile> {
    this.#worker ??= new Worker(new URL("./archive-worker.ts", import.meta.url), { workerData: place });
    const answered = new AbortController();
    const { signal } = answered;
    try {
      this.#worker.postMessage(request);
      const [reply]: WriteReply[] = await Promise.race([
        once(this.#worker, "message", { signal }),
        once(this.#worker, "exit", { signal }).then(() => [{ error: new Error("the writing was broken off") }]),
      ]);
      if (reply === undefined || "error" in reply) throw reply?.error;
      return reply;
    } finally {
      answered.abort();
    }
  }

  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}
