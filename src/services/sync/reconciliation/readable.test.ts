import fc from "fast-check";
import { expect, it } from "vitest";
import { PlatformError } from "../../../kernel/index.ts";
import { aroundUnreadable } from "./readable.ts";

it("leaves out exactly what can't be read, wherever it stands among how many, and keeps the order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 60 }), async (areReadable) => {
      const deal = async (places: readonly number[]) => {
        if (places.some((place) => !areReadable[place])) throw new PlatformError("archive-unavailable", "damaged");
        return places.map(String);
      };
      const dealt = await aroundUnreadable([...areReadable.keys()], deal, ({ message }) => message);
      expect(dealt).toEqual(areReadable.map((isReadable, place) => (isReadable ? String(place) : "damaged")));
    }),
  );
});

it("passes on whatever else fails", async () => {
  const failure = new PlatformError("storage-unavailable", "gone");
  const dealt = aroundUnreadable(
    [1, 2],
    () => Promise.reject(failure),
    () => 0,
  );
  await expect(dealt).rejects.toBe(failure);
});
