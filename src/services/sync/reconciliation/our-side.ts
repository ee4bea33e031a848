/** Ours, for a comparison: from the read side, and from single streams where a record tells of a version or a time. */
import { limits, parseInstant } from "../../../kernel/index.ts";
import type { AvailabilityItem, Inventory, StockPair, ThenQuestion } from "../../inventory/index.ts";
import { basisOf, type TheirRecord } from "../domain/reconciliation/index.ts";
import type { OurStock, Ours, Unreadable } from "./compare.ts";
import { aroundUnreadable } from "./readable.ts";

export type OurInventory = Pick<Inventory, "availabilityOf" | "stocks" | "onHandThen">;

/** Ours for each record; undefined where there is none. */
export async function readOurs(inventory: OurInventory, records: readonly TheirRecord[]): Promise<readonly Ours[]> {
  const now = await inventory.availabilityOf(records);
  const questions: ThenQuestion[] = [];
  const asked = records.map((record, index) => {
    const item = now[index];
    const question = item && questionOf(record, item);
    return question && questions.push(question) - 1;
  });
  const then = await aroundUnreadable<ThenQuestion, number | Unreadable | undefined>(
    questions,
    (some) => inventory.onHandThen(some),
    ({ message }) => ({ unreadable: message }),
  );
  return now.map((item, index) => {
    if (item === undefined) return undefined;
    const place = asked[index];
    // What nobody had to be asked for is as it is now.
    const figure = place === undefined ? item.onHand : then[place];
    if (typeof figure === "object") return figure;
    return { onHand: item.onHand, version: item.version, ...(figure !== undefined && { past: figure }) };
  });
}

/** What the read side can't tell: nothing where the stock has not changed since what the record tells of. */
function questionOf(
  record: TheirRecord,
  { sku, location, version, updatedAt }: AvailabilityItem,
): ThenQuestion | undefined {
  const basis = basisOf(record, version);
  switch (basis.by) {
    case "version":
      return basis.version === version ? undefined : { sku, location, version: basis.version };
    case "time": {
      const isOlder = (parseInstant(updatedAt) ?? 0) + limits.clockAheadMsMax <= basis.at;
      return isOlder ? undefined : { sku, location, at: basis.at };
    }
    default:
      return undefined;
  }
}

/** All that the other side is to have, in batches, between which others get their turn. */
export async function* listOurs(
  inventory: OurInventory,
  covers: (pair: StockPair) => boolean,
  pause: () => Promise<void>,
): AsyncGenerator<readonly OurStock[]> {
  let after: number | undefined;
  do {
    const step = await inventory.stocks({
      ...(after !== undefined && { after }),
      count: limits.reconciliationStep,
      changedSince: 0,
    });
    const items = await inventory.availabilityOf(step.stocks.filter(covers));
    yield items.filter((item) => item !== undefined);
    await pause();
    after = step.next;
  } while (after !== undefined);
}
