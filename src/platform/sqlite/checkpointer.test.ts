import { mkdtempSync, rmSync, statSync } from "node:fs";
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

  it("goes on when a checkpoint fails", async () => {
    const reply = await checkpointer.run(join(folder, "no", "such.db"));
    expect(reply.error).toContain("unable to open");
    expect((await checkpointer.run(path)).error).toBeUndefined();
  });
});
