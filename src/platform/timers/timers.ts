/**
 * What code may ask of time beside the hour: to be called later. An argument of whatever waits, so that the simulator
 * runs the same code on virtual time.
 */
export interface Timers {
  /** Runs once, some milliseconds from now; returns the way to call it off. Keeps no process alive. */
  after(ms: number, run: () => void): () => void;
  /** Runs again and again, so many milliseconds apart; returns the way to stop it. Keeps no process alive. */
  every(ms: number, run: () => void): () => void;
  /** Runs soon, after input that has arrived meanwhile. */
  soon(run: () => void): void;
  /** Milliseconds since some fixed moment; never runs backwards. */
  elapsedMs(): number;
}

/** Those of this process. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms).unref();
    return () => clearInterval(timer);
  },
  soon: setImmediate,
  elapsedMs: () => performance.now(),
};
