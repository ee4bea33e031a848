import { afterAll, describe } from "vitest";
import { startPostgres } from "../../../../test/postgres.ts";
import { sharedStorageContract } from "../shared.contract.ts";
import { storageContract } from "../storage.contract.ts";
import type { PostgresStorage } from "./index.ts";
import { TestStore } from "./postgres.fixture.ts";

// Nothing here asks what a loss of power leaves, so nothing has to be synced.
const postgres = await startPostgres({ settings: { fsync: "off" } });
afterAll(() => postgres?.stop());

describe.skipIf(postgres === undefined)("the storage engine of PostgreSQL", () => {
  if (postgres === undefined) return;

  storageContract("postgres", async () => {
    const store = await TestStore.make(postgres);
    let storage = await store.open("one", { url: store.proxyUrl });
    return {
      storage,
      async reopen() {
        await storage.close();
        storage = await store.open("one");
        return storage;
      },
      failNextAppend() {
        around(
          storage,
          () =>
            store.execute(`
              create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
              create trigger refuse before insert on larder.log for each row execute function refuse()`),
          () => store.execute("drop trigger refuse on larder.log; drop function refuse"),
        );
      },
      loseNextAnswer: () => store.proxy.loseNextAnswer("larder-append"),
      remove: () => store.remove(),
    };
  });

  sharedStorageContract("postgres", () => TestStore.make(postgres));
});

/** Does something before the next append, and something after it. */
function around(storage: PostgresStorage, before: () => Promise<void>, after: () => Promise<void>): void {
  const { append } = storage;
  storage.append = async (units) => {
    storage.append = append;
    await before();
    try {
      return await append.call(storage, units);
    } finally {
      await after();
    }
  };
}
