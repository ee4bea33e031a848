import {
  accept,
  formatInstant,
  type Instant,
  invariant,
  limits,
  normalise,
  type Outcome,
  reject,
} from "../../kernel/index.ts";
import type { Credential } from "../../platform/auth/index.ts";
import { ConsumerHost } from "../../platform/consumer/index.ts";
import type { Messaging, QueueDepth, RetryPolicy } from "../../platform/messaging/index.ts";
import type { Outbound } from "../../platform/outbound/index.ts";
import type { Storage } from "../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../platform/timers/index.ts";
import { type Inventory, sequenceOfPosition, unknownTypeIn } from "../inventory/index.ts";
import type { Relay } from "./api.ts";
import { deliver } from "./deliverer.ts";
import type { Choice, Webhook, WebhookEvent } from "./domain/index.ts";
import { queueOf, queueSettings } from "./endpoint.ts";
import { type Attempt, Journal } from "./journal.ts";
import { type RelayObserver, silentObserver } from "./observer.ts";
import { mayKnow, noSuchWebhook, Recorder } from "./recorder.ts";
import { Secrets } from "./secrets.ts";
import { Sending } from "./sending.ts";
import { Webhooks } from "./webhooks.ts";
import type { CreatedWebhook, WebhookAttempt, WebhookRequest, WebhookView } from "./wire.ts";

export interface RelayOptions {
  readonly storage: Storage;
  readonly messaging: Messaging;
  readonly inventory: Pick<Inventory, "changes" | "position" | "recordedEvent">;
  readonly outbound: Outbound;
  /** How long a delivery is tried. */
  readonly policy: RetryPolicy;
  /** 32 bytes that stay the same for as long as the data does; asked for with the first webhook. */
  readonly serverKey: () => Uint8Array;
  readonly clock: () => Instant;
  /** Cryptographically strong random bytes. */
  readonly random: (bytes: number) => Uint8Array;
  readonly observer?: RelayObserver;
  /** The system's unless given. */
  readonly timers?: Timers;
  /** Milliseconds between commits of what is derived; the usual ones unless given. */
  readonly commitEveryMs?: number;
}

export interface RelayFigures {
  readonly active: number;
  readonly paused: number;
  readonly disabled: number;
  /** Active, but no delivery has succeeded lately; 0 where another process sends, which alone knows. */
  readonly failing: number;
}

export interface RunningRelay extends Relay {
  figures(): RelayFigures;
  /** What its operator should know, a clause each. */
  warnings(): readonly string[];
  /** The consumers of the log that have failed, by name. */
  failures(): readonly string[];
  /** Whether this process sends: where several share the log, one of them does. */
  isSending(): boolean;
  /** Gives deliveries under way a moment. The storage and the queues stay open. */
  stop(): Promise<void>;
}

/** Loads the webhooks and sets those to work that are active, unless everything outgoing is paused. */
export async function startRelay(options: RelayOptions): Promise<RunningRelay> {
  const relay = new LocalRelay(options);
  await relay.start();
  return relay;
}

class LocalRelay implements RunningRelay {
  readonly #options: RelayOptions;
  readonly #timers: Timers;
  readonly #webhooks = new Webhooks((id, type) => this.#sending.heard(id, type));
  readonly #recorder: Recorder;
  readonly #secrets: Secrets;
  readonly #journal: Journal;
  readonly #sending: Sending;
  readonly #host: ConsumerHost;

