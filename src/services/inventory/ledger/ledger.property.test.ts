import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { available, emptyStock } from "../domain/stock/index.ts";
import { accepted, caller, codeOf, fact, openInventory } from "../fixture.ts";
import { streamOf } from "./index.ts";
import { command, open, receive, take } from "./ledger.fixture.ts";

describe("any mix of commands and faults", () => {
  const steps = fc.array(
    fc.record({
      sku: fc.constantFrom("a", "b", "c"),
      quantity: fc.integer({ min: -4, max: 4 }).filter((units) => units !== 0),
      fault: fc.constantFrom("none", "none", "none", "fail", "lose", "conflict", "wait"),
    }),
    { minLength: 1, maxLength: 40 },
  );

  it("leaves in the log exactly what was acknowledged, in states equal to their fold, and sells nothing twice", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { storage, ledger } = open({ cachedStatesMax: 4 });
        const expected = new Map<string, number>();
        const running: Promise<void>[] = [];
        for (const { sku, quantity, fault } of all) {
          if (fault === "fail") storage.failNextAppend();
          if (fault === "lose") storage.loseNextAnswer();
          if (fault === "conflict") {
            const stream = streamOf.stock("shop", sku);
            const [version = 0] = await storage.versions([stream]);
            const meta = { command: `other-${sku}-${version}`, recordedAt: 1000, actor: "other" };
            // More events than a round decides on one stock, so that no version is met by chance.
            const data = { at: 1000, fact: { quantity: 1 }, change: { onHand: 1 } };
            const events = Array.from({ length: 41 }, () => ({ stream, type: "StockReceived", schema: 1, data }));
            const [outcome] = await storage.append([{ meta, expected: [{ stream, version }], events }]).catch(() => []);
            if ((await storage.findCommands([meta.command], 0))[0] !== undefined || outcome?.ok)
              expected.set(sku, (expected.get(sku) ?? 0) + 41);
          }
          if (fault === "wait") await Promise.all(running.splice(0));
          const ask = ledger.submit<string>(quantity > 0 ? receive(quantity, sku) : take(-quantity, sku));
          running.push(
            ask.then(
              ({ value }) => {
                if (value !== "refused") expected.set(sku, (expected.get(sku) ?? 0) + quantity);
              },
              (error: unknown) => expect(error).toMatchObject({ code: "storage-unavailable" }),
            ),
          );
        }
        await Promise.all(running);
        for (const sku of ["a", "b", "c"]) {
          const events = await storage.readStream(streamOf.stock("shop", sku));
          let onHand = 0;
          for (const { data } of events) {
            onHand += (data as { change?: { onHand: number } }).change?.onHand ?? 0;
            expect(onHand).toBeGreaterThanOrEqual(0);
          }
          expect(onHand).toBe(expected.get(sku) ?? 0);
          const live = await ledger.submit(command((transaction) => transaction.stock("shop", sku).onHand));
          // A stale cache may remain where another writer came last; the next append would find out.
          const isOwnLast = events.at(-1)?.unit.actor !== "other";
          if (isOwnLast) expect(live.value).toBe(onHand);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("hot and spread", () => {
  it("come to the same promises when many reserve one unit or carts in opposite order", async () => {
    const { inventory } = await openInventory({ cachedStatesMax: 8 });
    const skus = Array.from({ length: 20 }, (_, index) => `sku-${index}`);
    const stockUp = skus.map((sku) => fact("stock.received", { sku, location: "shop", quantity: 25 }));
    await inventory.recordFacts(stockUp, caller);
    const carts = Array.from({ length: 400 }, (_, index) => {
      const [a, b] = [skus[index % 20] ?? "", skus[(index * 7 + 3) % 20] ?? ""];
      const pair = index % 2 === 0 ? [a, b] : [b, a];
      return inventory.reserve(
        { id: `cart-${index}`, lines: pair.map((sku) => ({ sku, quantity: 1, location: "shop" })) },
        caller,
      );
    });
    const outcomes = await Promise.all(carts);
    const held = new Map<string, number>();
    for (const outcome of outcomes) {
      if (outcome.ok)
        for (const { sku, quantity } of accepted(outcome).reservation.lines)
          held.set(sku, (held.get(sku) ?? 0) + quantity);
      else expect(codeOf(outcome)).toBe("insufficient-stock");
    }
    for (const sku of skus) {
      const [stock = emptyStock()] = accepted(await inventory.stock(sku, {}, caller)).locations;
      expect(stock.reserved).toBe(held.get(sku) ?? 0);
      expect(available(stock)).toBeGreaterThanOrEqual(0);
    }
    expect([...held.values()].reduce((sum, units) => sum + units, 0)).toBeGreaterThan(400);
    await inventory.stop();
  });
});
