import { limits } from "../../../kernel/index.ts";
import { type Delivery, done, type Handled, type Messaging } from "../../../platform/messaging/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import type { Caller, Inventory } from "../../inventory/index.ts";
import { rejectionCause, unreadableCause } from "../domain/causes.ts";
import { isTemporary, untilTaken } from "../hold.ts";
import { readCaller, readFact } from "./message.ts";

export interface RecorderOptions {
  readonly inventory: Pick<Inventory, "recordFacts">;
  readonly messaging: Pick<Messaging, "extend">;
  readonly timers: Timers;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Hears when the inventory takes no facts, each time it is asked in vain. */
  readonly onHeld?: (error: unknown) => void;
}

/** Facts of one caller. */
interface Group {
  readonly caller: Caller;
  readonly members: { readonly delivery: Delivery; readonly fact: unknown }[];
}

/**
 * Records waiting facts, as the callers who sent them, and says what became of each message.
 *
 * - What can't be read, and a fact that is rejected, becomes a dead letter, and gives up its key: the facts behind it say
 *   what has happened, and would be missing from the stock until someone has looked.
 * - While the inventory takes no facts (its store is down or full, it is overloaded) the messages are held, with their
 *   leases extended, and asked for again: no attempt is counted, so that no outage makes dead letters.
 * - When it breaks otherwise, each is tried by itself, so that only the one it breaks on is held up; that one is tried
 *   again by the policy.
 */
export class Recorder {
  readonly #options: RecorderOptions;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** For `QueueWorker`. */
  readonly handle = async (batch: readonly Delivery[], signal: AbortSignal): Promise<readonly Handled[]> => {
    const handled = new Map<Delivery, Handled>();
    const groups = new Map<string, Group>();
    for (const delivery of batch) {
      const unreadable = addTo(groups, delivery);
      if (unreadable !== undefined) handled.set(delivery, dead(unreadableCause(unreadable)));
    }
    for (const group of groups.values()) {
      const outcomes = await this.#record(group, signal);
      for (const [index, { delivery }] of group.members.entries()) handled.set(delivery, outcomes[index] ?? done);
    }
    return batch.map((delivery) => handled.get(delivery) ?? done);
  };

  async #record(group: Group, signal: AbortSignal): Promise<readonly Handled[]> {
    const { caller, members } = group;
    try {
      return await this.#recordHeld(group, signal);
    } catch (error) {
      if (isTemporary(error)) return members.map(() => ({ outcome: "retry", cause: sentenceOf(error) }));
      if (members.length === 1) return [{ outcome: "retry", cause: `Larder is broken here: ${sentenceOf(error)}` }];
      const outcomes: Handled[] = [];
      for (const member of members) outcomes.push(...(await this.#record({ caller, members: [member] }, signal)));
      return outcomes;
    }
  }

  /** Records a group, however long that takes; throws what is temporary only when the worker ends. */
  async #recordHeld({ caller, members }: Group, signal: AbortSignal): Promise<readonly Handled[]> {
    const { inventory, onHeld, random, timers } = this.#options;
    const facts = members.map(({ fact }) => fact);
    const receivedAt = members.map(({ delivery }) => delivery.sentAt);
    const beforeNext = () => this.#extend(members);
    const hold = { timers, random, signal, onHeld, beforeNext };
    const { rejected } = await untilTaken(() => inventory.recordFacts(facts, caller, receivedAt), hold);
    const outcomes: Handled[] = facts.map(() => done);
    for (const { index, code, detail } of rejected) outcomes[index] = dead(rejectionCause(code, detail));
    return outcomes;
  }

  /** Leases that can't be extended run out: their messages come again, which the inventory bears. */
  async #extend(members: Group["members"]): Promise<void> {
    const { messaging } = this.#options;
    const extended = members.map(({ delivery }) => messaging.extend(delivery, limits.intakeLeaseMs));
    await Promise.allSettled(extended);
  }
}

/** Adds a message to its caller's group; the answer says why it can't be read. */
function addTo(groups: Map<string, Group>, delivery: Delivery): string | undefined {
  const read = readFact(delivery);
  if (!read.ok) return read.rejection;
  const { fact, told } = read.value;
  const member = { delivery, fact };
  const known = groups.get(told);
  if (known !== undefined) {
    known.members.push(member);
    return undefined;
  }
  const caller = readCaller(told);
  if (!caller.ok) return caller.rejection;
  groups.set(told, { caller: caller.value, members: [member] });
  return undefined;
}

function dead(cause: string): Handled {
  return { outcome: "dead", cause, freesKey: true };
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
