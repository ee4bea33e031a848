import { type Instant, limits, parseInstant } from "../../../kernel/index.ts";
import { decideRetry } from "../../../platform/messaging/index.ts";
import { type Sink, SinkMoved, type SinkSession, type SinkStock } from "../../../platform/sink/index.ts";
import type { Sequence, Storage } from "../../../platform/storage/index.ts";
import { pause, type Timers } from "../../../platform/timers/index.ts";
import {
  type Caller,
  type ChangesStep,
  type Inventory,
  positionToGoOnFrom,
  sequenceOfPosition,
} from "../../inventory/index.ts";
import type { SinksObserver } from "./observer.ts";
import { sinkEventOf } from "./sink-events.ts";

export interface CarrierOptions {
  readonly storage: Pick<Storage, "epochs" | "head" | "shared">;
  readonly inventory: Pick<Inventory, "availability" | "availabilityOf" | "changes" | "positionBefore" | "stocks">;
  readonly clock: () => Instant;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly timers: Timers;
  readonly observer: SinksObserver;
  /** Milliseconds after which a quiet sink is looked at; `limits.sinkCheckMs` unless given. */
  readonly checkMs?: number;
}

/** How it stands with a sink. */
export interface SinkFigures {
  readonly name: string;
  readonly status: "paused" | "elsewhere" | "opening" | "filling" | "following" | "down";
  /** Events of the log that it has not got; 0 while this process does not carry to it. */
  readonly lagEvents: number;
  /** While it is down: since when, and the newest failure. */
  readonly down?: { readonly since: Instant; readonly reason: string };
}

const caller: Caller = { id: "system:sinks", ownReservations: false };

/**
 * Carries the log to one sink: asks it how far it came, follows the log from there, and begins again from where the sink
 * stands whenever anything fails. It keeps no place of its own.
 */
export class Carrier {
  readonly #sink: Sink;
  readonly #options: CarrierOptions;
  readonly #abort = new AbortController();
  #session: SinkSession | undefined;
  #ended: Promise<void> = Promise.resolve();
  #status: SinkFigures["status"] = "opening";
  #down: SinkFigures["down"];
  #failures = 0;
  /** All events up to here are in the sink. */
  #carried: Sequence = 0;

