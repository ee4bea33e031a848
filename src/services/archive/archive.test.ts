import { mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PlatformError } from "../../kernel/index.ts";
import { openSqliteReader, openSqliteStorage, type SqliteStorage } from "../../platform/storage/sqlite/index.ts";
import type { Timers } from "../../platform/timers/index.ts";
import { accepted, caller, codeOf, fact } from "../inventory/fixture.ts";
import { coldColumns, inventoryTagging, type RunningInventory, startInventory, verifyLog } from "../inventory/index.ts";
import { type ArchiveOptions, type RunningArchive, startArchive } from "./index.ts";

const dayMs = 86_400_000;
const start = Date.parse("2026-08-01T08:00:00Z");
const days = 12;
const skus = ["apple", "käse", "plum"];

let home: string;
let folder: string;
let now: number;
let storage: SqliteStorage;
let inventory: RunningInventory;
/** What timers were asked for and not yet called off: how long they wait, and what they do. */
let waiting: { ms: number; run: () => void }[];

async function open(): Promise<void> {
  storage = await openSqliteStorage({ folder, tagging: inventoryTagging, coldColumns });
  let ids = 0;
  inventory = await startInventory({
    storage,
    clock: () => now,
    randomId: () => {
      ids += 1;
      return `id-${storage.head()}-${ids}`;
    },
    sweepEveryMs: 1e9,
    sealEveryMs: 1e9,
  });
}

async function close(): Promise<void> {
  await inventory.stop();
  await storage.close();
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "larder-archive-service-"));
  folder = join(home, "data");
  now = start;
  waiting = [];
  await open();
  for (let day = 0; day < days; day += 1) {
    now = start + day * dayMs;
    const time = new Date(now - 3_600_000).toISOString();
    const facts = skus.flatMap((sku) => [
      fact("stock.received", { sku, location: "leeds", quantity: 20 + day }, { id: `r-${sku}-${day}`, time }),
      fact("stock.sold", { sku, location: "leeds", quantity: 3 }, { id: `s-${sku}-${day}`, time }),
    ]);
    expect((await inventory.recordFacts(facts, caller)).accepted).toBe(facts.length);
    accepted(
      await inventory.reserve(
        { id: `cart-${day}`, ttlSeconds: 600, lines: [{ sku: "apple", location: "leeds", quantity: 2 }] },
        caller,
      ),
    );
    if (day % 2 === 0) accepted(await inventory.confirm(`cart-${day}`, {}, caller));
  }
  await close();
  await open();
});
afterEach(async () => {
  await close();
  rmSync(home, { recursive: true });
});

const timers: Timers = {
  after(ms, run) {
    const entry = { ms, run };
    waiting.push(entry);
    return () => void waiting.splice(waiting.indexOf(entry), 1);
  },
  every: () => () => undefined,
  soon: setImmediate,
  elapsedMs: () => 0,
};

function archiveOf(afterDays: number | null = null, ended?: ArchiveOptions["ended"]): RunningArchive {
  return startArchive({
    log: storage.archive,
    preparation: inventory.archiving,
    clock: () => now,
    timers,
    afterDays,
    dailyAtMs: 3 * 3_600_000,
    ...(ended !== undefined && { ended }),
  });
}

async function moveBefore(before: string): Promise<void> {
  const archive = archiveOf();
  accepted(await archive.start({ before }));
  await archive.idle();
  expect((await archive.status()).lastRun?.problem).toBeUndefined();
}

/** All that clients can ask of other times. */
async function answers(): Promise<unknown> {
  const past: unknown[] = [];
  for (const sku of skus) {
    for (let day = -1; day <= days; day += 2) {
      const at = new Date(start + day * dayMs).toISOString();
      const earlier = new Date(start + (day - 1) * dayMs).toISOString();
      for (const options of [{ at }, { knownAt: at }, { at: earlier, knownAt: at, lots: true }])
        past.push(accepted(await inventory.stock(sku, options, caller)));
    }
    past.push(accepted(await inventory.stock(sku, { lots: true }, caller)));
    let cursor: string | undefined;
    do {
      const page = accepted(await inventory.stockEvents(sku, { limit: 7, ...(cursor && { cursor }) }, caller));
      past.push(page.events);
      cursor = page.next;
    } while (cursor !== undefined);
  }
  for (let day = 0; day < days; day += 3) past.push(accepted(await inventory.reservation(`cart-${day}`, caller)));
  past.push(accepted(await inventory.reservations({ sku: "apple", limit: 100 }, caller)));
  return { past, changes: await allChanges() };
}

