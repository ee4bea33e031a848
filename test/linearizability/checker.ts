/**
 * Whether some order of the operations explains what was answered: each at one moment between its call and its answer,
 * as if they had been made one after another (Herlihy and Wing). The search is Wing and Gong's, with Lowe's memory of
 * what was tried: the operations done so far and the state they left. Operations without an answer may come at any
 * later moment, or never.
 */
import { type Operation, partsOf, show } from "./history.ts";
import { after, type Coming, keyOf, nothing, type State, tidied } from "./model.ts";
import { precedents } from "./unknown.ts";
import { contains, elapse, forget } from "./zone.ts";

export type Verdict =
  | { readonly verdict: "linearizable"; readonly tried: number }
  /** `stuck`: where the longest explanation ends, and the operations of which none can follow. */
  | { readonly verdict: "wrong"; readonly tried: number; readonly stuck: string }
  /** The search was given up: nothing is known. */
  | { readonly verdict: "undecided"; readonly tried: number };

export interface Limits {
  /** States looked at before it gives up, for each part. */
  readonly triesMax: number;
  /**
   * Whether several processes decide, each at some time of its own: what one has decided may be recorded only after another
   * has decided, and answered, at a later time. Each still has to decide between call and answer, so only operations that
   * overlap can change places so.
   */
  readonly timesMayCross?: boolean;
}

/** Judges each part of a history by itself; the first that is not linearizable decides. */
export function check(history: readonly Operation[], limits: Limits): Verdict {
  let tried = 0;
  let worst: Verdict = { verdict: "linearizable", tried };
  for (const part of partsOf(history)) {
    const verdict = checkPart(part, limits);
    tried += verdict.tried;
    if (verdict.verdict === "wrong") return { ...verdict, tried };
    if (verdict.verdict === "undecided") worst = verdict;
  }
  return { ...worst, tried };
}

interface Move {
  /** Of the operation. */
  readonly index: number;
  readonly following: State;
}

export function checkPart(operations: readonly Operation[], { triesMax, timesMayCross = false }: Limits): Verdict {
  const passing = timesMayCross ? forget : elapse;
  const before = new Map(operations.map((one) => [one, one.answer === undefined ? precedents(one, operations) : []]));
  // Those without an answer come last, from `answered` on; those that can't have taken effect are left out.
  const order = operations
    .filter((one) => before.get(one) !== undefined)
    .sort((a, b) => (a.returned < b.returned ? -1 : a.returned > b.returned ? 1 : 0));
  const answered = order.filter(({ answer }) => answer !== undefined).length;
  const needs = order.map((one) => (before.get(one) ?? []).map((other) => order.indexOf(other)));
  const memory = new Memory();
  const done = order.map(() => false);
  let tried = 0;
  let furthest = { known: -1, state: nothing, next: [] as readonly number[] };

  const search = (state: State, known: number): boolean | undefined => {
    if (known === answered) return true;
    tried += 1;
    if (tried > triesMax) return undefined;
    const next = candidates(order, needs, done);
    if (known > furthest.known) furthest = { known, state, next };
    for (const { index, following } of moves(state, next)) {
      done[index] = true;
      if (!memory.knows(done, answered, following)) {
        const found = search(following, known + (index < answered ? 1 : 0));
        if (found !== false) return found;
      }
      done[index] = false;
    }
    return false;
  };

  /**
   * What may come next. An answer that changes nothing and rules out no time may as well come at once: it would change
   * nothing later either, and without it the others are only freer.
   */
  const moves = (state: State, next: readonly number[]): Move[] => {
    const all: Move[] = [];
    for (const index of next) {
      const operation = order[index];
      if (operation === undefined) continue;
      const coming = comingAfter(order, done, index);
      const still = tidied(state, coming, passing);
      for (const one of after(state, operation, passing)) {
        const following = tidied(one, coming, passing);
        const isStill = index < answered && keyOf(following) === keyOf(still);
        if (isStill && contains(following.zone, still.zone)) return [{ index, following }];
        all.push({ index, following });
      }
    }
    return all;
  };

  const found = search(nothing, 0);
  if (found === undefined) return { verdict: "undecided", tried };
  if (found) return { verdict: "linearizable", tried };
  const following = furthest.next.flatMap((index) => order[index] ?? []).map((one) => `  ${show(one)}`);
  const stuck = [`after ${furthest.known} of ${answered} answers, in ${keyOf(furthest.state)}, none can follow:`];
  return { verdict: "wrong", tried, stuck: [...stuck, ...following].join("\n") };
}

/** What else is to come once an operation is done. */
function comingAfter(order: readonly Operation[], done: readonly boolean[], index: number): Coming {
  const names = new Set<string>();
  let from = Number.POSITIVE_INFINITY;
  for (let at = 0; at < order.length; at += 1) {
    const operation = order[at];
    if (operation === undefined || done[at] || at === index) continue;
    from = Math.min(from, operation.from);
    if ("id" in operation.request) names.add(operation.request.id);
    else if ("fact" in operation.request) names.add(operation.request.fact);
  }
  return { from, names };
}

/** Those that nothing undone has to come before. */
function candidates(
  order: readonly Operation[],
  needs: readonly (readonly number[])[],
  done: readonly boolean[],
): number[] {
  const first = order[done.indexOf(false)]?.returned ?? Number.POSITIVE_INFINITY;
  const isNext = ({ called }: Operation, index: number) =>
    !done[index] && called <= first && needs[index]?.every((other) => done[other]);
  return order.flatMap((operation, index) => (isNext(operation, index) ? [index] : []));
}

/**
 * What was tried in vain. A state need not be tried when one that differs only by more possible times, and by more
 * unknown operations that may still come, was.
 */
class Memory {
  readonly #tried = new Map<string, { readonly spent: string; readonly state: State }[]>();

  /** Whether it was tried; remembers that it now is. */
  knows(done: readonly boolean[], answered: number, state: State): boolean {
    const spent = bitsOf(done, answered, done.length);
    const key = `${bitsOf(done, 0, answered)} ${keyOf(state)}`;
    const known = this.#tried.get(key);
    if (known === undefined) {
      this.#tried.set(key, [{ spent, state }]);
      return false;
    }
    if (known.some((one) => isWithin(one.spent, spent) && contains(one.state.zone, state.zone))) return true;
    known.push({ spent, state });
    return false;
  }
}

/** Sixteen to a character. */
function bitsOf(done: readonly boolean[], from: number, to: number): string {
  let bits = "";
  for (let at = from; at < to; at += 16) {
    let word = 0;
    for (let bit = 0; bit < 16 && at + bit < to; bit += 1) if (done[at + bit]) word |= 1 << bit;
    bits += String.fromCharCode(word);
  }
  return bits;
}

function isWithin(part: string, whole: string): boolean {
  for (let at = 0; at < part.length; at += 1) if ((part.charCodeAt(at) & ~whole.charCodeAt(at)) !== 0) return false;
  return true;
}
