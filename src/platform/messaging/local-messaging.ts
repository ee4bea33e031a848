import { type Instant, limits, PlatformError } from "../../kernel/index.ts";
import type { BookWriter, QueueBook } from "./book.ts";
import {
  checkDeclaration,
  checkLease,
  checkMessages,
  checkName,
  checkPage,
  checkReceive,
  checkRetryDelay,
  cut,
} from "./checks.ts";
import type {
  DeadLetter,
  DeadLetterOptions,
  DeadLetterOutcome,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterRecord,
  DeadLetters,
  Delivery,
  Failure,
  Lease,
  Messaging,
  OutgoingMessage,
  QueueDeclaration,
  QueueDepth,
  ReceiveOptions,
} from "./port.ts";
import { Receivers, systemTimer, type Timer } from "./receivers.ts";

export interface LocalOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => Instant;
  /** Node's own when not said. */
  readonly timer?: Timer;
}

/** Bytes that a request without a body holds while it waits. */
const requestBytes = 256;

/** The port on a book of queues in this process. */
export class LocalMessaging implements Messaging {
  readonly deadLetters: DeadLetters;
  readonly #writer: BookWriter;
  readonly #clock: () => Instant;
  readonly #receivers: Receivers;
  #isClosed = false;

  constructor(writer: BookWriter, { clock, timer = systemTimer }: LocalOptions) {
    this.#writer = writer;
    this.#clock = clock;
    this.#receivers = new Receivers(timer);
    this.deadLetters = {
      list: (query) => this.#listDeadLetters(query),
      read: (id) => this.#soon<DeadLetter | undefined>((book) => book.readDeadLetter(id)),
      findRecord: (id) => this.#soon<DeadLetterRecord | undefined>((book) => book.findRecord(id)),
      redrive: (id) => this.#endDeadLetter(id, (book) => book.redrive(id, this.#clock())),
      redriveQueue: (queue) => this.#redriveQueue(queue),
      discard: (id, reason) => this.#endDeadLetter(id, (book) => book.discard(id, cut(reason), this.#clock())),
    };
  }

