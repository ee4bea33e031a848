export type { Static, TObject, TSchema, TUnsafe } from "typebox";
export type { ErrorCode, ErrorSpec, FactRejectionCode, Outcome, Rejection } from "./errors.ts";
export {
  catalogue,
  codeOf,
  factRejections,
  hasCode,
  InvariantError,
  invariant,
  NotBegun,
  OutcomeUnknown,
  PlatformError,
  unreadableCursor,
} from "./errors.ts";
export { fingerprint, fnv1a } from "./hash.ts";
export { beginningOf, identifierProblem, isLongerThan, normalise, shortened } from "./identifiers.ts";
export { limits } from "./limits.ts";
export { once } from "./once.ts";
export { accept, type Result, reject } from "./result.ts";
export { Type } from "./schema.ts";
export {
  daysSinceEpoch,
  formatInstant,
  type Instant,
  isDate,
  lastInstant,
  parseDuration,
  parseInstant,
  type Timeframe,
} from "./time.ts";
