/** What must hold once nothing has gone wrong for long enough: everything has come to its end, and every model shows the log. */
import type { RunningInventory } from "../services/inventory/index.ts";
import { mustBeRead } from "./oracle/judge.ts";
import type { LogOracle } from "./oracle/log.ts";
import { must } from "./oracle/shapes.ts";
import { mustHaveToldNear } from "./oracle/thresholds.ts";
import { admin } from "./shop.ts";

export async function mustHaveConverged(oracle: LogOracle, inventory: RunningInventory, now: number): Promise<void> {
  must(inventory.problems().length === 0, () => inventory.problems().join(" "));
  for (const { id, status, ...reservation } of oracle.reservations.values()) {
    const hasPassed = status === "active" && (reservation.expiresAt ?? now + 1) <= now;
    must(!hasPassed, () => `nothing records that ${id} has expired`);
  }
  for (const stock of oracle.stocks.values()) {
    for (const [name, { expired, cutoff }] of stock.lots)
      must(
        expired || cutoff === null || cutoff > now,
        () => `nothing records that lot ${name} of ${stock.name} has expired`,
      );
    for (const { expiresAt } of stock.holdings.values())
      must(expiresAt === null || expiresAt > now, () => `nothing records what has lapsed of ${stock.name}`);
    mustHaveToldNear(stock, now, oracle.zones.get(stock.location) ?? "UTC");
    must(oracle.goesByItsPolicy(stock), () => `${stock.name} does not go by the policy that was set for it`);
  }
  must(oracle.lastSealTo >= oracle.lastUnsealed, () => `sealed up to ${oracle.lastSealTo} of ${oracle.lastUnsealed}`);
  const shown = await read(inventory.availability([...oracle.bySku.keys()], undefined, admin));
  mustBeRead(oracle, shown);
  const { length } = (shown as { readonly items: readonly object[] }).items;
  must(length === oracle.stocks.size, () => `the read side knows ${length} of ${oracle.stocks.size} stocks`);
  for (const { id, status, reference } of oracle.reservations.values()) {
    const { items } = (await read(inventory.reservations({ reference, limit: 10 }, admin))) as {
      readonly items: readonly { readonly id: string; readonly status: string }[];
    };
    const [first] = items;
    must(
      items.length === 1 && first?.id === id && first.status === status,
      () => `the list shows ${JSON.stringify(items)} for ${id}, which is ${status}`,
    );
  }
}

async function read(outcome: Promise<{ readonly ok: boolean; readonly value?: object }>): Promise<object> {
  const { ok, value } = await outcome;
  must(ok && value !== undefined, () => "a read of the read side is refused");
  return value;
}
