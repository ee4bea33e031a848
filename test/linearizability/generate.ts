/** Histories made up: right ones, by a right server of our own on a clock of our own, and wrong ones, by changing them. */
import fc from "fast-check";
import { Oracle } from "../oracle/oracle.ts";
import { answered } from "./brute.ts";
import type { Answer, Operation, Request, Status } from "./history.ts";

export interface Shape {
  readonly stocks: readonly string[];
  readonly ids: readonly string[];
  readonly facts: number;
  readonly operations: { readonly minLength: number; readonly maxLength: number };
  /** Greatest milliseconds between two operations, and how long a call may take before and after its moment. */
  readonly stepMax: number;
  readonly slackMax: number;
  readonly ttlMsMax: number;
  /** One call in so many has no answer; half of those take no effect either. */
  readonly lostOneIn: number;
}

/** What a server that is right answers to some calls, as clients see it: each call's moment lies inside its interval. */
export function rightHistory(shape: Shape): fc.Arbitrary<Operation[]> {
  const units = fc.integer({ min: 1, max: 3 });
  const stock = fc.constantFrom(...shape.stocks);
  const id = fc.constantFrom(...shape.ids);
  const ttlMs = fc.integer({ min: 1, max: shape.ttlMsMax });
  // What is asked under one id, or told under one name, is always the same: a retry.
  const asks = fc.array(
    fc.record({
      lines: fc.uniqueArray(fc.record({ stock, quantity: units }), {
        minLength: 1,
        maxLength: 2,
        selector: (l) => l.stock,
      }),
      ttlMs,
    }),
    { minLength: shape.ids.length, maxLength: shape.ids.length },
  );
  const facts = fc.array(fc.record({ stock, units: fc.integer({ min: -1, max: 4 }) }), {
    minLength: shape.facts,
    maxLength: shape.facts,
  });
  const of = (kind: Request["kind"]) =>
    fc.record({ kind: fc.constant(kind), id, ttlMs, fact: fc.nat(shape.facts - 1), stock });
  const calls = fc.array(
    fc.record({
      one: fc.oneof(
        { weight: 4, arbitrary: of("reserve") },
        { weight: 3, arbitrary: of("fact") },
        { weight: 2, arbitrary: of("read") },
        ...(["extend", "confirm", "release", "fulfil", "look"] as const).map(of),
      ),
      step: fc.nat(shape.stepMax),
      before: fc.nat(shape.slackMax),
      after: fc.nat(shape.slackMax),
      pick: fc.nat(),
      lost: fc.nat(2 * shape.lostOneIn - 1),
    }),
    shape.operations,
  );
  return fc.tuple(asks, facts, calls).map(([bodies, told, all]) => {
    const oracle = new Oracle(["x"]);
    const ids = shape.ids;
    const asked: string[] = [];
    let time = shape.slackMax;
    return all.map(({ one, step, before, after, pick, lost }, client): Operation => {
      time += step;
      if (one.kind === "reserve") asked.push(one.id);
      // Mostly one of those that were asked for of late.
      const id = one.kind === "reserve" ? one.id : (asked.at(-1 - (pick % 4)) ?? one.id);
      const body = bodies[ids.indexOf(id)] ?? { lines: [], ttlMs: 1 };
      const request = requestOf({ ...one, id }, body, told);
      const from = time - before;
      const open = Number.POSITIVE_INFINITY;
      if (lost === 0) return { client, request, called: from, returned: open, from, to: open };
      const answer = answered(oracle, request, time);
      if (lost === 1) return { client, request, called: from, returned: open, from, to: open };
      return { client, request, answer, called: from, returned: time + after, from, to: time + after };
    });
  });
}

function requestOf(
  one: { kind: Request["kind"]; id: string; ttlMs: number; fact: number; stock: string },
  body: { lines: { stock: string; quantity: number }[]; ttlMs: number },
  told: readonly { stock: string; units: number }[],
): Request {
  const { kind, id, ttlMs, fact, stock } = one;
  switch (kind) {
    case "reserve":
      return { kind, id, ...body };
    case "extend":
      return { kind, id, ttlMs };
    case "fact":
      return { kind, fact: `f${fact}`, stock: told[fact]?.stock ?? stock, units: told[fact]?.units || 2 };
    case "read":
      return { kind, stock };
    default:
      return { kind, id };
  }
}

/** A history with some of it told otherwise: it may be right or wrong. */
export function altered(history: fc.Arbitrary<Operation[]>): fc.Arbitrary<Operation[]> {
  const alteration = fc.record({ at: fc.nat(), other: fc.nat(), how: fc.nat(), by: fc.constantFrom(-2, -1, 1, 2, 5) });
  return fc.tuple(history, fc.array(alteration, { minLength: 1, maxLength: 2 })).map(([told, alterations]) =>
    alterations.reduce((all, { at, other, how, by }) => {
      const one = all[at % all.length];
      const another = all[other % all.length];
      if (one === undefined || another === undefined) return all;
      return all.flatMap((operation) => (operation === one ? alter(one, another, how, by) : [operation]));
    }, told),
  );
}

function alter(one: Operation, another: Operation, how: number, by: number): Operation[] {
  const { answer } = one;
  const later = { called: one.called + by, returned: one.returned + by, from: one.from + by, to: one.to + by };
  const others: readonly Operation[][] = [
    [],
    [{ ...one, ...later }],
    another.answer ? [{ ...one, answer: another.answer, returned: another.returned, to: another.to }] : [one],
    [one, { ...one, called: one.called + 1, returned: one.returned + 1, from: one.from + 1, to: one.to + 1 }],
    ...(answer === undefined ? [] : answersLike(answer, by).map((told) => [{ ...one, answer: told }])),
  ];
  const chosen = others[how % others.length] ?? [];
  return chosen.filter(({ from, called, returned, to }) => from >= 0 && called <= returned && from <= to);
}

function answersLike(answer: Answer, by: number): Answer[] {
  switch (answer.kind) {
    case "recorded":
      return [{ ...answer, isDuplicate: !answer.isDuplicate }];
    case "stock":
      return [
        { ...answer, onHand: answer.onHand + by },
        { ...answer, reserved: answer.reserved + by },
        { ...answer, committed: answer.committed + by, reserved: answer.reserved - by },
      ];
    case "refused": {
      const short = answer.short.map((line) => ({ ...line, available: Math.max(0, line.available + by) }));
      const codes = ["expired", "released", "confirmed", "fulfilled"].map((status) => `reservation-already-${status}`);
      const heldAs = (status: Status): Answer => ({ kind: "reservation", created: false, status, expiresAt: null });
      return [
        { ...answer, short },
        ...["not-found", ...codes].map((code): Answer => ({ kind: "refused", code, short: [] })),
        ...(["confirmed", "fulfilled", "released", "expired"] as const).map(heldAs),
      ];
    }
    case "reservation": {
      const { expiresAt } = answer;
      return [
        { ...answer, created: !answer.created },
        ...(expiresAt === null ? [] : [{ ...answer, expiresAt: expiresAt + by }]),
        ...(["confirmed", "fulfilled", "released", "expired"] as const).map(
          (status): Answer => ({ ...answer, status, expiresAt: null }),
        ),
        { kind: "refused", code: "not-found", short: [] },
        { kind: "refused", code: "reservation-already-expired", short: [] },
      ];
    }
  }
}
