import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Contender, type ContenderSpec, loadPeer } from "./contender.ts";

interface Stock {
  readonly free: number;
}
type StockEvent =
  | { readonly type: "Received"; readonly data: { readonly quantity: number } }
  | { readonly type: "Reserved"; readonly data: { readonly id: string; readonly quantity: number } };
interface Store {
  close?(): Promise<void>;
  readonly schema?: { migrate(): Promise<unknown> };
}
type Handle = (
  store: Store,
  stream: string,
  decide: (state: Stock) => readonly StockEvent[],
  options: object,
) => Promise<unknown>;
interface Emmett {
  CommandHandler(options: { evolve: (state: Stock, event: StockEvent) => Stock; initialState: () => Stock }): Handle;
}

const evolve = ({ free }: Stock, { type, data }: StockEvent): Stock => ({
  free: type === "Received" ? free + data.quantity : free - data.quantity,
});

/**
 * Emmett, an event store by libraries: a stream for each sku, read and folded for every command, appended with the
 * version expected, and tried again on a conflict as its documentation has it.
 */
export async function openEmmett({ kind, port = 0, folder = "" }: ContenderSpec): Promise<Contender> {
  const { CommandHandler } = await loadPeer<Emmett>("@event-driven-io/emmett");
  const store = kind === "emmett-sqlite" ? await sqliteStore(folder) : await postgresStore(port);
  const handle = CommandHandler({ evolve, initialState: () => ({ free: 0 }) });
  const retry = { onVersionConflict: { retries: 100, minTimeout: 5, maxTimeout: 100, factor: 1.5 } };
  return {
    async prepare(skus, units) {
      for (const sku of skus)
        await handle(store, sku, () => [{ type: "Received", data: { quantity: units } }], { retry });
    },
    async reserve(sku, id) {
      let isTaken = false;
      const decide = ({ free }: Stock): readonly StockEvent[] => {
        isTaken = free >= 1;
        return isTaken ? [{ type: "Reserved", data: { id, quantity: 1 } }] : [];
      };
      await handle(store, sku, decide, { retry });
      return isTaken;
    },
    async close() {
      await store.close?.();
    },
  };
}

async function postgresStore(port: number): Promise<Store> {
  const library = await loadPeer<{ getPostgreSQLEventStore(url: string): Store }>("@event-driven-io/emmett-postgresql");
  const store = library.getPostgreSQLEventStore(`postgresql://bench@127.0.0.1:${port}/postgres`);
  await store.schema?.migrate();
  return store;
}

async function sqliteStore(folder: string): Promise<Store> {
  const library = await loadPeer<{ getSQLiteEventStore(options: object): Store }>("@event-driven-io/emmett-sqlite");
  mkdirSync(folder, { recursive: true });
  const store = library.getSQLiteEventStore({
    fileName: join(folder, "emmett.db"),
    schema: { autoMigration: "CreateOrUpdate" },
  });
  await store.schema?.migrate();
  return store;
}
