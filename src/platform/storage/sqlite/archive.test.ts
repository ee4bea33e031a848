import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ColdLog, FolderColdStore } from "../cold/index.ts";
import type { AppendUnit } from "../port.ts";
import { claim, event, numbers, unitOf } from "../samples.ts";
import { archiveUpTo, ownThread } from "./archive.fixture.ts";
import { type ColdWriter, ThreadColdWriter } from "./cold-writer.ts";
import { openSqliteReader, openSqliteStorage, type SqliteStorage } from "./index.ts";
import { readManifests, readMeta, UnitCheck } from "./log-database.ts";

const dayMs = 86_400_000;
/** 2025-11-21T10:00:00Z. */
const start = 1_763_719_200_000;

let home: string;
let folder: string;
let storage: SqliteStorage;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "larder-archive-"));
  folder = join(home, "data");
  storage = await openSqliteStorage({ folder, coldWriter: ownThread });
});
afterEach(async () => {
  await storage.close();
  rmSync(home, { recursive: true });
});

/** One sale a day of one of three stocks. */
const sale = (n: number): AppendUnit =>
  unitOf(`c${n}`, { [`stock-${n % 3}`]: Math.floor((n - (n % 3 || 3)) / 3) }, [event(`stock-${n % 3}`, { n })], {
    recordedAt: start + n * dayMs,
    claims: [claim(n)],
  });
const never = { before: Number.MAX_SAFE_INTEGER, upTo: Number.MAX_SAFE_INTEGER };
const files = () => readdirSync(join(folder, "archive"));
const bodies = async () => (await storage.readLog(0, Number.MAX_SAFE_INTEGER)).map(({ body }) => body);
const rows = () => Number(storage.log.prepare("SELECT count(*) AS n FROM log").get()?.["n"]);

async function reopen(coldWriter?: ColdWriter): Promise<void> {
  await storage.close();
  storage = await openSqliteStorage({ folder, coldWriter: coldWriter ?? ownThread });
}