async function allChanges(): Promise<unknown[]> {
  const stop = new AbortController();
  const events: unknown[] = [];
  const feed = accepted(await inventory.changes(undefined, {}, caller, { signal: stop.signal, heartbeatMs: 1000 }));
  for await (const step of feed) {
    events.push(...step.events);
    if (step.caughtUp) break;
  }
  return events;
}

describe("after days were moved", () => {
  it("answers everything about other times as before, also when what is derived was lost", async () => {
    const before = await answers();
    const head = storage.head();
    await moveBefore("2026-08-06");
    expect(storage.archive.figures()).toMatchObject({ files: 5, hotSince: Date.parse("2026-08-06T08:00:00Z") });
    expect(storage.head()).toBe(head);
    expect(await answers()).toEqual(before);
    await close();
    rmSync(join(folder, "derived.db"));
    await open();
    expect(await answers()).toEqual(before);
    await moveBefore("2026-08-11");
    expect(await answers()).toEqual(before);
    const again = fact(
      "stock.sold",
      { sku: "plum", location: "leeds", quantity: 3 },
      {
        id: "s-plum-0",
        time: new Date(start - 3_600_000).toISOString(),
      },
    );
    expect(await inventory.recordFacts([again], caller)).toMatchObject({ accepted: 0, duplicates: 1 });
    expect(await inventory.recordFacts([{ ...again, data: { ...again.data, quantity: 4 } }], caller)).toMatchObject({
      rejected: [{ code: "event-id-reused" }],
    });
  });

  it("passes verification, and a seal kept from before holds", async () => {
    const anchor = (await verifyLog(storage)).lastSeal;
    await moveBefore("2026-08-11");
    expect(await verifyLog(storage, { ...(anchor && { anchor }) })).toMatchObject({ findingsCount: 0 });
    const reader = await openSqliteReader({ folder });
    expect(await verifyLog(reader, { ...(anchor && { anchor }) })).toMatchObject({ findingsCount: 0 });
    await reader.close();
  });

  it.each([
    ["kept", false],
    ["lost, and derived again from the cold files", true],
  ])("decides on stocks without their cold files, with what is derived %s", async (_title, isLost) => {
    const before = accepted(await inventory.stock("apple", {}, caller)).locations;
    await moveBefore("2026-08-12");
    if (isLost) {
      await close();
      rmSync(join(folder, "derived.db"));
      await open();
    }
    await close();
    renameSync(join(folder, "archive"), join(home, "elsewhere"));
    now += 60_000;
    await open();
    expect(accepted(await inventory.stock("apple", {}, caller)).locations).toEqual(before);
    accepted(await inventory.reserve({ lines: [{ sku: "käse", location: "leeds", quantity: 1 }] }, caller));
    const sold = fact("stock.sold", { sku: "plum", location: "leeds", quantity: 1 });
    const [receipt, old, fresh] = await Promise.allSettled([
      inventory.recordFacts([sold], caller),
      inventory.reservation("cart-3", caller),
      inventory.reserve({ lines: [{ sku: "plum", location: "leeds", quantity: 1 }] }, caller),
    ]);
    expect(receipt).toMatchObject({ status: "fulfilled", value: { accepted: 1 } });
    expect(old).toMatchObject({ status: "rejected", reason: { code: "archive-unavailable" } });
    expect(fresh).toMatchObject({ status: "fulfilled", value: { ok: true } });
    // Only what needs the cold files fails, and clearly.
    const at = new Date(start).toISOString();
    await expect(inventory.stock("apple", { at }, caller)).rejects.toMatchObject({ code: "archive-unavailable" });
    expect(accepted(await inventory.availability(skus, undefined, caller)).items).toHaveLength(3);
    await close();
    renameSync(join(home, "elsewhere"), join(folder, "archive"));
    await open();
    expect(codeOf(await inventory.reservation("cart-3", caller))).toBe("ok");
  });
});

