/**
 * What becomes of facts that were taken in to be judged later: each is recorded, or is a dead letter with its cause (I7).
 * That none is recorded twice, or otherwise than it was told, the log's own oracle sees to.
 */
import type { FactFlaws } from "./judge.ts";
import type { LogOracle } from "./log.ts";
import { factKey } from "./names.ts";
import { must, type SentFact } from "./shapes.ts";

/** A dead letter of the queue, as far as it is judged. */
export interface Letter {
  readonly messageId: string;
  readonly cause: string;
  readonly key?: string;
  /** Who sent it, as the message says; undefined when it says nothing. */
  readonly caller: string | undefined;
  /** The facts in it; undefined when it can't be read. */
  readonly facts: readonly unknown[] | undefined;
}

/** What someone has put into the queue: a fact, or what is none. */
interface Asked {
  readonly fact?: unknown;
  /** Whether its sender was told that it is taken. */
  isTaken: boolean;
  /** Whether someone has discarded its dead letter, as far as is known. */
  isDiscarded: boolean;
}

export class QueuedFactsOracle {
  readonly #log: LogOracle;
  readonly #flawsOf: (fact: unknown) => FactFlaws;
  /** Facts by their caller and text. */
  readonly #facts = new Map<string, Asked>();
  /** Messages that nobody can read, by their id. */
  readonly #garbled = new Map<string, Asked>();

  constructor(log: LogOracle, flawsOf: (fact: unknown) => FactFlaws) {
    this.#log = log;
    this.#flawsOf = flawsOf;
  }

  /** Someone sends a fact, and may never learn whether it was taken. */
  ask(fact: unknown, caller: string): void {
    const name = nameOf(fact, caller);
    if (!this.#facts.has(name)) this.#facts.set(name, { fact, isTaken: false, isDiscarded: false });
  }

  /** Its sender has been told that it is taken. */
  take(fact: unknown, caller: string): void {
    const asked = this.#facts.get(nameOf(fact, caller));
    if (asked !== undefined) asked.isTaken = true;
  }

  /** Someone sends what nobody can read, or has been told that it is taken. */
  garble(messageId: string, isTaken: boolean): void {
    this.#garbled.set(messageId, { isTaken, isDiscarded: false });
  }

  /** Someone asks that a dead letter be discarded. */
  discard({ facts, caller = "", messageId }: Letter): void {
    for (const fact of facts ?? []) {
      const asked = this.#facts.get(nameOf(fact, caller));
      if (asked !== undefined) asked.isDiscarded = true;
    }
    const garbled = this.#garbled.get(messageId);
    if (garbled !== undefined) garbled.isDiscarded = true;
  }

  /** Holds the dead letters against what was taken, once nothing waits any more. `isMended`: every item is known now. */
  mustBeSettled(letters: readonly Letter[], isMended: boolean): void {
    const dead = new Set<Asked>();
    const together = new Set<Asked>();
    for (const letter of letters) {
      must(letter.key === undefined, () => `what is rejected holds up others: ${letter.cause}`);
      const asked = this.#askedIn(letter);
      if (asked.length > 1) {
        // So it is where the queue took no more at that moment.
        must(letter.cause.endsWith("facts of this message were turned down.)"), () => `together dead: ${letter.cause}`);
        for (const one of asked) together.add(one);
        continue;
      }
      for (const one of asked) {
        must(!dead.has(one), () => `${JSON.stringify(one.fact)} is two dead letters`);
        dead.add(one);
        if (one.fact !== undefined) this.#mustBeRejected(one.fact, letter.cause, isMended);
      }
    }
    for (const asked of [...this.#facts.values(), ...this.#garbled.values()]) {
      const { fact, isTaken, isDiscarded } = asked;
      const isDead = dead.has(asked) || together.has(asked);
      const isKept = !isTaken || isDiscarded || isDead || (fact !== undefined && this.#isRecorded(fact));
      must(isKept, () => `${JSON.stringify(fact)} was taken in, and is neither recorded nor a dead letter`);
    }
  }

  #askedIn({ cause, caller = "", facts = [], messageId }: Letter): readonly Asked[] {
    const garbled = this.#garbled.get(messageId);
    if (garbled !== undefined) {
      must(cause.startsWith("unreadable-message: "), () => `what can't be read is a dead letter because ${cause}`);
      return [garbled];
    }
    must(facts.length > 0, () => `a message that nobody has sent is a dead letter: ${cause}`);
    return facts.map((fact) => {
      const asked = this.#facts.get(nameOf(fact, caller));
      must(asked !== undefined, () => `${JSON.stringify(fact)} is a dead letter, and nobody has sent it`);
      return asked;
    });
  }

  #isRecorded(item: unknown): boolean {
    const flaw = this.#flawsOf(item).must;
    if (flaw !== undefined && flaw !== "unknown-item") return false;
    const fact = item as SentFact;
    const known = this.#log.facts.get(factKey(fact));
    if (known !== undefined) return JSON.stringify(known.sent) === JSON.stringify(fact);
    return this.#log.orders.has(`${fact.source}\u0000${fact.data?.order}`);
  }

  #mustBeRejected(item: unknown, cause: string, isMended: boolean): void {
    const { must: flaw, may } = this.#flawsOf(item);
    const code = cause.slice(0, cause.indexOf(":"));
    const text = () => `${JSON.stringify(item)} is a dead letter because ${cause}`;
    must(cause.length > code.length + 20, text);
    if (flaw !== undefined) {
      must(code === flaw && !(isMended && flaw === "unknown-item"), text);
      return;
    }
    const known = this.#log.facts.get(factKey(item as SentFact));
    const isReused = known !== undefined && JSON.stringify(known.sent) !== JSON.stringify(item);
    must((code === "event-id-reused" && isReused) || code === may, text);
  }
}

/** The facts in the body of a message; undefined when it can't be read. */
export function factsOf(body: string): readonly unknown[] | undefined {
  try {
    const content: unknown = JSON.parse(body);
    return Array.isArray(content) ? content : [content];
  } catch {
    return undefined;
  }
}

function nameOf(fact: unknown, caller: string): string {
  return `${caller}\u0000${JSON.stringify(fact)}`;
}
