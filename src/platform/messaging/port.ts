/**
 * The messaging port: what Larder asks of a queue. `messaging.contract.ts` says it again as tests, which every engine
 * passes. Why it has this shape: docs/adr/0014-the-shape-of-the-messaging-port.md.
 *
 * Delivery is at least once: a message comes again until it has been acknowledged or has become a dead letter, so its
 * handler must bear it twice. What an engine knows of leases may be lost with the power; messages that were sent, and
 * dead letters that were redriven or discarded, are not.
 */
import type { Instant } from "../../kernel/index.ts";

export interface QueueDeclaration {
  /** An identifier of up to `limits.queueNameLengthMax` characters. */
  readonly name: string;
  /** Milliseconds for which the id of a message is known after it was sent; as long as the message is there in any case. */
  readonly deduplicationMs: number;
  /**
   * Attempts after which the queue itself makes a dead letter of a message, whatever its handlers do: so that one that
   * kills its handlers comes to an end. Above what the handlers' own retry policy allows.
   */
  readonly attemptsMax: number;
  /** Messages that it holds, dead letters among them, before it takes no more. */
  readonly depthMax: number;
  /**
   * A message that had all its attempts gives up its key (`DeadLetterOptions.freesKey`); it keeps it unless this says so.
   * For the queue's own dead letters: whoever gives up by a policy says it with `deadLetter`.
   */
  readonly freesKeyWhenGivenUp?: boolean;
}

export interface OutgoingMessage {
  /** Sent again to the same queue while it is known, it has no effect, whatever the rest says. */
  readonly id: string;
  /** Messages of one key are handled one after another, in the order in which they were sent; without one, in any. */
  readonly key?: string;
  readonly body: string;
  /** What travels along: the trace context (`traceparent`), the content type. Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds before it is first shown; those of its key behind it wait too. */
  readonly delayMs?: number;
}

/**
 * The right to handle one message for a while, given by one `receive`.
 *
 * Tokens fence: of all leases of one message, and of one key, a later one has the greater token, compared as texts (they
 * have one length). A handler whose lease has run out may not know it yet. So whoever writes to a place that others
 * write to stores the token beside what it writes, in the same write, and refuses there what comes with a lesser token
 * than is stored; asking `isCurrent` just before only makes the collision rare.
 */
export interface Lease {
  readonly queue: string;
  readonly id: string;
  readonly token: string;
}

export interface Delivery extends Lease {
  readonly key?: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How often it has been given out since it was sent or redriven, this time too, but for when it was released. */
  readonly attempts: number;
  readonly sentAt: Instant;
  /** When it was first given out since it was sent or redriven. */
  readonly firstAttemptAt: Instant;
  readonly leasedUntil: Instant;
}

/** How a message failed that is sent as a dead letter. */
export interface Failure {
  readonly cause: string;
  /** Attempts that were made elsewhere; 0 when it could not be read at all. */
  readonly attempts: number;
  /** When the first of them was made; the time of sending when not said. */
  readonly firstAttemptAt?: Instant;
}

