import { describe, expect, it } from "vitest";
import { event, sampleTagging, unitOf } from "../samples.ts";
import { storageContract } from "../storage.contract.ts";
import { MemoryStorage } from "./index.ts";

storageContract(
  "memory",
  async () => {
    const storage = new MemoryStorage({ tagging: sampleTagging });
    return {
      storage,
      reopen: () => Promise.reject(new Error("memory is not reopened")),
      failNextAppend: () => storage.failNextAppend(),
      loseNextAnswer: () => storage.loseNextAnswer(),
      remove: () => storage.close(),
    };
  },
  { reopen: "memory keeps nothing" },
);

describe("MemoryStorage", () => {
  it("keeps nothing for the next one", async () => {
    const first = new MemoryStorage();
    await first.append([unitOf("c1", { a: 0 }, [event("a")])]);
    await first.close();
    expect(new MemoryStorage().head()).toBe(0);
  });

  it("holds an append, and those behind it, until it is let go", async () => {
    const storage = new MemoryStorage();
    const letGo = storage.holdNextAppend();
    const answers = [
      storage.append([unitOf("c1", { a: 0 }, [event("a")])]),
      storage.append([unitOf("c2", { a: 1 }, [event("a")])]),
    ];
    await new Promise((resolve) => setImmediate(resolve));
    expect(storage.head()).toBe(0);
    letGo();
    expect((await Promise.all(answers)).flat().map(({ ok }) => ok)).toEqual([true, true]);
  });
});
