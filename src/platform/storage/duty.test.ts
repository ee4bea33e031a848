import { expect, it } from "vitest";
import { Duty, type Storage } from "./index.ts";
import { MemoryStorage, SharedMemoryLog } from "./memory/index.ts";

const alone: Storage = new MemoryStorage();

/** A duty whose work tells what happens to it. */
function dutyOf(storage: Storage, told: string[], name: string, takesMs = 0) {
  const step = async (what: string) => {
    told.push(`${name} ${what}`);
    await new Promise((resolve) => setTimeout(resolve, takesMs));
    told.push(`${name} did`);
  };
  const failures: unknown[] = [];
  const duty = new Duty(storage, "work", {
    begin: (word) => step(word === undefined ? "begins" : `begins from ${word}`),
    end: () => step("ends"),
    onFailure: (error) => failures.push(error),
  });
  return { duty, failures };
}

it("is begun at once where nobody else uses the log, and what it throws is thrown", async () => {
  const told: string[] = [];
  const { duty } = dutyOf(alone, told, "a");
  await duty.start();
  expect([duty.isMine, told]).toEqual([true, ["a begins", "a did"]]);
  await duty.leaveWord("nobody reads it");
  await duty.stop();
  expect(told.slice(2)).toEqual(["a ends", "a did"]);
  const failing = new Duty(alone, "work", {
    begin: () => Promise.reject(new Error("no")),
    end: async () => undefined,
    onFailure: () => undefined,
  });
  await expect(failing.start()).rejects.toThrow("no");
});

it("is of one process at a time, which ends it before the next begins, from the word that was left", async () => {
  const log = new SharedMemoryLog();
  const told: string[] = [];
  const { duty: a } = dutyOf(log.open(), told, "a", 20);
  const { duty: b } = dutyOf(log.open(), told, "b");
  await a.start();
  await b.start();
  await expect.poll(() => told).toEqual(["a begins", "a did"]);
  expect([a.isMine, b.isMine]).toEqual([true, false]);
  await b.leaveWord("not ours");
  await a.leaveWord("17");
  await a.stop();
  await expect.poll(() => told.length).toBe(6);
  expect(told.slice(2)).toEqual(["a ends", "a did", "b begins from 17", "b did"]);
  expect([a.isMine, b.isMine]).toEqual([false, true]);
  await b.stop();
});

it("is begun again after a failure, and not any more once it is lost", async () => {
  const log = new SharedMemoryLog();
  let attempts = 0;
  const failures: unknown[] = [];
  const duty = new Duty(log.open(), "work", {
    async begin() {
      attempts += 1;
      throw new Error("the queues are away");
    },
    end: async () => undefined,
    onFailure: (error) => failures.push(error),
    timers: { after: quick, every: quick, soon: setImmediate, elapsedMs: () => performance.now() },
  });
  await duty.start();
  await expect.poll(() => attempts).toBeGreaterThan(2);
  await duty.stop();
  const before = attempts;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(attempts).toBe(before);
  expect(failures).toHaveLength(before);
});

function quick(_ms: number, run: () => void): () => void {
  const timer = setTimeout(run, 5);
  return () => clearTimeout(timer);
}
