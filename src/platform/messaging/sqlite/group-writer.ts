import type { DatabaseSync, StatementSync } from "node:sqlite";
import { InvariantError, limits, PlatformError } from "../../../kernel/index.ts";
import {
  Checkpointer,
  type DiskSync,
  type FolderLock,
  isDamage,
  pageBytes,
  transaction,
  WalKeeper,
  walFramesMax,
} from "../../sqlite/index.ts";
import type { BookWriter, QueueBook } from "../book.ts";
import { damagedQueues, queuesFileOf } from "./queues-database.ts";
import type { SqliteBook } from "./sqlite-book.ts";

/** Something asked of the book: `attempt` does it, and gives what to call once that may be known. */
interface Request {
  readonly isDurable: boolean;
  readonly bytes: number;
  readonly attempt: (book: QueueBook) => () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit for the queues: what waits goes into one transaction, which is written by this thread and synced by libuv's
 * threads, as the log's is (docs/adr/0003-where-the-disk-syncs.md). No other is begun before the sync is back, so that
 * nothing is seen that is not on disk, and only the last transaction can be torn (`checkWal`).
 *
 * A transaction of receives and answers alone is answered before its sync: what is lost of them with the power is only
 * delivered again. A sync that fails leaves it unknown what is on disk; all later calls are refused until the queues are
 * opened again.
 */
export class GroupWriter implements BookWriter {
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #database: DatabaseSync;
  readonly #sync: DiskSync;
  readonly #book: SqliteBook;
  readonly #checkpointer = new Checkpointer();
  readonly #wal: WalKeeper;
  readonly #totalChanges: StatementSync;
  #waiting: Request[] = [];
  #waitingBytes = 0;
  #working: Promise<void> | undefined;
  #failedSync: unknown;
  #isClosed = false;

  constructor(folder: string, lock: FolderLock, database: DatabaseSync, sync: DiskSync, book: SqliteBook) {
    this.#folder = folder;
    this.#lock = lock;
    this.#database = database;
    this.#sync = sync;
    this.#book = book;
    this.#totalChanges = database.prepare("SELECT total_changes() AS n");
    this.#wal = new WalKeeper(this.#checkpointer, queuesFileOf(folder), walFramesMax);
  }

  run<T>(work: (book: QueueBook) => T, when: "durable" | "soon", bytes: number): Promise<T> {
    if (this.#isClosed) return Promise.reject(new PlatformError("storage-unavailable", "the queues are closed"));
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > limits.messagingWaitingBytesMax) {
      return Promise.reject(new PlatformError("overloaded", "too much waits for the queues' file"));
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const attempt = (book: QueueBook) => {
      const value = work(book);
      return () => resolve(value);
    };
    this.#waiting.push({ isDurable: when === "durable", bytes, attempt, reject });
    this.#waitingBytes += bytes;
    this.#working ??= this.#workAll();
    return promise;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#working;
    await this.#checkpointer.close();
    this.#sync.close();
    this.#database.close();
    this.#lock.release();
  }

  async #workAll(): Promise<void> {
    // Those who ask in the same tick are written together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      if (this.#wal.isBehind) await this.#wal.catchUp();
      const requests = this.#takeWaiting();
      try {
        await this.#write(requests);
      } catch (error) {
        for (const { reject } of requests) reject(error);
      }
    }
    // In the same step as the last look: who asks after it begins anew.
    this.#working = undefined;
  }

  /** The requests of the next transaction: at least one, and no more than a transaction should hold. */
  #takeWaiting(): readonly Request[] {
    let bytes = 0;
    let count = 0;
    for (const request of this.#waiting) {
      bytes += request.bytes;
      if (count > 0 && (bytes > transactionBytesMax || count >= transactionRequestsMax)) break;
      count += 1;
    }
    const taken = this.#waiting.splice(0, count);
    for (const request of taken) this.#waitingBytes -= request.bytes;
    return taken;
  }

  async #write(requests: readonly Request[]): Promise<void> {
    if (this.#failedSync !== undefined) {
      throw new PlatformError(
        "storage-unavailable",
        `the disk failed to sync ${queuesFileOf(this.#folder)}; nothing is written any more until a restart`,
        { cause: this.#failedSync },
      );
    }
    const { answers, frames } = this.#commit(requests);
    const isDurable = requests.some((request) => request.isDurable);
    const answer = () => {
      for (const tell of answers) tell();
    };
    if (!isDurable) answer();
    if (frames > 0) {
      await this.#syncAll();
      this.#wal.wrote(frames);
    }
    if (isDurable) answer();
  }

  /**
   * Does what is asked in one transaction, not yet synced, which takes about so many frames; none when nothing was changed. A
   * request that is refused has changed nothing.
   */
  #commit(requests: readonly Request[]): { readonly answers: readonly (() => void)[]; readonly frames: number } {
    const answers: (() => void)[] = [];
    const before = this.#changes();
    let bytes = 0;
    try {
      transaction(this.#database, () => {
        for (const request of requests) {
          answers.push(attemptOne(request, this.#book));
          bytes += request.bytes;
        }
        this.#book.finish();
      });
    } catch (error) {
      this.#book.undo();
      if (isDamage(error)) throw damagedQueues(this.#folder, error);
      throw new PlatformError("storage-unavailable", `${queuesFileOf(this.#folder)} can't be written`, {
        cause: error,
      });
    }
    const changed = this.#changes() - before;
    return { answers, frames: changed > 0 ? framesBesides + changed + Math.ceil(bytes / pageBytes) : 0 };
  }

  async #syncAll(): Promise<void> {
    try {
      await this.#sync.sync();
    } catch (error) {
      this.#failedSync = error;
      throw new Error("the disk failed to sync: whether what was asked is kept is unknown", { cause: error });
    }
  }

  #changes(): number {
    return Number(this.#totalChanges.get()?.["n"]);
  }
}

const transactionBytesMax = 8 * 1024 * 1024;
const transactionRequestsMax = 4096;
/**
 * Frames of the WAL that a transaction takes beside one for each row that it changes: a lone send takes 7 for 4 rows, a hundred
 * together fewer than rows.
 */
const framesBesides = 3;

/** A request that the book refuses is answered by that, and those beside it go on; any other error undoes them all. */
function attemptOne({ attempt, reject }: Request, book: QueueBook): () => void {
  try {
    return attempt(book);
  } catch (error) {
    if (!(error instanceof PlatformError || error instanceof InvariantError)) throw error;
    return () => reject(error);
  }
}
