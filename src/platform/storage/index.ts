export { appendTo, type StreamAppend } from "./append-to.ts";
export type { ColdColumn, ColdColumns } from "./cold/index.ts";
export { Duty, type DutyOptions, type DutyWork } from "./duty.ts";
export type {
  AppendOutcome,
  AppendUnit,
  ArchiveBounds,
  ArchivedFile,
  ArchiveFigures,
  ArchiveOptions,
  ArchiveSpan,
  Claim,
  ClaimRecord,
  DerivedChanges,
  DerivedDocument,
  DerivedStore,
  Epoch,
  FactMeta,
  LeaseHolder,
  LogArchive,
  LogReader,
  NewEvent,
  RecordedEvent,
  RecordedUnit,
  Sequence,
  SharedLog,
  Storage,
  StorageStats,
  Tagging,
  Turn,
  UnitMeta,
} from "./port.ts";
export { familyTag, noTags } from "./port.ts";
export { readInTurns } from "./read-in-turns.ts";
