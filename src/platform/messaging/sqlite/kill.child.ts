/** Sends, receives and answers as fast as it can from several callers, and prints each thing once it has been acknowledged. */
import { writeSync } from "node:fs";
import { openSqliteMessaging } from "./index.ts";

const [folder = "", round = "0"] = process.argv.slice(2);
const messaging = await openSqliteMessaging({ folder, clock: Date.now });
await messaging.declareQueue({ name: "q", deduplicationMs: 86_400_000, attemptsMax: 1000, depthMax: 1_000_000 });

/** Straight to the pipe, waiting while it is full: what is printed has left the process when it is killed. */
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

async function send(caller: number): Promise<never> {
  for (let turn = 0; ; turn += 1) {
    const ids = Array.from({ length: 1 + (turn % 3) }, (_, n) => `${round}.${caller}.${turn}.${n}`);
    const body = "x".repeat((turn * 37) % 900);
    await messaging.send(
      "q",
      ids.map((id) => ({ id, key: `k${caller}`, body })),
    );
    print(`sent ${ids.join(" ")}`);
  }
}

async function work(): Promise<never> {
  for (let turn = 0; ; turn += 1) {
    // Or every key would soon wait behind a dead letter.
    if (turn % 10 === 0) await messaging.deadLetters.redriveQueue("q");
    const found = await messaging.receive("q", { max: 5, leaseMs: 60_000, waitMs: 1000 });
    for (const delivery of found) {
      // Told before it is done: what was told may be there again, what was not told must be.
      print(`ending ${delivery.id}`);
      if (turn % 10 === 5) await messaging.deadLetter(delivery, "every tenth");
      else await messaging.acknowledge(delivery);
    }
  }
}

print("open");
await Promise.all([...Array.from({ length: 8 }, (_, caller) => send(caller)), work(), work()]);
