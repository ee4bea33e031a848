import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatInstant } from "../../../kernel/index.ts";
import type { RecordedUnit, Storage } from "../port.ts";
import { claim, event, numbers, unitOf } from "../samples.ts";
import { archiveAll, archiveUpTo, ownThread } from "./archive.fixture.ts";
import {
  backupStore,
  checkArchive,
  compactLog,
  openSqliteReader,
  openSqliteStorage,
  type QueuesBackup,
  restoreStore,
  type SqliteStorage,
} from "./index.ts";

let home: string;
let folder: string;
let destination: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "larder-backup-"));
  folder = join(home, "data");
  destination = join(home, "backup");
});
afterEach(() => rmSync(home, { recursive: true }));

/** Appends `count` units of 1, 2 and 3 events in turn, recorded a second apart. */
async function fill(storage: Storage, count: number): Promise<void> {
  for (const _ of numbers(count)) {
    const head = storage.head();
    const size = 1 + (head % 3);
    const stream = `s${head % 5}`;
    const [version = 0] = await storage.versions([stream]);
    const events = numbers(size).map((n) => event(stream, { n, head }));
    await storage.append([
      unitOf(`c${head}`, { [stream]: version }, events, { recordedAt: 1000 * (head + size), claims: [claim(head)] }),
    ]);
  }
}

async function unitsOf(
  log: Pick<Storage, "readLog">,
  upTo = Number.MAX_SAFE_INTEGER,
): Promise<readonly RecordedUnit[]> {
  const units = await log.readLog(0, Number.MAX_SAFE_INTEGER);
  return units.filter((unit) => (unit.events.at(-1)?.seq ?? 0) <= upTo);
}

async function restoredUnits(into: string): Promise<readonly RecordedUnit[]> {
  const storage = await openSqliteStorage({ folder: into });
  const units = await unitsOf(storage);
  await storage.close();
  return units;
}

