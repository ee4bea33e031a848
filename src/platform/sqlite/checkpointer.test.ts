import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Checkpointer, WalKeeper } from "./checkpointer.ts";

const frameBytes = 4120;

let folder: string;
let path: string;
let database: DatabaseSync;
let checkpointer: Checkpointer;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "larder-wal-keeper-"));
  path = join(folder, "a.db");
  // As the engine opens its files: a connection that begins beside it may hold the write lock for a moment.
  database = new DatabaseSync(path, { timeout: 1000 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
  database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
  checkpointer = new Checkpointer();
});
afterEach(async () => {
  await checkpointer.close();
  database.close();
  rmSync(folder, { recursive: true });
});

const walFrames = () => Math.floor(statSync(`${path}-wal`).size / frameBytes);

/** Writes rows of a page each without a pause, as a server under a steady load does. */
async function writeSteadily(keeper: WalKeeper, rows: number): Promise<void> {
  const insert = database.prepare("INSERT INTO t (body) VALUES (?)");
  for (let row = 0; row < rows; row += 1) {
    if (keeper.isBehind) await keeper.catchUp();
    insert.run("x".repeat(3000));
    keeper.wrote(3);
    if (row % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("WalKeeper", () => {
  it("keeps the WAL of a steady writer from growing without bound", async () => {
    await writeSteadily(new WalKeeper(checkpointer, path, 400), 20_000);
    expect(Number(database.prepare("SELECT count(*) AS n FROM t").get()?.["n"])).toBe(20_000);
    expect(walFrames()).toBeLessThan(5 * 400);
  });

  it("lets it grow while a reader needs it, and begins it anew after", async () => {
    const keeper = new WalKeeper(checkpointer, path, 200);
    await writeSteadily(keeper, 100);
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec("BEGIN");
    expect(reader.prepare("SELECT count(*) AS n FROM t").get()?.["n"]).toBe(100);
    await writeSteadily(keeper, 3000);
    expect(walFrames()).toBeGreaterThan(3000);
    expect(reader.prepare("SELECT count(*) AS n FROM t").get()?.["n"]).toBe(100);
    reader.close();
    await writeSteadily(keeper, 3000);
    const grown = walFrames();
    await writeSteadily(keeper, 3000);
    expect(walFrames()).toBe(grown);
  });

  it("copies nothing that is written while a copy is under way, for it may never be on disk", async () => {
    database.exec("CREATE TABLE u (body TEXT); PRAGMA wal_checkpoint(TRUNCATE)");
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow = new (class extends Checkpointer {
      override async run(of: string) {
        await promise;
        return await super.run(of);
      }
    })();
    const keeper = new WalKeeper(slow, path, 10);
    database.exec("INSERT INTO t (body) VALUES ('on disk')");
    const onDisk = statSync(`${path}-wal`).size;
    keeper.wrote(10);
    database.exec("INSERT INTO u (body) VALUES ('not on disk')");
    resolve();
    await new Promise((next) => setImmediate(next));
    await slow.close();
    // A loss of power takes what was not synced.
    const lost = join(folder, "lost.db");
    copyFileSync(path, lost);
    copyFileSync(`${path}-wal`, `${lost}-wal`);
    truncateSync(`${lost}-wal`, onDisk);
    const left = new DatabaseSync(lost);
    expect([left.prepare("SELECT body FROM t").all(), left.prepare("SELECT body FROM u").all()]).toEqual([
      [{ body: "on disk" }],
      [],
    ]);
    left.close();
  });

  it("puts a copy off that can't begin, and never fails whoever has written", async () => {
    const nowhere = new WalKeeper(checkpointer, join(folder, "no", "such.db"), 10);
    nowhere.wrote(10);
    await nowhere.catchUp();
    expect(nowhere.isBehind).toBe(false);
    nowhere.wrote(10);
    await nowhere.catchUp();
  });

  it("goes on when a checkpoint fails", async () => {
    const reply = await checkpointer.run(join(folder, "no", "such.db"));
    expect(reply.error).toContain("unable to open");
    expect((await checkpointer.run(path)).error).toBeUndefined();
  });
});