  constructor(sink: Sink, options: CarrierOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  start(): void {
    this.#ended = this.#run();
  }

  /** What is under way is cut off: the sink knows how far it came. One that does not answer is left behind. */
  async stop(): Promise<void> {
    this.#abort.abort();
    const closed = this.#session?.close().catch(() => undefined);
    const { signal } = new AbortController();
    await Promise.race([Promise.all([closed, this.#ended]), pause(limits.sinkStopMs, signal, this.#options.timers)]);
  }

  figures(): SinkFigures {
    return {
      name: this.#sink.name,
      status: this.#status,
      lagEvents: Math.max(0, this.#options.storage.head() - this.#carried),
      ...(this.#down && { down: this.#down }),
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { timers } = this.#options;
    while (!signal.aborted) {
      try {
        this.#session = await this.#sink.open();
        await this.#follow(this.#session);
        // The log has come to its end: the inventory stops.
        return;
      } catch (error) {
        if (signal.aborted) return;
        await pause(this.#failed(error), signal, timers);
      } finally {
        await this.#session?.close().catch(() => undefined);
        this.#session = undefined;
      }
    }
  }

  async #follow(session: SinkSession): Promise<void> {
    const { inventory, timers, checkMs = limits.sinkCheckMs } = this.#options;
    const { signal } = this.#abort;
    const after = await this.#begin(session);
    const steps = await inventory.changes(after, {}, caller, { signal, heartbeatMs: checkMs });
    if (!steps.ok) throw new Error(`the log can't be followed: ${steps.rejection.detail}`);
    let lookedAt = Number.NEGATIVE_INFINITY;
    for await (const step of steps.value) {
      // What is private moves the place alone; where nothing else happens the sink is looked at now and then.
      const isDue = step.events.length > 0 || timers.elapsedMs() - lookedAt >= checkMs;
      for (const { events, position } of isDue ? partsOf(step) : []) {
        if (signal.aborted) return;
        await session.write(events.map(sinkEventOf), position);
        lookedAt = timers.elapsedMs();
        this.#works(events);
      }
      if (step.caughtUp) this.#status = "following";
      // In a shared log another process may have told what this one has not heard of yet.
      this.#carried = this.#sequenceOf(step.position, Number.MAX_SAFE_INTEGER) ?? this.#carried;
    }
  }

  /** Where to follow the log from: where the sink stands, or, when it holds nothing of this log, after it was filled. */
  async #begin({ position, filling }: SinkSession): Promise<string | undefined> {
    const { inventory, observer, storage, clock } = this.#options;
    // What another process has carried may be newer than what this one has heard of; it is of this log all the same.
    await storage.shared?.catchUp();
    const stands = this.#sequenceOf(position, storage.head());
    if (stands !== undefined) {
      this.#carried = stands;
      return position;
    }
    this.#carried = 0;
    this.#status = "filling";
    observer.filling(this.#sink.name, position === undefined ? "it is empty" : "what it holds is of another history");
    if (filling.from === "events") {
      // What a restore has taken back was carried once; what came instead of it begins where the histories part.
      if (position !== undefined) return positionToGoOnFrom(position, storage.epochs);
      return filling.keepMs === undefined ? undefined : await inventory.positionBefore(clock() - filling.keepMs);
    }
    const from = await this.#readSidePosition();
    await filling.fill(this.#stocks(), from);
    return from;
  }

  /** A position that whoever is asked for stocks has passed. */
  async #readSidePosition(): Promise<string> {
    const { inventory, storage, clock } = this.#options;
    // Several processes answer there, each of them some moments behind.
    if (storage.shared !== undefined) return await inventory.positionBefore(clock() - limits.sinkFillMarginMs);
    const read = await inventory.availability([], undefined, caller);
    if (!read.ok) throw new Error(read.rejection.detail);
    return read.value.position;
  }

  /** Every stock there is, in steps that leave others their turn. */
  async *#stocks(): AsyncIterable<readonly SinkStock[]> {
    const { inventory } = this.#options;
    const { signal } = this.#abort;
    let after: number | undefined = 0;
    while (after !== undefined && !signal.aborted) {
      const step = await inventory.stocks({ after, count: limits.sinkFillStocks, changedSince: 0 });
      const items = await inventory.availabilityOf(step.stocks);
      yield items.filter((item) => item !== undefined);
      after = step.next;
    }
    signal.throwIfAborted();
  }

  #sequenceOf(position: string | undefined, head: Sequence): Sequence | undefined {
    if (position === undefined) return undefined;
    const { epochs } = this.#options.storage;
    const found = sequenceOfPosition(position, { epochs, head: () => head });
    return found.ok ? found.value : undefined;
  }

  #works(events: ChangesStep["events"]): void {
    const { observer, clock } = this.#options;
    if (this.#down !== undefined) observer.back(this.#sink.name);
    this.#down = undefined;
    this.#failures = 0;
    if (this.#status !== "filling") this.#status = "following";
    const now = clock();
    observer.carried(
      this.#sink.name,
      events.map(({ data }) => Math.max(0, now - (parseInstant(String(data["recordedAt"])) ?? now)) / 1000),
    );
  }

  /** Says how it stands, and how many milliseconds to wait before the next attempt. */
  #failed(error: unknown): number {
    const { observer, clock, random } = this.#options;
    const now = clock();
    this.#failures += 1;
    if (error instanceof SinkMoved) observer.moved(this.#sink.name, error);
    else {
      observer.failed(this.#sink.name, error, this.#down === undefined);
      this.#down = { since: this.#down?.since ?? now, reason: reasonOf(error) };
      this.#status = "down";
    }
    const decision = decideRetry(retryPolicy, { attempts: this.#failures, firstAttemptAt: now }, now, random);
    return decision.action === "retry" ? decision.delayMs : retryPolicy.delayMsMax;
  }
}

/** The events of a step in parts, between which others get their turn, each with the position after it. */
function partsOf({ events, position }: ChangesStep): readonly Pick<ChangesStep, "events" | "position">[] {
  if (events.length <= limits.sinkEventsInTurn) return [{ events, position }];
  const first = events.slice(0, limits.sinkEventsInTurn);
  const rest = { events: events.slice(limits.sinkEventsInTurn), position, caughtUp: false };
  return [{ events: first, position: first.at(-1)?.position ?? position }, ...partsOf(rest)];
}

/** For ever: what a sink lacks is safe in the log. */
const retryPolicy = {
  firstDelayMs: limits.sinkAgainMs,
  delayMsMax: limits.sinkAgainMsMax,
  attemptsMax: Number.POSITIVE_INFINITY,
  elapsedMsMax: Number.POSITIVE_INFINITY,
} as const;

function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}
