/**
 * Appends to a log as fast as it can from several callers, and prints each command once it has been acknowledged. With
 * `archive` it lets days pass, and all the while moves those that are over into cold files.
 */
import { writeSync } from "node:fs";
import { claim, event, unitOf } from "../samples.ts";
import { openSqliteStorage } from "./index.ts";

const [folder = "", round = "0", mode = ""] = process.argv.slice(2);
const archives = mode === "archive";
/** Milliseconds that pass from one append of a caller to the next: some appends a day. */
const stepMs = archives ? 10_000_000 : 0;
const storage = await openSqliteStorage({ folder });
const versions = new Map<string, number>();

async function call(caller: number): Promise<never> {
  for (let turn = 0; ; turn += 1) {
    const stream = `stock-store-${caller % 4}-${turn % 20}-${caller}`;
    const [version = 0] = versions.has(stream) ? [versions.get(stream)] : await storage.versions([stream]);
    const command = `${round}.${caller}.${turn}`;
    const events = Array.from({ length: 1 + (turn % 5) }, (_, n) =>
      event(stream, { n, text: "x".repeat((turn * 37) % 900) }),
    );
    const number = Number(round) * 2 ** 40 + caller * 2 ** 30 + turn;
    const [outcome] = await storage.append([
      unitOf(command, { [stream]: version }, events, {
        recordedAt: Number(round) * 1e11 + turn * stepMs,
        claims: [claim(number)],
      }),
    ]);
    if (outcome?.ok !== true) throw new Error(`${command} was refused: ${JSON.stringify(outcome)}`);
    versions.set(stream, version + events.length);
    print(`${command} ${outcome.seq}`);
  }
}

/** Straight to the pipe: what is printed has left the process when it is killed. Waits while the reader is behind. */
function print(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

print("open");

async function archive(): Promise<void> {
  while (archives) {
    await storage.archive.run({ before: Number.MAX_SAFE_INTEGER, upTo: Number.MAX_SAFE_INTEGER });
    // A run that finds nothing to move gives no turn to anybody else.
    await new Promise(setImmediate);
  }
}

await Promise.all([archive(), ...Array.from({ length: 16 }, (_, caller) => call(caller))]);
