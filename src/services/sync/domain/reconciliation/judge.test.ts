import { describe, expect, it } from "vitest";
import {
  actionFor,
  countableAt,
  type FindingKind,
  findingOf,
  judge,
  type OurFigures,
  type SecondLook,
  type Suspicion,
  stands,
  type TheirRecord,
} from "./index.ts";

const pair = { sku: "milk", location: "leeds" };
const theirs = (onHand: number, rest: Partial<TheirRecord> = {}): TheirRecord => ({ ...pair, onHand, ...rest });
const ours = (onHand: number, version: number, past?: number): OurFigures => ({
  onHand,
  version,
  ...(past !== undefined && { past }),
});

describe("one look", () => {
  it.each<[string, TheirRecord | undefined, OurFigures | undefined, FindingKind | undefined]>([
    ["the version they were sent last", theirs(5, { version: 9 }), ours(5, 9), undefined],
    ["another figure at that version", theirs(4, { version: 9 }), ours(5, 9), "drift"],
    ["an older version, as it was", theirs(7, { version: 8 }), ours(5, 9, 7), "late"],
    ["an older version, as it never was", theirs(6, { version: 8 }), ours(5, 9, 7), "drift"],
    ["an older version with today's figure", theirs(5, { version: 8 }), ours(5, 9, 5), "late"],
    ["a version of a history that was left", theirs(6, { version: 3 }), ours(5, 9), "late"],
    ["a version beyond ours, then a time", theirs(6, { version: 10, asOf: 1 }), ours(5, 9, 6), undefined],
    ["a version beyond ours", theirs(5, { version: 10 }), ours(5, 9), undefined],
    ["the figure of that time", theirs(6, { asOf: 1 }), ours(5, 9, 6), undefined],
    ["another figure at that time", theirs(5, { asOf: 1 }), ours(5, 9, 6), "drift"],
    ["the figure of now", theirs(5), ours(5, 9), undefined],
    ["another figure now", theirs(6), ours(5, 9), "drift"],
    ["nothing of what we have", undefined, ours(5, 9), "missing-there"],
    ["nothing of what we have none of", undefined, ours(0, 9), undefined],
    ["what we have never had", theirs(5), undefined, "missing-here"],
    ["none of what we have never had", theirs(0), undefined, undefined],
  ])("at %s", (_what, their, our, kind) => {
    expect(judge({ theirs: their, ours: our })).toBe(kind);
  });
});

/** A second look at which nothing has changed and nothing is under way. */
function same(suspicion: Suspicion, rest: Partial<SecondLook> = {}): SecondLook {
  return {
    theirs: suspicion.theirs,
    ours: suspicion.ours,
    before: { version: suspicion.ours?.version, pending: false },
    pendingAfter: false,
    isTheirOwn: false,
    ...rest,
  };
}

const late: Suspicion = { kind: "late", theirs: theirs(7, { version: 8 }), ours: ours(5, 9, 7) };
const lost: Suspicion = { kind: "missing-there", theirs: undefined, ours: ours(5, 9) };
const unknown: Suspicion = { kind: "missing-here", theirs: theirs(5, { asOf: 1 }), ours: undefined };
const timed: Suspicion = { kind: "drift", theirs: theirs(5, { asOf: 1 }), ours: ours(6, 9, 6) };
const versioned: Suspicion = { kind: "drift", theirs: theirs(4, { version: 9 }), ours: ours(5, 9) };
const plain: Suspicion = { kind: "drift", theirs: theirs(6), ours: ours(5, 9) };

