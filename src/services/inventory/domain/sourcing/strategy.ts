import type { Option, Order } from "./order.ts";

/** How a strategy goes about one order. */
export interface Preference {
  /** The only locations that the order is to use; absent: any. */
  readonly within?: ReadonlySet<string>;
  /** Negative when a line is to use `a` before `b`; never 0 for two locations. */
  compare(a: Option, b: Option): number;
  /** Why an option is used, in plain words. `rank` is its place among the line's options, from 0. */
  because(option: Option, rank: number): string;
  /** Sentences on the choice as a whole. */
  readonly notes: readonly string[];
}

/** Decides how an order chooses its locations. Strategies see no clock and no randomness: equal orders, equal plans. */
export type Strategy = (order: Order) => Preference;
