import { describe, expect, it } from "vitest";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { event, unitOf } from "../../../platform/storage/samples.ts";
import { caller } from "../fixture.ts";
import { Changes } from "./changes.ts";

describe("a change feed", () => {
  it("ends when the inventory stops, though what is recorded after that never comes to it", async () => {
    const storage = new MemoryStorage();
    const changes = new Changes(storage);
    await storage.append([unitOf("c1", { "stock-x/a": 0 }, [event("stock-x/a")])]);
    const { signal } = new AbortController();
    const feed = changes.follow(undefined, {}, caller, { signal, heartbeatMs: 1000 });
    if (!feed.ok) throw new Error("refused");
    const steps = feed.value[Symbol.asyncIterator]();
    expect((await steps.next()).value.events).toHaveLength(1);
    const next = steps.next();
    changes.close();
    await storage.append([unitOf("c2", { "stock-x/a": 1 }, [event("stock-x/a")])]);
    // It used to look for that event for ever, without a pause in which anything else could run.
    expect((await next).done).toBe(true);
  });
});
