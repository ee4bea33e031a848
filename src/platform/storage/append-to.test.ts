import { describe, expect, it } from "vitest";
import { InvariantError, OutcomeUnknown, PlatformError } from "../../kernel/index.ts";
import { appendTo, type StreamAppend } from "./append-to.ts";
import { MemoryStorage, SharedMemoryLog } from "./memory/index.ts";

const creation: StreamAppend = {
  stream: "key-1",
  version: 0,
  events: [{ type: "KeyCreated", data: { name: "till" } }],
  command: "key-c1",
  actor: "admin",
  now: 1000,
};

describe("an append to one stream", () => {
  it("is made when the stream has the version, and else not", async () => {
    const storage = new MemoryStorage();
    expect(await appendTo(storage, creation)).toBe(true);
    expect(await appendTo(storage, { ...creation, command: "key-c2" })).toBe(false);
    expect(await storage.versions(["key-1"])).toEqual([1]);
  });

  it("is found in the log when its answer was lost, once whoever follows the log has heard of it", async () => {
    const storage = new SharedMemoryLog().open();
    const heard: string[] = [];
    storage.subscribe((units) => heard.push(...units.map(({ meta }) => meta.command)));
    storage.loseNextAnswer();
    expect(await appendTo(storage, creation)).toBe(true);
    expect(heard).toEqual(["key-c1"]);
  });

  it("is of unknown outcome when its answer was lost and the log does not have it, or can't be asked", async () => {
    const storage = new MemoryStorage();
    storage.append = async () => {
      throw new Error("the connection was lost");
    };
    const failure = await appendTo(storage, creation).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OutcomeUnknown);
    expect(failure).toMatchObject({ cause: new Error("the connection was lost") });

    const shared = new SharedMemoryLog().open();
    shared.loseNextAnswer();
    shared.findCommands = async () => {
      throw new PlatformError("storage-unavailable", "the store is away");
    };
    await expect(appendTo(shared, creation)).rejects.toThrow(OutcomeUnknown);
    expect(await shared.versions(["key-1"])).toEqual([1]);
  });

  it("says what it was refused for, and what is wrong with it", async () => {
    const storage = new MemoryStorage();
    storage.failNextAppend();
    await expect(appendTo(storage, creation)).rejects.toThrow("nothing was appended");
    await expect(appendTo(storage, { ...creation, events: [] })).rejects.toThrow(InvariantError);
  });
});
