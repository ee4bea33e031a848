export type {
  AvailabilityCache,
  CachedAvailability,
  CacheOptions,
  CacheStatus,
  Freshness,
  KnownAvailability,
  UnknownAvailability,
} from "./availability-cache.ts";
export {
  type ChangesOptions,
  type Heartbeat,
  isStockChange,
  type StockChange,
  type StockQuantities,
} from "./changes.ts";
export {
  type ConnectionCode,
  isLarderError,
  LarderError,
  type LarderErrorOf,
  type ProblemMembers,
  type ProblemOf,
  type ShortLine,
} from "./errors.ts";
export type { FactInput } from "./facts.ts";
export { type ClientOptions, Larder } from "./larder.ts";
export type * from "./operations.ts";
export type { CallOptions, LarderOptions } from "./transport.ts";