describe("backup and restore", () => {
  it("bring back everything, in a new epoch, with everything outgoing paused", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 50);
    const manifest = await backupStore({ folder, destination });
    expect(manifest).toEqual(JSON.parse(readFileSync(join(destination, "manifest.json"), "utf8")));
    expect(manifest).toMatchObject({
      format: 1,
      epoch: storage.epochs[0],
      lastSequence: storage.head(),
      events: storage.head(),
      units: 50,
      recordedAt: formatInstant(storage.lastRecordedAt()),
    });
    const into = join(home, "restored");
    const { epoch } = await restoreStore({ backup: destination, folder: into });
    const restored = await openSqliteStorage({ folder: into });
    expect(await unitsOf(restored)).toEqual(await unitsOf(storage));
    expect(restored.epochs).toEqual([storage.epochs[0], { number: 2, id: epoch.id, startsAfter: storage.head() }]);
    expect(restored.outgoingPaused).toBe(true);
    expect(storage.outgoingPaused).toBe(false);
    expect(await restored.versions(["s0", "s1"])).toEqual(await storage.versions(["s0", "s1"]));
    expect(await restored.findClaims([claim(0).key])).toEqual([{ print: claim(0).print, seq: 1 }]);
    await fill(restored, 3);
    await restored.close();
    await storage.close();
  });

  it("take the queues along: copied before the log, and put in place before it", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 5);
    const kept = { waiting: 2, deadLetters: 1, sha256: createHash("sha256").update("queues").digest("hex") };
    const seen: boolean[] = [];
    const queues: QueuesBackup = {
      async copy(_from, to) {
        seen.push(existsSync(join(to, "log.db")));
        writeFileSync(join(to, "queues.db"), "queues");
        return kept;
      },
      async restore(from, to) {
        seen.push(existsSync(join(to, "log.db")));
        writeFileSync(join(to, "queues.db"), readFileSync(join(from, "queues.db")));
      },
    };
    expect((await backupStore({ folder, destination, queues })).queues).toEqual(kept);
    const into = join(home, "restored");
    expect((await restoreStore({ backup: destination, folder: into, queues })).queues).toEqual(kept);
    expect(seen).toEqual([false, false]);
    await expect(restoreStore({ backup: destination, folder: into, queues })).rejects.toThrow("already");
    writeFileSync(join(destination, "queues.db"), "others");
    const again = restoreStore({ backup: destination, folder: join(home, "again"), queues });
    await expect(again).rejects.toThrow("the backup is damaged");
    await storage.close();
  });

  it("are consistent while a server writes", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 20);
    const acknowledged = storage.head();
    const backup = backupStore({ folder, destination });
    let isDone = false;
    void backup.finally(() => {
      isDone = true;
    });
    while (!isDone) await fill(storage, 5);
    const { lastSequence } = await backup;
    expect(lastSequence).toBeGreaterThanOrEqual(acknowledged);
    expect(lastSequence).toBeLessThanOrEqual(storage.head());
    const all = await unitsOf(storage, lastSequence);
    await storage.close();
    await restoreStore({ backup: destination, folder: join(home, "restored") });
    expect(await restoredUnits(join(home, "restored"))).toEqual(all);
  });

  it("go back to any sequence, without the unit that it falls into", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 12);
    await backupStore({ folder, destination });
    for (let sequence = 0; sequence <= storage.head(); sequence += 1) {
      const into = join(home, `at-${sequence}`);
      const expected = await unitsOf(storage, sequence);
      const { lastSequence, epoch } = await restoreStore({ backup: destination, folder: into, upTo: { sequence } });
      expect(lastSequence).toBe(expected.at(-1)?.events.at(-1)?.seq ?? 0);
      expect(epoch.startsAfter).toBe(lastSequence);
      expect(await restoredUnits(into)).toEqual(expected);
    }
    await storage.close();
  });

  it("go back to any instant", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 12);
    await backupStore({ folder, destination });
    for (const instant of [0, 999, 1000, 5500, storage.lastRecordedAt(), storage.lastRecordedAt() + 1]) {
      const into = join(home, `at-${instant}`);
      const { lastSequence } = await restoreStore({ backup: destination, folder: into, upTo: { instant } });
      expect(lastSequence).toBe(await storage.sequenceAt(instant));
      expect(await restoredUnits(into)).toEqual(await unitsOf(storage, lastSequence));
    }
    await storage.close();
  });

  it("can be done again and again, each in an epoch of its own", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 4);
    await storage.close();
    await backupStore({ folder, destination });
    await restoreStore({ backup: destination, folder: join(home, "a"), upTo: { sequence: 3 } });
    await backupStore({ folder: join(home, "a"), destination: join(home, "backup-a") });
    await restoreStore({ backup: join(home, "backup-a"), folder: join(home, "b") });
    await restoreStore({ backup: join(home, "backup-a"), folder: join(home, "c") });
    const [b, c] = [
      await openSqliteReader({ folder: join(home, "b") }),
      await openSqliteReader({ folder: join(home, "c") }),
    ];
    expect(b.epochs.map(({ number, startsAfter }) => [number, startsAfter])).toEqual([
      [1, 0],
      [2, 3],
      [3, 3],
    ]);
    expect(b.epochs.at(-1)?.id).not.toBe(c.epochs.at(-1)?.id);
    await b.close();
    await c.close();
  });

  it("work for an empty log", async () => {
    await (await openSqliteStorage({ folder })).close();
    const manifest = await backupStore({ folder, destination });
    expect(manifest).toMatchObject({ lastSequence: 0, events: 0, units: 0 });
    expect(await restoreStore({ backup: destination, folder: join(home, "b") })).toMatchObject({ lastSequence: 0 });
    expect(await restoredUnits(join(home, "b"))).toEqual([]);
  });

  it("overwrite nothing", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 3);
    await storage.close();
    await backupStore({ folder, destination });
    const before = readFileSync(join(destination, "log.db"));
    await expect(backupStore({ folder, destination })).rejects.toThrow("overwrites nothing");
    expect(readFileSync(join(destination, "log.db"))).toEqual(before);
    await expect(restoreStore({ backup: destination, folder })).rejects.toThrow("has a log.db already");
    expect((await restoredUnits(folder)).length).toBe(3);
  });

  it("refuse a backup that is not what its manifest says, or that ends too early", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 3);
    await storage.close();
    const { lastSequence } = await backupStore({ folder, destination });
    const into = join(home, "restored");
    const beyond = restoreStore({ backup: destination, folder: into, upTo: { sequence: lastSequence + 1 } });
    await expect(beyond).rejects.toMatchObject({ code: "storage-unavailable" });
    appendFileSync(join(destination, "log.db"), "x");
    await expect(restoreStore({ backup: destination, folder: into })).rejects.toThrow("not what its manifest says");
    rmSync(join(destination, "log.db"));
    await expect(restoreStore({ backup: destination, folder: into })).rejects.toThrow("not what its manifest says");
    writeFileSync(join(destination, "manifest.json"), '{"format": 2}');
    await expect(restoreStore({ backup: destination, folder: into })).rejects.toThrow("no manifest");
    await expect(restoreStore({ backup: join(home, "nowhere"), folder: into })).rejects.toThrow("no whole backup");
    expect(existsSync(into)).toBe(false);
    await expect(backupStore({ folder: join(home, "nowhere"), destination: into })).rejects.toThrow("no log");
  });

  it("are not led astray by what a restore that was killed has left, nor by files that may not be written", async () => {
    const small = await openSqliteStorage({ folder: join(home, "small") });
    await fill(small, 300);
    await backupStore({ folder: join(home, "small"), destination: join(home, "other") });
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 600);
    await backupStore({ folder, destination });
    chmodSync(join(destination, "log.db"), 0o444);
    // The other one was being cut when it was killed: SQLite would play this journal back into whatever has the name.
    const into = join(home, "restored");
    mkdirSync(into);
    const made = join(into, "log.db.restoring");
    copyFileSync(join(home, "other", "log.db"), join(home, "cut.db"));
    const cut = new DatabaseSync(join(home, "cut.db"));
    cut.exec("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN; DELETE FROM log");
    copyFileSync(join(home, "cut.db-journal"), `${made}-journal`);
    cut.exec("ROLLBACK");
    cut.close();
    expect(statSync(`${made}-journal`).size).toBeGreaterThan(512);
    await restoreStore({ backup: destination, folder: into });
    expect(statSync(join(into, "log.db")).mode & 0o200).toBe(0o200);
    expect(await restoredUnits(into)).toEqual(await unitsOf(storage));
    expect(readdirSync(into).filter((name) => name.includes("restoring"))).toEqual([]);
    await Promise.all([small.close(), storage.close()]);
  });

  it("leave nothing behind when they fail", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 3);
    await storage.close();
    writeFileSync(join(folder, "log.db"), "this is no database, and long enough to be looked at as one".repeat(100));
    await expect(backupStore({ folder, destination })).rejects.toMatchObject({ code: "storage-unavailable" });
    expect(readdirSync(destination)).toEqual([]);
  });
});