describe("the second look", () => {
  it.each([late, lost, unknown, timed, versioned, plain])("keeps $kind where nothing moved", (suspicion) => {
    expect(stands(suspicion, same(suspicion))).toBe(true);
  });

  it.each<[string, Suspicion, Partial<SecondLook>]>([
    ["what has arrived since", late, { theirs: theirs(5, { version: 9 }) }],
    ["what was still to be sent", late, { before: { version: 9, pending: true } }],
    ["what changed only after it was asked for", late, { before: { version: 8, pending: false } }],
    ["what has arrived there since", lost, { theirs: theirs(5, { version: 9 }) }],
    ["what was still to be sent there", lost, { before: { version: 9, pending: true } }],
    ["what was told here since", unknown, { ours: ours(5, 1, 5) }],
    ["what was told for that time since", timed, { ours: ours(5, 10, 5) }],
    ["what is right by its newer record", timed, { theirs: theirs(6, { asOf: 2 }), isTheirOwn: true }],
    ["a copy to which something is sent", timed, { pendingAfter: true }],
    ["a copy that told a time, when ours moved since", timed, { ours: ours(7, 10, 6) }],
    [
      "a copy that holds our newest figure, some of which lies ahead of the time it names",
      timed,
      { ours: ours(5, 9, 6) },
    ],
    ["a plain figure that moved", plain, { theirs: theirs(7) }],
    ["a plain figure while ours moved", plain, { ours: ours(4, 10) }],
    ["a plain figure to which something was sent", plain, { before: { version: 9, pending: true } }],
    ["a plain figure to which something is sent", plain, { pendingAfter: true }],
  ])("clears %s", (_what, suspicion, change) => {
    expect(stands(suspicion, same(suspicion, change))).toBe(false);
  });

  it("does not wait for pushes where their figure is their own, or names a version", () => {
    expect(stands(timed, same(timed, { pendingAfter: true, isTheirOwn: true }))).toBe(true);
    expect(stands(versioned, same(versioned, { pendingAfter: true }))).toBe(true);
  });
});

describe("what is found", () => {
  it("shows the figure that theirs is held against", () => {
    const figures = [late, lost, unknown, timed, versioned, plain].map((suspicion) => {
      const { ours: our, theirs: their } = findingOf(suspicion.kind, suspicion, pair);
      return [our, their];
    });
    expect(figures).toEqual([
      [5, 7],
      [5, null],
      [null, 5],
      [6, 5],
      [5, 4],
      [5, 6],
    ]);
  });

  it("may be counted for the time of its record, or of the second question while nothing moved", () => {
    expect(countableAt(timed, same(timed), 100, 200)).toBe(1);
    expect(countableAt(plain, same(plain), 100, 200)).toBe(100);
    expect(countableAt(plain, same(plain, { ours: ours(5, 10) }), 100, 200)).toBeUndefined();
    expect(countableAt(plain, same(plain, { pendingAfter: true }), 100, 200)).toBeUndefined();
  });

  it("is not counted for a time that is still to come, which would swallow what is sold until then", () => {
    const ahead: Suspicion = { ...timed, theirs: theirs(5, { asOf: 201 }) };
    expect(countableAt(ahead, same(ahead), 100, 200)).toBeUndefined();
    expect(countableAt(ahead, same(ahead), 100, 201)).toBe(201);
  });

  it.each([
    ["late", "sent-again", "sent-again"],
    ["missing-there", "sent-again", "sent-again"],
    ["drift", "sent-again", "counted"],
    ["missing-here", "none", "counted"],
  ] as const)("%s is %s where ours wins, %s where theirs does", (kind, whenOurs, whenTheirs) => {
    const finding = { ...pair, kind, ours: 5, theirs: 4 };
    expect(actionFor(finding, "correct", false, 1)).toBe(whenOurs);
    expect(actionFor(finding, "correct", true, 1)).toBe(whenTheirs);
    expect(actionFor(finding, "report", true, 1)).toBe("none");
  });

  it("is left alone where no count says it", () => {
    const drift = { ...pair, kind: "drift", ours: 5, theirs: 4 } as const;
    expect(actionFor(drift, "correct", true, undefined)).toBe("none");
    expect(actionFor({ ...drift, theirs: -1 }, "correct", true, 1)).toBe("none");
  });
});
