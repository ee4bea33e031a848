import { type Instant, limits } from "../../kernel/index.ts";
import {
  type Delivery,
  type Handled,
  type Messaging,
  type QueueDeclaration,
  QueueWorker,
  type RetryPolicy,
} from "../../platform/messaging/index.ts";
import type { Outbound } from "../../platform/outbound/index.ts";
import type { Timers } from "../../platform/timers/index.ts";
import type { Inventory } from "../inventory/index.ts";
import { type Delivered, deliver, handledAs, noteOf } from "./deliverer.ts";
import { dispatch } from "./dispatcher.ts";
import type { Webhook } from "./domain/index.ts";
import type { Journal } from "./journal.ts";
import type { RelayObserver } from "./observer.ts";
import type { Secrets } from "./secrets.ts";

export interface EndpointOptions {
  readonly inventory: Pick<Inventory, "changes" | "recordedEvent">;
  readonly messaging: Messaging;
  readonly outbound: Outbound;
  readonly secrets: Secrets;
  readonly journal: Journal;
  readonly observer: RelayObserver;
  readonly policy: RetryPolicy;
  readonly clock: () => Instant;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly timers: Timers;
  /** The webhook as it stands now. */
  readonly webhook: (id: string) => Webhook | undefined;
  /** Where to go on from a position of a history that a restore has left. */
  readonly goOnFrom: (position: string) => string;
  /** Events have come into the webhook's queue since the last call. */
  readonly onSent: (id: string) => void;
  readonly onDelivered: (webhook: Webhook, delivery: Delivery, delivered: Delivered) => void;
}

interface Running {
  /** What it was started with: when that changes it is started anew. */
  readonly shape: string;
  readonly abort: AbortController;
  readonly dispatching: Promise<void>;
  readonly worker: QueueWorker;
}

const queuePrefix = "webhook-";

export function queueOf(id: string): string {
  return queuePrefix + id;
}

export function queueSettings(id: string, policy: RetryPolicy): QueueDeclaration {
  return {
    name: queueOf(id),
    deduplicationMs: limits.webhookDeduplicationMs,
    // Attempts that ended with the server are counted by the queue alone.
    attemptsMax: Math.min(limits.queueAttemptsMax, policy.attemptsMax + 10),
    depthMax: limits.webhookQueueMax,
  };
}

/** The webhook that a queue belongs to; undefined for the queues of others. */
export function webhookOfQueue(queue: string): string | undefined {
  return queue.startsWith(queuePrefix) ? queue.slice(queuePrefix.length) : undefined;
}

/**
 * One webhook at work: a dispatcher that moves its events from the log into its queue, and a worker that delivers what is
 * there. It shares nothing with other webhooks that could make one wait for another.
 */
export class Endpoint {
  readonly #id: string;
  readonly #options: EndpointOptions;
  #running: Running | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(id: string, options: EndpointOptions) {
    this.#id = id;
    this.#options = options;
  }

  /**
   * Runs as the webhook says by the time of its turn, or not at all; one call after another. Deliveries under way get a moment to
   * finish, in which it may be changed again.
   */
  align(wanted: () => Webhook | undefined): Promise<void> {
    const turn = this.#turn.then(() => this.#become(wanted));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #become(wanted: () => Webhook | undefined): Promise<void> {
    const before = wanted();
    const shape = before && shapeOf(before);
    if (this.#running !== undefined && this.#running.shape !== shape) await this.#stop(this.#running);
    const webhook = wanted();
    if (webhook !== undefined && this.#running === undefined) await this.#start(webhook, shapeOf(webhook));
  }

  async #start(webhook: Webhook, shape: string): Promise<void> {
    const { messaging, policy, clock, random, timers, observer, journal } = this.#options;
    const queue = queueOf(this.#id);
    // What waited in a queue that is gone is found again from where all had been delivered.
    const isQueueLost = !(await messaging.queues()).includes(queue);
    await messaging.declareQueue(queueSettings(this.#id, policy));
    const worker = new QueueWorker({
      messaging,
      queue,
      policy,
      clock,
      random,
      timers,
      concurrency: limits.webhookConcurrency,
      leaseMs: limits.webhookLeaseMs,
      handle: (batch, signal) => Promise.all(batch.map((delivery) => this.#handle(delivery, signal))),
      onSettled: (_delivery, settled) => observer.settled(settled),
      onFailure: (error) => observer.failed(queue, error),
    });
    worker.start();
    const abort = new AbortController();
    const { place } = journal.progress(this.#id);
    const { replays } = webhook;
    const dispatching = dispatch({
      ...this.#options,
      queue,
      webhook,
      after: place?.replays === replays && !isQueueLost ? place.after : webhook.after,
      signal: abort.signal,
      onMoved: (after, sent) => {
        journal.moved(this.#id, { after, replays });
        if (sent > 0) this.#options.onSent(this.#id);
      },
      onFailure: (error) => observer.failed(queue, error),
    });
    this.#running = { shape, abort, dispatching, worker };
  }

  async #stop({ abort, dispatching, worker }: Running): Promise<void> {
    abort.abort();
    await Promise.all([dispatching, worker.stop(limits.webhookStopMs)]);
    this.#running = undefined;
  }

  async #handle(delivery: Delivery, signal: AbortSignal): Promise<Handled> {
    const webhook = this.#options.webhook(this.#id);
    if (webhook === undefined) return { outcome: "retry", cause: "the webhook was deleted" };
    const note = noteOf(delivery);
    const body = note.body === "" ? await this.#bodyOf(note.event) : note.body;
    const delivered = await deliver(webhook, { ...note, body }, this.#options, { signal });
    // What was called off says nothing of the receiver.
    if (!signal.aborted) this.#options.onDelivered(webhook, delivery, delivered);
    return handledAs(delivered);
  }

  /** Of an event that was too large for a queue. */
  async #bodyOf(event: string): Promise<string> {
    const found = await this.#options.inventory.recordedEvent(event, { id: this.#id, ownReservations: false });
    if (!found.ok) throw new Error(`the event ${event} can't be read: ${found.rejection.detail}`);
    return JSON.stringify(found.value);
  }
}

/** What a dispatcher depends on: the rest is looked up at each delivery. */
function shapeOf({ types, skus, locations, replays }: Webhook): string {
  return JSON.stringify([types, skus, locations, replays]);
}
