export { type Archive, type ArchiveOptions, type RunningArchive, startArchive } from "./archive.ts";
export { archiveMethods } from "./remote.ts";
export { ArchivePlan, ArchiveRequest, ArchiveRun, ArchiveStatus } from "./wire.ts";
