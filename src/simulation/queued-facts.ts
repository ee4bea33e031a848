/**
 * Facts that are taken in to be judged later, those who send what nobody can read, and those who look after dead letters.
 */
import type { Messaging } from "../platform/messaging/index.ts";
import { type RunningIntake, startIntake } from "../services/intake/index.ts";
import type { Answer, Operation } from "./operations.ts";
import { factsOf, type Letter, type QueuedFactsOracle } from "./oracle/queued-facts.ts";
import { must, Violation } from "./oracle/shapes.ts";
import { isFault, type Part, type Process } from "./parts.ts";
import type { Random } from "./random.ts";
import type { Life } from "./scheduler.ts";
import { admin } from "./shop.ts";

export interface QueuedFactsOptions {
  readonly random: Random;
  readonly oracle: QueuedFactsOracle;
  readonly fail: (error: unknown) => void;
}

export const factsQueue = "intake";
const pageRows = 500;

export class QueuedFacts implements Part {
  readonly #options: QueuedFactsOptions;
  #running: { readonly intake: RunningIntake; readonly messaging: Messaging; readonly life: Life } | undefined;
  #garbled = 0;

  constructor(options: QueuedFactsOptions) {
    this.#options = options;
  }

  async start({ life, messaging, inventory, timers, clock }: Process) {
    const { random, fail } = this.#options;
    const ignore = () => undefined;
    const intake = await startIntake({
      messaging,
      inventory,
      clock,
      random: () => random.next(),
      timers,
      observer: {
        settled: ignore,
        judged: ignore,
        held: (error) => {
          if (!isFault(error) && !isStopping(error)) fail(new Violation(`intake: held by ${String(error)}`));
        },
        failed: (error) => {
          if (!isFault(error)) fail(new Violation(`intake: ${String(error)}`));
        },
        fileSettled: ignore,
        deadLetterEnded: ignore,
      },
    });
    if (!life.dead) this.#running = { intake, messaging, life };
    return intake;
  }

  /** A request that is to be judged later. */
  async take({ items, caller }: Extract<Operation, { kind: "facts" }>): Promise<Answer> {
    if (this.#running === undefined) return { code: "storage-unavailable" };
    try {
      const outcome = await this.#running.intake.enqueueFacts(items, caller);
      return outcome.ok ? { code: "ok", value: outcome.value } : { code: outcome.rejection.code };
    } catch (error) {
      return isFault(error) ? { code: "storage-unavailable" } : { code: "internal", defect: error };
    }
  }

  /** A sender is told what became of its request. */
  mustBeTaken({ items, caller }: Extract<Operation, { kind: "facts" }>, { code, value = {} }: Answer): void {
    const { queued } = value as { readonly queued?: number };
    must(code === "ok" && queued === items.length, () => `${items.length} facts to be judged later: ${code} ${queued}`);
    for (const fact of items) this.#options.oracle.take(fact, caller.id);
  }

  /** A step of those who look after the queue, and of someone who does not know its language. */
  tend(): void {
    const { random, fail } = this.#options;
    const running = this.#running;
    if (running === undefined || running.life.dead || !random.chance(0.02)) return;
    this.#act(running).catch((error: unknown) => {
      if (!isFault(error)) fail(error);
    });
  }

  async #act({ intake, messaging }: { readonly intake: RunningIntake; readonly messaging: Messaging }): Promise<void> {
    const { random, oracle } = this.#options;
    const what = random.weighted({ garble: 1, redrive: 2, "redrive-all": 1, discard: 1 });
    if (what === "garble") {
      this.#garbled += 1;
      const body = random.pick(["{", "", '{"specversion": "1.0"']);
      const id = `garbled-${this.#garbled}`;
      oracle.garble(id, false);
      await messaging.send(factsQueue, [{ id, body, headers: {} }]);
      oracle.garble(id, true);
      return;
    }
    if (what === "redrive-all") {
      await intake.deadLetters.redriveQueue(factsQueue, admin);
      return;
    }
    const [first] = await lettersIn(messaging, 1);
    if (first === undefined) return;
    if (what === "redrive") await this.#redriveTwice(intake, first.id);
    else {
      // What it holds is known before it is gone.
      oracle.discard(first);
      await intake.deadLetters.discard(first.id, "its sender has put it right", admin);
    }
  }

  /** The second time changes nothing, and is answered as the first was. */
  async #redriveTwice({ deadLetters }: RunningIntake, id: string): Promise<void> {
    const first = await deadLetters.redrive(id, admin);
    const second = await deadLetters.redrive(id, admin);
    const [one, other] = [JSON.stringify(first), JSON.stringify(second)];
    must(one === other, () => `a dead letter is redriven twice: ${one}, then ${other}`);
  }

  /** Once nothing else goes wrong: nothing waits, and what is not recorded is a dead letter. */
  async mustRest(messaging: Messaging, isMended: boolean): Promise<void> {
    const { waiting } = await messaging.depth(factsQueue);
    must(waiting === 0, () => `${waiting} facts wait to be judged, though nothing goes wrong any more`);
    this.#options.oracle.mustBeSettled(await lettersIn(messaging, pageRows), isMended);
  }

  /** Someone has seen to what was wrong, as far as it could be. */
  async redrive(): Promise<void> {
    await this.#running?.intake.deadLetters.redriveQueue(factsQueue, admin);
  }
}

async function lettersIn(messaging: Messaging, limit: number): Promise<(Letter & { readonly id: string })[]> {
  const letters: (Letter & { readonly id: string })[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = { queue: factsQueue, order: "oldest-first", limit, ...(cursor !== undefined && { cursor }) } as const;
    const { items, next } = await messaging.deadLetters.list(page);
    for (const { id, messageId, cause, key } of items) {
      const { body = "", headers = {} } = (await messaging.deadLetters.read(id)) ?? {};
      const told = headers["larder-caller"];
      const caller = told === undefined ? undefined : (JSON.parse(told) as { readonly id: string }).id;
      letters.push({ id, messageId, cause, caller, facts: factsOf(body), ...(key !== undefined && { key }) });
    }
    if (next === undefined || limit === 1) return letters;
    cursor = next;
  }
}

function isStopping(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === "shutting-down";
}
