import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Messaging } from "../port.ts";
import { message, numbers, queueOf, VirtualTime } from "../samples.ts";
import { copyQueues, countQueues, openSqliteMessaging, restoreQueues } from "./index.ts";

let home: string;
let folder: string;
let backup: string;
let into: string;
const time = new VirtualTime();
const open = (of: string) => openSqliteMessaging({ folder: of, ...time });
const receive = (messaging: Messaging, max = 100) => messaging.receive("q", { max, leaseMs: 60_000 });

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "larder-queues-"));
  [folder, backup, into] = [join(home, "data"), join(home, "backup"), join(home, "restored")];
  for (const made of [backup, into]) mkdirSync(made);
});
afterEach(() => rmSync(home, { recursive: true }));

it("brings back what waited, in order, with its dead letters; what was done is to be heard again", async () => {
  const messaging = await open(folder);
  await messaging.declareQueue(queueOf("q", { deduplicationMs: 3_600_000 }));
  await messaging.send("q", [message("done"), message("dead"), message("leased")]);
  const [done, dead, leased] = await receive(messaging);
  await messaging.acknowledge(done!);
  await messaging.deadLetter(dead!, "broken");
  await messaging.send("q", [message("a1", { key: "a" }), message("a2", { key: "a" })]);

  const copied = await copyQueues(folder, backup);
  expect(copied).toEqual({ waiting: 3, deadLetters: 1, sha256: expect.stringMatching(/^[\da-f]{64}$/) });
  expect(countQueues(folder)).toEqual({ waiting: 3, deadLetters: 1 });
  // What goes on after the backup is not in it.
  await messaging.send("q", [message("later")]);
  const tokens = (await receive(messaging)).map(({ token }) => token);
  await messaging.close();

  await restoreQueues(backup, into);
  const restored = await open(into);
  expect(await restored.depth("q")).toMatchObject({ waiting: 3, deadLetters: 1 });
  await restored.send(
    "q",
    ["done", "dead", "leased", "a1"].map((id) => message(id)),
  );
  const found = await receive(restored);
  expect(found.map(({ id }) => id).sort()).toEqual(["a1", "done", "leased"]);
  expect(found.find(({ id }) => id === leased?.id)).toMatchObject({ attempts: 2 });
  for (const { token } of found) for (const before of tokens) expect(token > before).toBe(true);
  const [letter] = (await restored.deadLetters.list({ order: "newest-first", limit: 9 })).items;
  expect(letter).toMatchObject({ messageId: "dead", cause: "broken" });
  expect(await restored.deadLetters.redrive(letter!.id)).toBe("done");
  await restored.close();
});

it("is consistent while messages come and go", async () => {
  const messaging = await open(folder);
  await messaging.declareQueue(queueOf("q"));
  let isOver = false;
  const busy = (async () => {
    for (let n = 0; !isOver; n += 1) {
      // Each transaction leaves as many messages as it found, or ten more.
      await messaging.send(
        "q",
        numbers(10).map((one) => message(`${n}-${one}`)),
      );
      if (n % 2 === 0) await Promise.all((await receive(messaging, 10)).map((lease) => messaging.acknowledge(lease)));
    }
  })();
  try {
    for (const n of numbers(5)) {
      const destination = join(home, `copy-${n}`);
      mkdirSync(destination);
      const copied = await copyQueues(folder, destination);
      const restored = await open(destination);
      const { waiting } = await restored.depth("q");
      expect(waiting).toBe(copied?.waiting);
      expect(await restored.receive("q", { max: 1000, leaseMs: 1 })).toHaveLength(Math.min(1000, waiting));
      await restored.close();
    }
  } finally {
    isOver = true;
    await busy;
    await messaging.close();
  }
}, 30_000);

it("has nothing to say of a folder without queues", async () => {
  expect(await copyQueues(into, backup)).toBeUndefined();
  expect(countQueues(into)).toBeUndefined();
  expect(existsSync(join(backup, "queues.db"))).toBe(false);
});

it("refuses queues that are damaged, and leaves nothing half done", async () => {
  const messaging = await open(folder);
  await messaging.declareQueue(queueOf("q"));
  await messaging.send(
    "q",
    numbers(500).map((n) => message(`m${n}`)),
  );
  await messaging.close();
  const file = join(folder, "queues.db");
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.fill(7, 4096, 12_288));
  await expect(copyQueues(folder, backup)).rejects.toMatchObject({ code: "storage-unavailable" });
  appendFileSync(join(backup, "queues.db"), "no database");
  await expect(restoreQueues(backup, into)).rejects.toThrow();
  expect(existsSync(join(into, "queues.db"))).toBe(false);
  expect(existsSync(join(into, "queues.db.restoring"))).toBe(false);
});
