import { sampleTagging } from "../platform/storage/samples.ts";
import { sharedStorageContract } from "../platform/storage/shared.contract.ts";
import { systemTimers } from "../platform/timers/index.ts";
import { Disk, JournalledDerivedStore } from "./disk.ts";
import { seededRandom } from "./random.ts";
import { SharedStore, SharedView } from "./shared-store.ts";
import type { Fates } from "./storage.ts";

const nothingGoesWrong: Fates = {
  append: () => ({ beforeMs: 0, writeMs: 0, answerMs: 0 }),
  read: () => ({ ms: 0, fails: false }),
  crash: () => undefined,
};

sharedStorageContract("simulated", async () => {
  const timers = { timersOf: () => systemTimers };
  const store = new SharedStore(new Disk(), timers, seededRandom(1), sampleTagging, Date.now);
  return {
    open: async () =>
      new SharedView(store, new JournalledDerivedStore(), systemTimers, nothingGoesWrong, { dead: false }),
    remove: async () => undefined,
  };
});
