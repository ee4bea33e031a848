export { appendTo, type StreamAppend } from "./append-to.ts";
export type { ColdColumn, ColdColumns } from "./cold/index.ts";
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
  LogArchive,
  LogReader,
  NewEvent,
  RecordedEvent,
  RecordedUnit,
  Sequence,
  Storage,
  StorageStats,
  Tagging,
  UnitMeta,
} from "./port.ts";
export { noTags } from "./port.ts";
