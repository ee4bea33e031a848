import { expect, it, vi } from "vitest";
import { MemoryStorage } from "./memory/index.ts";
import { readInTurns } from "./read-in-turns.ts";
import { event, numbers, unitOf } from "./samples.ts";

it.each([
  [0, 0],
  [1, 0],
  [2000, 0],
  [2001, 1],
  [4500, 2],
])("reads %i events whole, and lets others have their turn %i times", async (count, expected) => {
  const storage = new MemoryStorage();
  await storage.append(numbers(count).map((n) => unitOf(`c${n}`, { a: n - 1 }, [event("a", { n })])));
  const whole = await storage.readStream("a");
  const portions: number[] = [];
  const readStream = storage.readStream.bind(storage);
  vi.spyOn(storage, "readStream").mockImplementation(async (...asked) => {
    const events = await readStream(...asked);
    portions.push(events.length);
    return events;
  });
  const soon = vi.fn(setImmediate);
  expect(await readInTurns(storage, "a", count, soon)).toEqual(whole);
  expect(soon).toHaveBeenCalledTimes(expected);
  expect(Math.max(...portions)).toBeLessThanOrEqual(2000);
  // The version that is known may be an old one, or one that the log does not have yet.
  for (const newest of [0, count + 3000]) expect(await readInTurns(storage, "a", newest, soon)).toEqual(whole);
});
