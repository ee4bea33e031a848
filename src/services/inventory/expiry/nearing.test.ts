import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { accepted, caller, fact } from "../fixture.ts";
import { type RunningInventory, startInventory } from "../inventory.ts";
import { inventoryTagging } from "../reservations/lists.ts";
import { verifyLog } from "../verification/index.ts";

const hour = 3_600_000;
const sweepEveryMs = 17;
const commitEveryMs = 19;

let inventory: RunningInventory;
let storage: MemoryStorage;
const clock = { now: 0 };
let timers: Map<number, () => void>;
let ids = 0;

async function start(kept = new MemoryStorage({ tagging: inventoryTagging })): Promise<void> {
  storage = kept;
  timers = new Map();
  inventory = await startInventory({
    storage,
    clock: () => clock.now,
    randomId: () => {
      ids += 1;
      return `id-${ids}`;
    },
    sweepEveryMs,
    commitEveryMs,
    timers: {
      ...systemTimers,
      every: (ms, run) => {
        timers.set(ms, run);
        return () => timers.delete(ms);
      },
    },
  });
}

afterEach(async () => {
  const { findings } = await verifyLog(storage);
  expect(findings).toEqual([]);
  await inventory.stop();
});

/** Runs what a timer would, and lets all of it happen. */
async function fire(ms: number): Promise<void> {
  timers.get(ms)?.();
  for (let turns = 0; turns < 20; turns += 1) await turn();
}

const milk = { sku: "milk", location: "shop" };
const tell = async (type: string, data: object, id?: string) =>
  expect(
    await inventory.recordFacts([fact(type, { ...milk, ...data }, id === undefined ? {} : { id })], caller),
  ).toMatchObject({ accepted: 1 });
const receive = (lot: string, expiresOn: string, quantity = 5) => tell("stock.received", { lot, expiresOn, quantity });
const policy = async (fields: object) => accepted(await inventory.setPolicy("milk", fields, caller));
const zone = async (timeZone: string, id = "shop") =>
  accepted(await inventory.putLocation(id, { name: id, kind: "store", timeZone }, caller));

/** What was told so far, oldest first, as `5 of a until 2026-05-10`. */
async function told(): Promise<readonly string[]> {
  const { events } = accepted(await inventory.stockEvents("milk", { limit: 1000 }, caller));
  return events.toReversed().flatMap(({ type, data }) => {
    const { quantity, lot, expiresOn } = data as { quantity: number; lot: string; expiresOn: string };
    return type === "larder.stock.lot-expiring.v1" ? [`${quantity} of ${lot} until ${expiresOn}`] : [];
  });
}

/** What is told at an instant, and was not a millisecond before. */
async function toldAt(time: string): Promise<readonly string[]> {
  clock.now = Date.parse(time) - 1;
  await fire(sweepEveryMs);
  const before = await told();
  clock.now += 1;
  await fire(sweepEveryMs);
  return (await told()).slice(before.length);
}

