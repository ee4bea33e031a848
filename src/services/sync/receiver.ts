import type { Instant } from "../../kernel/index.ts";
import { limits } from "../../kernel/index.ts";
import { decideRetry, type RetryPolicy } from "../../platform/messaging/index.ts";
import type { LocationDescribed } from "../inventory/index.ts";
import { Backlog, type Batch, type Item } from "./domain/backlog.ts";
import { afterFailure, type Circuit, closedCircuit, probing } from "./domain/circuit.ts";
import type { Moment } from "./domain/moment.ts";
import { faster, firstPace, type Pace, paused, restarted, slower } from "./domain/pace.ts";
import { PushRecord } from "./domain/record.ts";
import type { Verdict } from "./domain/verdict.ts";

export type ReceiverSettings = NonNullable<LocationDescribed["sync"]>;

export interface ReceiverOptions {
  /** Changed stocks that may wait in memory, at the moment. */
  readonly capacity: () => number;
  readonly policy: RetryPolicy;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

/** How a push failed. */
export interface Failed {
  readonly begunAt: Moment;
  readonly verdict: Exclude<Verdict, { readonly kind: "taken" }>;
  /** Milliseconds that the receiver asked to be left alone. */
  readonly retryAfterMs?: number;
}

/** A location that gets changes pushed: what it lacks, how it answers, and what follows from that for the next push. */
export class Receiver {
  readonly location: string;
  settings: ReceiverSettings;
  readonly backlog: Backlog;
  readonly record = new PushRecord();
  /** Pushes under way. */
  pushes = 0;
  #circuit: Circuit = closedCircuit;
  #pace: Pace = firstPace;
  #lastPushAt: Moment = Number.NEGATIVE_INFINITY;
  readonly #options: ReceiverOptions;

  constructor(location: string, settings: ReceiverSettings, options: ReceiverOptions) {
    this.location = location;
    this.settings = settings;
    this.#options = options;
    this.backlog = new Backlog(options.capacity);
  }

  get circuit(): Circuit["state"] {
    return this.#circuit.state;
  }

  /** Whether its last push failed. */
  get isFailing(): boolean {
    return this.#circuit.failures > 0;
  }

  /** As if it had never answered: after its address was changed. */
  forgetAnswers(): void {
    this.#circuit = closedCircuit;
    this.#pace = firstPace;
    this.backlog.unpark(Number.NEGATIVE_INFINITY);
  }

