import { formatInstant, limits } from "../../kernel/index.ts";
import type { Delivery } from "../../platform/messaging/index.ts";
import { Duty } from "../../platform/storage/index.ts";
import type { Timers } from "../../platform/timers/index.ts";
import { positionToGoOnFrom } from "../inventory/index.ts";
import { type Delivered, lagSeconds, secretLost } from "./deliverer.ts";
import type { Webhook, WebhookEvent } from "./domain/index.ts";
import { Endpoint, type EndpointOptions, queueOf, webhookOfQueue } from "./endpoint.ts";
import type { Journal } from "./journal.ts";
import type { RelayObserver } from "./observer.ts";
import type { Recorder } from "./recorder.ts";
import type { RelayOptions } from "./relay.ts";
import type { Secrets } from "./secrets.ts";
import type { Webhooks } from "./webhooks.ts";

export interface SendingOptions
  extends Pick<RelayOptions, "storage" | "messaging" | "inventory" | "outbound" | "policy" | "clock" | "random"> {
  readonly webhooks: Webhooks;
  readonly journal: Journal;
  readonly secrets: Secrets;
  readonly recorder: Recorder;
  readonly observer: RelayObserver;
  readonly timers: Timers;
}

const system = "system:relay";
const pausedAfterRestore = "everything outgoing is paused after a restore, until `larder resume`";

/** The endpoints that send to webhooks. Where several processes share the log, each answers clients, and one of them sends. */
export class Sending {
  readonly #options: SendingOptions;
  readonly #duty: Duty;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #endpointOptions: EndpointOptions;
  /** What is being recorded, of which webhook, that nobody awaits. */
  readonly #busy = new Set<string>();
  #isStopped = false;
  /** How it stood when the endpoints were last aligned with it. */
  #wasPaused = false;
  #stopLooking: () => void = () => undefined;
  #stopLeavingWord: () => void = () => undefined;

