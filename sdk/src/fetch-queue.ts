import { isLarderError, LarderError } from "./errors.ts";
import { limits } from "./limits.ts";
import { delayMs, sleep } from "./transport.ts";

/**
 * Skus that are to be fetched, each once, up to 1,000 in one call; what comes meanwhile goes with the next. A call that
 * fails is made again after a while, and sooner once `hurry` says that Larder is back.
 */
export class FetchQueue {
  readonly #fetch: (skus: readonly string[]) => Promise<void>;
  readonly #refused: (sku: string) => void;
  readonly #failed: (error: LarderError) => void;
  readonly #stop: AbortSignal;
  readonly #waiting = new Set<string>();
  #isRunning = false;
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
      const batch = [...this.#waiting].slice(0, limits.batchItemsMax);
      for (const sku of batch) this.#waiting.delete(sku);
      try {
        await this.#fetchAll(batch);
        failures = 0;
      } catch (error) {
        if (this.#stop.aborted) break;
        for (const sku of batch) this.#waiting.add(sku);
        const told = isLarderError(error) ? error : new LarderError("unreachable", String(error), { cause: error });
        this.#failed(told);
        await this.#pause(delayMs(failures++, limits.reconnectMsMax, told.retryAfterMs));
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
