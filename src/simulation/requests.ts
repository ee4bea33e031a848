/** What servers were asked: every fact ever sent, and the requests that are open. */
import { type Answer, isFinal, type Operation } from "./operations.ts";
import { answerText, answerUnseen, mustBeRead, mustBeRightReceipt, rightAnswer } from "./oracle/judge.ts";
import type { Asked, LogOracle, OpenRequest } from "./oracle/log.ts";
import { factKey } from "./oracle/names.ts";
import { must, type SentFact } from "./oracle/shapes.ts";
import { type Workload, wrongPositions } from "./workload.ts";

/** One arrival of a request at a server. */
export interface Attempt {
  readonly operation: Operation;
  /** Whom it reached. */
  readonly server: object;
  /** Where the log was. */
  readonly head: number;
  /** The answers that were right at some moment since. */
  readonly right: Set<string>;
  /** Whether it waits for an answer; one that got none that says something may still have its effect. */
  isWaiting: boolean;
  /** Whether the answer is plain from the request alone. */
  readonly isSettled: boolean;
}

export class Requests implements Asked {
  readonly #facts = new Map<string, SentFact[]>();
  /** Facts that were asked to be judged at once. */
  readonly #direct = new Set<SentFact>();
  /** When a queue took a fact, by its text. */
  readonly #receipts = new Map<string, Set<number>>();
  readonly #attempts = new Set<Attempt>();
  readonly #readsMayLag: boolean;

  constructor({ readsMayLag = false } = {}) {
    this.#readsMayLag = readsMayLag;
  }

  remember(fact: SentFact, isQueued: boolean): void {
    if (!isQueued) this.#direct.add(fact);
    const key = factKey(fact);
    const known = this.#facts.get(key);
    if (known === undefined) this.#facts.set(key, [fact]);
    else if (!known.includes(fact)) known.push(fact);
  }

  facts(key: string): readonly SentFact[] {
    return this.#facts.get(key) ?? [];
  }

  /** A queue has taken a fact, as of a time. */
  receive(fact: unknown, at: number): void {
    const text = JSON.stringify(fact);
    this.#receipts.set(text, (this.#receipts.get(text) ?? new Set()).add(at));
  }

  receipts(fact: SentFact, now: number): readonly number[] {
    if (this.#receipts.size === 0) return [now];
    const text = JSON.stringify(fact);
    const queued = [...(this.#receipts.get(text) ?? [])].map((at) => Math.min(at, now));
    // Told in the same words more than once, at once and by the queue.
    const isDirect = this.facts(factKey(fact)).some((one) => this.#direct.has(one) && JSON.stringify(one) === text);
    return isDirect ? [now, ...queued] : queued;
  }

  open(actor: string, kind: string, suits: (request: OpenRequest) => boolean): OpenRequest | undefined {
    for (const { operation } of this.#attempts) {
      if (operation.kind !== kind || operation.caller.id !== actor) continue;
      if (suits(operation as OpenRequest)) return operation as OpenRequest;
    }
    return undefined;
  }

  begin(operation: Operation, server: object, head: number): Attempt {
    const unseen = answerUnseen(operation);
    const right = new Set(unseen === undefined ? [] : [unseen]);
    const attempt = { operation, server, head, right, isWaiting: true, isSettled: unseen !== undefined };
    this.#attempts.add(attempt);
    return attempt;
  }

  /** What a server was asked that is no more. */
  forget(server: object): void {
    for (const attempt of this.#attempts) if (attempt.server === server) this.#attempts.delete(attempt);
  }

  /** Adds what is the right answer at this moment to each that waits; `now` is the time by which decisions go. */
  weigh(oracle: LogOracle, now: number, server?: object): void {
    for (const attempt of this.#attempts) {
      if (!attempt.isWaiting || attempt.isSettled || (server !== undefined && attempt.server !== server)) continue;
      const text = rightAnswer(oracle, attempt.operation, now);
      if (text !== undefined) attempt.right.add(text);
    }
  }

  /** Throws when an answer is wrong. */
  judge(oracle: LogOracle, attempt: Attempt, answer: Answer, workload: Workload): void {
    const { operation, right } = attempt;
    attempt.isWaiting = false;
    must(answer.defect === undefined, () => `${operation.kind} throws ${String((answer.defect as Error)?.stack)}`);
    // Who was told that it is not known what became of it may see the effect later.
    if (!isFinal(answer)) return;
    this.#attempts.delete(attempt);
    const { code, value = {} } = answer;
    const mayBe = (...codes: string[]) => must(codes.includes(code), () => `${operation.kind} is refused: ${code}`);
    switch (operation.kind) {
      case "facts":
        // What becomes of them is seen at the end.
        if (operation.isQueued === true) return;
        mustBeRightReceipt(oracle, operation, value, attempt.head, (item) => workload.flawsOf(item));
        workload.lastPosition = (value as { readonly position: string }).position;
        return;
      case "availability": {
        const wrong = Object.values(wrongPositions).find((one) => one.minPosition === operation.minPosition);
        mayBe(wrong?.code ?? "ok");
        if (code === "ok") mustBeRead(oracle, value, this.#readsMayLag);
        return;
      }
      case "item":
        mayBe("ok", "gtin-in-use");
        return;
      case "list":
      case "policy":
      case "location":
        mayBe("ok");
        return;
      default: {
        const text = answerText(operation, answer);
        // What was known at a past moment is the same whenever it is asked.
        if (operation.kind === "stock" && operation.knownAt !== undefined)
          right.add(rightAnswer(oracle, operation, 0) ?? "");
        const others = () => [...right].join("\n  ") || "to change something first";
        must(
          right.has(text),
          () => `${JSON.stringify(operation)} is answered by\n  ${text}\nright would be\n  ${others()}`,
        );
      }
    }
  }
}