  constructor(options: SendingOptions) {
    this.#options = options;
    const { storage, timers, observer, random, webhooks } = options;
    this.#duty = new Duty(storage, "relay", {
      begin: (word) => this.#begin(word),
      end: () => this.#end(),
      onFailure: (error) => observer.failed("sending", error),
      timers,
    });
    this.#endpointOptions = {
      ...options,
      random: () => new DataView(random(4).slice().buffer).getUint32(0) / 2 ** 32,
      webhook: (id) => webhooks.get(id),
      goOnFrom: (position) => positionToGoOnFrom(position, storage.epochs),
      onSent: (id) => this.#advance(id),
      onDelivered: (webhook, delivery, delivered) => this.#delivered(webhook, delivery, delivered),
    };
  }

  get isMine(): boolean {
    return this.#duty.isMine;
  }

  async start(): Promise<void> {
    await this.#duty.start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#duty.stop();
  }

  async #begin(word: string | undefined): Promise<void> {
    const { shared } = this.#options.storage;
    if (shared !== undefined) {
      // What another process has recorded of them comes first.
      await shared.catchUp();
      this.#options.journal.takeUpPlaces(word);
      this.#stopLeavingWord = this.#options.timers.every(
        limits.webhookWordMs,
        () => void this.#duty.leaveWord(this.#options.journal.placesAsText()),
      );
    }
    await this.#sweep();
    this.#wasPaused = this.#options.storage.outgoingPaused;
    // On a log of one's own nobody else can change it.
    if (shared !== undefined)
      this.#stopLooking = this.#options.timers.every(limits.outgoingLookMs, () => this.#lookAtPause());
    await Promise.all(this.#options.webhooks.all().map(({ id }) => this.align(id)));
  }

  async #end(): Promise<void> {
    this.#stopLooking();
    this.#stopLeavingWord();
    await Promise.all([...this.#endpoints.keys()].map((id) => this.align(id)));
  }

  /**
   * Another process may have recorded it, or this one without an answer from the store: where it sends, it has to go by it.
   */
  heard(id: string, type: WebhookEvent["type"]): void {
    if (!this.#duty.isMine) return;
    if (type === "WebhookEnabled" || type === "WebhookChanged") this.#options.journal.forgive(id);
    if (type === "WebhookAdvanced") return;
    this.align(id)
      .then(() => (type === "WebhookDeleted" ? this.clear(id) : undefined))
      .catch((error: unknown) => this.#options.observer.failed(queueOf(id), error));
  }

  /** Lets an endpoint run as its webhook stands; later, when the queues can't be written now. */
  async align(id: string): Promise<void> {
    const wanted = () => {
      const webhook = this.#options.webhooks.get(id);
      const works = !this.#isStopped && this.#duty.isMine && webhook !== undefined;
      return works && this.whyNot(webhook) === undefined ? webhook : undefined;
    };
    const endpoint = this.#endpoints.get(id) ?? new Endpoint(id, this.#endpointOptions);
    this.#endpoints.set(id, endpoint);
    try {
      await endpoint.align(wanted);
    } catch (error) {
      this.#options.observer.failed(queueOf(id), error);
      this.#options.timers.after(limits.webhookAgainMs, () => void this.align(id));
    }
    if (this.#options.webhooks.get(id) === undefined) this.#endpoints.delete(id);
  }

  /** `larder resume` lets servers on PostgreSQL go on while they run. */
  #lookAtPause(): void {
    const isPaused = this.#options.storage.outgoingPaused;
    if (isPaused === this.#wasPaused) return;
    this.#wasPaused = isPaused;
    for (const { id } of this.#options.webhooks.all()) void this.align(id);
  }

  /** Why nothing is sent to a webhook; undefined when it is. */
  whyNot(webhook: Webhook): string | undefined {
    if (webhook.status === "disabled") return webhook.reason ?? "disabled";
    if (webhook.status === "paused") return "paused";
    if (!this.hasSecret(webhook)) return secretLost;
    return this.#options.storage.outgoingPaused ? pausedAfterRestore : undefined;
  }

  hasSecret({ id, secret }: Webhook): boolean {
    return this.#options.secrets.find(id, secret) !== undefined;
  }

  /** Removes what is left of a webhook that is no more: whoever sends does it, once it sends to that one no more. */
  async clear(id: string): Promise<void> {
    if (!this.#duty.isMine) return;
    await this.#options.messaging.removeQueue(queueOf(id));
    this.#options.journal.forget(id);
  }

  /** Removes what a crash has left of webhooks that are no more. */
  async #sweep(): Promise<void> {
    // Whoever sends does it once it sends to them no more.
    if (!this.#duty.isMine) return;
    const { messaging } = this.#options;
    for (const queue of await messaging.queues()) {
      const id = webhookOfQueue(queue);
      if (id !== undefined && this.#options.webhooks.get(id) === undefined) await this.clear(id);
    }
    for (const id of this.#options.journal.known())
      if (this.#options.webhooks.get(id) === undefined) this.#options.journal.forget(id);
  }

  #delivered(webhook: Webhook, delivery: Delivery, { attempt, isGone }: Delivered): void {
    const { id } = webhook;
    if (this.#options.webhooks.get(id) === undefined) return;
    const now = this.#options.clock();
    this.#options.journal.attempted(id, attempt);
    this.#options.observer.attempted(attempt.cause === undefined, attempt.tookMs / 1000, lagSeconds(delivery, now));
    const { failingSince = now, lastSuccessAt } = this.#options.journal.progress(id);
    // A crash may have taken the newest of what was kept of it; the log knows when it had all, or was begun anew.
    const since = Math.max(failingSince, webhook.updatedAt, webhook.placedAt);
    if (isGone) this.#disable(webhook, "its receiver answered 410: it wants nothing any more");
    else if (now - since > limits.webhookFailingMsMax) {
      const last =
        lastSuccessAt === undefined
          ? "no delivery is known to have succeeded"
          : `the last delivery known to have succeeded was at ${formatInstant(lastSuccessAt)}`;
      this.#disable(
        webhook,
        `all deliveries have failed since ${formatInstant(since)}; ${last}; the newest failure: ${attempt.cause}`,
      );
    }
  }

  /** Disables a webhook for what a delivery came to, unless somebody has changed it or set it to work since that was sent. */
  #disable({ id, setIn }: Webhook, reason: string): void {
    this.#aside("disable", id, async () => {
      let isDue = false;
      const decide = (webhook: Webhook): WebhookEvent | undefined => {
        isDue = webhook.status === "active" && webhook.setIn === setIn;
        return isDue ? { type: "WebhookDisabled", data: { reason } } : undefined;
      };
      const { ok } = await this.#options.recorder.record(id, system, undefined, decide);
      if (ok && isDue) this.#options.observer.disabled(id, reason);
      await this.align(id);
    });
  }

  /**
   * Records now and then how far a webhook has come: up to where all is delivered, and not only queued, so that what
   * waits is found again from the log alone.
   */
  #advance(id: string): void {
    const { placedAt = Number.POSITIVE_INFINITY } = this.#options.webhooks.get(id) ?? {};
    if (this.#options.clock() - placedAt < limits.webhookAdvanceMs) return;
    this.#aside("advance", id, async () => {
      await new Promise<void>((resolve) => void this.#options.timers.after(limits.webhookAgainMs, resolve));
      const { place } = this.#options.journal.progress(id);
      if (place === undefined || this.#isStopped) return;
      const { waiting, deadLetters } = await this.#options.messaging.depth(queueOf(id));
      if (waiting + deadLetters > 0) return;
      await this.#options.recorder.record(id, system, undefined, ({ replays }) =>
        replays === place.replays ? { type: "WebhookAdvanced", data: { after: place.after } } : undefined,
      );
    });
  }

  /**
   * Does something about a webhook that those who found it due don't wait for: deliveries and dispatchers have to end for
   * it. What fails is found due again.
   */
  #aside(what: "disable" | "advance", id: string, work: () => Promise<void>): void {
    const name = `${what} ${id}`;
    if (this.#busy.has(name)) return;
    this.#busy.add(name);
    work()
      .catch((error: unknown) => {
        // Of a webhook that was deleted meanwhile there is no queue any more.
        if (this.#options.webhooks.get(id) !== undefined) this.#options.observer.failed(queueOf(id), error);
      })
      .finally(() => this.#busy.delete(name));
  }
}
