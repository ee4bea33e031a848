export { type Action, actionFor, type Mode } from "./act.ts";
export {
  countableAt,
  type Finding,
  type FindingKind,
  findingOf,
  judge,
  type Look,
  type SecondLook,
  type Suspicion,
  stands,
} from "./judge.ts";
export { type Basis, basisOf, type OurFigures, type Pair, pairKey, type TheirRecord } from "./records.ts";
export {
  type AccuracyPoint,
  type ActedFinding,
  accuracyOf,
  evolveRun,
  type LocationResult,
  type PassedOver,
  type Requested,
  type Run,
  type RunEvent,
  type RunStatus,
  statusOf,
  type Uncomparable,
} from "./run.ts";
