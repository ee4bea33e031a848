import type { Caller, Inventory } from "../../inventory/index.ts";
import type { BaseUnit } from "../domain/epcis/lines.ts";
import type { CloudEvent } from "../domain/mapper.ts";
import { type HoldOptions, untilTaken } from "../hold.ts";
import type { FactSink, FactSinkReceipt, ItemUnits } from "../sinks.ts";

/** Records facts in the inventory of this process; waits as long as it takes none. */
export function inventorySink(
  inventory: Pick<Inventory, "recordFacts">,
  caller: Caller,
  hold: Omit<HoldOptions, "beforeNext">,
): FactSink {
  return {
    send: async (facts: readonly CloudEvent[]): Promise<FactSinkReceipt> =>
      await untilTaken(() => inventory.recordFacts(facts, caller), hold),
  };
}

/** Asks the inventory of this process. */
export function inventoryItemUnits(inventory: Pick<Inventory, "itemsByGtin">): ItemUnits {
  return async (gtins) => {
    const units = new Map<string, BaseUnit>();
    for (const gtin of gtins) {
      const found = await inventory.itemsByGtin(gtin);
      const unit = found.ok ? found.value.items[0]?.unit : undefined;
      if (unit !== undefined) units.set(gtin, unit);
    }
    return units;
  };
}
