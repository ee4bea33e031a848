import { describe, expect, it } from "vitest";
import { event, sampleTagging, unitOf } from "../platform/storage/samples.ts";
import { storageContract } from "../platform/storage/storage.contract.ts";
import { systemTimers } from "../platform/timers/index.ts";
import { Disk } from "./disk.ts";
import { seededRandom } from "./random.ts";
import { type AppendFate, type Fates, SimulatedStorage } from "./storage.ts";

const plain: AppendFate = { beforeMs: 0, writeMs: 0, answerMs: 0 };

function open(disk = new Disk()) {
  const next: Partial<AppendFate>[] = [];
  const fates: Fates = {
    append: () => ({ ...plain, ...next.shift() }),
    read: () => ({ ms: 0, fails: false }),
    crash: () => undefined,
  };
  return { disk, next, storage: new SimulatedStorage(disk, systemTimers, fates, { dead: false }, sampleTagging) };
}

storageContract("simulated", async () => {
  let { disk, next, storage } = open();
  return {
    storage,
    reopen: async () => {
      await storage.close();
      ({ disk, next, storage } = open(disk));
      return storage;
    },
    failNextAppend: () => next.push({ fault: "failed" }),
    loseNextAnswer: () => next.push({ fault: "answer-lost" }),
    remove: () => storage.close(),
  };
});

it("an append that lands late does so between others, never in the middle of one", async () => {
  const { disk, next, storage } = open();
  next.push({ fault: "landed-late" }, { writeMs: 5 });
  await expect(storage.append([unitOf("late", { a: 0 }, [event("a")])])).rejects.toThrow("nobody knows");
  const slow = storage.append([unitOf("slow", { b: 0 }, [event("b")])]);
  // It has been written, and not synced yet.
  await new Promise((resolve) => setImmediate(resolve));
  await storage.findCommands(["late"], 0);
  await slow;
  await storage.close();
  const commandsOf = async (of: SimulatedStorage) =>
    (await of.readLog(0, 10)).map(({ meta, events }) => [meta.command, events[0]?.seq]);
  expect(await commandsOf(storage)).toEqual([
    ["slow", 1],
    ["late", 2],
  ]);
  expect(await commandsOf(open(disk).storage)).toEqual(await commandsOf(storage));
});

it("what a process has written that ended by itself is there for the next one", async () => {
  const { disk, next, storage } = open();
  next.push({ writeMs: 5 });
  const slow = storage.append([unitOf("slow", { a: 0 }, [event("a")])]);
  await new Promise((resolve) => setImmediate(resolve));
  const after = open(disk).storage;
  expect(await after.versions(["a"])).toEqual([1]);
  const [outcome] = await after.append([unitOf("next", { a: 0 }, [event("a")])]);
  expect(outcome).toMatchObject({ ok: false });
  await slow;
});

it("a disk that reads each unit once finds out who changes what was read", async () => {
  const disk = new Disk({ readsOnce: true });
  const { storage } = open(disk);
  await storage.append([unitOf("c0", { a: 0 }, [event("a", { n: 1 })])]);
  const [read] = await storage.readStream("a");
  expect((await storage.readStream("a"))[0]).toBe(read);
  disk.mustBeUnchanged();
  Object.assign(read?.data ?? {}, { n: 2 });
  expect(() => disk.mustBeUnchanged()).toThrow("what was read of the unit at 1 was changed");
});

describe("a crash of the simulated disk", () => {
  it("keeps what was synced, and of what was written a beginning, whole unit by whole unit", async () => {
    const lengths = new Set<number>();
    for (let seed = 1; seed <= 200; seed += 1) {
      const { disk, next, storage } = open();
      await storage.append([unitOf("c0", { a: 0 }, [event("a")])]);
      next.push({ crash: "written" });
      void storage.append([1, 2, 3].map((n) => unitOf(`c${n}`, { a: n }, [event("a", { n })])));
      await new Promise((resolve) => setImmediate(resolve));
      const { log } = disk.crash(seededRandom(seed));
      const commands = (await open(disk).storage.readLog(0, 100)).map(({ meta }) => meta.command);
      expect(commands).toEqual(["c0", "c1", "c2", "c3"].slice(0, commands.length));
      expect(commands.length).toBeGreaterThanOrEqual(1);
      if (log === "whole") expect(commands).toHaveLength(4);
      if (log === "none") expect(commands).toHaveLength(1);
      lengths.add(commands.length);
    }
    expect([...lengths].sort()).toEqual([1, 2, 3, 4]);
  });

  it("leaves of the derived store what it was after some commit, a checkpoint never without its documents", () => {
    const checkpoints = new Set<number>();
    for (let seed = 1; seed <= 200; seed += 1) {
      const { disk } = open();
      for (const checkpoint of [1, 2, 3])
        disk.derived.commit([{ consumer: "a", checkpoint, put: [{ id: "it", body: `${checkpoint}` }], remove: [] }]);
      const { derived } = disk.crash(seededRandom(seed));
      const checkpoint = disk.derived.checkpoint("a");
      expect(disk.derived.get("a", "it")?.body).toBe(checkpoint === 0 ? undefined : `${checkpoint}`);
      if (derived === "kept") expect(checkpoint).toBe(3);
      if (derived === "lost") expect(checkpoint).toBe(0);
      checkpoints.add(checkpoint);
    }
    expect([...checkpoints].sort()).toEqual([0, 1, 2, 3]);
  });
});
