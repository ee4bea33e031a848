import fc from "fast-check";
import { expect, it } from "vitest";
import { MemorySink } from "../../../platform/sink/memory/index.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { accepted, caller, fact, openInventory } from "../../inventory/fixture.ts";
import { silentObserver, startSinks } from "./index.ts";

const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ record: fc.integer({ min: 1, max: 250 }), sku: fc.constantFrom("a", "b", "c") }),
  },
  { weight: 2, arbitrary: fc.constant("wait" as const) },
  fc.constantFrom("wipe" as const, "restart" as const, "away" as const, "back" as const),
  fc.record({ lose: fc.integer({ min: 1, max: 40 }) }),
);

const soon = (found: () => unknown) => expect.poll(found, { interval: 2, timeout: 10_000 });

/** A reader that keeps the highest version of each stock, and looks again from the beginning whenever it looks. */
class Reader {
  readonly versions = new Map<string, number>();
  readonly skipped: string[] = [];

  read({ events }: MemorySink): void {
    for (const { stock } of events) {
      if (stock === undefined) continue;
      const seen = this.versions.get(stock.sku) ?? 0;
      if (stock.version > seen + 1) this.skipped.push(`${stock.sku}: ${stock.version} after ${seen}`);
      if (stock.version > seen) this.versions.set(stock.sku, stock.version);
    }
  }
}

it("bring everything to sinks that lose what they had, go away and come back, and no reader skips a version", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 20 }), async (actions) => {
      const { storage, inventory, clock } = await openInventory();
      const [events, stocks] = [new MemorySink("events"), new MemorySink("stocks", { name: "stocks" })];
      const start = () =>
        startSinks({
          sinks: [events, stocks],
          storage,
          inventory,
          clock: () => clock.now,
          random: () => 0,
          timers: systemTimers,
          checkMs: 3,
          observer: silentObserver,
        });
      let sinks = start();
      const reader = new Reader();
      for (const step of actions) {
        if (step === "wait") await new Promise((resolve) => setTimeout(resolve, 5));
        else if (step === "wipe") for (const sink of [events, stocks]) sink.wipe();
        else if (step === "away") for (const sink of [events, stocks]) sink.fault = new Error("away");
        else if (step === "back") for (const sink of [events, stocks]) sink.fault = undefined;
        else if (step === "restart") {
          await sinks.stop();
          sinks = start();
        } else if ("lose" in step) events.lose(step.lose);
        else {
          const data = { sku: step.sku, location: "leeds", quantity: 1 };
          const facts = Array.from({ length: step.record }, () => fact("stock.received", data));
          expect((await inventory.recordFacts(facts, caller)).accepted).toBe(step.record);
        }
        reader.read(events);
      }
      for (const sink of [events, stocks]) sink.fault = undefined;
      const feed = accepted(await inventory.readChanges(undefined, 100_000, caller)).events;
      await soon(() => events.events.map(({ id }) => id)).toEqual(feed.map(({ id }) => id));
      const found = await inventory.stocks({ count: 1000, changedSince: 0 });
      const items = await inventory.availabilityOf(found.stocks);
      await soon(() => new Set(stocks.stocks.values())).toEqual(new Set(items));
      reader.read(events);
      await sinks.stop();
      await inventory.stop();
      expect(reader.skipped).toEqual([]);
    }),
    { numRuns: 25 },
  );
}, 120_000);