describe("a run", () => {
  it("moves whole days that are within its bounds, and never the day of the newest unit", async () => {
    await storage.append(numbers(10).map(sale));
    const days = (bounds: object) => storage.archive.plan({ ...never, ...bounds }).map(({ day }) => day.slice(8));
    expect(days({})).toEqual(["22", "23", "24", "25", "26", "27", "28", "29", "30"]);
    expect(days({ before: Date.parse("2025-11-24") })).toEqual(["22", "23"]);
    expect(days({ before: Date.parse("2025-11-24") - 1 })).toEqual(["22"]);
    expect(days({ upTo: 3 })).toEqual(["22", "23", "24"]);
    await storage.append([unitOf("c11", { b: 0 }, [event("b")], { recordedAt: start + 10 * dayMs })]);
    expect(days({ upTo: 9 })).toHaveLength(9);
    const moved = await storage.archive.run({ ...never, before: Date.parse("2025-11-25") });
    expect(moved.map(({ day, firstSequence, lastSequence }) => [day, firstSequence, lastSequence])).toEqual([
      ["2025-11-22", 1, 1],
      ["2025-11-23", 2, 2],
      ["2025-11-24", 3, 3],
    ]);
    expect(storage.archive.figures()).toMatchObject({ seam: 3, files: 3, hotSince: start + 4 * dayMs });
    expect(rows()).toBe(8);
    expect(await storage.archive.run({ ...never, before: Date.parse("2025-11-25") })).toEqual([]);
  });

  it("writes files that name what they hold, each with a manifest that follows the one before it", async () => {
    await storage.append(numbers(5).map(sale));
    await storage.archive.run(never);
    expect(files().map((name) => name.replace(/-[0-9a-f]{8}\./, "-HASH."))).toEqual(
      ["22", "23", "24", "25"].flatMap((day, index) =>
        ["json", "parquet"].map((end) => `2025-11-${day}-e1-${String(index + 1).padStart(12, "0")}-HASH.${end}`),
      ),
    );
    const manifests = files().filter((name) => name.endsWith(".json"));
    const [first, second] = manifests.map((name) => JSON.parse(readFileSync(join(folder, "archive", name), "utf8")));
    expect(first).toMatchObject({ format: 1, epoch: 1, day: "2025-11-22", units: 1, events: 1, previous: null });
    expect(second.previous).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is one at a time, ends early when told to, and is broken off by a close", async () => {
    await reopen(new ThreadColdWriter());
    await storage.append(numbers(40).map(sale));
    const stop = new AbortController();
    const running = storage.archive.run(never, { signal: stop.signal, onFile: () => stop.abort() });
    await expect(storage.archive.run(never)).rejects.toThrow("is being written already");
    expect(await running).toHaveLength(1);
    const brokenOff = storage.archive.run(never).catch((error: unknown) => error);
    await reopen();
    expect(await brokenOff).toMatchObject({ code: "storage-unavailable" });
    expect(await bodies()).toHaveLength(40);
  });

  it("is not held up by what is appended meanwhile, nor holds it up", async () => {
    await reopen(new ThreadColdWriter());
    await storage.append(numbers(30).map(sale));
    const running = storage.archive.run({ ...never, before: start + 20 * dayMs });
    for (const n of numbers(60).slice(30)) expect(await storage.append([sale(n)])).toEqual([{ ok: true, seq: n }]);
    await running;
    expect(await bodies()).toHaveLength(60);
    expect(await storage.versions(["stock-0", "stock-1"])).toEqual([20, 20]);
  });

  it("lets what is appended next take the room of what was moved", async () => {
    const long = (n: number) =>
      unitOf(`c${n}`, { [`s${n}`]: 0 }, [event(`s${n}`, { text: "x".repeat(900) })], { recordedAt: start + n * 1000 });
    await storage.append(numbers(1000).map(long));
    await storage.append([sale(1)]);
    await storage.archive.run(never);
    const { freeBytes } = storage.archive.figures();
    expect(freeBytes).toBeGreaterThan(900_000);
    await reopen();
    const { size } = statSync(join(folder, "log.db"));
    await storage.append(
      numbers(1700)
        .slice(1000)
        .map((n) => ({ ...long(n), meta: { ...long(n).meta, recordedAt: start + 2 * dayMs } })),
    );
    await reopen();
    expect(statSync(join(folder, "log.db")).size).toBe(size);
  });

  it("shows the log as it was to a reader that was opened before, and the same to one that is opened after", async () => {
    await storage.append(numbers(20).map(sale));
    const before = await openSqliteReader({ folder });
    await storage.archive.run(never);
    const after = await openSqliteReader({ folder });
    for (const reader of [before, after]) {
      expect((await reader.readLog(0, 100)).map(({ body }) => body)).toEqual(await bodies());
      expect(await reader.sequenceAt(start + 5 * dayMs)).toBe(5);
      expect(reader.head()).toBe(20);
      await reader.close();
    }
  });
});

