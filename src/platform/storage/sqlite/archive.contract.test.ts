import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sampleTagging } from "../samples.ts";
import { storageContract } from "../storage.contract.ts";
import { archiveOften, ownThread } from "./archive.fixture.ts";
import { openSqliteStorage } from "./index.ts";

storageContract(
  "sqlite that moves all it can into cold files",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "larder-cold-contract-"));
    const open = async () => {
      const opened = await openSqliteStorage({ folder, tagging: sampleTagging, coldWriter: ownThread });
      archiveOften(opened);
      return opened;
    };
    let storage = await open();
    return {
      storage,
      async reopen() {
        await storage.close();
        storage = await open();
        return storage;
      },
      failNextAppend: () => undefined,
      loseNextAnswer: () => undefined,
      async remove() {
        await storage.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
  {
    failNextAppend: "the tests of the plain engine have it",
    loseNextAnswer: "the tests of the plain engine have it",
    longStreams: "moving so much takes 10 s",
  },
);
