import type { RecordedEvent } from "../port.ts";

/**
 * A column of cold files beside those that every event has, for whoever queries them: told by the service that knows
 * what its events mean. The log is never read back from it.
 */
export interface ColdColumn {
  readonly name: string;
  readonly kind: "text" | "whole" | "instant";
  /** The value of one event, undefined where it has none. From the event alone; must not throw. */
  of(event: RecordedEvent): string | number | undefined;
}

/** What a module of columns exports: it is named by its URL, because the files are written by another thread. */
export interface ColdColumns {
  readonly columns: readonly ColdColumn[];
}
