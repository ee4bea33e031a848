/** Watches the fuzzer from a thread of its own: code that never yields can't say so itself. */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

const { beat, doing, pid } = workerData as { beat: Int32Array; doing: Uint8Array; pid: number };
const patienceMs = 30_000;
let last = -1;
let since = performance.now();

setInterval(() => {
  const now = Atomics.load(beat, 0);
  if (now !== last) {
    last = now;
    since = performance.now();
  } else if (performance.now() - since > patienceMs) {
    const again = Buffer.from(Uint8Array.from(doing)).toString().replaceAll("\0", "");
    writeSync(2, `the fuzzer stood still for ${patienceMs} ms, after ${now} inputs\nagain: ${again}\n`);
    process.kill(pid, "SIGKILL");
  }
}, 500);
