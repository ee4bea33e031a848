import { isLarderError, LarderError } from "./errors.ts";
import { limits } from "./limits.ts";
import { delayMs, sleep } from "./transport.ts";

/**
 * Skus that are to be fetched, each once, up to 1,000 in one call; what comes meanwhile goes with the next. What a call that
 * fails was for is asked for again after a while, and sooner once `hurry` says that Larder is back. The next call is half as
 * large then, and after one that is answered somewhat larger again: it may have been more than can be answered in time, or
 * one sku that nobody can answer, and neither may keep the others out for good.
 */
export class FetchQueue {
  readonly #fetch: (skus: readonly string[]) => Promise<void>;
  readonly #refused: (sku: string) => void;
  readonly #failed: (error: LarderError) => void;
  readonly #stop: AbortSignal;
  readonly #waiting = new Set<string>();
  #isRunning = false;
  /** Skus that the next call may be for. */
  #batchMax: number = limits.batchItemsMax;
  #delay = new AbortController();

  /**
   * `fetch` resolves when all of them have been dealt with. `refused` is told of a sku that Larder takes for no sku at all,
   * so that one of these spoils no other; `failed` of anything else.
   */
  constructor(
    fetch: (skus: readonly string[]) => Promise<void>,
    refused: (sku: string) => void,
    failed: (error: LarderError) => void,
    stop: AbortSignal,
  ) {
    this.#fetch = fetch;
    this.#refused = refused;
    this.#failed = failed;
    this.#stop = stop;
  }

  add(sku: string): void {
    this.#waiting.add(sku);
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  hurry(): void {
    this.#delay.abort();
  }

  async #run(): Promise<void> {
    // Whoever asks in the same moment goes along.
    await sleep(0);
    for (let failures = 0; this.#waiting.size > 0 && !this.#stop.aborted; ) {
      const batch = [...this.#waiting].slice(0, this.#batchMax);
      for (const sku of batch) this.#waiting.delete(sku);
      try {
        await this.#fetchAll(batch);
        failures = 0;
        this.#batchMax = Math.min(limits.batchItemsMax, this.#batchMax + limits.fetchGrowth);
      } catch (error) {
        if (this.#stop.aborted) break;
        for (const sku of batch) this.#waiting.add(sku);
        this.#batchMax = Math.ceil(batch.length / 2);
        const told = isLarderError(error) ? error : new LarderError("unreachable", String(error), { cause: error });
        this.#failed(told);
        const askedMs = Math.min(told.retryAfterMs ?? 0, limits.retryAfterMsMax);
        await this.#pause(delayMs(failures++, limits.reconnectMsMax, askedMs));
      }
    }
    this.#isRunning = false;
  }

  async #fetchAll(skus: readonly string[]): Promise<void> {
    try {
      await this.#fetch(skus);
    } catch (error) {
      if (!isLarderError(error, "invalid-request")) throw error;
      const [sku] = skus;
      if (skus.length > 1) {
        const middle = skus.length >> 1;
        await this.#fetchAll(skus.slice(0, middle));
        await this.#fetchAll(skus.slice(middle));
      } else if (sku !== undefined) this.#refused(sku);
    }
  }

  async #pause(ms: number): Promise<void> {
    this.#delay = new AbortController();
    await sleep(ms, AbortSignal.any([this.#stop, this.#delay.signal])).catch(() => undefined);
  }
}
