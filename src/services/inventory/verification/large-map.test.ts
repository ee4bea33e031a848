import fc from "fast-check";
import { expect, it } from "vitest";
import { LargeMap } from "./large-map.ts";

it("holds what a map holds, in however many shards", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.nat())), fc.integer({ min: 1, max: 5 }), (entries, shards) => {
      const map = new Map(entries);
      const large = new LargeMap<number>(shards);
      for (const [key, value] of entries) large.set(key, value);
      expect(large.size).toBe(map.size);
      expect([...large.keys()].sort()).toEqual([...map.keys()].sort());
      for (const [key, value] of map) expect([large.has(key), large.get(key)]).toEqual([true, value]);
      expect(large.has("not there, whatever was drawn")).toBe(false);
    }),
  );
});
