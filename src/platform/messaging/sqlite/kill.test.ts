import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { numbers } from "../samples.ts";
import { openSqliteMessaging } from "./index.ts";

const rounds = 8;

it(`loses no message that was acknowledged through ${rounds} kills at random times`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "larder-queue-kill-"));
  const sent = new Set<string>();
  const ending = new Set<string>();
  try {
    for (const round of numbers(rounds)) {
      const printed = await workUntilKilled(folder, round);
      for (const [what, ...ids] of printed) for (const id of ids) (what === "sent" ? sent : ending).add(id);
    }
    const left = await drain(folder);
    const seen = new Set(left);
    expect(left.length, "each is left once").toBe(seen.size);
    expect([...sent].filter((id) => !seen.has(id) && !ending.has(id))).toEqual([]);
    expectInOrder(left);
    expect(sent.size).toBeGreaterThan(rounds * 10);
    expect(ending.size).toBeGreaterThan(rounds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);

/** Runs a process that works with the queue, kills it after a while, and returns what it had said by then. */
async function workUntilKilled(folder: string, round: number): Promise<readonly (readonly string[])[]> {
  const script = join(import.meta.dirname, "kill.child.ts");
  const child = spawn(process.execPath, [script, folder, String(round)], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "close");
  const chunks: string[] = [];
  const worked = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      chunks.push(chunk);
      if (chunk.includes("ending")) resolve();
    });
  });
  await Promise.race([worked, exit]);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 250));
  child.kill("SIGKILL");
  const [, signal] = await exit;
  expect(signal, "the child was killed, and did not fail by itself").toBe("SIGKILL");
  // The last line may be cut.
  const printed = chunks.join("");
  const lines = printed.slice(0, printed.lastIndexOf("\n")).split("\n");
  return lines.filter((line) => /^(sent|ending) /.test(line)).map((line) => line.split(" "));
}

/** Takes all that is left, dead letters first of all, in the order in which it comes. */
async function drain(folder: string): Promise<readonly string[]> {
  // An hour later, so that the leases of those that were killed have run out.
  const messaging = await openSqliteMessaging({ folder, clock: () => Date.now() + 3_600_000 });
  const { waiting, deadLetters } = await messaging.depth("q");
  expect(await messaging.deadLetters.redriveQueue("q")).toBe(deadLetters);
  const left: string[] = [];
  for (;;) {
    const found = await messaging.receive("q", { max: 100, leaseMs: 60_000 });
    if (found.length === 0) break;
    left.push(...found.map(({ id }) => id));
    const answers = await Promise.all(found.map((delivery) => messaging.acknowledge(delivery)));
    expect(answers.every(Boolean)).toBe(true);
  }
  expect(left.length, "the counts are those of the rows").toBe(waiting + deadLetters);
  expect(await messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
  await messaging.close();
  return left;
}

/** Of each caller, which is a key, the messages come in the order of rounds, turns, and numbers within a send. */
function expectInOrder(ids: readonly string[]): void {
  const last = new Map<string, readonly number[]>();
  for (const id of ids) {
    const [round = 0, caller = 0, turn = 0, n = 0] = id.split(".").map(Number);
    const before = last.get(String(caller)) ?? [0, 0, -1];
    const place = [round, turn, n];
    expect(compare(before, place), `${id} after ${before}`).toBeLessThan(0);
    last.set(String(caller), place);
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((value, at) => value !== b[at]);
  return (a[index] ?? 0) - (b[index] ?? 0);
}
