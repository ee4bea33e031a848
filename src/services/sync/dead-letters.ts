import { type Instant, limits } from "../../kernel/index.ts";
import { type Delivery, done, type Handled, type Messaging, QueueWorker } from "../../platform/messaging/index.ts";
import type { Timers } from "../../platform/timers/index.ts";
import { streamOfStock } from "../inventory/index.ts";
import type { Item, Stock } from "./domain/backlog.ts";
import type { Receiver } from "./receiver.ts";

export interface DeadLettersOptions {
  readonly messaging: Messaging;
  readonly clock: () => Instant;
  readonly random: () => number;
  readonly timers: Timers;
  /** A stock of a receiver is to be pushed again; false when there is no room for it now. */
  readonly again: (receiver: Receiver, stock: Stock) => boolean;
  readonly onFailure: (error: unknown) => void;
}

/** Milliseconds of a lease, and for which a redriven stock is waited for: it must be back before the lease runs out. */
const leaseMs = 600_000;
const waitMs = 540_000;
const day = 86_400_000;
/** A redriven stock waits out whatever time its receiver is down. */
const policy = { firstDelayMs: 1000, delayMsMax: 60_000, attemptsMax: limits.queueAttemptsMax, elapsedMsMax: 30 * day };

/**
 * The stocks that a receiver would not take, in the queue `sync-{location}`: which ones, never their figures, so that a
 * redriven one is pushed as it is by then. A redriven message is acknowledged only when its stock has arrived.
 */
export class SyncDeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #queues = new Map<Receiver, { readonly declared: Promise<void>; worker: QueueWorker | undefined }>();
  /** Who waits for what becomes of a stock of a receiver. */
  readonly #waiting = new Map<Receiver, Map<string, ((handled: Handled) => void)[]>>();

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** Takes what is redriven for a receiver, from now on. */
  watch(receiver: Receiver): void {
    if (this.#queues.has(receiver)) return;
    const queue = { declared: this.#declare(receiver), worker: undefined as QueueWorker | undefined };
    this.#queues.set(receiver, queue);
    queue.declared.then(
      () => {
        if (this.#queues.get(receiver) === queue) queue.worker = this.#work(receiver);
      },
      (error) => {
        this.#queues.delete(receiver);
        this.#options.onFailure(error);
        this.#options.timers.after(limits.syncBusyMs, () => this.watch(receiver));
      },
    );
  }

  async forget(receiver: Receiver): Promise<void> {
    const queue = this.#queues.get(receiver);
    this.#queues.delete(receiver);
    this.#settle(receiver, undefined, { outcome: "retry", cause: "the server stopped, or the receiver was removed" });
    await queue?.worker?.stop(0);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#queues.keys()].map((receiver) => this.forget(receiver)));
  }

  /** Puts on record that a stock is given up. Durable when it resolves; once for each stock, however often. */
  async giveUp(receiver: Receiver, item: Item, cause: string): Promise<void> {
    const told = { outcome: "dead", cause } as const;
    if (this.#settle(receiver, item.key, told)) return;
    await this.#declare(receiver);
    const { clock, timers, messaging } = this.#options;
    const { sku, location, attempts } = item;
    const firstAttemptAt = Math.round(clock() - (timers.elapsedMs() - item.firstAttemptAt));
    const id = `${location}/${sku}`;
    const body = JSON.stringify({ sku, location });
    await messaging.sendDead(
      queueOf(receiver),
      { id, body, headers: { "content-type": "application/json" } },
      { cause: `given up after ${attempts} attempts; the last: ${cause}`, attempts, firstAttemptAt },
    );
  }

  /** A receiver has a stock as it is now. */
  arrived(receiver: Receiver, key: string): void {
    this.#settle(receiver, key, done);
  }

  #declare(receiver: Receiver): Promise<void> {
    return this.#options.messaging.declareQueue({
      name: queueOf(receiver),
      deduplicationMs: 0,
      attemptsMax: limits.queueAttemptsMax,
      depthMax: limits.queueDepthMax,
    });
  }

  #work(receiver: Receiver): QueueWorker {
    const { messaging, clock, random, timers, onFailure } = this.#options;
    const worker = new QueueWorker({
      messaging,
      queue: queueOf(receiver),
      policy,
      leaseMs,
      batchMax: limits.receiveMessagesMax,
      concurrency: redrivenBatches,
      clock,
      random,
      timers,
      onFailure,
      handle: (batch) => Promise.all(batch.map((delivery) => this.#redriven(receiver, delivery))),
    });
    worker.start();
    return worker;
  }

  #redriven(receiver: Receiver, { body }: Delivery): Promise<Handled> {
    const stock = JSON.parse(body) as { readonly sku: string; readonly location: string };
    const key = streamOfStock(stock);
    return new Promise((resolve) => {
      const settle = (handled: Handled) => {
        callOff();
        resolve(handled);
      };
      const late = { outcome: "retry", cause: "the receiver has not taken it yet" } as const;
      const callOff = this.#options.timers.after(waitMs, () => settle(late));
      const waiting = this.#waiting.get(receiver) ?? new Map<string, ((handled: Handled) => void)[]>();
      this.#waiting.set(receiver, waiting);
      waiting.set(key, [...(waiting.get(key) ?? []), settle]);
      if (!this.#options.again(receiver, { key, sku: stock.sku, location: stock.location }))
        this.#settle(receiver, key, { outcome: "retry", cause: "too much waits for the receiver" });
    });
  }

  /** Tells those who wait for a stock, or for any when no key is given; false when nobody does. */
  #settle(receiver: Receiver, key: string | undefined, handled: Handled): boolean {
    const waiting = this.#waiting.get(receiver);
    if (waiting === undefined) return false;
    const keys = key === undefined ? [...waiting.keys()] : [key];
    let isAny = false;
    for (const one of keys) {
      for (const settle of waiting.get(one) ?? []) {
        settle(handled);
        isAny = true;
      }
      waiting.delete(one);
    }
    if (waiting.size === 0) this.#waiting.delete(receiver);
    return isAny;
  }
}

/** Batches of redriven messages that are waited for at once. */
const redrivenBatches = 10;

export function queueOf({ location }: Receiver): string {
  return `sync-${location}`;
}