  constructor(options: RelayOptions) {
    const { storage, timers = systemTimers, observer = silentObserver } = options;
    this.#options = options;
    this.#timers = timers;
    this.#recorder = new Recorder(this.#webhooks, options);
    this.#secrets = new Secrets(options.serverKey);
    this.#journal = new Journal(storage, (error) => observer.failed("the journal", error));
    this.#sending = new Sending({
      ...options,
      webhooks: this.#webhooks,
      recorder: this.#recorder,
      secrets: this.#secrets,
      journal: this.#journal,
      observer,
      timers,
    });
    this.#host = new ConsumerHost(storage, {
      timers,
      onFailure: (name, error) => observer.failed(name, error),
      onCommitFailure: (error) => observer.failed("what is derived", error),
      ...(options.commitEveryMs !== undefined && { commitEveryMs: options.commitEveryMs }),
    });
  }

  async start(): Promise<void> {
    await this.#host.start([this.#webhooks]);
    this.#journal.start(this.#timers, this.#options.commitEveryMs);
    await this.#sending.start();
  }

  async stop(): Promise<void> {
    await this.#sending.stop();
    this.#journal.stop();
    this.#host.stop();
  }

  failures(): readonly string[] {
    return this.#host.failures();
  }

  isSending(): boolean {
    return this.#sending.isMine;
  }

  figures(): RelayFigures {
    const all = this.#webhooks.all();
    const count = (status: Webhook["status"]) => all.filter((webhook) => webhook.status === status).length;
    // Of what another process sends, only that one knows how it goes.
    const ours = this.#sending.isMine ? all : [];
    const failing = ours.filter(({ id, status }) => status === "active" && this.#journal.progress(id).failingSince);
    return { active: count("active"), paused: count("paused"), disabled: count("disabled"), failing: failing.length };
  }

  warnings(): readonly string[] {
    const { failing, disabled } = this.figures();
    const lost = this.#webhooks.all().filter((webhook) => !this.#sending.hasSecret(webhook)).length;
    return [
      ...(failing > 0 ? [`${failing} failing`] : []),
      ...(disabled > 0 ? [`${disabled} disabled`] : []),
      ...(lost > 0 ? [`${lost} without their secret, for secret.key is another one`] : []),
    ];
  }

  // What clients ask

  async create(request: WebhookRequest, by: Credential): Promise<Outcome<CreatedWebhook>> {
    if (by.ownReservations)
      return reject({
        code: "forbidden",
        detail: "A webhook tells of all reservations: a credential that is limited to its own can make none.",
      });
    const choice = this.#choiceOf(request, by);
    if (!choice.ok) return choice;
    if (this.#webhooks.size >= limits.webhooksMax)
      return reject({
        code: "invalid-request",
        detail: `There are ${limits.webhooksMax} webhooks already: delete one.`,
      });
    const id = this.#newId();
    const secret = this.#secrets.next(id);
    const data = {
      ...choice.value,
      ...(by.locations && { limitedTo: [...by.locations] }),
      secret,
      after: await this.#options.inventory.position(),
    };
    const isRecorded = await this.#recorder.append(id, 0, { type: "WebhookCreated", data }, by.id);
    invariant(isRecorded, "a random id is free");
    await this.#sending.align(id);
    return await this.#withSecret(id);
  }

  async list({ cursor = "", limit }: { readonly cursor?: string; readonly limit: number }, by: Credential) {
    const found = this.#webhooks.all().filter((webhook) => webhook.id > cursor && mayKnow(webhook, by));
    const items = await Promise.all(found.slice(0, limit).map((webhook) => this.#view(webhook)));
    const last = items.at(-1);
    return accept(found.length > limit && last !== undefined ? { items, next: last.id } : { items });
  }

  async read(id: string, by: Credential): Promise<Outcome<WebhookView>> {
    const found = this.#find(id, by);
    return found.ok ? accept(await this.#view(found.value)) : found;
  }

  async update(id: string, request: WebhookRequest, by: Credential): Promise<Outcome<WebhookView>> {
    const choice = this.#choiceOf(request, by);
    if (!choice.ok) return choice;
    const changed = await this.#change(id, by, () => ({ type: "WebhookChanged", data: choice.value }));
    if (changed.ok) this.#journal.forgive(id);
    return changed;
  }

  async pause(id: string, by: Credential): Promise<Outcome<WebhookView>> {
    return await this.#change(id, by, ({ status }) =>
      status === "paused" ? undefined : { type: "WebhookPaused", data: {} },
    );
  }

  async enable(id: string, by: Credential): Promise<Outcome<WebhookView>> {
    const found = this.#find(id, by);
    if (!found.ok) return found;
    this.#journal.forgive(id);
    await this.#options.messaging.declareQueue(queueSettings(id, this.#options.policy));
    await this.#options.messaging.deadLetters.redriveQueue(queueOf(id));
    const changed = await this.#change(id, by, ({ status }) =>
      status === "active" ? undefined : { type: "WebhookEnabled", data: {} },
    );
    // It was deleted meanwhile, and its queue removed before it was declared here.
    if (this.#webhooks.get(id) === undefined) await this.#sending.clear(id);
    return changed;
  }

  async rotateSecret(id: string, by: Credential): Promise<Outcome<CreatedWebhook>> {
    const formerUntil = this.#options.clock() + limits.webhookSecretOverlapMs;
    const changed = await this.#change(id, by, ({ secret }) => ({
      type: "WebhookSecretRotated",
      data: { secret: this.#secrets.next(id, secret), formerUntil },
    }));
    return changed.ok ? await this.#withSecret(id) : changed;
  }

  async remove(id: string, by: Credential): Promise<Outcome<undefined>> {
    const changed = await this.#recorder.record(id, by.id, by, () => ({ type: "WebhookDeleted", data: {} }));
    if (!changed.ok) return changed;
    await this.#sending.align(id);
    await this.#sending.clear(id);
    return accept(undefined);
  }

  async deliveries(id: string, limit: number, by: Credential) {
    const found = this.#find(id, by);
    if (!found.ok) return found;
    return accept({ items: this.#journal.attempts(id).slice(0, limit).map(attemptView) });
  }

  async replay(id: string, after: string, by: Credential): Promise<Outcome<WebhookView>> {
    const asked = this.#sequenceOf(after);
    if (!asked.ok) return asked;
    return await this.#change(id, by, (webhook) => {
      // One that has not come that far goes on from where it is: a replay passes over nothing.
      const place = this.#placeOf(webhook);
      const reached = this.#sequenceOf(place);
      const isAhead = reached.ok && reached.value < asked.value;
      return { type: "WebhookReplayed", data: { after: isAhead ? place : after } };
    });
  }

  async test(id: string, by: Credential): Promise<Outcome<WebhookAttempt>> {
    const found = this.#find(id, by);
    if (!found.ok) return found;
    const { clock, outbound, random } = this.#options;
    const event = `test-${Buffer.from(random(12)).toString("hex")}`;
    const type = "larder.webhook.test.v1";
    const body = JSON.stringify({
      specversion: "1.0",
      id: event,
      source: "urn:larder:relay",
      type,
      time: formatInstant(clock()),
      subject: id,
      datacontenttype: "application/json",
      data: { webhook: id },
    });
    const note = { event, type, body, attempt: 1 };
    const options = { outbound, secrets: this.#secrets, clock };
    const { attempt } = await deliver(found.value, note, options, { totalMs: limits.webhookTestMs });
    return accept(attemptView(attempt));
  }

  // How it works

  #sequenceOf(position: string): Outcome<number> {
    return sequenceOfPosition(position, this.#options.storage);
  }

  /** All events of a webhook up to here are in its queue, as far as is known. */
  #placeOf({ id, replays, after }: Webhook): string {
    const { place } = this.#journal.progress(id);
    return place?.replays === replays ? place.after : after;
  }

  #choiceOf(request: WebhookRequest, by: Credential): Outcome<Choice> {
    const problem = this.#options.outbound.problemOf(request.url);
    if (problem !== undefined) return reject({ code: "invalid-request", detail: `\`url\` ${problem}` });
    const { url, types, skus } = request;
    const unknown = unknownTypeIn(types);
    if (unknown !== undefined) return reject(unknown);
    const locations = request.locations?.map(normalise);
    if (by.locations !== undefined && locations?.some((location) => by.locations?.has(location) === false) === true)
      return reject({ code: "not-found", detail: "There is no such location." });
    return accept({
      url,
      ...(types && { types }),
      ...(skus && { skus: skus.map(normalise) }),
      ...(locations && { locations }),
    });
  }

  #find(id: string, by: Credential): Outcome<Webhook> {
    const webhook = this.#webhooks.get(id);
    return webhook !== undefined && mayKnow(webhook, by) ? accept(webhook) : noSuchWebhook;
  }

  /** Records what `decide` says, or nothing when it says nothing, and lets the webhook work by it. */
  async #change(
    id: string,
    by: Credential,
    decide: (webhook: Webhook) => WebhookEvent | undefined,
  ): Promise<Outcome<WebhookView>> {
    const recorded = await this.#recorder.record(id, by.id, by, decide);
    if (!recorded.ok) return recorded;
    await this.#sending.align(id);
    return await this.read(id, by);
  }

  /** Sorts by the time of creation, to the millisecond. */
  #newId(): string {
    const { clock, random } = this.#options;
    return `w${clock().toString(36).padStart(9, "0")}${Buffer.from(random(6)).toString("hex")}`;
  }

  async #withSecret(id: string): Promise<Outcome<CreatedWebhook>> {
    const webhook = this.#webhooks.get(id);
    const secret = webhook && this.#secrets.find(id, webhook.secret);
    if (webhook === undefined || secret === undefined) return noSuchWebhook;
    return accept({ ...(await this.#view(webhook)), secret });
  }

  async #view(webhook: Webhook): Promise<WebhookView> {
    const { id, url, types, skus, locations, limitedTo, status, createdAt, updatedAt, formers } = webhook;
    const { lastSuccessAt, failingSince } = this.#journal.progress(id);
    const { waiting, deadLetters } = await this.#depthOf(id);
    const now = this.#options.clock();
    const formerUntil = formers.find(({ until }) => now < until)?.until;
    return {
      id,
      url,
      ...(types && { types: [...types] }),
      ...(skus && { skus: [...skus] }),
      ...(locations && { locations: [...locations] }),
      ...(limitedTo && { limitedTo: [...limitedTo] }),
      status,
      reason: this.#sending.whyNot(webhook) ?? null,
      createdAt: formatInstant(createdAt),
      updatedAt: formatInstant(updatedAt),
      formerSecretUntil: timeOrNull(formerUntil),
      waiting,
      deadLetters,
      lastSuccessAt: timeOrNull(lastSuccessAt),
      failingSince: timeOrNull(failingSince),
    };
  }

  /** Nothing where there is no queue: not yet, or not any more. */
  async #depthOf(id: string): Promise<Pick<QueueDepth, "waiting" | "deadLetters">> {
    const { messaging } = this.#options;
    const nothing = { waiting: 0, deadLetters: 0 };
    if (!(await messaging.queues()).includes(queueOf(id))) return nothing;
    return await messaging.depth(queueOf(id)).catch((error: unknown) => {
      if (this.#webhooks.get(id) !== undefined) throw error;
      return nothing;
    });
  }
}

function attemptView({ at, event, type, attempt, status, tookMs, cause }: Attempt): WebhookAttempt {
  return {
    time: formatInstant(at),
    event,
    type,
    attempt,
    delivered: cause === undefined,
    status: status ?? null,
    ms: tookMs,
    cause: cause ?? null,
  };
}

function timeOrNull(instant: Instant | undefined): string | null {
  return instant === undefined ? null : formatInstant(instant);
}
