import fc from "fast-check";
import { expect, it } from "vitest";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { caller, fact, openInventory } from "../fixture.ts";
import { inventoryTagging } from "../reservations/lists.ts";

const start = Date.parse("2026-01-01T12:00:00Z");
const minute = 60_000;
const place = { sku: "milk", location: "shop" };

const kinds = fc.constantFrom<[string, object]>(
  ["stock.received", { quantity: 6 }],
  ["stock.received", { quantity: 3, lot: "b" }],
  ["stock.sold", { quantity: 2 }],
  ["stock.sold", { quantity: 1, lot: "b" }],
  ["stock.adjusted", { delta: -1, reason: "damage" }],
  ["stock.counted", { quantity: 5 }],
  ["stock.counted", { quantity: 2, lot: "b" }],
  ["void", {}],
);

it("on hand at a time is what the whole history tells, and at a version what was recorded with it", async () => {
  const steps = fc.array(fc.tuple(kinds, fc.integer({ min: -90, max: 9 }), fc.nat(12)), {
    minLength: 1,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.integer({ min: -100, max: 130 }), { maxLength: 5 }), async (all, times) => {
      const { inventory, storage, clock } = await openInventory();
      const ids: string[] = [];
      for (const [index, [[type, data], late, which]] of all.entries()) {
        clock.now = start + index * 10 * minute;
        const time = new Date(clock.now + late * minute).toISOString();
        const one =
          type === "void"
            ? fact("fact.voided", {
                source: "till",
                id: ids[which % Math.max(1, ids.length)] ?? "none",
                reason: "wrong",
              })
            : fact(type, { ...place, ...data }, { time });
        ids.push(one.id);
        expect(await inventory.recordFacts([one], caller)).toMatchObject({ accepted: 1 });
      }
      const questions = times.map((minutes) => ({ ...place, at: start + minutes * minute }));
      const expected: (number | undefined)[] = [];
      for (const { at } of questions) {
        const view = await inventory.stock("milk", { at: new Date(at).toISOString() }, caller);
        expected.push(view.ok ? (view.value.locations[0]?.onHand ?? 0) : 0);
      }
      expect(await inventory.onHandThen(questions)).toEqual(expected);

      const events = await storage.readStream("stock-shop/milk");
      const balances = events.map(({ data }) => (data as { balance: { onHand?: number } }).balance.onHand ?? 0);
      const versions = [0, ...events.map(({ version }) => version), events.length + 1];
      expect(await inventory.onHandThen(versions.map((version) => ({ ...place, version })))).toEqual([
        0,
        ...balances,
        undefined,
      ]);
      await inventory.stop();
    }),
    { numRuns: 200 },
  );
});

it("reads back as far as what may have happened since reaches", async () => {
  const { inventory, storage, clock } = await openInventory();
  const expected: number[] = [];
  for (let index = 0; index < 350; index += 1) {
    clock.now = start + index * 1000;
    // Every other till's clock is two minutes ahead.
    const time = new Date(clock.now + (index % 2) * 2 * minute).toISOString();
    await inventory.recordFacts([fact("stock.received", { ...place, quantity: 1 }, { time })], caller);
  }
  for (let index = 0; index < 350; index += 1) {
    const at = start + index * 1000;
    const times = Array.from({ length: 350 }, (_, each) => start + each * 1000 + (each % 2) * 2 * minute);
    expected.push(times.filter((time) => time <= at).length);
  }
  const questions = expected.map((_, index) => ({ ...place, at: start + index * 1000 }));
  expect(await inventory.onHandThen(questions)).toEqual(expected);

  let read = 0;
  const original = storage.readStream.bind(storage);
  storage.readStream = async (...args) => {
    const events = await original(...args);
    read += events.length;
    return events;
  };
  await inventory.onHandThen([{ ...place, at: clock.now + 10 * minute }]);
  expect(read).toBeLessThanOrEqual(100);
  await inventory.stop();
});

it("knows of a version of an earlier history only what this one shares with it", async () => {
  const epochs = [
    { number: 1, id: "first", startsAfter: 0 },
    { number: 2, id: "second", startsAfter: 2 },
  ];
  const { inventory } = await openInventory({ storage: new MemoryStorage({ epochs, tagging: inventoryTagging }) });
  for (let index = 0; index < 4; index += 1)
    await inventory.recordFacts([fact("stock.received", { ...place, quantity: 1 })], caller);
  const versions = [1, 2, 3, 2 ** 40 + 3, 2 ** 40 + 4, 2 ** 40 + 5, 2 ** 41 + 1];
  const known = await inventory.onHandThen(versions.map((version) => ({ ...place, version })));
  expect(known).toEqual([1, 2, undefined, 3, 4, undefined, undefined]);
  await inventory.stop();
});

it("has nothing of what never was", async () => {
  const { inventory } = await openInventory();
  expect(
    await inventory.onHandThen([
      { ...place, at: start },
      { ...place, version: 1 },
    ]),
  ).toEqual([0, undefined]);
  await inventory.stop();
});