describe("a lot that nears its date", () => {
  it.each([
    ["UTC", "2026-05-07T00:00:00Z"],
    ["Pacific/Kiritimati", "2026-05-06T10:00:00Z"],
    ["America/Los_Angeles", "2026-05-07T07:00:00Z"],
  ])("is told of once, from the date that its policy says, by the clocks of %s", async (timeZone, at) => {
    clock.now = Date.parse("2026-05-01T12:00:00Z");
    await start();
    await zone(timeZone);
    await policy({ expiringDays: 3 });
    await receive("a", "2026-05-10");
    await receive("b", "2026-05-11");
    expect(await toldAt(at)).toEqual(["5 of a until 2026-05-10"]);
    clock.now += 23 * hour;
    await fire(sweepEveryMs);
    expect(await told()).toHaveLength(1);
    const { events } = accepted(await inventory.stockEvents("milk", { limit: 1 }, caller));
    expect(events[0]).toMatchObject({
      type: "larder.stock.lot-expiring.v1",
      time: at.replace("Z", ".000Z"),
      data: { ...milk, lot: "a", quantity: 5, cause: { lot: "a" }, actor: "system:expiry", version: 4 },
    });
    const { expiresAt } = (events[0]?.data ?? {}) as { expiresAt?: string };
    expect(Date.parse(expiresAt ?? "") - Date.parse(at)).toBe(4 * 24 * hour);
  });

  it("is told of at midnight, though clocks are changed meanwhile", async () => {
    clock.now = Date.parse("2026-03-01T12:00:00Z");
    await start();
    await zone("Europe/London");
    await policy({ expiringDays: 2 });
    await receive("a", "2026-03-30");
    expect(await toldAt("2026-03-28T00:00:00Z")).toEqual(["5 of a until 2026-03-30"]);
  });

  it("is not told of where no policy asks for it, and no more when one takes that back", async () => {
    clock.now = Date.parse("2026-05-01T12:00:00Z");
    await start();
    await receive("a", "2026-05-10");
    await policy({ expiringDays: 3 });
    await policy({ location: "shop", expiringDays: null });
    clock.now = Date.parse("2026-05-09T12:00:00Z");
    await fire(sweepEveryMs);
    expect(await told()).toEqual([]);
  });

  it("is told of at once when a policy, or its units, come late", async () => {
    clock.now = Date.parse("2026-05-09T12:00:00Z");
    await start();
    await receive("a", "2026-05-10");
    await receive("b", "2026-05-20");
    await policy({ expiringDays: 3 });
    await fire(sweepEveryMs);
    expect(await told()).toEqual(["5 of a until 2026-05-10"]);
    await receive("c", "2026-05-11", 2);
    await fire(sweepEveryMs);
    await policy({ expiringDays: 30 });
    await fire(sweepEveryMs);
    expect((await told()).slice(1)).toEqual(["2 of c until 2026-05-11", "5 of b until 2026-05-20"]);
    await policy({ expiringDays: 40 });
    await receive("a", "2026-05-10");
    await fire(sweepEveryMs);
    expect(await told(), "more of what was told of is not told of again").toHaveLength(3);
  });

  it("is told of again when nothing was left of it, or when its date was wrong", async () => {
    clock.now = Date.parse("2026-05-09T12:00:00Z");
    await start();
    await policy({ expiringDays: 3 });
    await receive("a", "2026-05-10");
    await fire(sweepEveryMs);
    await tell("stock.sold", { lot: "a", quantity: 5 });
    await receive("a", "2026-05-10", 1);
    await fire(sweepEveryMs);
    await receive("b", "2026-06-10", 2);
    await tell("stock.received", { lot: "b", expiresOn: "2026-05-10", quantity: 2 }, "typo");
    await fire(sweepEveryMs);
    const typo = { source: "till", id: "typo", reason: "typo" };
    expect(await inventory.recordFacts([fact("fact.voided", typo)], caller)).toMatchObject({ accepted: 1 });
    expect(await told()).toEqual(["5 of a until 2026-05-10", "1 of a until 2026-05-10", "4 of b until 2026-05-10"]);
    expect(await toldAt("2026-06-07T00:00:00Z")).toEqual(["2 of b until 2026-06-10"]);
  });

  it("is told of only while something of it can be sold", async () => {
    clock.now = Date.parse("2026-05-09T12:00:00Z");
    await start();
    await policy({ expiringDays: 3 });
    await receive("a", "2026-05-10");
    await tell("stock.held-back", { lot: "a", quantity: 5, reason: "quarantine" });
    await receive("over", "2026-05-08");
    await fire(sweepEveryMs);
    expect(await told()).toEqual([]);
    await tell("stock.put-back", { lot: "a", quantity: 2, reason: "quarantine" });
    await fire(sweepEveryMs);
    expect(await told()).toEqual(["2 of a until 2026-05-10"]);
  });

  it("is told of as the location's clocks say that it has by then", async () => {
    clock.now = Date.parse("2026-05-01T12:00:00Z");
    await start();
    await policy({ expiringDays: 3 });
    await receive("a", "2026-05-10");
    await fire(sweepEveryMs);
    await zone("Pacific/Kiritimati", "elsewhere");
    await zone("Pacific/Kiritimati");
    expect(await toldAt("2026-05-06T10:00:00Z")).toEqual(["5 of a until 2026-05-10"]);
  });

  it("comes along with a transfer, and is told of where it arrives", async () => {
    clock.now = Date.parse("2026-05-01T12:00:00Z");
    await start();
    await policy({ location: "depot", expiringDays: 3 });
    await receive("a", "2026-05-10");
    await tell("stock.dispatched", { quantity: 5, transfer: "t", to: "depot" });
    await tell("stock.arrived", { location: "depot", quantity: 5, transfer: "t", from: "shop" });
    expect(await toldAt("2026-05-07T00:00:00Z")).toEqual(["5 of a until 2026-05-10"]);
  });

  it("is told of once across restarts and jumps of the clock, whatever was kept of what is derived", async () => {
    clock.now = Date.parse("2026-05-01T12:00:00Z");
    await start();
    await policy({ expiringDays: 3 });
    await receive("a", "2026-05-10");
    await receive("b", "2026-05-20");
    await fire(sweepEveryMs);
    await fire(commitEveryMs);
    await inventory.stop();
    await start(storage);
    expect(await toldAt("2026-05-07T00:00:00Z")).toEqual(["5 of a until 2026-05-10"]);
    // Not committed: it is looked at again.
    await start(storage);
    await fire(sweepEveryMs);
    clock.now -= 48 * hour;
    await fire(sweepEveryMs);
    clock.now = Date.parse("2026-05-17T03:00:00Z");
    await fire(sweepEveryMs);
    clock.now -= 200 * hour;
    await fire(sweepEveryMs);
    expect(await told()).toEqual(["5 of a until 2026-05-10", "5 of b until 2026-05-20"]);
  });
});
