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
import type { Delivery, Messaging, RetryPolicy } from "../../platform/messaging/index.ts";
import type { Outbound } from "../../platform/outbound/index.ts";
import { appendTo, Duty, type Storage } from "../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../platform/timers/index.ts";
import { type Inventory, positionAt, sequenceOfPosition } from "../inventory/index.ts";
import type { Relay } from "./api.ts";
import { type Delivered, deliver, lagSeconds, secretLost } from "./deliverer.ts";
import type { Choice, Webhook, WebhookEvent } from "./domain/index.ts";
import { Endpoint, type EndpointOptions, queueOf, queueSettings, webhookOfQueue } from "./endpoint.ts";
import { type Attempt, Journal } from "./journal.ts";
import { type RelayObserver, silentObserver } from "./observer.ts";
import { Secrets } from "./secrets.ts";
import { Webhooks, webhookStream } from "./webhooks.ts";
import type { CreatedWebhook, WebhookAttempt, WebhookRequest, WebhookView } from "./wire.ts";

export interface RelayOptions {
  readonly storage: Storage;
  readonly messaging: Messaging;
  readonly inventory: Pick<Inventory, "changes" | "position">;
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
  /** Active, but no delivery has succeeded lately. */
  readonly failing: number;
}

export interface RunningRelay extends Relay {
  figures(): RelayFigures;
  /** What its operator should know, a clause each. */
  warnings(): readonly string[];
  /** The consumers of the log that have failed, by name. */
  failures(): readonly string[];
  /** Gives deliveries under way a moment. The storage and the queues stay open. */
  stop(): Promise<void>;
}

/** Loads the webhooks and sets those to work that are active, unless everything outgoing is paused. */
export async function startRelay(options: RelayOptions): Promise<RunningRelay> {
  const relay = new LocalRelay(options);
  await relay.start();
  return relay;
}

const system = "system:relay";
const pausedAfterRestore = "everything outgoing is paused after a restore, until `larder resume`";

class LocalRelay implements RunningRelay {
  readonly #options: RelayOptions;
  readonly #observer: RelayObserver;
  readonly #timers: Timers;
  readonly #webhooks = new Webhooks((id, type) => this.#heard(id, type));
  /** Sending. Where several processes share the log, each answers clients, and one of them sends. */
  readonly #sending: Duty;
  readonly #secrets: Secrets;
  readonly #journal: Journal;
  readonly #host: ConsumerHost;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #endpointOptions: EndpointOptions;
  /** What is being recorded, of which webhook, that nobody awaits. */
  readonly #busy = new Set<string>();
  #isStopped = false;
  #stopLeavingWord: () => void = () => undefined;