export interface ReceiveOptions {
  /** At most so many; there may be fewer although more are waiting. */
  readonly max: number;
  /** No more are given once their bodies have so many bytes together: less than one body beyond it. As many as `max` when not said. */
  readonly bytesMax?: number;
  readonly leaseMs: number;
  /** Milliseconds to wait for a message when there is none; 0 when not said. Also ended by `signal` and by `close`. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** Why an attempt failed. */
export interface AttemptCause {
  /** 1 for the first since it was sent or redriven. */
  readonly attempt: number;
  readonly at: Instant;
  readonly cause: string;
}

export interface DeadLetterSummary {
  /** Of this dead letter: a message that dies again after a redrive is another one. */
  readonly id: string;
  readonly queue: string;
  readonly messageId: string;
  readonly key?: string;
  readonly cause: string;
  readonly attempts: number;
  /** How often the message has been redriven before. */
  readonly redrives: number;
  readonly sentAt: Instant;
  /** The first attempt since it was sent or redriven. */
  readonly firstAttemptAt: Instant;
  /** When it became a dead letter. */
  readonly deadAt: Instant;
  /** The header `traceparent`. */
  readonly trace?: string;
}

export interface DeadLetter extends DeadLetterSummary {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The newest `limits.attemptCausesMax`, oldest first, those before a redrive among them. */
  readonly causes: readonly AttemptCause[];
}

/** What became of a dead letter, known of the last `limits.deadLetterRecordsMax`. */
export interface DeadLetterRecord {
  readonly id: string;
  readonly queue: string;
  readonly messageId: string;
  readonly key?: string;
  readonly cause: string;
  readonly end: "redriven" | "discarded";
  /** Why it was discarded. */
  readonly reason?: string;
  readonly endedAt: Instant;
}

export interface DeadLetterPage {
  readonly items: readonly DeadLetterSummary[];
  /** Given back as `cursor`, it gives the next page; absent on the last. */
  readonly next?: string;
}

export interface DeadLetterQuery {
  /** Absent: of all queues. */
  readonly queue?: string;
  readonly order: "newest-first" | "oldest-first";
  readonly limit: number;
  readonly cursor?: string;
}

export interface DeadLetterOptions {
  /**
   * It gives up its key: those behind it go on, and it has no key any more, also after a redrive. For messages that bear
   * being handled late and out of order.
   */
  readonly freesKey?: boolean;
}

/** `ended-before`: it was redriven or discarded before, and nothing has changed now. */
export type DeadLetterOutcome = "done" | "ended-before" | "unknown";

/** Messages that could not be handled. Those of its key behind one wait until it is redriven or discarded; one may have given up its key. */
export interface DeadLetters {
  list(query: DeadLetterQuery): Promise<DeadLetterPage>;
  read(id: string): Promise<DeadLetter | undefined>;
  /** What became of one that is there no more. */
  findRecord(id: string): Promise<DeadLetterRecord | undefined>;
  /** Lets it be handled again, before those of its key behind it, with no attempts counted. Durable. */
  redrive(id: string): Promise<DeadLetterOutcome>;
  /** Redrives those that are there now, oldest first, and tells how many. Each is durable by itself; call again after a fault. */
  redriveQueue(queue: string): Promise<number>;
  /** Removes it for good and records why; those of its key behind it come next. Durable. */
  discard(id: string, reason: string): Promise<DeadLetterOutcome>;
}

export interface QueueDepth {
  /** Messages that have not come to an end: waiting, delayed, under way, or behind others of their key. */
  readonly waiting: number;
  readonly deadLetters: number;
  /** When the one that was sent first of these was sent. */
  readonly oldestSentAt?: Instant;
  /** When the oldest dead letter became one. */
  readonly oldestDeadAt?: Instant;
}

/**
 * Every call throws `InvariantError` for a queue that was not declared or an argument beyond its limit, and
 * `PlatformError("storage-unavailable")` when nothing has been done. Any other throw (`OutcomeUnknown`) means that the
 * outcome is unknown; all calls may be repeated.
 */
export interface Messaging {
  /** Makes a queue, or gives one that is there other settings. Durable. */
  declareQueue(queue: QueueDeclaration): Promise<void>;
  /**
   * Removes a queue for good, with all that it holds and knows: nobody wants it any more. Durable; twice is once. Whoever
   * still asks for it is told that it was not declared; declared again it begins empty.
   */
  removeQueue(queue: string): Promise<void>;
  /** The names of all queues. */
  queues(): Promise<readonly string[]>;
  /** From now on a queue gets what is published to a topic. Durable; twice is once. */
  subscribe(topic: string, queue: string): Promise<void>;
  unsubscribe(topic: string, queue: string): Promise<void>;

  /**
   * Durable when it resolves. When it throws, any of the messages may have been sent: send them again, their ids make
   * that safe. Throws `PlatformError("overloaded")`, with none of them sent, when the queue is full.
   */
  send(queue: string, messages: readonly OutgoingMessage[]): Promise<void>;
  /** Sends each message to every queue that subscribes to the topic, in one durable write; to none when one is full. */
  publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void>;

  /**
   * Sends a message that is a dead letter from the beginning: what could not be read, or was given up by whoever made the
   * attempts. Redriven it is given out as any other. The rest is as with `send`.
   */
  sendDead(queue: string, message: OutgoingMessage, failure: Failure): Promise<void>;

  /**
   * Leases messages, those first that have been due for longest. Never one while an earlier one of its key is there, be
   * it leased, delayed, or a dead letter. A message whose lease ran out comes again, with one attempt more.
   */
  receive(queue: string, options: ReceiveOptions): Promise<readonly Delivery[]>;

  /**
   * The message is done. This and the other answers are false, and change nothing, when the lease has run out or the
   * message was given to another. They are synced lazily: after a loss of power the message may come again.
   */
  acknowledge(lease: Lease): Promise<boolean>;
  /** The lease lasts so long from now. */
  extend(lease: Lease, leaseMs: number): Promise<boolean>;
  /** The message comes again after a while; it becomes a dead letter when it has had all attempts of its queue. */
  retry(lease: Lease, delayMs: number, cause: string): Promise<boolean>;
  /** Given back by whoever can't finish: the message is due again at once, and what it was given out for is no attempt. */
  release(lease: Lease): Promise<boolean>;
  /** The message can't be handled. Those of its key behind it wait for it, unless it gives the key up. */
  deadLetter(lease: Lease, cause: string, options?: DeadLetterOptions): Promise<boolean>;
  /** Whether the lease still holds: for a handler to ask before it does what can't be fenced. */
  isCurrent(lease: Lease): Promise<boolean>;

  readonly deadLetters: DeadLetters;
  depth(queue: string): Promise<QueueDepth>;
  /** Finishes what was asked before; those who wait for messages get none. */
  close(): Promise<void>;
}
