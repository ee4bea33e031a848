import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { explained } from "./brute.ts";
import { check } from "./checker.ts";
import { altered, rightHistory, type Shape } from "./generate.ts";
import { type Answer, type Operation, sharesOf, show, withRepeats } from "./history.ts";
import { corruptions } from "./wrong.ts";

const tiny: Shape = {
  stocks: ["m@x", "n@x"],
  ids: ["a", "b"],
  facts: 3,
  operations: { minLength: 2, maxLength: 5 },
  stepMax: 2,
  slackMax: 2,
  ttlMsMax: 4,
  lostOneIn: 5,
};
const long: Shape = {
  stocks: ["m@x", "n@x", "o@x"],
  ids: ["a", "b", "c", "d", "e", "f", "g", "h"],
  facts: 10,
  operations: { minLength: 40, maxLength: 60 },
  stepMax: 3,
  slackMax: 4,
  ttlMsMax: 60,
  lostOneIn: 12,
};
const limits = { triesMax: 20_000 };
/** Always the same, so that none is ever too hard to decide in time. */
const longHistories = fc.sample(rightHistory(long), { numRuns: 100, seed: 20_261_126 });

describe("the checker", () => {
  it("accepts what a right server answers", () => {
    for (const [index, history] of longHistories.entries())
      expect([index, check(history, limits)]).toMatchObject([index, { verdict: "linearizable" }]);
  });

  it("agrees with the definition on small histories, right and wrong", () => {
    const counts = { linearizable: 0, wrong: 0, undecided: 0 };
    fc.assert(
      fc.property(altered(rightHistory(tiny)), (history) => {
        const { verdict } = check(history, limits);
        counts[verdict] += 1;
        expect(verdict, history.map(show).join("\n")).toBe(explained(history) ? "linearizable" : "wrong");
      }),
      { numRuns: 2000 },
    );
    expect(counts.wrong).toBeGreaterThan(400);
    expect(counts.linearizable).toBeGreaterThan(400);
  }, 60_000);

  it.each(Object.entries(corruptions))("rejects %s", (_name, corrupt) => {
    let rejected = 0;
    for (const history of longHistories.slice(0, 30)) {
      const corrupted = corrupt(history);
      if (corrupted === undefined) continue;
      expect(check(corrupted, limits)).toMatchObject({ verdict: "wrong" });
      rejected += 1;
    }
    expect(rejected).toBeGreaterThanOrEqual(6); // of 18 kinds: more than a hundred
  });

  it("lets processes that decide at times of their own record in another order, but only what overlaps", () => {
    const reserve: Operation = {
      ...{ client: 0, called: 0, returned: 100, from: 1000, to: 1100 },
      request: { kind: "reserve", id: "a", lines: [{ stock: "tea@leeds", quantity: 1 }], ttlMs: 1000 },
      // Decided at 1020, and recorded when another one had looked at 1050.
      answer: { kind: "reservation", created: true, status: "active", expiresAt: 2020 },
    };
    const fact: Operation = {
      ...{ client: 0, called: -20, returned: -10, from: 980, to: 990 },
      request: { kind: "fact", fact: "f", stock: "tea@leeds", units: 1 },
      answer: { kind: "recorded", isDuplicate: false },
    };
    const lookAt = (called: number): Operation => ({
      ...{ client: 1, called, returned: called + 20, from: 1000 + called, to: 1020 + called },
      request: { kind: "look", id: "a" },
      answer: { kind: "refused", code: "not-found", short: [] },
    });
    const judged = (look: Operation, timesMayCross: boolean) =>
      check([fact, reserve, look], { ...limits, timesMayCross }).verdict;
    expect([judged(lookAt(50), false), judged(lookAt(50), true)]).toEqual(["wrong", "linearizable"]);
    expect([judged(lookAt(101), false), judged(lookAt(101), true)]).toEqual(["wrong", "wrong"]);
  });

  it("takes a first call that was answered as a repeat for one, where others ask again by themselves", () => {
    const fact: Operation = {
      ...{ client: 0, called: 0, returned: 10, from: 1000, to: 1010 },
      request: { kind: "fact", fact: "f", stock: "tea@leeds", units: 1 },
      answer: { kind: "recorded", isDuplicate: true },
    };
    const read = (called: number, onHand: number): Operation => ({
      ...{ client: 1, called, returned: called + 5, from: 1000 + called, to: 1005 + called },
      request: { kind: "read", stock: "tea@leeds" },
      answer: { kind: "stock", onHand, reserved: 0, committed: 0 },
    });
    const verdicts = (history: readonly Operation[]) =>
      [history, withRepeats(history)].map((one) => check(one, limits).verdict);
    expect(verdicts([fact, read(20, 1)])).toEqual(["wrong", "linearizable"]);
    expect(verdicts([fact, read(20, 0)])).toEqual(["wrong", "wrong"]);
    expect(verdicts([fact, read(20, 2)])).toEqual(["wrong", "wrong"]);
  });

  it("rejects nearly all that is corrupted also where times may cross", () => {
    const kinds = Object.values(corruptions).map((corrupt) => {
      const corrupted = longHistories.slice(0, 6).flatMap((history) => {
        const one = corrupt(history);
        return one === undefined ? [] : [one];
      });
      return corrupted.some((history) => check(history, { ...limits, timesMayCross: true }).verdict === "wrong");
    });
    expect(kinds.filter(Boolean).length).toBeGreaterThanOrEqual(kinds.length - 1);
  });

  it("gives up rather than call right what it did not look through", () => {
    const [history = []] = longHistories;
    expect(check(history, { triesMax: 5 })).toMatchObject({ verdict: "undecided" });
  });

  it("says how hard a history is", () => {
    const call = { client: 0, request: { kind: "look", id: "a" }, called: 0, returned: 0, from: 0, to: 0 } as const;
    const refused: Operation = { ...call, answer: { kind: "refused", code: "not-found", short: [] } };
    const expired: Operation = {
      ...call,
      answer: { kind: "reservation", created: false, status: "expired", expiresAt: null },
    };
    const active: Operation = { ...call, answer: { ...expired.answer, status: "active", expiresAt: 1 } as Answer };
    expect(sharesOf([call, refused, expired, active])).toEqual({ unknown: 0.25, refused: 0.5 });
  });
});
