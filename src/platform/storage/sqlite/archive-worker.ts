/** Writes cold files on a thread of its own: encoding and packing takes about as long as the units took to be appended. */
import { parentPort, workerData } from "node:worker_threads";
import type { WriteRequest, WrittenFile } from "../cold/index.ts";
import { type ColdFilePlace, writeColdFile } from "./write-cold-file.ts";

export type WriteReply = WrittenFile | { readonly error: unknown };

const place: ColdFilePlace = workerData;

parentPort?.on("message", (request: WriteRequest) => {
  writeColdFile(place, request).then(
    (written) => parentPort?.postMessage(written satisfies WriteReply),
    (error: unknown) => parentPort?.postMessage({ error } satisfies WriteReply),
  );
});