  /** From when on a push may begin; undefined when there is nothing to push, or as much under way as there may be. */
  nextPushAt(now: Moment): Moment | undefined {
    const { pausedUntil, window } = this.#pace;
    switch (this.#circuit.state) {
      case "half-open":
        return undefined;
      case "open":
        return this.backlog.size === 0 ? undefined : Math.max(this.#circuit.probeAt, pausedUntil);
      case "closed": {
        const due = this.pushes < Math.floor(window) ? this.backlog.dueAt(now) : undefined;
        if (due === undefined) return undefined;
        const gathered = this.backlog.fills(this.settings.batchSize) ? now : this.#lastPushAt + limits.syncGatherMs;
        return Math.max(due, pausedUntil, gathered);
      }
    }
  }

  /** Begins a push, for which it was time. */
  begin(now: Moment): Batch | undefined {
    const { batchSize } = this.settings;
    const isProbe = this.#circuit.state === "open";
    const batch = isProbe
      ? this.backlog.takeProbe(Math.min(batchSize, limits.syncProbeRecordsMax))
      : this.backlog.take(batchSize, now);
    if (batch === undefined) return undefined;
    if (isProbe) this.#circuit = probing(this.#circuit);
    this.#lastPushAt = now;
    this.pushes += 1;
    return batch;
  }

  /** It has taken a push, at an instant by the clock: these stocks, each at a version. Gives those that were changes. */
  taken(sent: readonly { readonly item: Item; readonly version: number }[], now: Moment, at: Instant): Batch {
    this.#pace = this.#answers(now) ? restarted(this.#pace, now) : faster(this.#pace);
    const changes = this.backlog.acknowledged(sent, now + limits.syncReadAgainMs);
    this.record.taken(
      now,
      sent.length,
      changes.map(({ changedAt = at }) => Math.max(0, at - changedAt)),
    );
    this.record.lastSuccessAt = at;
    return changes;
  }

  /**
   * A push failed: its stocks are sent again, later. Gives those that are given up. A receiver that is down, or too busy,
   * is no reason to give anything up; and a stock is given up only after it failed alone, not for its neighbours in a batch.
   */
  failed(batch: Batch, { begunAt, verdict, retryAfterMs = 0 }: Failed, now: Moment): Batch {
    this.record.failed(now, verdict.cause);
    switch (verdict.kind) {
      case "busy": {
        this.#answers(now);
        const waitMs = Math.max(limits.syncBusyMs, Math.min(retryAfterMs, limits.retryAfterMsMax));
        const until = now + Math.ceil(waitMs * (1 + this.#options.random() / 4));
        this.#pace = paused(this.#pace, until, now);
        this.backlog.hold(batch, until);
        return [];
      }
      case "refused":
        this.#answers(now);
        return this.#tryAgain(halves(batch), begunAt, 0, now);
      case "failed": {
        this.#pace = slower(this.#pace, begunAt, now);
        const { policy, random } = this.#options;
        const opensAfter = Math.min(limits.syncFailuresMax, policy.attemptsMax);
        this.#circuit = afterFailure(this.#circuit, opensAfter, now, random);
        if (this.#circuit.state === "open") {
          this.backlog.hold(batch, Number.POSITIVE_INFINITY);
          this.backlog.park();
          return [];
        }
        const isFirst = batch.every(({ attempts }) => attempts === 0);
        return this.#tryAgain(isFirst ? [batch] : halves(batch), begunAt, retryAfterMs, now);
      }
    }
  }

  /** A push that had nothing to send. */
  nothingSent(batch: Batch): void {
    if (this.#circuit.state === "half-open") this.#circuit = { ...this.#circuit, state: "open" };
    this.backlog.drop(batch);
  }

  /** A push that came to nothing, for no reason of the receiver's: its figures could not be read, or this process stops telling. */
  calledOff(batch: Batch, now: Moment): void {
    const probeAt = now + limits.syncReadAgainMs;
    if (this.#circuit.state === "half-open") this.#circuit = { ...this.#circuit, state: "open", probeAt };
    this.backlog.hold(batch, this.#circuit.state === "open" ? Number.POSITIVE_INFINITY : now + limits.syncReadAgainMs);
  }

  /** It answers; tells whether it had counted as down. */
  #answers(now: Moment): boolean {
    const wasDown = this.#circuit.state !== "closed";
    this.#circuit = closedCircuit;
    if (wasDown) this.backlog.unpark(now);
    return wasDown;
  }

  #tryAgain(batches: readonly Batch[], begunAt: Moment, retryAfterMs: number, now: Moment): Batch {
    const { policy, random } = this.#options;
    const given: Item[] = [];
    const isAlone = batches.length === 1 && batches[0]?.length === 1;
    for (const batch of batches) {
      for (const item of batch) {
        if (item.attempts === 0) item.firstAttemptAt = begunAt;
        item.attempts += 1;
      }
      const attempts = Math.max(...batch.map((item) => item.attempts));
      const firstAttemptAt = Math.min(...batch.map((item) => item.firstAttemptAt));
      const decision = decideRetry(policy, { attempts, firstAttemptAt, retryAfterMs }, now, random);
      if (decision.action === "retry") this.backlog.hold(batch, now + decision.delayMs);
      else if (isAlone) given.push(...batch);
      else this.backlog.hold(batch, now + Math.ceil(policy.firstDelayMs * random()));
    }
    return given;
  }
}

/** A batch in two, so that what the receiver can't bear is soon alone. */
function halves(batch: Batch): readonly Batch[] {
  if (batch.length < 2) return [batch];
  const middle = Math.ceil(batch.length / 2);
  return [batch.slice(0, middle), batch.slice(middle)];
}
