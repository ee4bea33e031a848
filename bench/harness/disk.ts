import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { percentile, sorted } from "./stats.ts";

export interface SyncLatency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** How long this disk takes to sync 4 KiB, over 60 syncs: a few milliseconds on a fast disk, a second on a slow one. */
export function probeSync(folder: string = tmpdir()): SyncLatency {
  const place = mkdtempSync(join(folder, "larder-sync-"));
  const descriptor = openSync(join(place, "probe"), "w");
  const block = Buffer.alloc(4096, 1);
  const taken: number[] = [];
  try {
    for (let turn = 0; turn < 60; turn += 1) {
      writeSync(descriptor, block, 0, block.length, (turn % 16) * block.length);
      const from = performance.now();
      fdatasyncSync(descriptor);
      taken.push(performance.now() - from);
    }
  } finally {
    closeSync(descriptor);
    rmSync(place, { recursive: true });
  }
  const ordered = sorted(taken);
  return { p50Ms: percentile(ordered, 0.5), p99Ms: percentile(ordered, 0.99) };
}
