import type { Sink } from "../../../platform/sink/index.ts";
import { Carrier, type CarrierOptions, type SinkFigures } from "./carrier.ts";

export interface SinksOptions extends CarrierOptions {
  readonly sinks: readonly Sink[];
  /** Whether everything outgoing waits for `larder resume`: so after a restore. */
  readonly isPaused: boolean;
}

export interface RunningSinks {
  figures(): readonly SinkFigures[];
  stop(): Promise<void>;
}

/**
 * Sets every sink to work. Never waits for one: a sink that is away is tried again and again, and nothing else notices.
 */
export function startSinks({ sinks, isPaused, ...options }: SinksOptions): RunningSinks {
  const carriers = isPaused ? [] : sinks.map((sink) => new Carrier(sink, options));
  for (const carrier of carriers) carrier.start();
  return {
    figures: () => carriers.map((carrier) => carrier.figures()),
    async stop() {
      await Promise.all(carriers.map((carrier) => carrier.stop()));
    },
  };
}
