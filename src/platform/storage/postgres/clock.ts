import type { Instant } from "../../../kernel/index.ts";

/**
 * How far this process's clock is from the store's. Each comparison leaves an interval of what it can be, for the store
 * has looked at its clock between the question and the answer; the estimate is moved only as far as it has to be.
 */
export class StoreClock {
  readonly #clock: () => Instant;
  #offsetMs = 0;

  constructor(clock: () => Instant) {
    this.#clock = clock;
  }

  /** Milliseconds to add to this process's clock. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** This process's clock, to be handed to `compare`. */
  reading(): Instant {
    return this.#clock();
  }

  /** The store said `theirs` to a question that was asked at `asked`. */
  compare(asked: Instant, theirs: Instant): void {
    const [least, most] = [theirs - this.#clock(), theirs - asked];
    this.#offsetMs = Math.min(Math.max(this.#offsetMs, least), most);
  }
}
