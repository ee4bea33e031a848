import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "vitest";
import { MemoryMessaging } from "./memory/index.ts";
import { expectReliable, timesMax } from "./reliability.contract.ts";
import { VirtualTime } from "./samples.ts";
import { openSqliteMessaging } from "./sqlite/index.ts";

const what = `messages, each sent and delivered 1 to ${timesMax} times, 1 % of them poison: each has one effect, `;
const end = "exactly the poison is dead, and a redrive after the fix leaves none";

it(`10,000 ${what}${end} (SQLite)`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "larder-poison-"));
  const time = new VirtualTime();
  const messaging = await openSqliteMessaging({ folder, ...time });
  try {
    await expectReliable(messaging, time, 10_000);
  } finally {
    await messaging.close();
    rmSync(folder, { recursive: true });
  }
}, 120_000);

it(`1,000 ${what}${end} (memory)`, async () => {
  const time = new VirtualTime();
  await expectReliable(new MemoryMessaging(time), time, 1000);
}, 60_000);
