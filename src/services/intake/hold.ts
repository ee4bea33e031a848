import { catalogue, limits, PlatformError } from "../../kernel/index.ts";
import { pause, type Timers } from "../../platform/timers/index.ts";

export interface HoldOptions {
  readonly timers: Timers;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Ends the waiting: what was thrown last is thrown then. */
  readonly signal: AbortSignal;
  /** Hears what was thrown, before each wait. */
  readonly onHeld?: ((error: unknown) => void) | undefined;
  /** Done after each wait, before the next attempt. */
  readonly beforeNext?: () => Promise<void>;
}

/**
 * Attempts something until the server takes it, however long it is down, full or overloaded: from `limits.intakeHoldMsFirst`
 * up to `limits.intakeHoldMsMax` apart. Throws anything else at once.
 */
export async function untilTaken<T>(attempt: () => Promise<T>, options: HoldOptions): Promise<T> {
  const { timers, random, signal, onHeld, beforeNext } = options;
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isTemporary(error) || signal.aborted) throw error;
      onHeld?.(error);
      const longest = Math.min(limits.intakeHoldMsMax, limits.intakeHoldMsFirst * 2 ** Math.min(tries, 20));
      await pause(longest * (0.5 + random() / 2), signal, timers);
      await beforeNext?.();
    }
  }
}

/** Whether the same may succeed later without being changed. */
export function isTemporary(error: unknown): boolean {
  return error instanceof PlatformError && catalogue[error.code].retryable;
}
