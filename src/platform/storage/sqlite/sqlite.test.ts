import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sampleTagging } from "../samples.ts";
import { storageContract } from "../storage.contract.ts";
import { openSqliteStorage, type SqliteStorage } from "./index.ts";

storageContract("sqlite", async () => {
  const folder = mkdtempSync(join(tmpdir(), "larder-sqlite-"));
  let storage = await openSqliteStorage({ folder, tagging: sampleTagging });
  return {
    storage,
    async reopen() {
      await storage.close();
      storage = await openSqliteStorage({ folder, tagging: sampleTagging });
      return storage;
    },
    failNextAppend() {
      const refuse = "CREATE TEMP TRIGGER refuse BEFORE INSERT ON log BEGIN SELECT RAISE(FAIL, 'refused'); END";
      storage.log.exec(refuse);
      onceAppended(storage, () => storage.log.exec("DROP TRIGGER refuse"));
    },
    loseNextAnswer() {
      onceAppended(storage, () => {
        throw new Error("the answer was lost");
      });
    },
    async remove() {
      await storage.close();
      rmSync(folder, { recursive: true });
    },
  };
});

/** Does something between the end of the next append and its answer. */
function onceAppended(storage: SqliteStorage, interfere: () => void): void {
  const { append } = storage;
  storage.append = async (units) => {
    storage.append = append;
    try {
      return await append.call(storage, units);
    } finally {
      interfere();
    }
  };
}
