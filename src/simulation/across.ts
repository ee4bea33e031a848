/** What old events are asked for, held against what the oracle knows: the same whether they are hot or cold. */
import type { RunningInventory } from "../services/inventory/index.ts";
import type { LogOracle } from "./oracle/log.ts";
import { must } from "./oracle/shapes.ts";
import { balanceText, type StockOracle, type Totals } from "./oracle/stock.ts";
import type { Random } from "./random.ts";
import { admin } from "./shop.ts";

type Place = Totals & { readonly location: string; readonly version: number };

/** Throws when a trail, or a stock at another time, is not what it was. */
export async function mustReadAcross(oracle: LogOracle, inventory: RunningInventory, random: Random): Promise<void> {
  for (const [sku, stocks] of oracle.bySku) {
    await mustHaveTrail(inventory, sku, stocks, random.between(1, 60));
    for (const { at, stocks: then } of oracle.moments) {
      const time = new Date(at).toISOString();
      const known = await placesOf(inventory, sku, { knownAt: time });
      const there = await placesOf(inventory, sku, { at: time });
      for (const stock of stocks) {
        const { version = 0, totals } = then.get(stock.key) ?? {};
        const place = known.find(({ location }) => location === stock.location);
        const [shown, was] = [place && balanceText(place), totals && balanceText(totals)];
        must(
          shown === was && (place?.version ?? 0) === version,
          () => `${stock.name} is said to have been known at ${time} as ${shown}; it was ${was}`,
        );
        const past = there.find(({ location }) => location === stock.location);
        const { reserved = 0, committed = 0, safetyStock = 0 } = totals ?? {};
        must(
          past?.version === stock.version &&
            past.reserved === reserved &&
            past.committed === committed &&
            past.safetyStock === safetyStock &&
            (stock.hasLotCounts || past.onHand === stock.onHandAt(at)),
          () =>
            `${stock.name} is said to have been ${past && balanceText(past)} at ${time}; ` +
            `it was ${stock.onHandAt(at)} on hand, ${reserved} reserved, ${committed} committed, ${safetyStock} safe`,
        );
      }
    }
  }
}

async function placesOf(
  inventory: RunningInventory,
  sku: string,
  when: { readonly at?: string; readonly knownAt?: string },
): Promise<readonly Place[]> {
  const answer = await inventory.stock(sku, when, admin);
  must(answer.ok, () => `${sku} at another time is refused`);
  return answer.value.locations;
}

/** Every version of every stock, once, newest first, as it was recorded. */
async function mustHaveTrail(
  inventory: RunningInventory,
  sku: string,
  stocks: readonly StockOracle[],
  limit: number,
): Promise<void> {
  const next = new Map(stocks.map((stock) => [stock.location, stock.version]));
  for (let cursor: string | undefined; ; ) {
    const page = await inventory.stockEvents(sku, { limit, ...(cursor !== undefined && { cursor }) }, admin);
    must(page.ok, () => `the trail of ${sku} is refused`);
    for (const { data } of page.value.events) {
      const {
        location = "",
        version = 0,
        balance,
      } = data as unknown as {
        readonly location?: string;
        readonly version?: number;
        readonly balance: Totals;
      };
      const stock = stocks.find((one) => one.location === location);
      const [shown, was] = [balanceText(balance), stock?.balances[version]];
      must(
        version === next.get(location) && shown === was,
        () => `the trail of ${sku} at ${location} shows version ${version} as ${shown}; it was ${was}`,
      );
      next.set(location, version - 1);
    }
    cursor = page.value.next;
    if (cursor === undefined) break;
  }
  for (const [location, version] of next)
    must(version === 0, () => `the trail of ${sku} at ${location} ends above version ${version}`);
}
