import { resolve } from "node:path";
import {
  Checkpointer,
  type FolderLock,
  lockFolder,
  makeFolder,
  pageBytes,
  WalKeeper,
  walFramesMax,
} from "../../sqlite/index.ts";
import { DerivedDatabase, derivedFileOf, isDerivedMarked } from "./derived-database.ts";

/** The derived store of a process whose log is elsewhere: `derived.db` in a folder that this process alone may open. */
export class LocalDerived {
  readonly store: DerivedDatabase;
  readonly #lock: FolderLock;
  readonly #checkpointer = new Checkpointer();
  readonly #wal: WalKeeper;

  private constructor(store: DerivedDatabase, lock: FolderLock, path: string) {
    this.store = store;
    this.#lock = lock;
    this.#wal = new WalKeeper(this.#checkpointer, path, walFramesMax);
  }

  /**
   * Opens what belongs to this history of this log, or begins an empty one. Throws `PlatformError("storage-unavailable")`
   * when another process has the folder.
   */
  static open(folder: string, history: string): LocalDerived {
    const path = resolve(folder);
    makeFolder(path);
    const lock = lockFolder(path);
    try {
      return new LocalDerived(openTwice(path, history), lock, derivedFileOf(path));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Keeps the write-ahead log of the file short; to be called now and then. */
  tidy(): void {
    if (this.#wal.isBehind) {
      void this.#wal.catchUp();
      return;
    }
    const frames = Math.ceil(this.store.bytesWritten / pageBytes);
    this.store.resetBytesWritten();
    if (frames > 0) this.#wal.wrote(frames);
  }

  async close(): Promise<void> {
    await this.#checkpointer.close();
    this.store.close();
    this.#lock.release();
  }
}

/** Damage that opening found is marked, and a second try begins without it. */
function openTwice(folder: string, history: string): DerivedDatabase {
  try {
    return DerivedDatabase.open(folder, history);
  } catch (error) {
    if (!isDerivedMarked(folder)) throw error;
    return DerivedDatabase.open(folder, history);
  }
}
