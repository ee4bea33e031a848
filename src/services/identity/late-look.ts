import { limits } from "../../kernel/index.ts";
import { pause, systemTimers } from "../../platform/timers/index.ts";

/**
 * Looks into the log for what others may just have recorded: at most once in `limits.keyLookMs`, and for all together that
 * wait for it, so that a flood of tokens that are nobody's costs the store no more than one of them.
 */
export class LateLook {
  readonly #look: () => Promise<void>;
  #next: Promise<void> | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #waiting = 0;

  constructor(look: () => Promise<void>) {
    this.#look = look;
  }

  /** Resolves once the log was looked into after this call; without that when too many wait, or the store does not answer. */
  async taken(): Promise<void> {
    if (this.#waiting >= limits.keyLooksWaitingMax) return;
    this.#waiting += 1;
    this.#next ??= this.#begin();
    await this.#next;
    this.#waiting -= 1;
  }

  async #begin(): Promise<void> {
    const over = new AbortController();
    await pause(Math.max(0, this.#lastAt + limits.keyLookMs - systemTimers.elapsedMs()), over.signal, systemTimers);
    // Who comes from here on may have come too late for this one.
    this.#next = undefined;
    this.#lastAt = systemTimers.elapsedMs();
    await Promise.race([this.#look().catch(() => undefined), pause(limits.keyLookAnswerMs, over.signal, systemTimers)]);
    over.abort();
  }
}
