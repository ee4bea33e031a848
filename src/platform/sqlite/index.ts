export { settleAtRest } from "./at-rest.ts";
export { Checkpointer, WalKeeper, walFramesMax } from "./checkpointer.ts";
export { copyAnew, copyDatabase, hashFile, removeDatabase, syncFile } from "./copy.ts";
export {
  firstValue,
  isAtLeast,
  isDamage,
  isDiskFault,
  makeFolder,
  openDatabase,
  pageBytes,
  syncFolder,
  transaction,
} from "./database.ts";
export { type FolderLock, lockFolder } from "./folder-lock.ts";
export { checkWal, type WalContent, walFrameBytes, walHeaderBytes } from "./wal-check.ts";
export { type DiskSync, WalSync } from "./wal-sync.ts";
