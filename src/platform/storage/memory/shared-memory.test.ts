import { describe, expect, it } from "vitest";
import { sampleTagging } from "../samples.ts";
import { sharedStorageContract } from "../shared.contract.ts";
import { storageContract } from "../storage.contract.ts";
import { SharedMemoryLog } from "./index.ts";

storageContract(
  "shared memory, one process",
  async () => {
    const storage = new SharedMemoryLog(sampleTagging).open();
    return {
      storage,
      reopen: () => Promise.reject(new Error("memory is not reopened")),
      failNextAppend: () => storage.failNextAppend(),
      loseNextAnswer: () => storage.loseNextAnswer(),
      remove: () => storage.close(),
    };
  },
  { reopen: "a log in memory ends with its process" },
);

sharedStorageContract("shared memory", async () => {
  const board = new SharedMemoryLog(sampleTagging, Date.now);
  const timer = setInterval(() => board.deliver(), 20);
  return {
    open: async () => board.open(),
    remove: async () => clearInterval(timer),
  };
});

describe("a log in memory that is shared", () => {
  it("is as far behind the others as nobody tells it", async () => {
    const board = new SharedMemoryLog();
    const [one, two] = [board.open(), board.open()];
    await one.append([
      {
        meta: { command: "c1", recordedAt: 1, actor: "test" },
        expected: [{ stream: "a", version: 0 }],
        events: [{ stream: "a", type: "StockSold", schema: 1, data: {} }],
      },
    ]);
    expect([one.head(), two.head()]).toEqual([1, 0]);
    board.deliver();
    expect(two.head()).toBe(1);
  });
});
