import type { DatabaseSync } from "node:sqlite";
import { type Instant, limits } from "../../../kernel/index.ts";
import { exhausted, type QueueBook, unanswered } from "../book.ts";
import type {
  AttemptCause,
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
} from "../port.ts";
import { DeadTable } from "./dead-table.ts";
import { type MessageRow, MessageTable } from "./message-table.ts";
import { placesOf, QueueList, type QueueRow } from "./queue-list.ts";
import { Tokens } from "./tokens.ts";

/**
 * The queues in `queues.db`. Every function runs within a transaction of the writer's, which calls `finish` before it
 * commits, and `undo` when it does not.
 */
export class SqliteBook implements QueueBook {
  readonly #queues: QueueList;
  readonly #messages: MessageTable;
  readonly #dead: DeadTable;
  readonly #tokens: Tokens;
  readonly #subscriptions: Subscriptions;
  #sent = 0;
  #lastNow: Instant = 0;

  constructor(database: DatabaseSync) {
    this.#queues = new QueueList(database);
    this.#messages = new MessageTable(database);
    this.#dead = new DeadTable(database);
    this.#tokens = new Tokens(database);
    this.#subscriptions = prepareSubscriptions(database);
  }

  /**
   * Ends the leases of those that had the queues open before: one process at a time has them, so nobody holds one now.
   * To be called once, before anything else.
   */
  releaseAll(now: Instant): void {
    for (const name of this.#queues.names) this.#messages.releaseLeased(this.#queues.get(name).number, now);
  }

  finish(): void {
    if (this.#sent > 0) this.#messages.forget(this.#lastNow, 100 + 2 * this.#sent);
    this.#sent = 0;
    this.#queues.flush();
  }

  undo(): void {
    this.#sent = 0;
    this.#queues.reload();
    this.#tokens.reload();
    this.#dead.reload();
  }

  declareQueue(queue: QueueDeclaration): void {
    this.#queues.declare(queue);
  }

  removeQueue(queue: string): void {
    const row = this.#queues.find(queue);
    if (row === undefined) return;
    this.#messages.removeAll(row.number, ...placesOf(row));
    this.#dead.removeAll(row.number);
    this.#subscriptions.removeQueue(queue);
    this.#queues.remove(row);
  }

  queues(): readonly string[] {
    return this.#queues.names;
  }

  subscribe(topic: string, queue: string): void {
    this.#subscriptions.add(topic, queue);
  }

  unsubscribe(topic: string, queue: string): void {
    this.#subscriptions.remove(topic, queue);
  }

  subscribers(topic: string): readonly string[] {
    return this.#subscriptions.list(topic);
  }

  room(queue: string): number {
    const { settings, waiting, dead } = this.#queues.get(queue);
    return settings.depthMax - waiting - dead;
  }

  isKnown(queue: string, id: string, now: Instant): boolean {
    return this.#messages.isKnown(this.#queues.get(queue).number, id, now);
  }

  send(queue: string, message: OutgoingMessage, now: Instant): void {
    const row = this.#queues.get(queue);
    const { id, key, delayMs = 0 } = message;
    if (this.#messages.isKnown(row.number, id, now)) return;
    this.#messages.learn(row.number, id, row.next, now + row.settings.deduplicationMs);
    const notBefore = now + delayMs;
    const isBehind = this.#firstOfKey(row, key) !== undefined;
    this.#messages.add(row, message, { notBefore, due: isBehind ? undefined : notBefore, now });
    row.next += 1;
    row.waiting += 1;
    this.#queues.changed(row);
    this.#sent += 1;
    this.#lastNow = now;
  }

  sendDead(queue: string, message: OutgoingMessage, failure: Failure, now: Instant): void {
    if (this.isKnown(queue, message.id, now)) return;
    this.send(queue, message, now);
    const row = this.#queues.get(queue);
    const sent = this.#messages.find(row.number, message.id);
    if (sent === undefined) return;
    const { cause, attempts, firstAttemptAt = now } = failure;
    const failed = { ...sent, attempts, firstAt: firstAttemptAt, causes: [{ attempt: attempts, at: now, cause }] };
    this.#bury(row, failed, this.#tokens.take(), cause, now);
  }

  receive(queue: string, max: number, leaseMs: number, now: Instant, bytesMax = Infinity): readonly Delivery[] {
    const row = this.#queues.get(queue);
    const deliveries: Delivery[] = [];
    let bytes = 0;
    // Those that have had all their attempts make room for others, but one call does not go on for ever.
    for (let exhaustedOnes = 0; exhaustedOnes < limits.messageBatchMax; ) {
      const wanted = max - deliveries.length;
      const due = this.#messages.due(row.number, now, wanted);
      for (const message of due) {
        if (bytes >= bytesMax) return deliveries;
        const causes = message.token === undefined ? message.causes : withCause(message, unanswered, now);
        if (message.attempts >= row.settings.attemptsMax) {
          exhaustedOnes += 1;
          this.#giveUp(row, { ...message, causes }, this.#tokens.take(), now);
        } else {
          const delivery = this.#lease(queue, { ...message, causes }, leaseMs, now);
          deliveries.push(delivery);
          bytes += Buffer.byteLength(delivery.body);
        }
      }
      if (due.length < wanted || deliveries.length === max) break;
    }
    return deliveries;
  }

  nextDue(queue: string): Instant | undefined {
    return this.#messages.nextDue(this.#queues.get(queue).number);
  }

  acknowledge(lease: Lease, now: Instant): boolean {
    const { row, message } = this.#held(lease, now);
    if (message === undefined) return false;
    this.#messages.remove(message.place);
    this.#messages.removeContent(message.place);
    row.waiting -= 1;
    this.#queues.changed(row);
    this.#promote(row, message.key);
    return true;
  }

  extend(lease: Lease, leaseMs: number, now: Instant): boolean {
    const { message } = this.#held(lease, now);
    if (message === undefined) return false;
    this.#messages.delay(message.place, now + leaseMs, message.token);
    return true;
  }

  retry(lease: Lease, delayMs: number, cause: string, now: Instant): boolean {
    const { row, message } = this.#held(lease, now);
    if (message === undefined) return false;
    const causes = withCause(message, cause, now);
    if (message.attempts >= row.settings.attemptsMax) {
      this.#giveUp(row, { ...message, causes }, Number(lease.token), now);
    } else {
      this.#messages.delay(message.place, now + delayMs, undefined, causes);
    }
    return true;
  }

  release(lease: Lease, now: Instant): boolean {
    const { message } = this.#held(lease, now);
    if (message === undefined) return false;
    this.#messages.giveBack(message.place, now);
    return true;
  }

  deadLetter(lease: Lease, cause: string, freesKey: boolean, now: Instant): boolean {
    const { row, message } = this.#held(lease, now);
    if (message === undefined) return false;
    const dead = { ...message, causes: withCause(message, cause, now) };
    this.#bury(row, dead, Number(lease.token), cause, now, freesKey);
    return true;
  }

  isCurrent(lease: Lease, now: Instant): boolean {
    return this.#held(lease, now).message !== undefined;
  }

  listDeadLetters({ queue, order, limit, cursor }: DeadLetterQuery): DeadLetterPage {
    const row = queue === undefined ? undefined : this.#queues.find(queue);
    if (queue !== undefined && row === undefined) return { items: [] };
    const found = this.#dead.list(row?.number, order, limit + 1, cursor);
    const items = found.slice(0, limit).map((dead) => this.#dead.summary(dead, this.#queues.nameOf(dead.queue)));
    const last = items.at(-1);
    return found.length > limit && last !== undefined ? { items, next: last.id } : { items };
  }

  readDeadLetter(id: string): DeadLetter | undefined {
    const dead = this.#dead.get(id);
    return dead && this.#dead.whole(dead, this.#queues.nameOf(dead.queue));
  }

  findRecord(id: string): DeadLetterRecord | undefined {
    return this.#dead.findRecord(id);
  }

  redrive(id: string, now: Instant): DeadLetterOutcome {
    const dead = this.#dead.get(id);
    if (dead === undefined) return this.#outcomeOfGone(id);
    const row = this.#queues.get(this.#queues.nameOf(dead.queue));
    this.#dead.end(dead, row.settings.name, "redriven", undefined, now);
    this.#messages.addAgain(dead, (this.#firstOfKey(row, dead.key) ?? dead.place) < dead.place, now);
    row.dead -= 1;
    row.waiting += 1;
    this.#queues.changed(row);
    return "done";
  }

  discard(id: string, reason: string, now: Instant): DeadLetterOutcome {
    const dead = this.#dead.get(id);
    if (dead === undefined) return this.#outcomeOfGone(id);
    const row = this.#queues.get(this.#queues.nameOf(dead.queue));
    this.#dead.end(dead, row.settings.name, "discarded", reason, now);
    this.#messages.removeContent(dead.place);
    row.dead -= 1;
    this.#queues.changed(row);
    this.#promote(row, dead.key);
    return "done";
  }

  depth(queue: string): QueueDepth {
    const row = this.#queues.get(queue);
    const oldestSentAt = this.#messages.oldestSentAt(...placesOf(row));
    const oldestDeadAt = this.#dead.oldestDeadAt(row.number);
    return {
      waiting: row.waiting,
      deadLetters: row.dead,
      ...(oldestSentAt !== undefined && { oldestSentAt }),
      ...(oldestDeadAt !== undefined && { oldestDeadAt }),
    };
  }

  #lease(queue: string, message: MessageRow, leaseMs: number, now: Instant): Delivery {
    const { headers, body } = this.#messages.content(message.place);
    const [token, attempts, leasedUntil] = [this.#tokens.take(), message.attempts + 1, now + leaseMs];
    const firstAttemptAt = message.firstAt ?? now;
    this.#messages.lease(message, { token, attempts, due: leasedUntil, firstAt: firstAttemptAt });
    return {
      queue,
      id: message.id,
      token: textOf(token),
      ...(message.key !== undefined && { key: message.key }),
      body,
      headers,
      attempts,
      sentAt: message.sentAt,
      firstAttemptAt,
      leasedUntil,
    };
  }

  /** The message of a lease, or none when the lease no longer holds. */
  #held(lease: Lease, now: Instant): { readonly row: QueueRow; readonly message: MessageRow | undefined } {
    const row = this.#queues.get(lease.queue);
    const message = this.#messages.find(row.number, lease.id);
    const holds = message?.token !== undefined && textOf(message.token) === lease.token && (message.due ?? 0) > now;
    return { row, message: holds ? message : undefined };
  }

  /** Makes a dead letter of a message that had all its attempts. */
  #giveUp(row: QueueRow, message: MessageRow, number: number, now: Instant): void {
    const cause = exhausted(message.attempts, message.causes.at(-1)?.cause ?? unanswered);
    this.#bury(row, message, number, cause, now, row.settings.freesKeyWhenGivenUp);
  }

  /** Makes a dead letter of a message; its key stays blocked unless it is given up. */
  #bury(row: QueueRow, message: MessageRow, number: number, cause: string, now: Instant, freesKey = false): void {
    this.#messages.remove(message.place);
    this.#dead.add(row.number, freesKey ? { ...message, key: undefined } : message, number, cause, now);
    row.waiting -= 1;
    row.dead += 1;
    this.#queues.changed(row);
    if (freesKey) this.#promote(row, message.key);
  }

  /** Lets the next message of a key be given out, now that the one before it is gone; a dead letter holds it up. */
  #promote(row: QueueRow, key: string | undefined): void {
    const first = this.#firstOfKey(row, key);
    if (first !== undefined) this.#messages.promote(first);
  }