  constructor(options: RelayOptions) {
    const { storage, messaging, inventory, outbound, policy, clock, random, timers = systemTimers } = options;
    this.#options = options;
    this.#observer = options.observer ?? silentObserver;
    this.#timers = timers;
    this.#secrets = new Secrets(options.serverKey);
    this.#journal = new Journal(storage, (error) => this.#observer.failed("the journal", error));
    this.#host = new ConsumerHost(storage, {
      timers,
      onFailure: (name, error) => this.#observer.failed(name, error),
      onCommitFailure: (error) => this.#observer.failed("what is derived", error),
      ...(options.commitEveryMs !== undefined && { commitEveryMs: options.commitEveryMs }),
    });
    this.#sending = new Duty(storage, "relay", {
      begin: (word) => this.#beginSending(word),
      end: () => this.#endSending(),
      onFailure: (error) => this.#observer.failed("sending", error),
      timers,
    });
    this.#endpointOptions = {
      inventory,
      messaging,
      outbound,
      policy,
      clock,
      timers,
      secrets: this.#secrets,
      journal: this.#journal,
      observer: this.#observer,
      random: () => new DataView(random(4).slice().buffer).getUint32(0) / 2 ** 32,
      webhook: (id) => this.#webhooks.get(id),
      historyStart: () => positionAt(storage.epochs.at(-1)?.startsAfter ?? 0, storage),
      onSent: (id) => this.#advance(id),
      onDelivered: (webhook, delivery, delivered) => this.#delivered(webhook, delivery, delivered),
    };
  }

  async start(): Promise<void> {
    await this.#host.start([this.#webhooks]);
    this.#journal.start(this.#timers, this.#options.commitEveryMs);
    await this.#sending.start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#sending.stop();
    this.#journal.stop();
    this.#host.stop();
  }

  failures(): readonly string[] {
    return this.#host.failures();
  }

  figures(): RelayFigures {
    const all = this.#webhooks.all();
    const count = (status: Webhook["status"]) => all.filter((webhook) => webhook.status === status).length;
    const failing = all.filter(({ id, status }) => status === "active" && this.#journal.progress(id).failingSince);
    return { active: count("active"), paused: count("paused"), disabled: count("disabled"), failing: failing.length };
  }

  warnings(): readonly string[] {
    const { failing, disabled } = this.figures();
    const lost = this.#webhooks.all().filter((webhook) => !this.#hasSecret(webhook)).length;
    return [
      ...(failing > 0 ? [`${failing} failing`] : []),
      ...(disabled > 0 ? [`${disabled} disabled`] : []),
      ...(lost > 0 ? [`${lost} without their secret, for secret.key is another one`] : []),
    ];
  }

  // What clients ask

  async create(request: WebhookRequest, by: Credential): Promise<Outcome<CreatedWebhook>> {
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
    const isRecorded = await this.#append(id, 0, { type: "WebhookCreated", data }, by.id);
    invariant(isRecorded, "a random id is free");
    await this.#align(id);
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
    return await this.#change(id, by, ({ status }) =>
      status === "active" ? undefined : { type: "WebhookEnabled", data: {} },
    );
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
    const changed = await this.#record(id, by.id, by, () => ({ type: "WebhookDeleted", data: {} }));
    if (!changed.ok) return changed;
    await this.#align(id);
    await this.#clear(id);
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

  async #beginSending(word: string | undefined): Promise<void> {
    const { shared } = this.#options.storage;
    if (shared !== undefined) {
      // What another process has recorded of them comes first.
      await shared.catchUp();
      this.#journal.takeUpPlaces(word);
      this.#stopLeavingWord = this.#timers.every(
        limits.webhookWordMs,
        () => void this.#sending.leaveWord(this.#journal.placesAsText()),
      );
    }
    await this.#sweep();
    await Promise.all(this.#webhooks.all().map(({ id }) => this.#align(id)));
  }

  async #endSending(): Promise<void> {
    this.#stopLeavingWord();
    await Promise.all([...this.#endpoints.keys()].map((id) => this.#align(id)));
  }

  /**
   * Another process may have recorded it, or this one without an answer from the store: where it sends, it has to go by it.
   */
  #heard(id: string, type: WebhookEvent["type"]): void {
    if (!this.#sending.isMine) return;
    if (type === "WebhookEnabled" || type === "WebhookChanged") this.#journal.forgive(id);
    if (type === "WebhookAdvanced") return;
    this.#align(id)
      .then(() => (type === "WebhookDeleted" ? this.#clear(id) : undefined))
      .catch((error: unknown) => this.#observer.failed(queueOf(id), error));
  }

  #choiceOf(request: WebhookRequest, by: Credential): Outcome<Choice> {
    const problem = this.#options.outbound.problemOf(request.url);
    if (problem !== undefined) return reject({ code: "invalid-request", detail: `\`url\` ${problem}` });
    const { url, types, skus } = request;
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
    const recorded = await this.#record(id, by.id, by, decide);
    if (!recorded.ok) return recorded;
    await this.#align(id);
    return await this.read(id, by);
  }

  async #record(
    id: string,
    actor: string,
    by: Credential | undefined,
    decide: (webhook: Webhook) => WebhookEvent | undefined,
  ): Promise<Outcome<undefined>> {
    for (let attempt = 0; attempt <= limits.conflictRetriesMax; attempt += 1) {
      const webhook = this.#webhooks.get(id);
      if (webhook === undefined || (by !== undefined && !mayKnow(webhook, by))) return noSuchWebhook;
      const event = decide(webhook);
      if (event === undefined || (await this.#append(id, webhook.version, event, actor))) return accept(undefined);
    }
    return reject({ code: "version-conflict", detail: "Others changed this webhook meanwhile." });
  }

  async #append(id: string, version: number, event: WebhookEvent, actor: string): Promise<boolean> {
    const { storage, clock, random } = this.#options;
    return await appendTo(storage, {
      stream: webhookStream(id),
      version,
      events: [event],
      command: `webhook-${Buffer.from(random(12)).toString("hex")}`,
      actor,
      now: clock(),
    });
  }

  /** Sorts by the time of creation, to the millisecond. */
  #newId(): string {
    const { clock, random } = this.#options;
    return `w${clock().toString(36).padStart(9, "0")}${Buffer.from(random(6)).toString("hex")}`;
  }

  /** Lets an endpoint run as its webhook stands; later, when the queues can't be written now. */
  async #align(id: string): Promise<void> {
    const webhook = this.#webhooks.get(id);
    const works =
      !this.#isStopped && this.#sending.isMine && webhook !== undefined && this.#whyNot(webhook) === undefined;
    const endpoint = this.#endpoints.get(id) ?? new Endpoint(id, this.#endpointOptions);
    this.#endpoints.set(id, endpoint);
    try {
      await endpoint.align(works ? webhook : undefined);
    } catch (error) {
      this.#observer.failed(queueOf(id), error);
      this.#timers.after(limits.webhookAgainMs, () => void this.#align(id));
    }
    if (this.#webhooks.get(id) === undefined) this.#endpoints.delete(id);
  }

  /** Why nothing is sent to a webhook; undefined when it is. */
  #whyNot(webhook: Webhook): string | undefined {
    if (webhook.status === "disabled") return webhook.reason ?? "disabled";
    if (webhook.status === "paused") return "paused";
    if (!this.#hasSecret(webhook)) return secretLost;
    return this.#options.storage.outgoingPaused ? pausedAfterRestore : undefined;
  }

  #hasSecret({ id, secret }: Webhook): boolean {
    return this.#secrets.find(id, secret) !== undefined;
  }

  /** Removes what is left of a webhook that is no more: whoever sends does it, once it sends to that one no more. */
  async #clear(id: string): Promise<void> {
    if (!this.#sending.isMine) return;
    await this.#options.messaging.removeQueue(queueOf(id));
    this.#journal.forget(id);
  }

  /** Removes what a crash has left of webhooks that are no more. */
  async #sweep(): Promise<void> {
    // Whoever sends does it once it sends to them no more.
    if (!this.#sending.isMine) return;
    const { messaging } = this.#options;
    for (const queue of await messaging.queues()) {
      const id = webhookOfQueue(queue);
      if (id !== undefined && this.#webhooks.get(id) === undefined) await this.#clear(id);
    }
    for (const id of this.#journal.known()) if (this.#webhooks.get(id) === undefined) this.#journal.forget(id);
  }

  #delivered(webhook: Webhook, delivery: Delivery, { attempt, isGone }: Delivered): void {
    const { id } = webhook;
    if (this.#webhooks.get(id) === undefined) return;
    const now = this.#options.clock();
    this.#journal.attempted(id, attempt);
    this.#observer.attempted(attempt.cause === undefined, attempt.tookMs / 1000, lagSeconds(delivery, now));
    const { failingSince, lastSuccessAt } = this.#journal.progress(id);
    if (isGone) this.#disable(id, "its receiver answered 410: it wants nothing any more");
    else if (failingSince !== undefined && now - failingSince > limits.webhookFailingMsMax) {
      const last =
        lastSuccessAt === undefined
          ? "no delivery has ever succeeded"
          : `the last delivery that succeeded was at ${formatInstant(lastSuccessAt)}`;
      this.#disable(
        id,
        `all deliveries have failed since ${formatInstant(failingSince)}; ${last}; the newest failure: ${attempt.cause}`,
      );
    }
  }

  #disable(id: string, reason: string): void {
    this.#aside("disable", id, async () => {
      const decide = ({ status }: Webhook): WebhookEvent | undefined =>
        status === "active" ? { type: "WebhookDisabled", data: { reason } } : undefined;
      await this.#record(id, system, undefined, decide);
      this.#observer.disabled(id, reason);
      await this.#align(id);
    });
  }

  /**
   * Records now and then how far a webhook has come: up to where all is delivered, and not only queued, so that what
   * waits is found again from the log alone.
   */
  #advance(id: string): void {
    const { placedAt = Number.POSITIVE_INFINITY } = this.#webhooks.get(id) ?? {};
    if (this.#options.clock() - placedAt < limits.webhookAdvanceMs) return;
    this.#aside("advance", id, async () => {
      await new Promise<void>((resolve) => void this.#timers.after(limits.webhookAgainMs, resolve));
      const { place } = this.#journal.progress(id);
      if (place === undefined || this.#isStopped) return;
      const { waiting, deadLetters } = await this.#options.messaging.depth(queueOf(id));
      if (waiting + deadLetters > 0) return;
      await this.#record(id, system, undefined, ({ replays }) =>
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
      .catch((error: unknown) => this.#observer.failed(queueOf(id), error))
      .finally(() => this.#busy.delete(name));
  }

  async #withSecret(id: string): Promise<Outcome<CreatedWebhook>> {
    const webhook = this.#webhooks.get(id);
    const secret = webhook && this.#secrets.find(id, webhook.secret);
    if (webhook === undefined || secret === undefined) return noSuchWebhook;
    return accept({ ...(await this.#view(webhook)), secret });
  }

  async #view(webhook: Webhook): Promise<WebhookView> {
    const { id, url, types, skus, locations, limitedTo, status, createdAt, updatedAt, former } = webhook;
    const { lastSuccessAt, failingSince } = this.#journal.progress(id);
    const queues = await this.#options.messaging.queues();
    const { waiting, deadLetters } = queues.includes(queueOf(id))
      ? await this.#options.messaging.depth(queueOf(id))
      : { waiting: 0, deadLetters: 0 };
    const formerUntil = former !== undefined && this.#options.clock() < former.until ? former.until : undefined;
    return {
      id,
      url,
      ...(types && { types: [...types] }),
      ...(skus && { skus: [...skus] }),
      ...(locations && { locations: [...locations] }),
      ...(limitedTo && { limitedTo: [...limitedTo] }),
      status,
      reason: this.#whyNot(webhook) ?? null,
      createdAt: formatInstant(createdAt),
      updatedAt: formatInstant(updatedAt),
      formerSecretUntil: timeOrNull(formerUntil),
      waiting,
      deadLetters,
      lastSuccessAt: timeOrNull(lastSuccessAt),
      failingSince: timeOrNull(failingSince),
    };
  }
}

const noSuchWebhook = { ok: false, rejection: { code: "not-found", detail: "There is no such webhook." } } as const;

/** Someone limited to locations knows what tells of nothing else. */
function mayKnow({ limitedTo }: Webhook, { locations }: Credential): boolean {
  return locations === undefined || limitedTo?.every((location) => locations.has(location)) === true;
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