describe("a log that moves on while it is read", () => {
  it("may have taken in another file at any moment of a read", async () => {
    await storage.append(numbers(12).map(sale));
    for (const lastSequence of [5, 9]) await archiveUpTo(storage, lastSequence);
    const [first, second] = readManifests(storage.log);
    if (first === undefined || second === undefined) throw new Error("two files were written");
    const check = new UnitCheck(readMeta(storage.log).storeId);
    for (let ticks = 0; ticks < 60; ticks += 1) {
      const store = new FolderColdStore(join(folder, "archive"));
      const cold = new ColdLog(store, (seq, body) => check.of(seq, body), [first]);
      // The second time all is in memory, so that nothing but these moments passes.
      await cold.read(0, 100);
      const reading = cold.read(0, 100);
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
      cold.add(second);
      expect([5, 9]).toContain((await reading).length);
    }
  });

  it("knows the version of a stream that was appended to while its last event was read from a file", async () => {
    await storage.append(numbers(6).map(sale));
    await archiveUpTo(storage, 5);
    await reopen();
    const { promise, resolve } = Promise.withResolvers<void>();
    const plain = ColdLog.prototype.unit;
    vi.spyOn(ColdLog.prototype, "unit").mockImplementationOnce(async function (this: ColdLog, seq) {
      const unit = await plain.call(this, seq);
      await promise;
      return unit;
    });
    const reading = storage.versions(["stock-1"]);
    const append = (version: number) =>
      storage.append([
        unitOf(`v${version}`, { "stock-1": version }, [event("stock-1")], { recordedAt: start + 9 * dayMs }),
      ]);
    expect(await append(2)).toMatchObject([{ ok: true }]);
    resolve();
    await reading;
    expect(await append(3)).toMatchObject([{ ok: true }]);
    vi.restoreAllMocks();
  });
});

describe("after a crash", () => {
  it("counts a file for nothing before the log names it, whole or in part, and writes it again", async () => {
    await storage.append(numbers(6).map(sale));
    const whole = await bodies();
    await expect(
      storage.archive.run(never, { beforeMove: () => Promise.reject(new Error("the process died here")) }),
    ).rejects.toThrow("died here");
    const [manifest = "", parquet = ""] = files();
    const written = readFileSync(join(folder, "archive", parquet));
    for (const leave of [
      () => undefined,
      () => rmSync(join(folder, "archive", manifest)),
      () => renameSync(join(folder, "archive", parquet), join(folder, "archive", `${parquet}.partial`)),
      () => truncateSync(join(folder, "archive", `${parquet}.partial`), 100),
    ]) {
      leave();
      await reopen();
      expect(storage.archive.figures().seam).toBe(0);
      expect(await bodies()).toEqual(whole);
    }
    await storage.archive.run({ ...never, upTo: 1 });
    expect(readFileSync(join(folder, "archive", parquet))).toEqual(written);
    await storage.archive.run(never);
    expect(await bodies()).toEqual(whole);
  });

  it("counts the file once the log names it, and removes the rows that were left", async () => {
    await storage.append(numbers(6).map(sale));
    const whole = await bodies();
    const left = storage.log.prepare("SELECT * FROM log WHERE seq < 5").all();
    await storage.archive.run({ ...never, upTo: 4 });
    const insert = storage.log.prepare("INSERT INTO log (seq, at, body, crc) VALUES (?, ?, ?, ?)");
    // A row that differs shows which of the two is read.
    for (const { seq, at } of left) insert.run(seq ?? 0, at ?? 0, "left over", 0);
    await reopen();
    expect(await bodies()).toEqual(whole);
    expect(await storage.sequenceAt(start + 2 * dayMs)).toBe(2);
    expect(rows()).toBe(6);
    await storage.archive.run({ ...never, upTo: 4 });
    expect(rows()).toBe(2);
    expect(await bodies()).toEqual(whole);
  });

  it("goes on after a move of unknown outcome", async () => {
    await storage.append(numbers(6).map(sale));
    const copy = join(home, "copy");
    await storage.archive.run({ ...never, upTo: 2 });
    cpSync(folder, copy, { recursive: true });
    // Another connection has moved on, as after a sync whose failure was told and which was made good later.
    const other = await openSqliteStorage({ folder: copy, coldWriter: ownThread });
    await archiveUpTo(other, 4);
    const [third, fourth] = other.log.prepare("SELECT * FROM archived WHERE seq > 2").all();
    const meta = other.log.prepare("SELECT * FROM meta").all();
    await other.close();
    cpSync(join(copy, "archive"), join(folder, "archive"), { recursive: true });
    for (const row of [third, fourth])
      if (row)
        storage.log
          .prepare("INSERT INTO archived (seq, manifest) VALUES (?, ?)")
          .run(row["seq"] ?? 0, row["manifest"] ?? "");
    for (const { key, value } of meta)
      storage.log.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)").run(key ?? "", value ?? "");
    await storage.archive.run(never);
    expect(storage.archive.figures().seam).toBe(5);
    expect(await bodies()).toHaveLength(6);
  });
});