  /** The place of the first message of a key, be it waiting, leased or dead. */
  #firstOfKey({ number }: QueueRow, key: string | undefined): number | undefined {
    if (key === undefined) return undefined;
    const places = [this.#messages.firstOfKey(number, key), this.#dead.firstOfKey(number, key)];
    const first = Math.min(...places.map((place) => place ?? Number.POSITIVE_INFINITY));
    return Number.isFinite(first) ? first : undefined;
  }

  #outcomeOfGone(id: string): DeadLetterOutcome {
    return this.#dead.findRecord(id) === undefined ? "unknown" : "ended-before";
  }
}

/** A token as a text that is compared as the number is. */
export function textOf(token: number): string {
  return String(token).padStart(16, "0");
}

function withCause({ causes, attempts }: MessageRow, cause: string, at: Instant): readonly AttemptCause[] {
  return [...causes, { attempt: attempts, at, cause }].slice(-limits.attemptCausesMax);
}

interface Subscriptions {
  add(topic: string, queue: string): void;
  remove(topic: string, queue: string): void;
  removeQueue(queue: string): void;
  list(topic: string): readonly string[];
}

function prepareSubscriptions(database: DatabaseSync): Subscriptions {
  const add = database.prepare("INSERT OR IGNORE INTO subscription (topic, queue) VALUES (?, ?)");
  const remove = database.prepare("DELETE FROM subscription WHERE topic = ? AND queue = ?");
  const removeQueue = database.prepare("DELETE FROM subscription WHERE queue = ?");
  const list = database.prepare("SELECT queue FROM subscription WHERE topic = ?");
  return {
    add: (topic, queue) => void add.run(topic, queue),
    remove: (topic, queue) => void remove.run(topic, queue),
    removeQueue: (queue) => void removeQueue.run(queue),
    list: (topic) => list.all(topic).map((row) => String(row["queue"])),
  };
}
