import { type Instant, limits } from "../../../kernel/index.ts";
import { type Delivery, done, type Handled, type Messaging } from "../../../platform/messaging/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import type { Caller, Inventory } from "../../inventory/index.ts";
import { rejectionCause, unreadableCause } from "../domain/causes.ts";
import { isTemporary, untilTaken } from "../hold.ts";
import { aloneOf, readCaller, readFacts, receiptOf } from "./message.ts";

export interface RecorderOptions {
  readonly inventory: Pick<Inventory, "recordFacts">;
  readonly messaging: Pick<Messaging, "extend" | "sendDead">;
  readonly timers: Timers;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Hears when the inventory takes no facts, each time it is asked in vain. */
  readonly onHeld?: (error: unknown) => void;
}

/** One fact of a message. */
interface Waiting {
  readonly delivery: Delivery;
  readonly fact: unknown;
  readonly receivedAt: Instant;
}

/** One batch, with what became of its messages so far. */
interface Round {
  readonly batch: readonly Delivery[];
  readonly signal: AbortSignal;
  readonly handled: Map<Delivery, Handled>;
}

/** What became of one fact: recorded; turned down, with the cause; or not decided, to be tried again. */
type Verdict = { readonly is: "recorded" } | { readonly is: "rejected" | "undecided"; readonly cause: string };

/**
 * Records waiting facts, as the callers who sent them, and says what became of each message.
 *
 * - Messages are read a few at a time, up to `limits.batchItemsMax` facts or `limits.intakeReadBytesMax`: a batch of large ones
 *   would fill the memory.
 * - What can't be read, and a fact that is rejected, becomes a dead letter without a key: the facts behind it say what has
 *   happened, and would be missing from the stock until someone has looked.
 * - While the inventory takes no facts (its store is down or full, it is overloaded) the messages are held, with their
 *   leases extended, and asked for again: no attempt is counted, so that no outage makes dead letters.
 * - When it breaks otherwise, each fact is tried by itself, so that only the message of the one it breaks on is held up;
 *   that one is tried again by the policy.
 */
export class Recorder {
  readonly #options: RecorderOptions;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** For `QueueWorker`. */
  readonly handle = async (batch: readonly Delivery[], signal: AbortSignal): Promise<readonly Handled[]> => {
    const round: Round = { batch, signal, handled: new Map() };
    for (const groups of gathered(round))
      for (const [told, waiting] of groups) await this.#handleGroup(told, waiting, round);
    return batch.map((delivery) => round.handled.get(delivery) ?? done);
  };

  /** Facts of one caller. */
  async #handleGroup(told: string, waiting: readonly Waiting[], round: Round): Promise<void> {
    const { handled } = round;
    const caller = readCaller(told);
    if (!caller.ok) {
      for (const { delivery } of waiting) handled.set(delivery, dead(unreadableCause(caller.rejection)));
      return;
    }
    const verdicts: Verdict[] = [];
    for (let from = 0; from < waiting.length; from += limits.batchItemsMax) {
      const some = waiting.slice(from, from + limits.batchItemsMax);
      verdicts.push(...(await this.#judge(some, caller.value, round)));
    }
    const judged = waiting.map(({ delivery, fact }, index) => ({
      delivery,
      fact,
      verdict: verdicts[index] ?? recorded,
    }));
    for (const [delivery, own] of Map.groupBy(judged, (one) => one.delivery))
      handled.set(delivery, await this.#conclude(delivery, own));
  }

  async #judge(waiting: readonly Waiting[], caller: Caller, round: Round): Promise<readonly Verdict[]> {
    try {
      return await this.#record(waiting, caller, round);
    } catch (error) {
      const undecided = (cause: string) => waiting.map((): Verdict => ({ is: "undecided", cause }));
      if (isTemporary(error)) return undecided(sentenceOf(error));
      if (waiting.length === 1) return undecided(`Larder is broken here: ${sentenceOf(error)}`);
      const verdicts: Verdict[] = [];
      for (const one of waiting) verdicts.push(...(await this.#judge([one], caller, round)));
      return verdicts;
    }
  }

  /** Records facts, however long that takes; throws what is temporary only when the worker ends. */
  async #record(waiting: readonly Waiting[], caller: Caller, { batch, signal }: Round): Promise<readonly Verdict[]> {
    const { inventory, onHeld, random, timers } = this.#options;
    const facts = waiting.map(({ fact }) => fact);
    const receivedAt = waiting.map((one) => one.receivedAt);
    // Those too whose turn is later, or that have been judged: all of them are answered at the end.
    const beforeNext = () => this.#extend(batch);
    const hold = { timers, random, signal, onHeld, beforeNext };
    const { rejected } = await untilTaken(() => inventory.recordFacts(facts, caller, receivedAt), hold);
    const verdicts: Verdict[] = facts.map(() => recorded);
    for (const { index, code, detail } of rejected)
      verdicts[index] = { is: "rejected", cause: rejectionCause(code, detail) };
    return verdicts;
  }

  /** Leases that can't be extended run out: their messages come again, which the inventory bears. */
  async #extend(deliveries: readonly Delivery[]): Promise<void> {
    const { messaging } = this.#options;
    await Promise.allSettled(deliveries.map((delivery) => messaging.extend(delivery, limits.intakeLeaseMs)));
  }

  /** What becomes of a message, by what became of its facts. */
  async #conclude(
    delivery: Delivery,
    facts: readonly { readonly fact: unknown; readonly verdict: Verdict }[],
  ): Promise<Handled> {
    for (const { verdict } of facts) if (verdict.is === "undecided") return { outcome: "retry", cause: verdict.cause };
    const rejected = facts.flatMap(({ fact, verdict }) =>
      verdict.is === "rejected" ? [{ fact, cause: verdict.cause }] : [],
    );
    const [first] = rejected;
    if (first === undefined) return done;
    if (facts.length === 1) return dead(first.cause);
    const { messaging } = this.#options;
    const { attempts, firstAttemptAt } = delivery;
    try {
      // Those that are there already, as after a crash in the middle of this, have no effect.
      await Promise.all(
        rejected.map(({ fact, cause }) =>
          messaging.sendDead(delivery.queue, aloneOf(fact, delivery), { cause, attempts, firstAttemptAt }),
        ),
      );
      return done;
    } catch {
      // A queue without room for them has room for the message itself.
      return dead(`${first.cause} (${rejected.length} of ${facts.length} facts of this message were turned down.)`);
    }
  }
}

/** Reads messages in their order, and gives what they hold by its callers whenever enough has gathered. */
function* gathered({ batch, handled }: Round): Generator<ReadonlyMap<string, readonly Waiting[]>> {
  let groups = new Map<string, Waiting[]>();
  let [count, bytes] = [0, 0];
  for (const delivery of batch) {
    const read = readFacts(delivery);
    if (!read.ok) {
      handled.set(delivery, dead(unreadableCause(read.rejection)));
      continue;
    }
    const receivedAt = receiptOf(delivery);
    const { told, facts } = read.value;
    const more = Buffer.byteLength(delivery.body);
    if (count + facts.length > limits.batchItemsMax || bytes + more > limits.intakeReadBytesMax) {
      yield groups;
      groups = new Map();
      [count, bytes] = [0, 0];
    }
    const group = groups.get(told) ?? [];
    groups.set(told, group);
    for (const fact of facts) group.push({ delivery, fact, receivedAt });
    count += facts.length;
    bytes += more;
  }
  yield groups;
}

const recorded: Verdict = { is: "recorded" };

function dead(cause: string): Handled {
  return { outcome: "dead", cause, freesKey: true };
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
