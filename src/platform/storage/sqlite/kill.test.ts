import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Storage } from "../port.ts";
import { numbers } from "../samples.ts";
import { openSqliteStorage } from "./index.ts";

const rounds = 8;

it(`keeps every acknowledged command through ${rounds} kills at random times`, async () => {
  await killAndLook("append", rounds, rounds * 20);
}, 60_000);

it("keeps every acknowledged command through 4 kills while days are moved into cold files", async () => {
  expect(await killAndLook("archive", 4, 20)).toBeGreaterThan(0);
}, 60_000);

/** Returns how many cold files there are in the end. */
async function killAndLook(mode: "append" | "archive", rounds: number, acknowledgedMin: number): Promise<number> {
  let coldFiles = 0;
  const folder = mkdtempSync(join(tmpdir(), "larder-kill-"));
  const acknowledged = new Map<string, number>();
  try {
    for (const round of numbers(rounds)) {
      for (const [command, seq] of await appendUntilKilled(folder, round, mode)) acknowledged.set(command, seq);
      // The other times the next process opens what the kill left, without a close between.
      if (round % 4 === 0 || round === rounds) {
        const storage = await openSqliteStorage({ folder });
        await expectWhole(storage, acknowledged);
        coldFiles = storage.archive.figures().files;
        await storage.close();
      }
    }
    expect(acknowledged.size).toBeGreaterThan(acknowledgedMin);
    return coldFiles;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a process that appends, kills it after a while, and returns what it had acknowledged by then. */
async function appendUntilKilled(folder: string, round: number, mode: string): Promise<Map<string, number>> {
  const script = join(import.meta.dirname, "kill.child.ts");
  const child = spawn(process.execPath, [script, folder, String(round), mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "close");
  let printed = "";
  const opened = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.length > 5) resolve();
    });
  });
  await Promise.race([opened, exit]);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * (mode === "archive" ? 1500 : 250)));
  child.kill("SIGKILL");
  const [, signal] = await exit;
  expect(signal, "the child was killed, and did not fail by itself").toBe("SIGKILL");
  // The last line may be cut.
  const lines = printed.slice(0, printed.lastIndexOf("\n")).split("\n").slice(1);
  return new Map(lines.map((line) => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]));
}

async function expectWhole(storage: Storage, acknowledged: ReadonlyMap<string, number>): Promise<void> {
  const units = await storage.readLog(0, Number.MAX_SAFE_INTEGER);
  const events = units.flatMap((unit) => unit.events);
  expect(events.map(({ seq }) => seq)).toEqual(numbers(storage.head()));
  const kept = new Map(units.map((unit) => [unit.meta.command, unit.events[0]?.seq]));
  expect(kept.size).toBe(units.length);
  expect([...acknowledged].filter(([command, seq]) => kept.get(command) !== seq)).toEqual([]);
  const versions = new Map<string, number>();
  const misnumbered = events.filter(({ stream, version }) => {
    const before = versions.get(stream) ?? 0;
    versions.set(stream, version);
    return version !== before + 1;
  });
  expect(misnumbered).toEqual([]);
  expect(await storage.versions([...versions.keys()])).toEqual([...versions.values()]);
  const claims = units.flatMap((unit) => unit.claims.map(({ key }) => ({ key, seq: unit.events[0]?.seq })));
  expect((await storage.findClaims(claims.map(({ key }) => key))).map((found) => found?.seq)).toEqual(
    claims.map(({ seq }) => seq),
  );
}
