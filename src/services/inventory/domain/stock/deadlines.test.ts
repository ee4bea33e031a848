import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Deadlines } from "./index.ts";

describe("deadlines", () => {
  it("give what is due by what is current, however it came to be, and keep nothing that is over", () => {
    const change = fc.record({ id: fc.constantFrom("a", "b", "c", "d"), time: fc.option(fc.nat(20)) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), fc.array(fc.nat(20), { maxLength: 5 }), (changes, looks) => {
        const current = new Map<string, number>();
        const deadlines = new Deadlines();
        const isCurrent = (id: string, time: number) => current.get(id) === time;
        const due = (now: number) =>
          [...current].filter(([, time]) => time <= now).sort(([a, s], [b, t]) => s - t || (a < b ? -1 : 1));
        for (const [index, { id, time }] of changes.entries()) {
          if (time === null) current.delete(id);
          else {
            current.set(id, time);
            deadlines.push(time, id);
          }
          const now = looks[index % Math.max(1, looks.length)] ?? 10;
          if (index % 7 === 6) expect(deadlines.due(now, isCurrent)).toEqual(due(now).map(([one]) => one));
        }
        expect(deadlines.due(20, isCurrent)).toEqual(due(20).map(([one]) => one));
        current.clear();
        expect(deadlines.due(20, isCurrent)).toEqual([]);
        expect(deadlines.size).toBe(0);
      }),
    );
  });
});
