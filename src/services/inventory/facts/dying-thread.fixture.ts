/** Says that it can read, and ends at the first batch. */
import { parentPort } from "node:worker_threads";

parentPort?.on("message", () => process.exit(1));
parentPort?.postMessage("ready");
