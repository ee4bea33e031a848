/** A thread that ends over the first batch of each of its lives, until the third. A file that the environment names counts them. */
import { appendFileSync, readFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import type { BatchRead, BatchToRead, Ready } from "./reading-thread.ts";

const lives = process.env["LARDER_TEST_LIVES"] ?? "";

parentPort?.on("message", ({ id }: BatchToRead) => {
  appendFileSync(lives, "x");
  if (readFileSync(lives, "utf8").length < 3) process.exit(1);
  parentPort?.postMessage({ id, read: "[]" } satisfies BatchRead);
});
parentPort?.postMessage("ready" satisfies Ready);
