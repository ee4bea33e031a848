/** Calls `wake` after so many milliseconds; the answer takes that back. */
export type Timer = (ms: number, wake: () => void) => () => void;

/** Node's own timers; the process does not stay for them. */
export const systemTimer: Timer = (ms, wake) => {
  const timer = setTimeout(wake, ms);
  timer.unref();
  return () => clearTimeout(timer);
};

/** Those who wait for messages, by queue: woken by what is sent and by the time, never by looking again and again. */
export class Receivers {
  readonly #timer: Timer;
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #news = new Map<string, number>();

  constructor(timer: Timer) {
    this.#timer = timer;
  }

  /** Changes whenever something came to the queue: taken before one looks, it tells whether something came since. */
  news(queue: string): number {
    return this.#news.get(queue) ?? 0;
  }

  wake(queue: string): void {
    this.#news.set(queue, this.news(queue) + 1);
    const waiting = this.#waiting.get(queue);
    if (waiting === undefined) return;
    this.#waiting.delete(queue);
    for (const resume of waiting) resume();
  }

  wakeAll(): void {
    for (const queue of [...this.#waiting.keys()]) this.wake(queue);
  }

  /** Resolves when something may have come to the queue since `news`, after `ms`, or by the signal. */
  wait(queue: string, news: number, ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (news !== this.news(queue) || signal?.aborted === true) return Promise.resolve();
    return new Promise<void>((resolve) => {
      const resume = () => {
        stop();
        signal?.removeEventListener("abort", resume);
        waiting.delete(resume);
        if (waiting.size === 0 && this.#waiting.get(queue) === waiting) this.#waiting.delete(queue);
        resolve();
      };
      const waiting = this.#waiting.get(queue) ?? new Set();
      this.#waiting.set(queue, waiting.add(resume));
      const stop = this.#timer(ms, resume);
      signal?.addEventListener("abort", resume);
    });
  }
}