  async declareQueue(queue: QueueDeclaration): Promise<void> {
    checkDeclaration(queue);
    await this.#durable((book) => {
      if (!book.queues().includes(queue.name)) refuseWhenFull(book.queues().length, limits.queuesMax, "queues");
      book.declareQueue(queue);
    });
  }

  async removeQueue(queue: string): Promise<void> {
    await this.#durable((book) => book.removeQueue(queue));
    this.#receivers.wake(queue);
  }

  queues(): Promise<readonly string[]> {
    return this.#soon((book) => book.queues());
  }

  async subscribe(topic: string, queue: string): Promise<void> {
    checkName("topic", topic);
    await this.#durable((book) => {
      book.room(queue);
      book.subscribe(topic, queue);
    });
  }

  async unsubscribe(topic: string, queue: string): Promise<void> {
    checkName("topic", topic);
    await this.#durable((book) => {
      book.room(queue);
      book.unsubscribe(topic, queue);
    });
  }

  async send(queue: string, messages: readonly OutgoingMessage[]): Promise<void> {
    await this.#sendTo(() => [queue], messages);
  }

  async publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    checkName("topic", topic);
    await this.#sendTo((book) => book.subscribers(topic), messages);
  }

  async sendDead(queue: string, message: OutgoingMessage, failure: Failure): Promise<void> {
    const bytes = checkMessages([message]);
    const cause = cut(failure.cause);
    await this.#writer.run(
      (book) => {
        const now = this.#clock();
        refuseWhenNoRoom(book, queue, [message], now);
        book.sendDead(queue, message, { ...failure, cause }, now);
      },
      "durable",
      requestBytes + bytes,
    );
  }

  async receive(queue: string, options: ReceiveOptions): Promise<readonly Delivery[]> {
    checkReceive(options);
    const { max, bytesMax, leaseMs, waitMs = 0, signal } = options;
    const until = this.#clock() + waitMs;
    for (;;) {
      const news = this.#receivers.news(queue);
      const { found, nextDue } = await this.#soon((book) => {
        const found = book.receive(queue, max, leaseMs, this.#clock(), bytesMax);
        return { found, nextDue: found.length > 0 ? undefined : book.nextDue(queue) };
      });
      const now = this.#clock();
      if (found.length > 0 || now >= until || signal?.aborted === true || this.#isClosed) return found;
      // At most as long as was asked, also when the clock has gone back by more.
      const nextLookMs = Math.min(until, Math.max(nextDue ?? until, now + 1)) - now;
      await this.#receivers.wait(queue, news, Math.min(waitMs, nextLookMs), signal);
      if (this.#isClosed) return [];
    }
  }

  acknowledge(lease: Lease): Promise<boolean> {
    return this.#settle(lease, (book) => book.acknowledge(lease, this.#clock()));
  }

  async extend(lease: Lease, leaseMs: number): Promise<boolean> {
    checkLease(leaseMs);
    return this.#soon((book) => book.extend(lease, leaseMs, this.#clock()));
  }

  async retry(lease: Lease, delayMs: number, cause: string): Promise<boolean> {
    checkRetryDelay(delayMs);
    return this.#settle(lease, (book) => book.retry(lease, delayMs, cut(cause), this.#clock()));
  }

  release(lease: Lease): Promise<boolean> {
    return this.#settle(lease, (book) => book.release(lease, this.#clock()));
  }

  deadLetter(lease: Lease, cause: string, { freesKey = false }: DeadLetterOptions = {}): Promise<boolean> {
    return this.#settle(lease, (book) => book.deadLetter(lease, cut(cause), freesKey, this.#clock()));
  }

  isCurrent(lease: Lease): Promise<boolean> {
    return this.#soon((book) => book.isCurrent(lease, this.#clock()));
  }

  depth(queue: string): Promise<QueueDepth> {
    return this.#soon((book) => book.depth(queue));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#receivers.wakeAll();
    await this.#writer.close();
  }

  #soon<T>(work: (book: QueueBook) => T): Promise<T> {
    return this.#writer.run(work, "soon", requestBytes);
  }

  #durable<T>(work: (book: QueueBook) => T): Promise<T> {
    return this.#writer.run(work, "durable", requestBytes);
  }

  async #sendTo(
    queuesFor: (book: QueueBook) => readonly string[],
    messages: readonly OutgoingMessage[],
  ): Promise<void> {
    const bytes = checkMessages(messages);
    const queues = await this.#writer.run(
      (book) => {
        const queues = queuesFor(book);
        const now = this.#clock();
        for (const queue of queues) refuseWhenNoRoom(book, queue, messages, now);
        for (const queue of queues) for (const message of messages) book.send(queue, message, now);
        return queues;
      },
      "durable",
      requestBytes * (1 + messages.length) + bytes,
    );
    for (const queue of queues) this.#receivers.wake(queue);
  }

  /** An answer after which another message of the key, or the same one, may be due. */
  async #settle(lease: Lease, work: (book: QueueBook) => boolean): Promise<boolean> {
    const isDone = await this.#soon(work);
    if (isDone) this.#receivers.wake(lease.queue);
    return isDone;
  }

  async #listDeadLetters(query: DeadLetterQuery): Promise<DeadLetterPage> {
    checkPage(query.limit);
    return this.#soon((book) => book.listDeadLetters(query));
  }

  async #endDeadLetter(id: string, work: (book: QueueBook) => DeadLetterOutcome): Promise<DeadLetterOutcome> {
    const { queue, outcome } = await this.#durable((book) => {
      const queue = book.readDeadLetter(id)?.queue;
      return { queue, outcome: work(book) };
    });
    if (queue !== undefined) this.#receivers.wake(queue);
    return outcome;
  }

  async #redriveQueue(queue: string): Promise<number> {
    const listed = { queue, limit: 1 } as const;
    const [newest] = (await this.#listDeadLetters({ ...listed, order: "newest-first" })).items;
    if (newest === undefined) return 0;
    let redriven = 0;
    for (;;) {
      // Those that die again meanwhile have later ids, and are left for the next time.
      const step = await this.#durable((book) => {
        const page = book.listDeadLetters({ queue, order: "oldest-first", limit: limits.messageBatchMax });
        const due = page.items.filter(({ id }) => id <= newest.id);
        const now = this.#clock();
        for (const { id } of due) book.redrive(id, now);
        return due.length;
      });
      redriven += step;
      if (step > 0) this.#receivers.wake(queue);
      if (step < limits.messageBatchMax) return redriven;
    }
  }
}

function refuseWhenNoRoom(book: QueueBook, queue: string, messages: readonly OutgoingMessage[], now: Instant): void {
  const room = book.room(queue);
  if (room >= messages.length) return;
  const added = messages.filter(({ id }) => !book.isKnown(queue, id, now)).length;
  if (added > room) throw new PlatformError("overloaded", `the queue ${queue} is full: it has room for ${room} more`);
}

function refuseWhenFull(count: number, max: number, what: string): void {
  if (count >= max) throw new PlatformError("overloaded", `there are ${max} ${what} already`);
}
