export {
  type CaptureOptions,
  type CaptureRequest,
  captureQueue,
  type EpcisCapture,
  type RunningCapture,
  startCapture,
} from "./capture/capture.ts";
export type { CaptureDocument } from "./capture/document.ts";
export type { Epcis } from "./capture/epcis.ts";
export { CaptureJobView } from "./capture/wire.ts";
export { errorBehaviours } from "./domain/capture/job.ts";
export type { EpcisMapping } from "./domain/epcis/mapping.ts";
export type { CloudEvent, ItemDraft } from "./domain/mapper.ts";
export type { FactMapping, ItemMapping } from "./domain/mapping.ts";
export { MappingError } from "./domain/mapping-error.ts";
export { EpcisEvents, type EventsPage, type EventsQuery } from "./epcis/events.ts";
export { type EpcisImport, importEpcis } from "./epcis/import.ts";
export { epcisReference } from "./epcis/reference.ts";
export { ImportError, type ImportErrorCode } from "./failure.ts";
export type { FileReport } from "./folder/import-file.ts";
export { type HttpSinkOptions, httpItemSink, httpItemUnits, httpSink } from "./http-sink.ts";
export { type FactImport, type ItemImport, importFacts, importItems } from "./import.ts";
export { type ImportInput, openInput } from "./input.ts";
export { type Intake, type IntakeObserver, type IntakeOptions, type RunningIntake, startIntake } from "./intake.ts";
export {
  checkEpcisMapping,
  checkItemMapping,
  checkMapping,
  readEpcisMapping,
  readItemMapping,
  readMapping,
} from "./mapping.ts";
export { factsQueue } from "./queue/facts-queue.ts";
export { RejectsFile, type RejectsWriter } from "./rejects.ts";
export { type IntakeInterface, intakeMethods } from "./remote.ts";
export type { ImportProgress } from "./run.ts";
export type { FactSink, FactSinkReceipt, ItemSink, ItemSinkReceipt, ItemUnits, Refusal } from "./sinks.ts";
export type { ImportSummary, Reject, Tally } from "./summary.ts";
export type { DeadLetterDetail, DeadLetterEnd, DeadLettersPage, DeadLetterView, RedriveAnswer } from "./wire.ts";
export * as intakeWire from "./wire.ts";
