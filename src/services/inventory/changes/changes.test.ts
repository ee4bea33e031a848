import { describe, expect, it } from "vitest";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { event, numbers, unitOf } from "../../../platform/storage/samples.ts";
import type { Caller, ChangesFilter, ChangesStep } from "../api.ts";
import { caller, withTurns } from "../fixture.ts";
import { formatPosition } from "../positions.ts";
import { Changes } from "./changes.ts";
import { toCloudEvent } from "./cloud-events.ts";

describe("a change feed", () => {
  it("ends when the inventory stops, though what is recorded after that never comes to it", async () => {
    const storage = new MemoryStorage();
    const changes = new Changes(storage);
    await storage.append([unitOf("c1", { "stock-x/a": 0 }, [event("stock-x/a")])]);
    const steps = follow(changes);
    expect((await steps.next()).value.events).toHaveLength(1);
    const next = steps.next();
    changes.close();
    await storage.append([unitOf("c2", { "stock-x/a": 1 }, [event("stock-x/a")])]);
    // It used to look for that event for ever, without a pause in which anything else could run.
    expect((await next).done).toBe(true);
  });

  it("lets others have their turn while it looks through a long log in which nothing matches", async () => {
    const storage = new MemoryStorage();
    await appendUnits(storage, 20, 500);
    const steps = follow(new Changes(storage), { skus: new Set(["none"]) });
    const untilPresent = async () => {
      for (;;) {
        const { value } = await steps.next();
        if (value.caughtUp) return value.events;
      }
    };
    const { value, turns } = await withTurns(untilPresent());
    expect(value).toEqual([]);
    expect(turns).toBeGreaterThanOrEqual(19);
  });

  it("gives no more at once near the present than from the log, unless one unit has more", async () => {
    const storage = new MemoryStorage();
    const changes = new Changes(storage);
    // While somebody follows, the newest units are at hand.
    await follow(changes).next();
    await appendUnits(storage, 30, 81);
    await appendUnits(storage, 1, 700);
    await appendUnits(storage, 30, 81);
    const steps = follow(changes);
    const sizes: number[] = [];
    for (let isOver = false; !isOver; ) {
      const { value } = await steps.next();
      sizes.push(value.events.length);
      isOver = value.caughtUp;
    }
    const five = numbers(5).map(() => 6 * 81);
    expect(sizes).toEqual([...five, 700, ...five]);
  });
});

describe("the steps of a reservation", () => {
  const at = (location: string, sku = "a") => ({ sku, location, quantity: 1 });
  const steps: readonly (readonly [type: string, allocations?: readonly object[]])[] = [
    ["ReservationPlaced", [at("leeds"), at("york", "b")]],
    ["ReservationConfirmed"],
    ["ReservationAmended", [at("york", "b")]],
    ["ReservationFulfilled"],
    ["ReservationReleased"],
  ];

  const names = ["placed", "confirmed", "amended", "fulfilled", "released"];

  /** Versions that a feed tells of, from before one of them on. */
  async function told(filter: ChangesFilter, who: Caller, from = 1): Promise<readonly number[]> {
    const storage = new MemoryStorage();
    for (const [index, [type, allocations]] of steps.entries()) {
      const step = { ...event("reservation-r", { ...(allocations && { allocations }) }), type };
      await storage.append([unitOf(`c${index}`, { "reservation-r": index }, [step])]);
    }
    const changes = new Changes(storage);
    const read = async (after: number) => {
      const { signal } = new AbortController();
      const position = formatPosition(storage.epochs, after);
      const feed = changes.follow(position, filter, who, { signal, heartbeatMs: 1000 });
      if (!feed.ok) throw new Error("refused");
      for await (const { events } of feed.value)
        return events.map(({ data }) => names.indexOf(String(data["step"])) + 1);
      return [];
    };
    // Also when it is known from a feed that began elsewhere.
    const first = await read(from - 1);
    for (const other of [4, 0, 2]) {
      await read(other);
      expect(await read(from - 1)).toEqual(first);
    }
    return first;
  }

  it.each([
    [{ locations: new Set(["leeds"]) }, [1, 2]],
    [{ locations: new Set(["york"]) }, [1, 2, 3, 4, 5]],
    [{ skus: new Set(["a"]) }, [1, 2]],
    [{ skus: new Set(["b"]), locations: new Set(["leeds"]) }, []],
    [{ skus: new Set(["c"]) }, []],
    [{}, [1, 2, 3, 4, 5]],
  ])("are all told to those who ask for what it is of (%o)", async (filter, versions) => {
    for (const from of [1, 2, 3, 4, 5])
      expect(await told(filter, caller, from)).toEqual(versions.filter((version) => version >= from));
  });

  it("are told to nobody who may not see all that it is of", async () => {
    const limited = (...locations: string[]) => ({ ...caller, locations: new Set(locations) });
    expect(await told({}, limited("leeds", "york"))).toEqual([1, 2, 3, 4, 5]);
    expect(await told({}, limited("york"))).toEqual([3, 4, 5]);
    expect(await told({}, limited("leeds"))).toEqual([]);
  });
});

/** Appends so many units, each of so many events of one stock. */
async function appendUnits(storage: MemoryStorage, units: number, events: number): Promise<void> {
  for (const n of numbers(units)) {
    const version = storage.head();
    const told = numbers(events).map(() => event("stock-x/a"));
    await storage.append([unitOf(`c${n}`, { "stock-x/a": version }, told)]);
  }
}

function follow(changes: Changes, filter: ChangesFilter = {}): AsyncIterator<ChangesStep> {
  const { signal } = new AbortController();
  const feed = changes.follow(undefined, filter, caller, { signal, heartbeatMs: 1000 });
  if (!feed.ok) throw new Error("refused");
  return feed.value[Symbol.asyncIterator]();
}

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