describe("a reader beside a server", () => {
  it("sees what was there when it was opened", async () => {
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 5);
    const reader = await openSqliteReader({ folder });
    const units = await unitsOf(storage);
    await fill(storage, 5);
    expect(await unitsOf(reader)).toEqual(units);
    expect(reader.head()).toBe(units.at(-1)?.events.at(-1)?.seq);
    expect(reader.lastRecordedAt()).toBe(1000 * reader.head());
    expect(await reader.sequenceAt(1000 * reader.head())).toBe(reader.head());
    expect(await reader.readLog(reader.head(), 10)).toEqual([]);
    await reader.close();
    await storage.close();
  });

  it("reads a log that no server has, and says when there is none", async () => {
    await expect(openSqliteReader({ folder })).rejects.toThrow("there is no log");
    const storage = await openSqliteStorage({ folder });
    await fill(storage, 2);
    await storage.close();
    const reader = await openSqliteReader({ folder });
    expect((await unitsOf(reader)).length).toBe(2);
    await reader.close();
    await (await openSqliteStorage({ folder })).close();
  });
});

describe("a log whose compaction was killed", () => {
  it("is read, checked and backed up as it was before", async () => {
    const storage = await openSqliteStorage({ folder: join(home, "whole") });
    await fill(storage, 600);
    const units = await unitsOf(storage);
    await storage.close();
    // A transaction that has begun to write over pages of the file, and the journal that holds what they were.
    const log = new DatabaseSync(join(home, "whole", "log.db"));
    log.exec("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN; UPDATE log SET body = 'x' || body");
    mkdirSync(folder);
    for (const name of ["log.db", "log.db-journal"]) copyFileSync(join(home, "whole", name), join(folder, name));
    log.close();
    const killed = readFileSync(join(folder, "log.db"));
    const journal = readFileSync(join(folder, "log.db-journal"));
    const again = () => {
      writeFileSync(join(folder, "log.db"), killed);
      writeFileSync(join(folder, "log.db-journal"), journal);
    };
    const reader = await openSqliteReader({ folder });
    expect(await unitsOf(reader)).toEqual(units);
    await reader.close();
    again();
    expect(await checkArchive({ folder, whole: true })).toMatchObject({ files: 0, problems: [] });
    again();
    expect(await backupStore({ folder, destination })).toMatchObject({ units: 600 });
    again();
    expect(compactLog(folder).after).toBeGreaterThan(0);
    expect(await restoredUnits(folder)).toEqual(units);
  });
});

