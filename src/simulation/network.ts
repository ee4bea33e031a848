/** Clients, and what lies between them and the server. A client repeats itself until it has an answer, or has vanished. */
import type { FaultKind, Mixture } from "./faults.ts";
import { type Answer, isFinal, type Operation } from "./operations.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

const longestDelayMs = 48 * 3_600_000;

interface Pending {
  readonly operation: Operation;
  readonly hasVanished: boolean;
  isAnswered: boolean;
}

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly mixture: Mixture;
  readonly note: (kind: FaultKind) => void;
  /** Brings a request to whatever server is there; undefined when none takes it. */
  readonly handle: (operation: Operation, answered: (answer: Answer) => void) => void;
}

export class Network {
  /** Nothing goes wrong any more. */
  isCalm = false;
  /** Until then nothing gets through. */
  partitionedUntil = 0;
  readonly #options: NetworkOptions;
  readonly #pending = new Set<Pending>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Operations whose clients wait. */
  get waiting(): readonly Operation[] {
    return [...this.#pending].map(({ operation }) => operation);
  }

  ask(operation: Operation): void {
    const { random, mixture, note } = this.#options;
    const hasVanished = !this.isCalm && random.chance(mixture.vanishing);
    if (hasVanished) note("client-vanished");
    const pending: Pending = { operation, hasVanished, isAnswered: false };
    if (!hasVanished) this.#pending.add(pending);
    this.#send(pending);
  }

  #send(pending: Pending): void {
    const { scheduler, random, mixture, note } = this.#options;
    const arrive = () => scheduler.after(this.#delayMs(pending.operation), () => this.#arrive(pending));
    if (!this.isCalm && random.chance(mixture.duplicated)) {
      note("request-duplicated");
      arrive();
    }
    if (!this.isCalm && random.chance(mixture.lost)) note("request-lost");
    else arrive();
    if (pending.hasVanished) return;
    scheduler.after(random.between(1000, 8000), () => {
      if (!pending.isAnswered) this.#send(pending);
    });
  }

  #delayMs(operation: Operation): number {
    const { random, mixture, note } = this.#options;
    if (this.isCalm || !random.chance(mixture.delayed)) return random.between(0, 5);
    if (operation.kind === "facts" && random.chance(0.1)) {
      note("request-delayed-for-hours");
      return random.between(0, longestDelayMs);
    }
    note("request-delayed");
    return random.between(5, 5000);
  }

  #arrive(pending: Pending): void {
    if (this.#isPartitioned()) return;
    this.#options.handle(pending.operation, (answer) => this.#deliver(pending, answer));
  }

  #deliver(pending: Pending, answer: Answer): void {
    const { scheduler, random, mixture, note } = this.#options;
    if (this.#isPartitioned() || (!this.isCalm && random.chance(mixture.lost))) {
      note("answer-lost");
      return;
    }
    const isDelayed = !this.isCalm && random.chance(mixture.delayed);
    if (isDelayed) note("answer-delayed");
    scheduler.after(isDelayed ? random.between(10, 5000) : random.between(0, 3), () => {
      if (!isFinal(answer)) return;
      pending.isAnswered = true;
      this.#pending.delete(pending);
    });
  }

  #isPartitioned(): boolean {
    return !this.isCalm && this.#options.scheduler.now < this.partitionedUntil;
  }
}
