import {
  accept,
  type Instant,
  limits,
  normalise,
  type Outcome,
  PlatformError,
  reject,
  unreadableCursor,
} from "../../kernel/index.ts";
import { ConsumerHost } from "../../platform/consumer/index.ts";
import type { Messaging, RetryPolicy } from "../../platform/messaging/index.ts";
import { Duty, type Storage } from "../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../platform/timers/index.ts";
import { type Caller, type Inventory, isVisible, type StockPair, streamOfStock } from "../inventory/index.ts";
import type { Sync } from "./api.ts";
import { SyncDeadLetters } from "./dead-letters.ts";
import { Dispatcher } from "./dispatcher.ts";
import { type SyncObserver, silentObserver } from "./observer.ts";
import type { Courier } from "./push.ts";
import type { Receiver } from "./receiver.ts";
import { Receivers } from "./receivers.ts";
import type { Pushes } from "./reconciliation/index.ts";
import { statusOf } from "./status.ts";
import type { AlarmName, SyncStatus } from "./wire.ts";

export interface SyncOptions {
  readonly storage: Storage;
  readonly messaging: Messaging;
  readonly inventory: Pick<Inventory, "availabilityOf" | "stocks">;
  readonly courier: Courier;
  /** A secret that the inventory has sealed; undefined when it was sealed with another key. */
  readonly openSecret: (context: string, sealed: string) => string | undefined;
  readonly policy: RetryPolicy;
  /** Milliseconds since 1970. */
  readonly clock: () => Instant;
  /** A random id of 128 bits or more, as text. */
  readonly randomId: () => string;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly observer?: SyncObserver;
  /** Whatever waits or runs later does it by these; the system's unless given. */
  readonly timers?: Timers;
  /** Milliseconds between commits of how far each receiver has been told. */
  readonly commitEveryMs?: number;
}

export interface RunningSync extends Sync, Pushes<Receiver> {
  /** The consumers that have failed, by name. */
  failures(): readonly string[];
  /** How it stands with every receiver. */
  all(): readonly SyncStatus[];
  /** Lets pushes under way finish, keeps what it knows, and stops. */
  stop(): Promise<void>;
}

/** Starts telling the locations that ask for it what changes. */
export async function startSync(options: SyncOptions): Promise<RunningSync> {
  const sync = new LocalSync(options);
  await sync.start();
  return sync;
}

class LocalSync implements RunningSync {
  readonly #clock: () => Instant;
  readonly #observer: SyncObserver;
  readonly #timers: Timers;
  readonly #receivers: Receivers;
  readonly #dispatcher: Dispatcher;
  readonly #deadLetters: SyncDeadLetters;
  readonly #host: ConsumerHost;
  /** What rang at the last look, and whose circuit was open. */
  readonly #ringing = new Map<string, ReadonlySet<AlarmName | "open">>();
  /** Telling them. Where several processes share the log, one of them does. */
  readonly #telling: Duty;
  readonly #shared: Storage["shared"];
  #stopLooking: () => void = () => undefined;
  #stopLeavingWord: () => void = () => undefined;
  #hasStarted = false;