describe("a cold file that is missing or damaged", () => {
  const parquets = () => files().filter((name) => name.endsWith(".parquet"));
  const unavailable = { code: "archive-unavailable" };

  beforeEach(async () => {
    await storage.append(numbers(12).map(sale));
    await storage.append([unitOf("c13", { hot: 0 }, [event("hot")], { recordedAt: start + 13 * dayMs })]);
    await storage.archive.run({ ...never, upTo: 9 });
  });

  it("fails the reads that need it, and nothing else", async () => {
    rmSync(join(folder, "archive", parquets()[1] ?? ""));
    await reopen();
    await expect(storage.readLog(0, 100)).rejects.toMatchObject(unavailable);
    await expect(storage.readStream("stock-2")).rejects.toMatchObject(unavailable);
    await expect(storage.readLog(1, 1)).rejects.toThrow("2025-11-23-e1-000000000002");
    expect(await storage.readLog(2, 100)).toHaveLength(11);
    expect(await storage.readStream("stock-1")).toHaveLength(4);
    expect(await storage.readStream("stock-2", 1)).toHaveLength(3);
    expect(await storage.sequenceAt(start + 2 * dayMs)).toBe(2);
    expect(await storage.findClaims([claim(2).key])).toEqual([{ print: claim(2).print, seq: 2 }]);
    expect(await storage.append([sale(13)].map((unit) => ({ ...unit, claims: [] })))).toEqual([{ ok: true, seq: 14 }]);
  });

  it("refuses only the unit whose guard needs it", async () => {
    await archiveUpTo(storage, 12);
    rmSync(join(folder, "archive"), { recursive: true });
    await reopen();
    const outcomes = await storage.append([
      { ...sale(13), claims: [] },
      unitOf("c14", { hot: 1, fresh: 0 }, [event("hot"), event("fresh")], { recordedAt: start + 14 * dayMs }),
    ]);
    expect(outcomes).toEqual([
      { ok: false, conflict: { stream: "stock-1" } },
      { ok: true, seq: 14 },
    ]);
    await expect(storage.versions(["stock-1"])).rejects.toMatchObject(unavailable);
    expect(await storage.versions(["hot", "fresh", "none"])).toEqual([2, 1, 0]);
  });

  it("is never read as anything but what was written, whichever byte is wrong", async () => {
    const path = join(folder, "archive", parquets()[2] ?? "");
    const good = readFileSync(path);
    const [expected] = await storage.readLog(2, 1);
    let refused = 0;
    for (let at = 0; at < good.length; at += 1 + Math.floor(good.length / 150)) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x11;
      writeFileSync(path, bad);
      const reader = await openSqliteReader({ folder });
      const found = await reader.readLog(2, 1).catch((error: unknown) => error);
      await reader.close();
      if (Array.isArray(found)) expect(found[0].body).toBe(expected?.body);
      else expect(found).toMatchObject(unavailable);
      if (!Array.isArray(found)) refused += 1;
    }
    expect(refused).toBeGreaterThan(100);
    truncateSync(path, good.length - 1);
    await reopen();
    await expect(storage.readLog(2, 1)).rejects.toMatchObject(unavailable);
    writeFileSync(path, good);
    expect(await storage.readLog(2, 1)).toEqual([expected]);
  });

  it("stops the opening of a log whose manifests are not what was written", async () => {
    storage.log.exec("DELETE FROM archived WHERE seq = 3");
    await storage.close();
    await expect(openSqliteStorage({ folder, coldWriter: ownThread })).rejects.toThrow(
      "what it says of its archive is not what was written",
    );
  });
});
