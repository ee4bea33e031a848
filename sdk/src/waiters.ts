/** Calls that wait, each for one thing. A wait whose time is over leaves nothing behind, however many there are of them. */
export class Waiters<K> {
  readonly #waiting = new Map<K, Set<() => void>>();

  get size(): number {
    return [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** True when `wake` is called for it within so many milliseconds, else false. */
  within(ms: number, key: K): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#remove(key, wake);
        resolve(false);
      }, ms);
      const waiting = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiting.add(wake));
    });
  }

  /** What is waited for has come. */
  wake(key: K): void {
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const wake of waiting) wake();
  }

  #remove(key: K, wake: () => void): void {
    const waiting = this.#waiting.get(key);
    waiting?.delete(wake);
    if (waiting?.size === 0) this.#waiting.delete(key);
  }
}
