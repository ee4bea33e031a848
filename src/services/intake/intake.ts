import { type Instant, limits, type Outcome } from "../../kernel/index.ts";
import { type Messaging, QueueWorker, type RetryPolicy, type Settled } from "../../platform/messaging/index.ts";
import { systemTimers, type Timers } from "../../platform/timers/index.ts";
import type { Caller, Inventory } from "../inventory/index.ts";
import { DeadLetterDesk, type DeadLetterObserver } from "./dead-letters.ts";
import type { FileReport } from "./folder/import-file.ts";
import { WatchedFolder } from "./folder/watched-folder.ts";
import { FactsQueue, factsQueue } from "./queue/facts-queue.ts";
import { Recorder } from "./queue/recorder.ts";

/** What others may ask of intake. */
export interface Intake {
  /**
   * Takes facts in, whatever they hold; they are judged later, as of now, and become dead letters when they are rejected.
   * Durable when it resolves. When it throws, some may have been taken: sending all again is harmless. At most
   * `limits.batchItemsMax`; rejects with `payload-too-large` when one of them is.
   */
  enqueueFacts(
    facts: readonly unknown[],
    caller: Caller,
    traceparent?: string,
  ): Promise<Outcome<{ readonly queued: number }>>;
  readonly deadLetters: Pick<DeadLetterDesk, "list" | "read" | "redrive" | "redriveQueue" | "discard">;
}

export interface IntakeObserver {
  settled(queue: string, settled: Settled): void;
  /** Seconds from the receipt of a fact to its being recorded or turned down. */
  judged(seconds: number): void;
  /** The inventory takes no facts; asked for again and again. */
  held(error: unknown): void;
  /** A queue or the watched folder failed; it is asked again. */
  failed(error: unknown): void;
  fileSettled(report: FileReport): void;
  readonly deadLetterEnded: DeadLetterObserver;
}

export interface IntakeOptions {
  readonly messaging: Messaging;
  readonly inventory: Pick<Inventory, "recordFacts" | "itemsByGtin">;
  /** A folder whose files are imported; none when not given. */
  readonly folder?: string;
  /** Milliseconds since 1970. */
  readonly clock: () => Instant;
  /** From 0 up to, not including, 1: spreads retries. */
  readonly random: () => number;
  readonly observer?: IntakeObserver;
  /** The system's unless given. */
  readonly timers?: Timers;
}

export interface RunningIntake extends Intake {
  /** Takes nothing more out of the queue and finishes what is under way. The queue itself stays open. */
  stop(): Promise<void>;
}

/** For a fact on which the inventory breaks: an outage is no attempt (`Recorder`). */
const policy: RetryPolicy = { firstDelayMs: 1000, delayMsMax: 60_000, attemptsMax: 5, elapsedMsMax: 3_600_000 };

/** Declares the queue of facts and begins to record what waits in it. */
export async function startIntake(options: IntakeOptions): Promise<RunningIntake> {
  const { messaging, inventory, clock, random, observer = silentObserver, timers = systemTimers } = options;
  const queue = new FactsQueue(messaging);
  await queue.declare();
  const recorder = new Recorder({ inventory, messaging, timers, random, onHeld: observer.held });
  const worker = new QueueWorker({
    messaging,
    queue: factsQueue,
    handle: recorder.handle,
    policy,
    // The facts behind it say what has happened, and would be missing from the stock until someone has looked.
    freesKeyWhenGivenUp: true,
    batchMax: limits.batchItemsMax,
    bytesMax: limits.intakeReceiveBytesMax,
    concurrency: limits.intakeBatchesInFlight,
    leaseMs: limits.intakeLeaseMs,
    clock,
    random,
    timers,
    onSettled: ({ sentAt }, settled) => {
      observer.settled(factsQueue, settled);
      if (settled === "done" || settled === "dead") observer.judged(Math.max(0, clock() - sentAt) / 1000);
    },
    onFailure: observer.failed,
  });
  worker.start();
  const watched =
    options.folder === undefined
      ? undefined
      : await WatchedFolder.start({
          folder: options.folder,
          messaging,
          inventory,
          clock,
          random,
          timers,
          onFile: observer.fileSettled,
          onFailure: observer.failed,
          onHeld: observer.held,
        });
  return {
    enqueueFacts: (facts, caller, traceparent) =>
      queue.send(facts, { caller, ...(traceparent !== undefined && { traceparent }) }),
    deadLetters: new DeadLetterDesk(messaging, observer.deadLetterEnded),
    stop: async () => {
      await watched?.stop();
      await worker.stop(limits.intakeStopMs);
    },
  };
}

const ignore = () => undefined;
const silentObserver: IntakeObserver = {
  settled: ignore,
  judged: ignore,
  held: ignore,
  failed: ignore,
  fileSettled: ignore,
  deadLetterEnded: ignore,
};
