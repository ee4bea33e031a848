/** Reads batches of facts on a thread of its own. */
import { parentPort } from "node:worker_threads";
import { readBatch } from "./read-items.ts";

/** A batch in JSON, as UTF-8 that is known to be well-formed. */
export interface BatchToRead {
  readonly id: number;
  readonly json: Uint8Array<ArrayBuffer>;
}

/** What the thread says first, once it can read. */
export type Ready = "ready";

export interface BatchRead {
  readonly id: number;
  /** What `readBatch` gives. */
  readonly read: string | undefined;
}

parentPort?.on("message", ({ id, json }: BatchToRead) => {
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString("utf8");
  parentPort?.postMessage({ id, read: readBatch(text) } satisfies BatchRead);
});
parentPort?.postMessage("ready" satisfies Ready);