describe("a request", () => {
  it("may ask only what would be moved", async () => {
    const archive = archiveOf();
    const plan = accepted(await archive.start({ before: "2026-08-03", dryRun: true }));
    expect(plan).toEqual({
      before: "2026-08-03",
      days: [
        { day: "2026-08-01", events: expect.any(Number) },
        { day: "2026-08-02", events: expect.any(Number) },
      ],
    });
    expect(await archive.status()).toMatchObject({ isRunning: false, files: 0, hotSince: "2026-08-01T08:00:00.000Z" });
  });

  it("says where nothing can be moved that it can't, and promises no run", async () => {
    const archive = startArchive({
      log: undefined,
      preparation: inventory.archiving,
      clock: () => now,
      timers,
      afterDays: 90,
      dailyAtMs: 0,
    });
    expect(await archive.status()).toMatchObject({
      after: null,
      unavailable: expect.stringContaining("no cold files"),
    });
    expect(await archive.start({ before: "2026-08-03" })).toMatchObject({ rejection: { code: "not-found" } });
    expect(await archiveOf().status()).not.toHaveProperty("unavailable");
  });

  it("is refused without a date, with a wrong one, or with a later one than today", async () => {
    const archive = archiveOf();
    const refusals = await Promise.all(
      [{}, { before: "2026-02-30" }, { before: "yesterday" }, { before: "2026-08-13" }].map((asked) =>
        archive.start(asked),
      ),
    );
    expect(refusals.map(codeOf)).toEqual(Array.from({ length: 4 }, () => "invalid-request"));
    expect(codeOf(await archive.start({ before: "2026-08-12", dryRun: true }))).toBe("ok");
  });

  it("is answered by the run that is under way", async () => {
    const archive = archiveOf();
    accepted(await archive.start({ before: "2026-08-12" }));
    expect(accepted(await archive.start({ before: "2026-08-12" }))).toMatchObject({ isRunning: true });
    await archive.idle();
    expect(await archive.status()).toMatchObject({ isRunning: false, lastRun: { days: 11, files: 11 } });
    expect(readdirSync(join(folder, "archive"))).toHaveLength(22);
  });
});

describe("the schedule", () => {
  it("moves what is old enough at the quiet hour of each day, and goes on after a failure", async () => {
    const archive = archiveOf(10);
    expect(waiting.map(({ ms }) => ms)).toEqual([19 * 3_600_000]); // from 08:00 to 03:00
    now += 19 * 3_600_000;
    waiting.shift()?.run();
    await new Promise(setImmediate);
    await archive.idle();
    expect(await archive.status()).toMatchObject({ after: 10, files: 2, lastRun: { before: "2026-08-03", files: 2 } });
    expect(waiting.map(({ ms }) => ms)).toEqual([dayMs]);
    now += dayMs;
    const { run } = storage.archive;
    storage.archive.run = () => Promise.reject(new Error("the disk is full"));
    waiting.shift()?.run();
    await new Promise(setImmediate);
    await archive.idle();
    expect(await archive.status()).toMatchObject({ files: 2, lastRun: { files: 0, problem: expect.any(String) } });
    storage.archive.run = run;
    now += dayMs;
    waiting.shift()?.run();
    await new Promise(setImmediate);
    await archive.idle();
    expect(await archive.status()).toMatchObject({ files: 4 });
    await archive.stop();
    expect(waiting).toEqual([]);
  });

  it("tells of a run that the store's first read kept from beginning, and goes on the next day", async () => {
    const { versions } = storage;
    storage.versions = () => Promise.reject(new PlatformError("storage-unavailable", "the disk can't be read"));
    const ends: unknown[] = [];
    const archive = archiveOf(10, (_run, error) => ends.push(error));
    now += 19 * 3_600_000;
    waiting.shift()?.run();
    await new Promise(setImmediate);
    expect(await archive.status()).toMatchObject({
      isRunning: false,
      lastRun: { before: "2026-08-03", files: 0, problem: expect.any(String), endedAt: expect.any(String) },
    });
    expect(ends).toMatchObject([{ code: "storage-unavailable" }]);
    storage.versions = versions;
    now += dayMs;
    waiting.shift()?.run();
    await new Promise(setImmediate);
    await archive.idle();
    expect(await archive.status()).toMatchObject({ files: 3, lastRun: { before: "2026-08-04" } });
    await archive.stop();
  });
});
