import { type Instant, limits } from "../../kernel/index.ts";
import { pause, systemTimers, type Timers } from "../timers/index.ts";
import type { Delivery, Messaging } from "./port.ts";
import { decideRetry, type RetryPolicy } from "./retry.ts";

/** What became of one message: done; to be tried again, as the policy allows; or never to be handled. */
export type Handled =
  | { readonly outcome: "done" }
  | { readonly outcome: "retry"; readonly cause: string; readonly retryAfterMs?: number }
  | { readonly outcome: "dead"; readonly cause: string; readonly freesKey?: boolean };

export const done: Handled = { outcome: "done" };

/** How a message left a worker; `lost` when its lease had run out, so that another has it. */
export type Settled = "done" | "retried" | "dead" | "lost";

export interface WorkerOptions {
  readonly messaging: Messaging;
  /** A queue that was declared. */
  readonly queue: string;
  /**
   * Handles some messages, at most one of each key, and tells of each what became of it, in the same order. May be called
   * again with the same messages. When it throws, all of them are tried again. `signal` is aborted when the worker has
   * waited long enough for its end.
   */
  handle(batch: readonly Delivery[], signal: AbortSignal): Promise<readonly Handled[]>;
  /** Its time counts while the worker works: not while it is stopped, or the queue fails. */
  readonly policy: RetryPolicy;
  /** As in the declaration of the queue: what is given up by the policy gives up its key; it keeps it unless this says so. */
  readonly freesKeyWhenGivenUp?: boolean;
  /** Messages of one call of `handle`; 1 unless given. */
  readonly batchMax?: number;
  /** Calls of `handle` at one time; 1 unless given. */
  readonly concurrency?: number;
  /** As of `receive`: bounds what is fetched at one time. */
  readonly bytesMax?: number;
  /** Milliseconds for which a message is leased: longer than `handle` may take. */
  readonly leaseMs: number;
  readonly clock: () => Instant;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly onSettled?: (delivery: Delivery, settled: Settled) => void;
  /** Called when the queue itself fails; the worker goes on after a while. */
  readonly onFailure?: (error: unknown) => void;
  /** The system's unless given. */
  readonly timers?: Timers;
}

/** Milliseconds before a queue that failed is asked again. */
const queueFailureMs = 1000;
/** Milliseconds of one wait for messages: only bounds how long an engine has to remember who waits. */
const receiveWaitMs = 20_000;

/** Takes messages from one queue and has them handled, until it is stopped. */
export class QueueWorker {
  readonly #options: WorkerOptions;
  readonly #timers: Timers;
  readonly #stopping = new AbortController();
  readonly #cutting = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #loop: Promise<void> = Promise.resolve();
  /** Since when it takes messages without a break: before, none could be tried, however long it had waited. */
  #worksSince: Instant = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
  }

  start(): void {
    this.#worksSince = this.#options.clock();
    this.#loop = this.#run();
  }

  /** Takes no more messages, gives those under way so many milliseconds, then aborts their signal and waits for them. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const callOff = this.#timers.after(graceMs, () => this.#cutting.abort());
    await this.#loop;
    await Promise.all(this.#underWay);
    callOff();
  }

  async #run(): Promise<void> {
    const { messaging, queue, leaseMs, batchMax = 1, bytesMax, concurrency = 1 } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        // One receive for all places that are free: it costs a turn of the queue's file, however many it gives.
        const max = Math.min(limits.receiveMessagesMax, batchMax * (concurrency - this.#underWay.size));
        const bounds = { max, ...(bytesMax !== undefined && { bytesMax }) };
        const found = await messaging.receive(queue, { ...bounds, leaseMs, waitMs: receiveWaitMs, signal });
        for (let at = 0; at < found.length; at += batchMax) this.#begin(found.slice(at, at + batchMax));
      } catch (error) {
        this.#options.onFailure?.(error);
        this.#worksSince = this.#options.clock();
        await pause(queueFailureMs, this.#stopping.signal, this.#timers);
      }
      if (this.#underWay.size >= concurrency) await Promise.race(this.#underWay);
    }
  }

  #begin(batch: readonly Delivery[]): void {
    const work = this.#handle(batch).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #handle(batch: readonly Delivery[]): Promise<void> {
    try {
      const handled = await this.#options.handle(batch, this.#cutting.signal).catch(tryAgain);
      const settled = batch.map((delivery, index) =>
        this.#settle(delivery, (Array.isArray(handled) ? handled[index] : handled) ?? tryAgain("not answered")),
      );
      await Promise.all(settled);
    } catch (error) {
      // What is not settled comes again when its lease has run out.
      this.#options.onFailure?.(error);
    }
  }

  async #settle(delivery: Delivery, handled: Handled): Promise<void> {
    const settled = await this.#answer(delivery, handled);
    this.#options.onSettled?.(delivery, settled);
  }

  async #answer(delivery: Delivery, handled: Handled): Promise<Settled> {
    const { messaging, policy, freesKeyWhenGivenUp = false, clock, random } = this.#options;
    if (handled.outcome === "done") return (await messaging.acknowledge(delivery)) ? "done" : "lost";
    if (handled.outcome === "dead") {
      const { cause, freesKey = false } = handled;
      return (await messaging.deadLetter(delivery, cause, { freesKey })) ? "dead" : "lost";
    }
    // What was cut off by the end of this worker is no attempt: it says nothing of the message.
    if (this.#cutting.signal.aborted) return (await messaging.release(delivery)) ? "retried" : "lost";
    const firstAttemptAt = Math.max(delivery.firstAttemptAt, this.#worksSince);
    const decision = decideRetry(policy, { ...delivery, ...handled, firstAttemptAt }, clock(), random);
    if (decision.action === "retry")
      return (await messaging.retry(delivery, decision.delayMs, handled.cause)) ? "retried" : "lost";
    const cause = `given up after ${delivery.attempts} attempts${decision.because === "time" ? ", for no more time is left" : ""}; the last: ${handled.cause}`;
    return (await messaging.deadLetter(delivery, cause, { freesKey: freesKeyWhenGivenUp })) ? "dead" : "lost";
  }
}

function tryAgain(error: unknown): Handled {
  return { outcome: "retry", cause: error instanceof Error ? error.message : String(error) };
}
