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
  /** What is done to a queue, one after the other: it may be wanted again while it is being removed. */
  readonly #turns = new Map<string, Promise<void>>();
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
        if (this.#queues.get(receiver) !== queue) return;
        this.#options.onFailure(error);
        this.#options.timers.after(limits.syncBusyMs, () => {
          if (this.#queues.get(receiver) !== queue) return;
          this.#queues.delete(receiver);
          this.watch(receiver);
        });
      },
    );
  }

  async forget(receiver: Receiver): Promise<void> {
    const queue = this.#queues.get(receiver);
    this.#queues.delete(receiver);
    this.#settle(receiver, undefined, { outcome: "retry", cause: "the server stopped, or the receiver was removed" });
    await queue?.worker?.stop(0);
  }

  /**
   * Removes the queues of locations that are receivers no more, but for those that hold something: a dead letter stays until
   * someone discards it. To be called only while no other process tells receivers.
   */
  async clear(isReceiver: (location: string) => boolean): Promise<void> {
    const { messaging } = this.#options;
    for (const queue of await messaging.queues()) {
      const isLeft = () => !isReceiver(queue.slice(queuePrefix.length));
      if (!queue.startsWith(queuePrefix) || !isLeft()) continue;
      await this.#inTurn(queue, async () => {
        // Another turn may have removed it.
        if (!(await messaging.queues()).includes(queue)) return;
        const { waiting, deadLetters } = await messaging.depth(queue);
        if (waiting + deadLetters === 0 && isLeft()) await messaging.removeQueue(queue);
      });
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#queues.keys()].map((receiver) => this.forget(receiver)));
  }

  /** Puts on record that a stock is given up. Durable when it resolves; once for each stock, however often. */
  async giveUp(receiver: Receiver, item: Item, cause: string): Promise<void> {
    const told = { outcome: "dead", cause } as const;
    if (this.#settle(receiver, item.key, told)) return;
    const { clock, timers } = this.#options;
    const { sku, location, attempts } = item;
    const firstAttemptAt = Math.round(clock() - (timers.elapsedMs() - item.firstAttemptAt));
    // As in the log, so that no two stocks share it.
    const id = item.key.slice("stock-".length);
    const body = JSON.stringify({ sku, location });
    const message = { id, body, headers: { "content-type": "application/json" } };
    const failure = { cause: `given up after ${attempts} attempts; the last: ${cause}`, attempts, firstAttemptAt };
    await this.#declare(receiver, (queue) => this.#options.messaging.sendDead(queue, message, failure));
  }

  /** A receiver has a stock as it is now. */
  arrived(receiver: Receiver, key: string): void {
    this.#settle(receiver, key, done);
  }

  /** Makes the queue of a receiver, and does at once what needs it. */
  #declare(receiver: Receiver, use: (queue: string) => Promise<void> = async () => undefined): Promise<void> {
    const name = queueOf(receiver);
    return this.#inTurn(name, async () => {
      const { queueAttemptsMax: attemptsMax, queueDepthMax: depthMax } = limits;
      await this.#options.messaging.declareQueue({ name, deduplicationMs: 0, attemptsMax, depthMax });
      await use(name);
    });
  }

  #inTurn(queue: string, work: () => Promise<void>): Promise<void> {
    const done = (this.#turns.get(queue) ?? Promise.resolve()).then(work);
    const turn = done
      .catch(() => undefined)
      .finally(() => {
        if (this.#turns.get(queue) === turn) this.#turns.delete(queue);
      });
    this.#turns.set(queue, turn);
    return done;
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

const queuePrefix = "sync-";

export function queueOf({ location }: Receiver): string {
  return queuePrefix + location;
}
