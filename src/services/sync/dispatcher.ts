import { limits } from "../../kernel/index.ts";
import type { Timers } from "../../platform/timers/index.ts";
import type { Inventory } from "../inventory/index.ts";
import { streamOfStock } from "../inventory/index.ts";
import type { Batch } from "./domain/backlog.ts";
import type { SyncObserver } from "./observer.ts";
import { type Pushed, type PushOptions, push } from "./push.ts";
import type { Receiver } from "./receiver.ts";
import type { Receivers } from "./receivers.ts";

export interface DispatcherOptions extends Omit<PushOptions, "inventory"> {
  readonly inventory: Pick<Inventory, "availabilityOf" | "stocks">;
  readonly timers: Timers;
  /** Whether nothing may go out at the moment. */
  readonly isPaused: () => boolean;
  readonly receivers: Receivers;
  readonly observer: SyncObserver;
  /** Stocks that a receiver is no longer pushed; resolves when that is on record. */
  readonly giveUp: (receiver: Receiver, batch: Batch, cause: string) => Promise<void>;
  /** Stocks that a receiver now has. */
  readonly onTaken: (receiver: Receiver, batch: Batch) => void;
}

interface Wake {
  readonly at: number;
  readonly callOff: () => void;
}

/** Milliseconds between looks whether what goes out is paused still. */
const pausedLookMs = 1000;

