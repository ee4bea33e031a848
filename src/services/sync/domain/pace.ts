/**
 * How many pushes one receiver may have under way: as TCP finds out what a path takes (slow start, additive increase,
 * multiplicative decrease; RFC 5681). A receiver that comes back after a while is not flooded with what has piled up.
 */
import { limits } from "../../../kernel/index.ts";
import type { Moment } from "./moment.ts";

export interface Pace {
  /** Pushes at once, from 1; the whole part counts. */
  readonly window: number;
  /** Below it the window grows by one with each success, above it by one with each whole window of them. */
  readonly threshold: number;
  /** When the window was last cut: what had begun before says nothing about the smaller one. */
  readonly cutAt: Moment;
  /** Nothing is sent before: the receiver asked for it. */
  readonly pausedUntil: Moment;
}

export const firstPace: Pace = {
  window: 1,
  threshold: limits.syncReceiverPushesMax,
  cutAt: Number.NEGATIVE_INFINITY,
  pausedUntil: Number.NEGATIVE_INFINITY,
};

export function faster(pace: Pace): Pace {
  const step = pace.window < pace.threshold ? 1 : 1 / pace.window;
  return { ...pace, window: Math.min(limits.syncReceiverPushesMax, pace.window + step) };
}

/** After a failure of a push that began at `begunAt`. */
export function slower(pace: Pace, begunAt: Moment, now: Moment): Pace {
  if (begunAt < pace.cutAt) return pace;
  const half = Math.max(1, pace.window / 2);
  return { ...pace, window: half, threshold: half, cutAt: now };
}

/** The receiver said that it is too busy: one at a time, and none before `until`. */
export function paused(pace: Pace, until: Moment, now: Moment): Pace {
  const threshold = Math.max(1, pace.window / 2);
  return { window: 1, threshold, cutAt: now, pausedUntil: Math.max(pace.pausedUntil, until) };
}

/** From the beginning, after the receiver was down. */
export function restarted(pace: Pace, now: Moment): Pace {
  return { ...pace, window: 1, cutAt: now };
}
