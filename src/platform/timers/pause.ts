import type { Timers } from "./timers.ts";

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
export function pause(ms: number, signal: AbortSignal, timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    const resume = () => {
      callOff();
      signal.removeEventListener("abort", resume);
      resolve();
    };
    const callOff = timers.after(ms, resume);
    signal.addEventListener("abort", resume);
    if (signal.aborted) resume();
  });
}
