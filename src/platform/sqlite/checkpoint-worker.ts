/** Checkpoints a database on a thread of its own: the syncs and copies that it takes would hold up every request. */
import { DatabaseSync } from "node:sqlite";
import { parentPort } from "node:worker_threads";

/** A file, and whether frames that readers still need may stay (they may: PASSIVE waits for nobody). */
export interface CheckpointRequest {
  readonly id: number;
  readonly path: string;
}

export interface CheckpointReply {
  readonly id: number;
  /** Frames in the WAL, and how many of them are in the database now. */
  readonly frames: number;
  readonly copied: number;
  readonly error?: string;
}

parentPort?.on("message", ({ id, path }: CheckpointRequest) => {
  parentPort?.postMessage(checkpoint(id, path));
});

function checkpoint(id: number, path: string): CheckpointReply {
  try {
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA synchronous = NORMAL; PRAGMA checkpoint_fullfsync = 1");
      const row = database.prepare("PRAGMA wal_checkpoint(PASSIVE)").get();
      return { id, frames: Number(row?.["log"] ?? 0), copied: Number(row?.["checkpointed"] ?? 0) };
    } finally {
      database.close();
    }
  } catch (error) {
    return { id, frames: 0, copied: 0, error: String(error) };
  }
}