  constructor(options: SyncOptions) {
    const { storage, messaging, inventory, clock, random } = options;
    this.#clock = clock;
    this.#observer = options.observer ?? silentObserver;
    this.#timers = options.timers ?? systemTimers;
    this.#shared = storage.shared;
    this.#telling = new Duty(storage, "sync", {
      begin: (word) => this.#begin(word),
      end: () => this.#end(),
      onFailure: (error) => this.#observer.failed("telling", error),
      timers: this.#timers,
    });
    this.#receivers = new Receivers({
      epochs: () => storage.epochs,
      isAlone: storage.shared === undefined,
      checkpoint: () => storage.derived.checkpoint("sync"),
      policy: options.policy,
      random,
      onNews: (receiver) => this.#news(receiver),
      onRemoved: (receiver) => this.#removed(receiver),
    });
    this.#deadLetters = new SyncDeadLetters({
      messaging,
      clock,
      random,
      timers: this.#timers,
      again: (receiver, stock) => this.#receivers.again(receiver, stock),
      onFailure: (error) => this.#observer.failed("dead letters", error),
    });
    this.#dispatcher = new Dispatcher({
      inventory,
      courier: options.courier,
      openSecret: options.openSecret,
      clock,
      randomId: options.randomId,
      timers: this.#timers,
      isPaused: () => storage.outgoingPaused,
      receivers: this.#receivers,
      observer: this.#observer,
      giveUp: async (receiver, batch, cause) => {
        for (const item of batch) {
          await this.#deadLetters.giveUp(receiver, item, cause);
          this.#observer.gaveUp(receiver.location, cause);
        }
      },
      onTaken: (receiver, batch) => {
        for (const { key } of batch) this.#deadLetters.arrived(receiver, key);
      },
    });
    this.#host = new ConsumerHost(storage, {
      timers: this.#timers,
      onFailure: (consumer, error) => this.#observer.failed(consumer, error),
      onCommitFailure: (error) => this.#observer.failed("what is derived", error),
      ...(options.commitEveryMs !== undefined && { commitEveryMs: options.commitEveryMs }),
    });
  }

  async start(): Promise<void> {
    await this.#host.start([this.#receivers]);
    await this.#telling.start();
    this.#stopLooking = this.#timers.every(limits.syncAlarmsMs, () => this.#lookAtAlarms());
  }

  async stop(): Promise<void> {
    this.#stopLooking();
    await this.#telling.stop();
    this.#host.stop();
  }

  async #begin(word: string | undefined): Promise<void> {
    if (this.#shared !== undefined) {
      await this.#shared.catchUp();
      this.#receivers.takeUp(word);
      const leave = () => void this.#telling.leaveWord(this.#receivers.word());
      this.#stopLeavingWord = this.#timers.every(limits.syncWordMs, leave);
    }
    this.#dispatcher.start();
    this.#hasStarted = true;
    for (const receiver of this.#receivers.all()) this.#news(receiver);
    void this.#clearQueues();
  }

  async #end(): Promise<void> {
    this.#stopLeavingWord();
    this.#hasStarted = false;
    await this.#dispatcher.stop(limits.syncStopMs);
    await this.#deadLetters.stop();
    if (this.#shared !== undefined) this.#receivers.leave();
  }

  failures(): readonly string[] {
    return this.#host.failures();
  }

  all(): readonly SyncStatus[] {
    return [...this.#receivers.all()].map((receiver) => this.#statusOf(receiver));
  }

  async status({ cursor, limit }: { readonly cursor?: string; readonly limit: number }, caller: Caller) {
    const after = cursor === undefined ? undefined : Buffer.from(cursor, "base64url").toString();
    if (after !== undefined && Buffer.from(after).toString("base64url") !== cursor) return unreadableCursor();
    const visible = [...this.#receivers.all()]
      .filter(({ location }) => isVisible(location, caller) && (after === undefined || location > after))
      .sort((a, b) => (a.location < b.location ? -1 : 1));
    const page = visible.slice(0, limit);
    const last = page.at(-1);
    const hasMore = visible.length > page.length && last !== undefined;
    return accept({
      items: page.map((receiver) => this.#statusOf(receiver)),
      ...(hasMore && { next: Buffer.from(last.location).toString("base64url") }),
    });
  }

  async resend(location: string, caller: Caller): Promise<Outcome<SyncStatus>> {
    const receiver = this.#find(location, caller);
    if (receiver === undefined) return unknownReceiver();
    if (!this.#telling.isMine)
      throw new PlatformError("overloaded", "another process pushes changes to this location: ask again");
    receiver.backlog.sweepSince(0);
    this.#receivers.touch(receiver);
    this.#news(receiver);
    return accept(this.#statusOf(receiver));
  }

  // For reconciliation, which stands in this service.

  isOurs(): boolean {
    return this.#telling.isMine;
  }

  receivers(): IterableIterator<Receiver> {
    return this.#receivers.all();
  }

  wants(receiver: Receiver, stock: StockPair): boolean {
    return this.#receivers.get(receiver.location) === receiver && this.#receivers.wants(receiver, stock);
  }

  isPending(receiver: Receiver, stock: StockPair): boolean {
    // Of what a receiver does not ask for, or asked for before it was described anew, nobody knows what it lacks.
    return !this.wants(receiver, stock) || receiver.backlog.mayLack(streamOfStock(stock));
  }

  pushAgain(receiver: Receiver, stock: StockPair): boolean {
    return this.#receivers.again(receiver, stock);
  }

  #statusOf(receiver: Receiver): SyncStatus {
    return statusOf(receiver, this.#clock(), this.#timers.elapsedMs());
  }

  #find(location: string, caller: Caller): Receiver | undefined {
    const name = normalise(location);
    return isVisible(name, caller) ? this.#receivers.get(name) : undefined;
  }

  #news(receiver: Receiver): void {
    // While the log is caught up with, only what waits is noted.
    if (!this.#hasStarted) return;
    this.#deadLetters.watch(receiver);
    this.#dispatcher.consider(receiver);
  }

  #removed(receiver: Receiver): void {
    this.#dispatcher.forget(receiver);
    this.#ringing.delete(receiver.location);
    void this.#clearQueues(this.#deadLetters.forget(receiver));
  }

  /** Removes the queues that nobody needs any more, unless another process tells receivers. */
  async #clearQueues(after?: Promise<void>): Promise<void> {
    try {
      await after;
      if (this.#hasStarted) await this.#deadLetters.clear((location) => this.#receivers.get(location) !== undefined);
    } catch (error) {
      this.#observer.failed("dead letters", error);
    }
  }

  /** Says which alarms begin and end, and whose circuit opens and closes. */
  #lookAtAlarms(): void {
    for (const receiver of this.#receivers.all()) {
      const { location, alarms, circuit, lastError } = this.#statusOf(receiver);
      const before = this.#ringing.get(location) ?? new Set();
      const after = new Set<AlarmName | "open">([...alarms, ...(circuit === "closed" ? [] : (["open"] as const))]);
      for (const name of new Set([...before, ...after])) {
        if (before.has(name) === after.has(name)) continue;
        if (name === "open") this.#observer.circuit(location, after.has(name), lastError ?? undefined);
        else this.#observer.alarm(location, name, after.has(name));
      }
      this.#ringing.set(location, after);
    }
  }
}

function unknownReceiver(): Outcome<never> {
  return reject({ code: "not-found", detail: "No changes are pushed to such a location." });
}
