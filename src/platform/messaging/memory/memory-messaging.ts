import { PlatformError } from "../../../kernel/index.ts";
import type { BookWriter, QueueBook } from "../book.ts";
import { LocalMessaging, type LocalOptions } from "../local-messaging.ts";
import { MemoryBook } from "./memory-book.ts";

/** Queues that end with the process: for tests and simulations. */
export class MemoryMessaging extends LocalMessaging {
  readonly #writer: MemoryWriter;

  constructor(options: LocalOptions) {
    const writer = new MemoryWriter();
    super(writer, options);
    this.#writer = writer;
  }

  /** Lets the next call that writes durably fail with nothing done. */
  failNextWrite(): void {
    this.#writer.fault = "fail";
  }

  /** Lets the next call that writes durably be made and its answer be lost. */
  loseNextAnswer(): void {
    this.#writer.fault = "lose";
  }
}

class MemoryWriter implements BookWriter {
  readonly #book: QueueBook = new MemoryBook();
  #isClosed = false;
  fault: "fail" | "lose" | undefined;

  async run<T>(work: (book: QueueBook) => T, when: "durable" | "soon"): Promise<T> {
    if (this.#isClosed) throw new PlatformError("storage-unavailable", "the queues are closed");
    const fault = when === "durable" ? this.fault : undefined;
    if (fault !== undefined) this.fault = undefined;
    if (fault === "fail") throw new PlatformError("storage-unavailable", "refused, as was asked");
    const value = work(this.#book);
    if (fault === "lose") throw new Error("the answer was lost, as was asked");
    return value;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }
}
