import type { Instant } from "../../kernel/index.ts";
import type {
  DeadLetter,
  DeadLetterOutcome,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterRecord,
  Delivery,
  Failure,
  Lease,
  OutgoingMessage,
  QueueDeclaration,
  QueueDepth,
} from "./port.ts";

/**
 * The queues of an engine that runs in this process, as plain functions of what they hold and the time. `LocalMessaging`
 * makes the port of it: it checks arguments before, and has what was written made durable after.
 */
export interface QueueBook {
  declareQueue(queue: QueueDeclaration): void;
  /** Does nothing for one that is not there. */
  removeQueue(queue: string): void;
  queues(): readonly string[];
  subscribe(topic: string, queue: string): void;
  unsubscribe(topic: string, queue: string): void;
  subscribers(topic: string): readonly string[];
  /** Messages that the queue may still take. Throws `InvariantError` when it was not declared. */
  room(queue: string): number;
  isKnown(queue: string, id: string, now: Instant): boolean;
  /** Does nothing for an id that is known. */
  send(queue: string, message: OutgoingMessage, now: Instant): void;
  /** Does nothing for an id that is known. */
  sendDead(queue: string, message: OutgoingMessage, failure: Failure, now: Instant): void;
  receive(queue: string, max: number, leaseMs: number, now: Instant, bytesMax?: number): readonly Delivery[];
  /** When the next message is due or the next lease runs out. */
  nextDue(queue: string): Instant | undefined;
  acknowledge(lease: Lease, now: Instant): boolean;
  extend(lease: Lease, leaseMs: number, now: Instant): boolean;
  retry(lease: Lease, delayMs: number, cause: string, now: Instant): boolean;
  release(lease: Lease, now: Instant): boolean;
  /** With `freesKey` those of its key behind it go on, and it has no key any more. */
  deadLetter(lease: Lease, cause: string, freesKey: boolean, now: Instant): boolean;
  isCurrent(lease: Lease, now: Instant): boolean;
  listDeadLetters(query: DeadLetterQuery): DeadLetterPage;
  readDeadLetter(id: string): DeadLetter | undefined;
  findRecord(id: string): DeadLetterRecord | undefined;
  redrive(id: string, now: Instant): DeadLetterOutcome;
  discard(id: string, reason: string, now: Instant): DeadLetterOutcome;
  depth(queue: string): QueueDepth;
}

/** Runs work on a book so that it is durable, and gives the engine's way to end. */
export interface BookWriter {
  /**
   * Runs `work` after all that was asked before. `when` says when to resolve: once the work is on disk, or already when
   * it will be (`soon`). What `work` sees or does is never seen by others before it is durable. Errors of `work` are
   * thrown before it has changed anything.
   *
   * `bytes` is about what the work holds in memory while it waits; too much waiting is `overloaded`.
   */
  run<T>(work: (book: QueueBook) => T, when: "durable" | "soon", bytes: number): Promise<T>;
  close(): Promise<void>;
}

/** The cause of an attempt that was never answered. */
export const unanswered = "not answered: the lease ran out";

/** The cause of a dead letter that the queue itself made. */
export function exhausted(attempts: number, lastCause: string): string {
  return `given up after ${attempts} attempts; the last: ${lastCause}`;
}
