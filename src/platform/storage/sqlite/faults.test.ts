import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits, PlatformError } from "../../../kernel/index.ts";
import { isAtLeast } from "../../sqlite/index.ts";
import type { Storage } from "../port.ts";
import { claim, event, numbers, unitOf } from "../samples.ts";
import { openSqliteStorage } from "./index.ts";
import { putMeta } from "./log-database.ts";

let home: string;
let folder: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "larder-faults-"));
  folder = join(home, "data");
});
afterEach(() => rmSync(home, { recursive: true }));

const sale = (n: number) => unitOf(`c${n}`, { [`s${n}`]: 0 }, [event(`s${n}`)], { claims: [claim(n)] });
const count = async (storage: Storage) => (await storage.readLog(0, Number.MAX_SAFE_INTEGER)).length;

/** Lays a copy of a folder as a crash at this moment would leave it. */
function crashCopy(): string {
  const copy = mkdtempSync(join(home, "crash-"));
  for (const name of ["log.db", "log.db-wal", "derived.db", "derived.db-wal"]) {
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name));
  }
  return copy;
}

describe("a disk that refuses", () => {
  it("is answered with storage-unavailable, and forgotten when it takes writes again", async () => {
    const storage = await openSqliteStorage({ folder });
    await storage.append([sale(1)]);
    const pages = Number(storage.log.prepare("PRAGMA page_count").get()?.["page_count"]);
    storage.log.exec(`PRAGMA max_page_count = ${pages}`);
    const big = unitOf(
      "big",
      { b: 0 },
      numbers(200).map(() => event("b", { text: "x".repeat(200) })),
    );
    const failed = storage.append([big, sale(2)]);
    await expect(failed).rejects.toMatchObject({ code: "storage-unavailable" });
    expect(storage.head()).toBe(1);
    expect(await storage.versions(["b", "s2"])).toEqual([0, 0]);
    storage.log.exec("PRAGMA max_page_count = 4294967294");
    expect((await storage.append([big, sale(2)])).map(({ ok }) => ok)).toEqual([true, true]);
    expect(await count(storage)).toBe(3);
    await storage.close();
  });

  it("does not hold up appends when only derived.db can't be written", async () => {
    const storage = await openSqliteStorage({ folder });
    storage.derived.connection.exec("PRAGMA query_only = 1");
    for (const round of numbers(5)) {
      const outcomes = await storage.append(numbers(2000).map((n) => sale(round * 10_000 + n)));
      expect(outcomes.every(({ ok }) => ok)).toBe(true);
    }
    expect(await storage.versions(["s12000", "s7"])).toEqual([1, 0]);
    storage.derived.connection.exec("PRAGMA query_only = 0");
    await storage.close();
    const again = await openSqliteStorage({ folder });
    expect(await again.versions(["s12000", "s52000", "s7"])).toEqual([1, 1, 0]);
    await again.close();
  });
});

