import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type MessagingUnderTest, messagingContract } from "../messaging.contract.ts";
import type { Messaging } from "../port.ts";
import { VirtualTime } from "../samples.ts";
import { openSqliteMessaging } from "./index.ts";

messagingContract("sqlite", async (): Promise<MessagingUnderTest> => {
  const home = mkdtempSync(join(tmpdir(), "larder-queues-"));
  const time = new VirtualTime();
  let folder = join(home, "data");
  let lives = 0;
  let messaging = await openSqliteMessaging({ folder, ...time });
  return {
    messaging,
    releasesLeases: true,
    pass: async (ms) => time.pass(ms),
    async reopen() {
      lives += 1;
      // What is there at this moment is what a kill would leave; the other one goes on in its own folder, unseen.
      const left = join(home, `life-${lives}`);
      mkdirSync(left);
      for (const name of ["queues.db", "queues.db-wal"]) {
        if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(left, name));
      }
      await messaging.close();
      folder = left;
      messaging = await openSqliteMessaging({ folder, ...time });
      return messaging;
    },
    failNextWrite() {
      const other = new DatabaseSync(join(folder, "queues.db"));
      other.exec("BEGIN IMMEDIATE");
      onceSent(messaging, () => other.close());
    },
    loseNextAnswer() {
      onceSent(messaging, () => {
        throw new Error("the answer was lost");
      });
    },
    async remove() {
      await messaging.close();
      rmSync(home, { recursive: true });
    },
  };
});

/** Does something between the end of the next send and its answer. */
function onceSent(messaging: Messaging, interfere: () => void): void {
  const { send } = messaging;
  messaging.send = async (queue, messages) => {
    messaging.send = send;
    try {
      await send.call(messaging, queue, messages);
    } finally {
      interfere();
    }
  };
}
