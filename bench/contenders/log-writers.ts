/** Three ways to write and sync a log, as small as can be; and Larder's engine beside them. */
import { fdatasync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openSqliteStorage } from "../../src/platform/storage/sqlite/index.ts";

/** Writes rows and resolves when they are on disk. */
export type Write = (bodies: readonly string[]) => Promise<void>;

export const writers: Readonly<Record<string, (folder: string) => Promise<Write>>> = {
  "main thread, FULL": async (folder) => {
    const insert = openTable(folder, "FULL");
    return async (bodies) => insert(bodies);
  },
  "main thread, NORMAL + own sync": async (folder) => {
    const insert = openTable(folder, "NORMAL");
    const descriptor = openSync(join(folder, "log.db-wal"), "r+");
    const sync = promisify(fdatasync);
    return async (bodies) => {
      insert(bodies);
      await sync(descriptor);
    };
  },
  "worker thread, FULL": async (folder) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { folder } });
    worker.unref();
    let answer: () => void = () => undefined;
    await new Promise((resolve) => worker.once("message", resolve));
    worker.on("message", () => answer());
    return (bodies) =>
      new Promise((resolve) => {
        answer = () => {
          worker.unref();
          resolve();
        };
        worker.ref();
        worker.postMessage(bodies);
      });
  },
  "Larder's engine": async (folder) => {
    const storage = await openSqliteStorage({ folder });
    let written = 0;
    return async (bodies) => {
      const units = bodies.map((text) => {
        written += 1;
        const stream = `reservation-${written}`;
        return {
          meta: { command: `c-${written}`, recordedAt: written, actor: "key-1" },
          expected: [{ stream, version: 0 }],
          events: [{ stream, type: "StockReserved", schema: 1, data: { text } }],
        };
      });
      await storage.append(units);
    };
  },
};

function openTable(folder: string, synchronous: "FULL" | "NORMAL"): (bodies: readonly string[]) => void {
  const database = new DatabaseSync(join(folder, "log.db"));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA wal_autocheckpoint = 0`);
  database.exec("CREATE TABLE log (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT");
  const insert = database.prepare("INSERT INTO log (at, body) VALUES (?, ?)");
  return (bodies) => {
    database.exec("BEGIN");
    for (const body of bodies) insert.run(0, body);
    database.exec("COMMIT");
  };
}

if (!isMainThread && workerData?.folder !== undefined) {
  const insert = openTable(workerData.folder, "FULL");
  parentPort?.on("message", (bodies: readonly string[]) => {
    insert(bodies);
    parentPort?.postMessage("written");
  });
  parentPort?.postMessage("ready");
}
