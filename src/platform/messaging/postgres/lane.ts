import { limits, PlatformError } from "../../../kernel/index.ts";

/** Requests, and bytes, of one call. */
const callRequestsMax = 4096;
const callBytesMax = 8 * 1024 * 1024;

interface Waiting<Request, Answer> {
  readonly request: Request;
  readonly bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Makes one call of what is asked at the same time: what comes while a call is under way goes with the next, so that a
 * round trip and a sync serve all that wait for them. Answers are in the order of the requests; a call that fails, fails
 * for all that it was made of.
 */
export class Lane<Request, Answer> {
  readonly #call: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  #waiting: Waiting<Request, Answer>[] = [];
  #waitingBytes = 0;
  #working: Promise<void> | undefined;
  #isClosed = false;

  constructor(call: (requests: readonly Request[]) => Promise<readonly Answer[]>) {
    this.#call = call;
  }

  /** `bytes` is about what the request holds in memory while it waits; too much waiting is `overloaded`. */
  ask(request: Request, bytes: number): Promise<Answer> {
    if (this.#isClosed) return Promise.reject(new PlatformError("storage-unavailable", "the queues are closed"));
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > limits.messagingWaitingBytesMax)
      return Promise.reject(new PlatformError("overloaded", "too much waits for the queues"));
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.push({ request, bytes, resolve, reject });
    this.#waitingBytes += bytes;
    this.#working ??= this.#work();
    return promise;
  }

  /** Finishes what was asked before; what is asked from now on is refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    // Those who ask in the same tick go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        const answers = await this.#call(batch.map(({ request }) => request));
        for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#working = undefined;
  }

  #take(): readonly Waiting<Request, Answer>[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      if (count > 0 && (bytes > callBytesMax || count >= callRequestsMax)) break;
      count += 1;
    }
    const taken = this.#waiting.splice(0, count);
    for (const waiting of taken) this.#waitingBytes -= waiting.bytes;
    return taken;
  }
}
