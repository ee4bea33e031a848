import type { EventEmitter } from "node:events";

/** Waits until a slow reader has taken what was written, or the signal is aborted. Leaves nothing behind on either. */
export function drained(stream: Pick<EventEmitter, "on" | "off">, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.on("drain", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