describe("a sync that fails", () => {
  /** A disk whose next syncs fail, so many of them. */
  function failing() {
    const disk = {
      failures: 0,
      syncs: 0,
      async sync() {
        disk.syncs += 1;
        if (disk.failures === 0) return;
        disk.failures -= 1;
        throw new Error("EIO: i/o error, fdatasync");
      },
      close: () => undefined,
    };
    return disk;
  }

  it("is made good by writing the transaction again before the next sync", async () => {
    const sync = failing();
    const storage = await openSqliteStorage({ folder, sync });
    await storage.append([sale(1), sale(2)]);
    const wal = readFileSync(join(folder, "log.db-wal"));
    const modified = () => statSync(join(folder, "log.db-wal"), { bigint: true }).mtimeNs;
    let writtenAt = 0n;
    sync.failures = 1;
    const real = sync.sync;
    sync.sync = () => {
      // The first sync of this append, then the second: something was written between them.
      if (sync.failures === 1) writtenAt = modified();
      else expect(modified()).toBeGreaterThan(writtenAt);
      return real();
    };
    expect(await storage.append([sale(3)])).toEqual([{ ok: true, seq: 3 }]);
    expect(sync.failures).toBe(0);
    expect(storage.head()).toBe(3);
    expect(readFileSync(join(folder, "log.db-wal")).subarray(0, wal.length)).toEqual(wal);
    await storage.close();
  });

  it("leaves the outcome unknown and stops all writing until the transaction is on disk, and then tells of it", async () => {
    const sync = failing();
    const storage = await openSqliteStorage({ folder, sync });
    const seen: string[] = [];
    storage.subscribe((units) => seen.push(...units.map((unit) => unit.meta.command)));
    await storage.append([sale(1)]);
    sync.failures = Number.POSITIVE_INFINITY;
    const unknown = storage.append([sale(2)]);
    await expect(unknown).rejects.toThrow("unknown");
    await expect(unknown).rejects.not.toThrow(PlatformError);
    const syncs = sync.syncs;
    await expect(storage.append([sale(3)])).rejects.toMatchObject({
      code: "storage-unavailable",
      message: expect.stringContaining("until a sync succeeds"),
    });
    await expect(storage.setOutgoingPaused(true)).rejects.toThrow(PlatformError);
    expect(sync.syncs, "a disk that failed just now is left alone for a while").toBe(syncs);
    expect([seen, storage.head(), await count(storage)]).toEqual([["c1"], 1, 1]);
    expect(await storage.findCommands(["c2"], 0)).toEqual([undefined]);
    sync.failures = 0;
    await new Promise((resolve) => setTimeout(resolve, limits.syncAgainMs + 20));
    expect((await storage.append([sale(3), sale(2)])).map(({ ok }) => ok)).toEqual([true, false]);
    expect(seen).toEqual(["c1", "c2", "c3"]);
    expect(await storage.findCommands(["c1", "c2", "c3"], 0)).toEqual([1, 2, 3]);
    await storage.close();
    const again = await openSqliteStorage({ folder });
    expect(await again.findCommands(["c1", "c2", "c3"], 0)).toEqual([1, 2, 3]);
    await again.close();
  });

  it("is not followed by a copy into the database when the store is closed, and the next opening looks what is there", async () => {
    for (const isLost of [false, true]) {
      const sync = failing();
      const storage = await openSqliteStorage({ folder, sync });
      const head = storage.head();
      await storage.append([sale(10 + head)]);
      const length = statSync(join(folder, "log.db-wal")).size;
      sync.failures = Number.POSITIVE_INFINITY;
      await expect(storage.append([sale(20 + head)])).rejects.toThrow("unknown");
      await storage.close();
      // The power fails, and the disk never had it.
      if (isLost) truncateSync(join(folder, "log.db-wal"), length);
      const again = await openSqliteStorage({ folder });
      expect(again.head()).toBe(head + (isLost ? 1 : 2));
      await again.close();
    }
  });

  it("stops all writing until a restart when the transaction can't be read any more", async () => {
    const sync = failing();
    const storage = await openSqliteStorage({ folder, sync });
    await storage.append([sale(1)]);
    const length = statSync(join(folder, "log.db-wal")).size;
    const real = sync.sync;
    sync.sync = () => {
      // As a file system does that drops what it could not write.
      if (sync.failures > 0) truncateSync(join(folder, "log.db-wal"), length);
      return real();
    };
    sync.failures = 1;
    await expect(storage.append([sale(2)])).rejects.toThrow("unknown");
    await new Promise((resolve) => setTimeout(resolve, limits.syncAgainMs + 20));
    await expect(storage.append([sale(3)])).rejects.toThrow("until a restart");
    await storage.close();
    const again = await openSqliteStorage({ folder });
    expect(await again.findCommands(["c1", "c2", "c3"], 0)).toEqual([1, undefined, undefined]);
    await again.close();
  });

  it("is followed by one of what the killed process had written last, written again", async () => {
    const storage = await openSqliteStorage({ folder });
    await storage.append([sale(1)]);
    await storage.append([sale(2)]);
    const copy = crashCopy();
    await storage.close();
    const wal = join(copy, "log.db-wal");
    const modified = () => statSync(wal, { bigint: true }).mtimeNs;
    const copiedAt = modified();
    let syncedAt = 0n;
    const sync = {
      async sync() {
        syncedAt = modified();
      },
      close: () => undefined,
    };
    await (await openSqliteStorage({ folder: copy, sync })).close();
    expect(syncedAt).toBeGreaterThan(copiedAt);
  });

  it("is asked for after each transaction, and before anybody knows of it", async () => {
    const steps: string[] = [];
    const sync = {
      async sync() {
        steps.push(`sync begins at ${storage?.head()}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        steps.push(`sync ends at ${storage?.head()}`);
      },
      close: () => undefined,
    };
    let storage: Storage | undefined;
    storage = await openSqliteStorage({ folder, sync });
    steps.length = 0;
    storage.subscribe((units) => steps.push(`seen ${units.map((unit) => unit.meta.command)}`));
    const answers = [1, 2].map((n) => storage?.append([sale(n)]).then(() => steps.push(`answered ${n}`)));
    await new Promise((resolve) => setImmediate(resolve));
    answers.push(storage.append([sale(3)]).then(() => steps.push("answered 3")));
    await Promise.all(answers);
    expect(steps).toEqual([
      "sync begins at 0",
      "sync ends at 0",
      "seen c1,c2",
      "sync begins at 2",
      "answered 1",
      "answered 2",
      "sync ends at 2",
      "seen c3",
      "answered 3",
    ]);
    await storage.close();
  });
});

describe("a folder", () => {
  it("belongs to one opener at a time, and says to whom", async () => {
    const storage = await openSqliteStorage({ folder });
    const second = openSqliteStorage({ folder });
    await expect(second).rejects.toMatchObject({ code: "storage-unavailable" });
    await expect(second).rejects.toThrow(`the folder ${folder} is in use by another process (pid ${process.pid})`);
    await storage.append([sale(1)]);
    await storage.close();
    const next = await openSqliteStorage({ folder });
    expect(await count(next)).toBe(1);
    await next.close();
  });

  it.skipIf(process.platform !== "linux")("is refused where none can be made, or a file has its name", async () => {
    await expect(openSqliteStorage({ folder: "/proc/larder/data" })).rejects.toThrow("ENOENT");
    writeFileSync(`${folder}.txt`, "");
    for (const taken of [`${folder}.txt`, `${folder}.txt/data`])
      await expect(openSqliteStorage({ folder: taken })).rejects.toThrow(/EEXIST|ENOTDIR/);
    const made = join(folder, "a", "b");
    await (await openSqliteStorage({ folder: made })).close();
    expect(existsSync(join(made, "log.db"))).toBe(true);
  });

  it("is free again when it could not be opened", async () => {
    mkdirSync(join(folder, "lock.pid"), { recursive: true });
    await expect(openSqliteStorage({ folder })).rejects.toThrow("EISDIR");
    rmSync(join(folder, "lock.pid"), { recursive: true });
    await (await openSqliteStorage({ folder })).close();
  });

  it("is free again after kill -9", async () => {
    const script = `
      import { openSqliteStorage } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
      await openSqliteStorage({ folder: ${JSON.stringify(folder)} });
      console.log("open");
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    await once(child.stdout, "data");
    const refused = await openSqliteStorage({ folder }).catch((error: unknown) => String(error));
    child.kill("SIGKILL");
    await exit;
    expect(refused).toContain(`(pid ${child.pid})`);
    await (await openSqliteStorage({ folder })).close();
  });

  it("is refused when the log is gone but its other files are there", async () => {
    const storage = await openSqliteStorage({ folder });
    await storage.append([sale(1)]);
    await storage.close();
    rmSync(join(folder, "log.db"));
    await expect(openSqliteStorage({ folder })).rejects.toThrow("its log is lost");
    expect(existsSync(join(folder, "log.db"))).toBe(false);
    writeFileSync(join(folder, "log.db"), "");
    await expect(openSqliteStorage({ folder })).rejects.toThrow("its log is lost");
  });

  it("is refused when the log ends before what was derived from it", async () => {
    const storage = await openSqliteStorage({ folder });
    for (const n of numbers(5)) await storage.append([sale(n)]);
    storage.derived.commit([{ consumer: "stock", checkpoint: 4, put: [], remove: [] }]);
    const copy = crashCopy();
    await storage.close();
    truncateSync(join(copy, "log.db-wal"), 32 + 3 * 4120);
    await expect(openSqliteStorage({ folder: copy })).rejects.toThrow(/ends at event 3, but 4 events have been there/);
  });

  it("is refused when the log misses an event in its middle, or is damaged", async () => {
    const storage = await openSqliteStorage({ folder });
    for (const n of numbers(5)) await storage.append([sale(n)]);
    storage.log.exec("DELETE FROM log WHERE seq = 3");
    const copy = crashCopy();
    await storage.close();
    await expect(openSqliteStorage({ folder: copy })).rejects.toThrow("has no event 3");
    writeFileSync(join(copy, "log.db"), "no database".repeat(1000));
    await expect(openSqliteStorage({ folder: copy })).rejects.toThrow("log.db is damaged");
  });

  it.each([16, 28, 47, 59])("is refused by name when byte %i of the header of its log is another", async (place) => {
    const storage = await openSqliteStorage({ folder });
    await storage.append([sale(1)]);
    await storage.close();
    const path = join(folder, "log.db");
    const bytes = readFileSync(path);
    bytes[place] = (bytes[place] ?? 0) ^ 0xff;
    writeFileSync(path, bytes);
    const refused = openSqliteStorage({ folder });
    await expect(refused).rejects.toMatchObject({
      code: "storage-unavailable",
      message: expect.stringContaining(path),
    });
  });

  it("is refused when its form is newer than what this version reads", async () => {
    const storage = await openSqliteStorage({ folder });
    storage.log.exec("UPDATE meta SET value = '3' WHERE key = 'format'");
    await storage.close();
    await expect(openSqliteStorage({ folder })).rejects.toThrow(
      "has form 3; this version of Larder reads form 1 and 2",
    );
  });
});

describe("derived.db", () => {
  async function filled(): Promise<void> {
    const storage = await openSqliteStorage({ folder });
    await storage.append(numbers(500).map(sale));
    storage.derived.commit([
      { consumer: "stock", checkpoint: 500, put: [{ id: "a", body: "x".repeat(9000) }], remove: [] },
    ]);
    await storage.close();
  }

  async function expectRebuilt(): Promise<void> {
    const storage = await openSqliteStorage({ folder });
    expect(storage.derived.checkpoint("stock")).toBe(0);
    expect(storage.derived.scan("stock", "", 10)).toEqual([]);
    expect(await storage.versions(["s1", "s500", "s501"])).toEqual([1, 1, 0]);
    expect(await storage.findClaims([claim(77).key])).toEqual([{ print: claim(77).print, seq: 77 }]);
    expect((await storage.append([sale(77), sale(501)])).map(({ ok }) => ok)).toEqual([false, true]);
    await storage.close();
  }

  it("is emptied and built again when it is missing", async () => {
    await filled();
    rmSync(join(folder, "derived.db"));
    await expectRebuilt();
  });

  it.each([0, 20, 100, 8000, 20_000])("is emptied and built again when it is damaged at byte %d", async (offset) => {
    await filled();
    const bytes = Buffer.from("damage".repeat(100));
    const file = join(folder, "derived.db");
    expect(statSync(file).size).toBeGreaterThan(offset + bytes.length);
    execFileSync("dd", [`of=${file}`, "bs=1", `seek=${offset}`, "conv=notrunc"], {
      input: bytes,
      stdio: ["pipe", "ignore", "ignore"],
    });
    await expectRebuilt();
  });

  it("is emptied and built again after a page of the index was found damaged", async () => {
    await filled();
    rmSync(join(folder, "derived.db.sum"));
    const database = new DatabaseSync(join(folder, "derived.db"));
    database.exec("UPDATE key_page SET body = zeroblob(length(body))");
    database.close();
    const storage = await openSqliteStorage({ folder });
    await expect(storage.versions(["s1"])).rejects.toMatchObject({
      code: "storage-unavailable",
      message: expect.stringContaining("derived.db is damaged"),
    });
    await storage.close();
    await expectRebuilt();
  });

  it.each([
    "key_segment SET filter = zeroblob(length(filter))",
    "key_run SET segments = 7",
    "checkpoint SET seq = 499",
  ])("is emptied and built again at once when opening finds it damaged: %s", async (change) => {
    await filled();
    rmSync(join(folder, "derived.db.sum"));
    const database = new DatabaseSync(join(folder, "derived.db"));
    database.exec(`UPDATE ${change}`);
    database.close();
    await expectRebuilt();
  });

  it("is emptied and built again after a document of it was found damaged", async () => {
    await filled();
    rmSync(join(folder, "derived.db.sum"));
    const database = new DatabaseSync(join(folder, "derived.db"));
    database.exec("UPDATE document SET body = replace(body, 'x', 'y')");
    database.close();
    const storage = await openSqliteStorage({ folder });
    expect(() => storage.derived.scan("stock", "", 10)).toThrow("derived.db is damaged");
    await storage.close();
    await expectRebuilt();
  });

  it("is emptied and built again when it is not the file that was closed", async () => {
    await filled();
    const older = readFileSync(join(folder, "derived.db"));
    const storage = await openSqliteStorage({ folder });
    await storage.append([unitOf("extra", { extra: 0 }, [event("extra")])]);
    storage.derived.commit([{ consumer: "stock", checkpoint: 501, put: [], remove: ["a"] }]);
    await storage.close();
    writeFileSync(join(folder, "derived.db"), older);
    const again = await openSqliteStorage({ folder });
    expect([again.derived.checkpoint("stock"), again.derived.scan("stock", "", 10)]).toEqual([0, []]);
    await again.close();
  });

  it("is emptied when the log has begun another epoch", async () => {
    await filled();
    const database = new DatabaseSync(join(folder, "log.db"));
    putMeta(database, "epochs", '[{"number":2,"id":"other","startsAfter":500}]');
    database.close();
    await expectRebuilt();
  });

  it("loses nothing but time when a crash left it behind the log", async () => {
    const storage = await openSqliteStorage({ folder });
    await storage.append(numbers(500).map(sale));
    const early = crashCopy();
    await storage.append(numbers(500).map((n) => sale(500 + n)));
    for (const name of ["log.db", "log.db-wal"]) copyFileSync(join(folder, name), join(early, name));
    await storage.close();
    const again = await openSqliteStorage({ folder: early });
    expect(await again.versions(["s1", "s1000", "s1001"])).toEqual([1, 1, 0]);
    await again.close();
  });
});

describe("openSqliteStorage", () => {
  it("asks for a SQLite without the fault of restarted WALs", () => {
    expect(["3.51.3", "3.51.10", "3.53.4", "4.0.0"].map((version) => isAtLeast(version, "3.51.3"))).not.toContain(
      false,
    );
    expect(["3.51.2", "3.50.9", "3.9.0", "2.99.99"].map((version) => isAtLeast(version, "3.51.3"))).not.toContain(true);
  });

  it("makes the folders above its own", async () => {
    const deep = join(home, "a", "b", "c");
    await (await openSqliteStorage({ folder: deep })).close();
    expect(existsSync(join(deep, "log.db"))).toBe(true);
    mkdirSync(join(home, "empty"));
    await (await openSqliteStorage({ folder: join(home, "empty") })).close();
  });
});
