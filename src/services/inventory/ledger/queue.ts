import { limits } from "../../../kernel/index.ts";
import type { Waiting } from "./round.ts";
import { isOfSystem } from "./transaction.ts";

/**
 * The commands that wait for the ledger. Large batches wait apart: who asks for one thing passes them, and while somebody
 * does a round takes few of theirs, for he would wait for the round under way, and then for his own. What one actor asks
 * for by batches keeps its order.
 */
export class CommandQueue {
  #single: Waiting[] = [];
  #bulk: Waiting[] = [];
  /** How many commands of large batches each actor has waiting. */
  readonly #bulkOf = new Map<string, number>();
  /** Rounds since somebody else than the system asked for anything but large batches. */
  #roundsAlone: number = limits.roundsAlone;

  get length(): number {
    return this.#single.length + this.#bulk.length;
  }

  /** Those that do not wait apart. */
  get singles(): number {
    return this.#single.length;
  }

  /** Whether a batch of so many commands waits apart: a large one, and a small one behind a large one of the same actor. */
  isBulk(actor: string, count: number): boolean {
    return count > limits.flushBulkMax || (count > 1 && this.#bulkOf.has(actor));
  }

  add(waiting: Waiting, isBulk: boolean): void {
    if (!isBulk) {
      this.#single.push(waiting);
      return;
    }
    this.#bulk.push(waiting);
    this.#count(waiting, 1);
  }

  /** Those that are to be decided again come before all others. */
  putBack(waiting: readonly Waiting[]): void {
    this.#single = [...waiting, ...this.#single];
  }

  /** What the next round decides. */
  next(): readonly Waiting[] {
    const batch = this.#single.splice(0, limits.flushCommandsMax);
    const isAsked = batch.some(({ command }) => !isOfSystem(command));
    this.#roundsAlone = isAsked ? 0 : this.#roundsAlone + 1;
    if (this.#bulk.length === 0) return batch;
    const isAlone = this.#roundsAlone > limits.roundsAlone;
    const rest = isAlone ? limits.flushCommandsMax - batch.length : 0;
    const some = this.#bulk.splice(0, Math.max(limits.flushBulkMax, rest));
    for (const waiting of some) this.#count(waiting, -1);
    return batch.length === 0 ? some : batch.concat(some);
  }

  /** Gives all that wait, and forgets them. */
  clear(): readonly Waiting[] {
    this.#bulkOf.clear();
    return [...this.#single.splice(0), ...this.#bulk.splice(0)];
  }

  #count({ command: { actor } }: Waiting, change: number): void {
    const count = (this.#bulkOf.get(actor) ?? 0) + change;
    if (count === 0) this.#bulkOf.delete(actor);
    else this.#bulkOf.set(actor, count);
  }
}