describe("backup and restore of a log with cold files", () => {
  let storage: SqliteStorage;
  beforeEach(async () => {
    storage = await openSqliteStorage({ folder, coldWriter: ownThread });
    await fill(storage, 30);
    // Units end at 1, 3, 6, 7, 9, 12 and so on.
    for (const lastSequence of [7, 18, 33]) await archiveUpTo(storage, lastSequence);
  });
  afterEach(() => storage.close());

  it("hold the cold files, and bring back everything", async () => {
    const manifest = await backupStore({ folder, destination });
    expect(manifest).toMatchObject({ units: 30, events: storage.head(), archive: { isIncluded: true } });
    expect(manifest.archive?.files).toHaveLength(3);
    const into = join(home, "restored");
    await restoreStore({ backup: destination, folder: into });
    expect(await restoredUnits(into)).toEqual(await unitsOf(storage));
    expect(readdirSync(join(into, "archive"))).toEqual(readdirSync(join(folder, "archive")));
  });

  it("restore to any point, also inside a cold file, and can be moved again", async () => {
    await backupStore({ folder, destination });
    const all = await unitsOf(storage);
    for (const sequence of [0, 1, 2, 6, 7, 8, 12, 18, 19, 33, 34, 40, storage.head()]) {
      const into = join(home, `restored-${sequence}`);
      const { lastSequence } = await restoreStore({ backup: destination, folder: into, upTo: { sequence } });
      const kept = all.filter((unit) => (unit.events.at(-1)?.seq ?? 0) <= sequence);
      expect(await restoredUnits(into)).toEqual(kept);
      expect(lastSequence).toBe(kept.at(-1)?.events.at(-1)?.seq ?? 0);
      const restored = await openSqliteStorage({ folder: into, coldWriter: ownThread });
      await fill(restored, 4);
      await archiveAll(restored);
      expect(await unitsOf(restored, sequence)).toEqual(kept);
      await restored.close();
      expect(await restoredUnits(into)).toHaveLength(kept.length + 4);
    }
    for (const instant of [0, 999, 1000, 7000, 7500, 18_000, 33_000, 34_000, 1e12]) {
      const into = join(home, `restored-at-${instant}`);
      await restoreStore({ backup: destination, folder: into, upTo: { instant } });
      expect(await restoredUnits(into)).toEqual(all.filter(({ meta }) => meta.recordedAt <= instant));
    }
  });

  it("may leave the cold files out, and then say which ones they need", async () => {
    const { archive } = await backupStore({ folder, destination, leavesArchiveOut: true });
    expect(archive).toMatchObject({ isIncluded: false });
    expect(readdirSync(destination)).toEqual(["log.db", "manifest.json"]);
    const into = join(home, "restored");
    await expect(restoreStore({ backup: destination, folder: into })).rejects.toThrow("needs 3: say by --archive");
    await restoreStore({ backup: destination, folder: into, archive: join(folder, "archive") });
    expect(await restoredUnits(into)).toEqual(await unitsOf(storage));
  });

  it("let no cold file hold events of two epochs, also after a second restore to an earlier point", async () => {
    let [from, into] = ["", folder];
    for (const sequence of [42, 36]) {
      [from, into] = [into, join(home, `to-${sequence}`)];
      await backupStore({ folder: from, destination: `${into}-backup` });
      await restoreStore({ backup: `${into}-backup`, folder: into, upTo: { sequence } });
      const again = await openSqliteStorage({ folder: into, coldWriter: ownThread });
      await fill(again, 20);
      await again.close();
    }
    const last = await openSqliteStorage({ folder: into, coldWriter: ownThread });
    const [version = 0] = await last.versions(["s0"]);
    await last.append([unitOf("later", { s0: version }, [event("s0", {})], { recordedAt: 90_000_000 })]);
    const everything = { before: Number.MAX_SAFE_INTEGER, upTo: Number.MAX_SAFE_INTEGER };
    const spans = last.archive.plan(everything).map(({ firstSequence, lastSequence }) => [firstSequence, lastSequence]);
    expect(last.epochs.map(({ startsAfter }) => startsAfter)).toEqual([0, 42, 36]);
    expect(spans).toEqual([
      [34, 36],
      [37, last.head() - 1],
    ]);
    await last.archive.run(everything);
    expect(last.archive.figures().seam).toBe(last.head() - 1);
    await last.close();
  });

  it("are put into a folder whose archive is a disk that was just made", async () => {
    await backupStore({ folder, destination });
    const into = join(home, "restored");
    mkdirSync(join(into, "archive", "lost+found"), { recursive: true });
    await restoreStore({ backup: destination, folder: into });
    expect(await restoredUnits(into)).toEqual(await unitsOf(storage));
  });

  it("are refused when a cold file is missing or damaged, and leave nothing behind", async () => {
    await backupStore({ folder, destination });
    const [name = ""] = readdirSync(join(folder, "archive")).filter((file) => file.endsWith(".parquet"));
    appendFileSync(join(destination, "archive", name), "x");
    const into = join(home, "restored");
    const refusal = { code: "archive-unavailable" };
    await expect(restoreStore({ backup: destination, folder: into })).rejects.toMatchObject(refusal);
    expect(existsSync(join(into, "log.db"))).toBe(false);
    rmSync(join(folder, "archive", name));
    await expect(backupStore({ folder, destination: join(home, "other") })).rejects.toMatchObject(refusal);
    expect(readdirSync(join(home, "other"))).toEqual([]);
    rmSync(join(destination, "archive"), { recursive: true });
    await expect(restoreStore({ backup: destination, folder: into })).rejects.toMatchObject(refusal);
  });
});
