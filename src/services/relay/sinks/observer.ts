/** What the sinks tell of themselves, for metrics and the log. */
export interface SinksObserver {
  /** Events were acknowledged, so many seconds after each was recorded. */
  carried(sink: string, lagSeconds: readonly number[]): void;
  /** It is filled anew, and why. */
  filling(sink: string, why: string): void;
  /** It did not stand where it was left. */
  moved(sink: string, error: unknown): void;
  /** An attempt failed; `isFirst` when it had worked until then. */
  failed(sink: string, error: unknown, isFirst: boolean): void;
  /** It works again. */
  back(sink: string): void;
}

export const silentObserver: SinksObserver = {
  carried: () => undefined,
  filling: () => undefined,
  moved: () => undefined,
  failed: () => undefined,
  back: () => undefined,
};
