export { type ArchivedLog, ColdArchive } from "./cold-archive.ts";
export { type CheckOf, ColdLog } from "./cold-log.ts";
export type { ColdColumn, ColdColumns } from "./columns.ts";
export { FolderColdStore } from "./folder-store.ts";
export {
  type ColdManifest,
  hashOfManifest,
  manifestNameOf,
  manifestText,
  parseChain,
} from "./manifest.ts";
export type { ColdStore } from "./port.ts";
export { type HotLog, WholeLog } from "./whole-log.ts";
export { type FileSource, type WriteRequest, type WrittenFile, writeFile } from "./write-file.ts";
