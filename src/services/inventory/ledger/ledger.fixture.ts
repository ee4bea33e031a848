/** For tests: a ledger on storage in memory, and commands that move one stock. */
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { available, type StockEventDraft } from "../domain/stock/index.ts";
import { type Command, Ledger, type LedgerObserver, SnapshotWriter, streamOf, type Transaction } from "./index.ts";

export function open(
  options: {
    storage?: MemoryStorage;
    observe?: LedgerObserver;
    cachedStatesMax?: number;
    isMemoryShort?: () => boolean;
  } = {},
) {
  const storage = options.storage ?? new MemoryStorage();
  const clock = { now: 1000 };
  const ledger = new Ledger({
    storage,
    clock: () => clock.now,
    processId: "test",
    snapshots: new SnapshotWriter(() => undefined),
    locationsOf: () => [],
    isVoided: () => false,
    ...(options.isMemoryShort && { isMemoryShort: options.isMemoryShort }),
    ...(options.observe && { observe: options.observe }),
    ...(options.cachedStatesMax !== undefined && { cachedStatesMax: options.cachedStatesMax }),
  });
  return { storage, ledger, clock };
}

export const milk = streamOf.stock("shop", "milk");

export function command<T>(decide: (transaction: Transaction) => T, rest: Partial<Command<T>> = {}): Command<T> {
  return { actor: "test", streams: [], decide, ...rest };
}

/** Adds units to a stock, whatever is there. */
export function receive(quantity: number, sku = "milk") {
  return command((transaction) => {
    transaction.stock("shop", sku);
    transaction.emitStock("shop", sku, [received(quantity, transaction.now)]);
    return "received" as const;
  });
}

export function received(quantity: number, at: number): StockEventDraft {
  return { type: "StockReceived", data: { at, fact: { quantity }, change: { onHand: quantity } } };
}

/** Takes units if they are there. */
export function take(quantity: number, sku = "milk") {
  return command((transaction) => {
    const stock = transaction.stock("shop", sku);
    if (available(stock) < quantity) return "refused" as const;
    const change = { onHand: -quantity };
    transaction.emitStock("shop", sku, [
      { type: "StockSold", data: { at: transaction.now, fact: { quantity }, change } },
    ]);
    return "taken" as const;
  });
}

export const read = command((transaction) => transaction.stock("shop", "milk").onHand, { looks: true });
