import { existsSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import type { CloudEvent, ItemDraft } from "../src/services/intake/index.ts";
import { checkRealData, dataFolder, type Stock, type Target } from "./real-data.ts";

/** Folds facts in the obvious way. Counts come before all else at their location in these data sets, so they just set. */
class MemoryTarget implements Target {
  readonly #contents = new Map<string, string>();
  readonly #stocks = new Map<string, Map<string, { onHand: number; unavailable: number; incoming: number }>>();
  readonly #items = new Map<string, string>();

  readonly facts = {
    send: async (facts: readonly CloudEvent[]) => {
      const rejected: { index: number; id: string; code: string; detail: string }[] = [];
      let duplicates = 0;
      for (const [index, fact] of facts.entries()) {
        const { id, source, ...content } = fact;
        const known = this.#contents.get(`${source} ${id}`);
        const text = JSON.stringify(content);
        if (known === undefined) this.#apply(fact);
        else if (known === text) duplicates += 1;
        else rejected.push({ index, id, code: "event-id-reused", detail: "" });
        this.#contents.set(`${source} ${id}`, text);
      }
      return { accepted: facts.length - duplicates - rejected.length, duplicates, rejected };
    },
  };

  readonly items = {
    send: async (items: readonly ItemDraft[]) => {
      const refused = items.map((item) => (item.gtins ?? []).every(isGtin));
      const rejected = items.flatMap(({ sku }, index) =>
        refused[index] === true ? [] : [{ index, sku, code: "invalid-check-digit", detail: "" }],
      );
      const unchanged = items.filter((item) => this.#items.get(item.sku) === JSON.stringify(item)).length;
      for (const [index, item] of items.entries()) if (refused[index]) this.#items.set(item.sku, JSON.stringify(item));
      return { accepted: items.length - rejected.length - unchanged, unchanged, rejected };
    },
  };

  async stocks(skus: readonly string[], locations?: readonly string[]): Promise<Stock[]> {
    return skus.flatMap((sku) =>
      [...(this.#stocks.get(sku) ?? [])]
        .filter(([location]) => locations?.includes(location) ?? true)
        .map(([location, stock]) => ({ sku, location, ...stock, available: stock.onHand - stock.unavailable })),
    );
  }

  #apply({ type, data }: CloudEvent): void {
    const [sku, location] = [String(data["sku"]), String(data["location"])];
    const [quantity, delta] = [Number(data["quantity"]), Number(data["delta"])];
    const places = this.#stocks.get(sku) ?? new Map();
    this.#stocks.set(sku, places);
    const stock = places.get(location) ?? { onHand: 0, unavailable: 0, incoming: 0 };
    places.set(location, stock);
    if (type === "larder.stock.received.v1") {
      stock.onHand += quantity;
      stock.incoming -= location === "receiving" ? quantity : 0;
    } else if (type === "larder.stock.sold.v1") stock.onHand -= quantity;
    else if (type === "larder.stock.returned.v1") stock.onHand += quantity;
    else if (type === "larder.stock.adjusted.v1") stock.onHand += delta;
    else if (type === "larder.stock.counted.v1") stock.onHand = quantity;
    else if (type === "larder.stock.held-back.v1") stock.unavailable += quantity;
    else if (type === "larder.stock.expected.v1") stock.incoming += quantity;
    else throw new Error(type);
  }
}

/** GS1's check digit: weights 3 and 1 from the right, all digits together a multiple of ten. */
function isGtin(text: string): boolean {
  const sum = [...text].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0);
  return text.length === 14 && sum % 10 === 0;
}

const isAbsent = !existsSync(dataFolder);

it.skipIf(isAbsent).for(["online-retail", "complete-journey", "adventureworks", "gtin", "plu"])(
  "maps the whole of %s to what was expected",
  { timeout: 120_000 },
  async (name) => {
    const wrong: string[] = [];
    const failed = await checkRealData(new MemoryTarget(), [name], (text) => {
      if (text.includes("WRONG")) wrong.push(text);
    });
    expect([wrong, failed]).toEqual([[], 0]);
  },
);

afterAll(() => {
  if (isAbsent) console.warn(`SKIPPED: no data folder at ${dataFolder}; the real data sets were not checked.`);
});