/**
 * Gives receivers their turn: at most `limits.syncPushesMax` pushes at once, in turn, none twice before another who has
 * something to send. One receiver takes at most half of the places that are free, those that fail together at most
 * `limits.syncFailingPushesMax`: so whoever answers finds a place, however many don't.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  /** Who may be pushed to now, in the order of their turns. */
  readonly #ready = new Set<Receiver>();
  readonly #wakes = new Map<Receiver, Wake>();
  readonly #sweeping = new Set<Receiver>();
  readonly #underWay = new Set<Promise<void>>();
  #cutting = new AbortController();
  #failingPushes = 0;
  #isPumpDue = false;
  /** Whether it will be seen soon if what goes out is paused still. */
  #isLookDue = false;
  #isStopped = true;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Begins to give turns; also again after a stop. */
  start(): void {
    this.#cutting = new AbortController();
    this.#isStopped = false;
  }

  /** Pushes under way. */
  get pushes(): number {
    return this.#underWay.size;
  }

  /** Looks whether it is a receiver's turn, now or later. To be called whenever something about it has changed. */
  consider(receiver: Receiver): void {
    if (this.#isStopped || !this.#isCurrent(receiver)) {
      this.forget(receiver);
      return;
    }
    const now = this.#options.timers.elapsedMs();
    const at = receiver.nextPushAt(now);
    if (at === undefined || at === Number.POSITIVE_INFINITY) this.#ready.delete(receiver);
    else if (at > now) {
      this.#ready.delete(receiver);
      this.#wakeAt(receiver, at, now);
    } else {
      this.#ready.add(receiver);
      this.#pumpSoon();
    }
    // A receiver that is down is not looked for more than it lacks already.
    if (receiver.circuit === "closed" || receiver.backlog.size === 0) this.#sweep(receiver);
  }

  forget(receiver: Receiver): void {
    this.#ready.delete(receiver);
    this.#wakes.get(receiver)?.callOff();
    this.#wakes.delete(receiver);
  }

  /** Begins nothing more, gives what is under way so many milliseconds, then cuts it off and waits for its end. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    this.#ready.clear();
    for (const receiver of [...this.#wakes.keys()]) this.forget(receiver);
    const callOff = this.#options.timers.after(graceMs, () => this.#cutting.abort());
    await Promise.all(this.#underWay);
    callOff();
  }

  #isCurrent(receiver: Receiver): boolean {
    return this.#options.receivers.get(receiver.location) === receiver;
  }

  #wakeAt(receiver: Receiver, at: number, now: number): void {
    const set = this.#wakes.get(receiver);
    if (set !== undefined && set.at <= at) return;
    set?.callOff();
    // Timers know weeks at most: it looks again when it wakes.
    const callOff = this.#options.timers.after(Math.min(at - now, limits.syncWakeMsMax), () => {
      this.#wakes.delete(receiver);
      this.consider(receiver);
    });
    this.#wakes.set(receiver, { at, callOff });
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#options.timers.soon(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isStopped || this.#ready.size === 0) return;
    if (this.#options.isPaused()) {
      if (!this.#isLookDue) this.#options.timers.after(pausedLookMs, () => this.#lookAgain());
      this.#isLookDue = true;
      return;
    }
    // Who has had a turn goes to the end; a round that finds nobody with a place ends it.
    for (let passed = 0; passed < this.#ready.size && this.#underWay.size < limits.syncPushesMax; ) {
      const [receiver] = this.#ready;
      if (receiver === undefined) return;
      this.#ready.delete(receiver);
      if (!this.#hasPlace(receiver)) {
        this.#ready.add(receiver);
        passed += 1;
        continue;
      }
      const now = this.#options.timers.elapsedMs();
      const batch = receiver.begin(now);
      if (batch === undefined) {
        // All that it lacks is under way: what becomes of that tells when it is its turn again.
        this.#wakeAt(receiver, now + limits.syncReadAgainMs, now);
        continue;
      }
      passed = 0;
      this.#begin(receiver, batch);
      this.consider(receiver);
    }
  }

  #lookAgain(): void {
    this.#isLookDue = false;
    this.#pumpSoon();
  }

  #hasPlace(receiver: Receiver): boolean {
    const free = limits.syncPushesMax - this.#underWay.size;
    if (receiver.isFailing && this.#failingPushes >= limits.syncFailingPushesMax) return false;
    return receiver.pushes === 0 || receiver.pushes < free / 2;
  }

  #begin(receiver: Receiver, batch: Batch): void {
    const wasFailing = receiver.isFailing;
    if (wasFailing) this.#failingPushes += 1;
    const work = this.#push(receiver, batch).finally(() => {
      this.#underWay.delete(work);
      if (wasFailing) this.#failingPushes -= 1;
      receiver.pushes -= 1;
      this.#options.receivers.touch(receiver);
      this.consider(receiver);
      this.#pumpSoon();
    });
    this.#underWay.add(work);
  }

  async #push(receiver: Receiver, batch: Batch): Promise<void> {
    const { timers, observer, receivers } = this.#options;
    const begunAt = timers.elapsedMs();
    try {
      // What it asks for may have changed while this waited.
      const wanted = batch.filter((item) => receivers.wants(receiver, item));
      const pushed = await push(receiver, wanted, this.#cutting.signal, this.#options);
      await this.#settle(receiver, batch, pushed, begunAt);
    } catch (error) {
      receiver.calledOff(batch, timers.elapsedMs());
      observer.failed(receiver.location, error);
    }
  }

  async #settle(receiver: Receiver, batch: Batch, pushed: Pushed, begunAt: number): Promise<void> {
    const { clock, timers, observer, onTaken, giveUp } = this.#options;
    const now = timers.elapsedMs();
    switch (pushed.outcome) {
      case "empty": {
        const done = batch.filter((item) => !pushed.behind.includes(item));
        receiver.nothingSent(done);
        if (pushed.behind.length > 0) receiver.calledOff(pushed.behind, now);
        onTaken(receiver, done);
        return;
      }
      case "taken": {
        const { sent, behind } = pushed;
        receiver.backlog.drop(batch.filter((item) => !behind.includes(item) && !sent.some((one) => one.item === item)));
        if (behind.length > 0) receiver.backlog.hold(behind, now + limits.syncReadAgainMs);
        const at = clock();
        const changes = receiver.taken(pushed.sent, now, at);
        onTaken(
          receiver,
          batch.filter((item) => !behind.includes(item)),
        );
        observer.taken(
          receiver.location,
          pushed.sent.length,
          changes.map((item) => at - (item.changedAt ?? at)),
        );
        return;
      }
      case "failed": {
        const { verdict, retryAfterMs } = pushed;
        if (this.#cutting.signal.aborted) {
          receiver.calledOff(batch, now);
          return;
        }
        const given = receiver.failed(batch, { begunAt, verdict, ...(retryAfterMs && { retryAfterMs }) }, now);
        observer.pushFailed(receiver.location, verdict.kind);
        if (given.length === 0) return;
        try {
          await giveUp(receiver, given, verdict.cause);
          receiver.backlog.drop(given);
        } catch (error) {
          // Nothing may vanish: what can't be put on record is pushed on.
          receiver.calledOff(given, timers.elapsedMs());
          observer.failed(receiver.location, error);
        }
      }
    }
  }

  /** Goes on with a receiver's sweep, a step at a time, while it is time for one. */
  #sweep(receiver: Receiver): void {
    const step = receiver.backlog.nextSweepStep();
    if (step === undefined || this.#sweeping.has(receiver) || this.#isStopped) return;
    this.#sweeping.add(receiver);
    const { inventory, receivers, timers, observer } = this.#options;
    // What was recorded before this process began to collect changes is found by the sweep alone: whoever is asked must have heard it.
    const { heard } = receivers;
    const query = { after: step.lookedAt, count: limits.syncSweepStep, changedSince: step.since, heard };
    inventory
      .stocks(query)
      .then(({ stocks, next, of }) => {
        const wanted = stocks.filter((stock) => receivers.wants(receiver, stock));
        const found = wanted.map((stock) => ({ key: streamOfStock(stock), ...stock }));
        receiver.backlog.found(step, found, next, of);
        receivers.touch(receiver);
        return 0;
      })
      .catch((error: unknown) => {
        observer.failed(receiver.location, error);
        return limits.syncReadAgainMs;
      })
      .then((waitMs) => {
        const goOn = () => {
          this.#sweeping.delete(receiver);
          this.consider(receiver);
        };
        // Others get their turn between two steps.
        if (waitMs > 0) timers.after(waitMs, goOn);
        else timers.soon(goOn);
      });
  }
}
