/** Copies a database as it is at one moment, on a thread of its own: it takes as long as the log is large. */
import { DatabaseSync } from "node:sqlite";
import { workerData } from "node:worker_threads";

/** The file to copy, and the one to make. */
export interface CopyRequest {
  readonly from: string;
  readonly to: string;
}

const { from, to }: CopyRequest = workerData;
const database = new DatabaseSync(from, { readOnly: true, timeout: 1000 });
database.prepare("VACUUM INTO ?").run(to);
database.close();
