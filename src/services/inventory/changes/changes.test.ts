import { describe, expect, it } from "vitest";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { event, unitOf } from "../../../platform/storage/samples.ts";
import { caller } from "../fixture.ts";
import { Changes } from "./changes.ts";
import { toCloudEvent } from "./cloud-events.ts";

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

it("tells where a location's changes go, and nothing of what signs them", () => {
  const sync = { url: "https://wms.example", of: "all", batchSize: 10, sealedSecret: "sealed" };
  const described = {
    seq: 1,
    stream: "location-leeds",
    version: 1,
    type: "LocationDescribed",
    schema: 1,
    data: { name: "Leeds", kind: "store", priority: 100, timeZone: "UTC", authority: "ours", sync },
    unit: { command: "c", recordedAt: 0, actor: "admin" },
  };
  const { data } = toCloudEvent(described, [{ number: 1, id: "e", startsAfter: 0 }]);
  expect(data["sync"]).toEqual({ url: "https://wms.example", of: "all", batchSize: 10 });
  expect(JSON.stringify(data)).not.toContain("sealed");
});
