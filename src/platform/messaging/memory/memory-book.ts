import { type Instant, invariant, limits } from "../../../kernel/index.ts";
import { exhausted, type QueueBook, unanswered } from "../book.ts";
import type {
  AttemptCause,
  DeadLetter,
  DeadLetterOutcome,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterRecord,
  DeadLetterSummary,
  Delivery,
  Failure,
  Lease,
  OutgoingMessage,
  QueueDeclaration,
  QueueDepth,
} from "../port.ts";

interface Message {
  readonly id: string;
  key: string | undefined;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sentAt: Instant;
  readonly place: number;
  due: Instant;
  token: string | undefined;
  attempts: number;
  firstAt: Instant | undefined;
  redrives: number;
  causes: readonly AttemptCause[];
  /** Set while it is a dead letter. */
  dead: { readonly id: string; readonly cause: string; readonly at: Instant } | undefined;
}

interface Queue {
  settings: QueueDeclaration;
  /** Those that have not ended, dead letters among them, in the order in which they were sent. */
  readonly messages: Map<string, Message>;
  /** Until when ids are known. */
  readonly known: Map<string, Instant>;
}

/** The queues in memory: for tests and simulations. A receive looks at every message of its queue. */
export class MemoryBook implements QueueBook {
  readonly #queues = new Map<string, Queue>();
  readonly #topics = new Map<string, Set<string>>();
  readonly #dead = new Map<string, { readonly queue: string; readonly message: Message }>();
  readonly #records = new Map<string, DeadLetterRecord>();
  #count = 0;

  /** Becomes a copy of another book: for simulations of what is left after a crash. */
  holdAs(other: MemoryBook): this {
    const copy = structuredClone([other.#queues, other.#topics, other.#dead, other.#records] as const);
    const [queues, topics, dead, records] = copy;
    fill(this.#queues, queues);
    fill(this.#topics, topics);
    fill(this.#dead, dead);
    fill(this.#records, records);
    this.#count = other.#count;
    return this;
  }

  declareQueue(settings: QueueDeclaration): void {
    const found = this.#queues.get(settings.name);
    if (found !== undefined) found.settings = settings;
    else this.#queues.set(settings.name, { settings, messages: new Map(), known: new Map() });
  }

  removeQueue(queue: string): void {
    this.#queues.delete(queue);
    for (const subscribers of this.#topics.values()) subscribers.delete(queue);
    for (const [id, dead] of this.#dead) if (dead.queue === queue) this.#dead.delete(id);
  }

  queues(): readonly string[] {
    return [...this.#queues.keys()];
  }

  subscribe(topic: string, queue: string): void {
    this.#topics.set(topic, (this.#topics.get(topic) ?? new Set()).add(queue));
  }

  unsubscribe(topic: string, queue: string): void {
    this.#topics.get(topic)?.delete(queue);
  }

  subscribers(topic: string): readonly string[] {
    return [...(this.#topics.get(topic) ?? [])];
  }

  room(queue: string): number {
    const { settings, messages } = this.#get(queue);
    return settings.depthMax - messages.size;
  }

  isKnown(queue: string, id: string, now: Instant): boolean {
    const { messages, known } = this.#get(queue);
    return messages.has(id) || (known.get(id) ?? 0) > now;
  }

  send(queue: string, { id, key, body, headers = {}, delayMs = 0 }: OutgoingMessage, now: Instant): void {
    if (this.isKnown(queue, id, now)) return;
    const { settings, messages, known } = this.#get(queue);
    forgetPassed(known, now);
    known.set(id, now + settings.deduplicationMs);
    const fresh = { token: undefined, attempts: 0, firstAt: undefined, redrives: 0, causes: [], dead: undefined };
    this.#count += 1;
    const due = now + delayMs;
    messages.set(id, { id, key, body, headers: { ...headers }, sentAt: now, place: this.#count, due, ...fresh });
  }

  sendDead(queue: string, message: OutgoingMessage, failure: Failure, now: Instant): void {
    if (this.isKnown(queue, message.id, now)) return;
    this.send(queue, message, now);
    const sent = this.#get(queue).messages.get(message.id);
    if (sent === undefined) return;
    const { cause, attempts, firstAttemptAt = now } = failure;
    Object.assign(sent, { attempts, firstAt: firstAttemptAt, due: now });
    addCause(sent, cause, now);
    this.#bury(queue, sent, cause, now);
  }

  receive(queue: string, max: number, leaseMs: number, now: Instant, bytesMax = Infinity): readonly Delivery[] {
    const { settings } = this.#get(queue);
    const deliveries: Delivery[] = [];
    let bytes = 0;
    const due = this.#heads(queue).filter((message) => message.due <= now);
    for (const message of due.sort((a, b) => a.due - b.due || a.place - b.place)) {
      if (deliveries.length === max || bytes >= bytesMax) break;
      if (message.token !== undefined) addCause(message, unanswered, now);
      if (message.attempts >= settings.attemptsMax) {
        this.#giveUp(queue, message, message.causes.at(-1)?.cause ?? unanswered, now);
      } else {
        deliveries.push(this.#lease(queue, message, now + leaseMs, now));
        bytes += Buffer.byteLength(message.body);
      }
    }
    return deliveries;
  }

  nextDue(queue: string): Instant | undefined {
    const heads = this.#heads(queue);
    return heads.length === 0 ? undefined : heads.reduce((least, { due }) => Math.min(least, due), heads[0]?.due ?? 0);
  }

  acknowledge(lease: Lease, now: Instant): boolean {
    const message = this.#held(lease, now);
    if (message !== undefined) this.#get(lease.queue).messages.delete(message.id);
    return message !== undefined;
  }

  extend(lease: Lease, leaseMs: number, now: Instant): boolean {
    const message = this.#held(lease, now);
    if (message !== undefined) message.due = now + leaseMs;
    return message !== undefined;
  }

  retry(lease: Lease, delayMs: number, cause: string, now: Instant): boolean {
    const message = this.#held(lease, now);
    if (message === undefined) return false;
    addCause(message, cause, now);
    if (message.attempts >= this.#get(lease.queue).settings.attemptsMax) {
      this.#giveUp(lease.queue, message, cause, now);
    } else {
      message.due = now + delayMs;
      message.token = undefined;
    }
    return true;
  }

  release(lease: Lease, now: Instant): boolean {
    const message = this.#held(lease, now);
    if (message === undefined) return false;
    Object.assign(message, { due: now, token: undefined, attempts: message.attempts - 1 });
    return true;
  }

  deadLetter(lease: Lease, cause: string, freesKey: boolean, now: Instant): boolean {
    const message = this.#held(lease, now);
    if (message === undefined) return false;
    if (freesKey) message.key = undefined;
    addCause(message, cause, now);
    this.#bury(lease.queue, message, cause, now);
    return true;
  }

  isCurrent(lease: Lease, now: Instant): boolean {
    return this.#held(lease, now) !== undefined;
  }

  listDeadLetters({ queue, order, limit, cursor }: DeadLetterQuery): DeadLetterPage {
    const own = [...this.#dead].filter(([, dead]) => queue === undefined || dead.queue === queue).sort();
    const ordered = order === "newest-first" ? own.reverse() : own;
    const isBeyond = (id: string) => cursor === undefined || (order === "newest-first" ? id < cursor : id > cursor);
    const left = ordered.filter(([id]) => isBeyond(id));
    const items = left.slice(0, limit).flatMap(([id]) => this.#summary(id) ?? []);
    const last = items.at(-1);
    return left.length > limit && last !== undefined ? { items, next: last.id } : { items };
  }

  readDeadLetter(id: string): DeadLetter | undefined {
    const [summary, found] = [this.#summary(id), this.#dead.get(id)];
    if (summary === undefined || found === undefined) return undefined;
    const { body, headers, causes } = found.message;
    return { ...summary, body, headers, causes };
  }

  findRecord(id: string): DeadLetterRecord | undefined {
    return this.#records.get(id);
  }

  redrive(id: string, now: Instant): DeadLetterOutcome {
    const found = this.#endDeadLetter(id, "redriven", undefined, now);
    if (found === undefined) return this.#outcomeOfGone(id);
    const { message } = found;
    Object.assign(message, { dead: undefined, attempts: 0, firstAt: undefined, token: undefined, due: now });
    message.redrives += 1;
    return "done";
  }

  discard(id: string, reason: string, now: Instant): DeadLetterOutcome {
    const found = this.#endDeadLetter(id, "discarded", reason, now);
    if (found === undefined) return this.#outcomeOfGone(id);
    this.#get(found.queue).messages.delete(found.message.id);
    return "done";
  }

  depth(queue: string): QueueDepth {
    const all = [...this.#get(queue).messages.values()];
    const [oldest] = all.filter(({ dead }) => dead === undefined);
    const deadAt = all.flatMap(({ dead }) => dead?.at ?? []);
    return {
      waiting: all.length - deadAt.length,
      deadLetters: deadAt.length,
      ...(oldest !== undefined && { oldestSentAt: oldest.sentAt }),
      ...(deadAt.length > 0 && { oldestDeadAt: deadAt.reduce((least, at) => Math.min(least, at)) }),
    };
  }

  #get(queue: string): Queue {
    const found = this.#queues.get(queue);
    invariant(found !== undefined, `the queue ${queue} was not declared`);
    return found;
  }

  /** The first message of each key, and all without one; a key whose first is a dead letter has none. */
  #heads(queue: string): Message[] {
    const keys = new Set<string>();
    return [...this.#get(queue).messages.values()].filter(({ key, dead }) => {
      const isFirst = key === undefined || !keys.has(key);
      if (key !== undefined) keys.add(key);
      return isFirst && dead === undefined;
    });
  }

  #lease(queue: string, message: Message, leasedUntil: Instant, now: Instant): Delivery {
    this.#count += 1;
    const token = String(this.#count).padStart(16, "0");
    const firstAttemptAt = message.firstAt ?? now;
    Object.assign(message, { token, due: leasedUntil, firstAt: firstAttemptAt, attempts: message.attempts + 1 });
    const { id, key, body, headers, attempts, sentAt } = message;
    const shown = { queue, id, token, body, headers, attempts, sentAt, firstAttemptAt, leasedUntil };
    return key === undefined ? shown : { ...shown, key };
  }

  #held({ queue, id, token }: Lease, now: Instant): Message | undefined {
    const message = this.#get(queue).messages.get(id);
    const holds = message?.dead === undefined && message?.token === token && message.due > now;
    return holds ? message : undefined;
  }

  /** Makes a dead letter of a message that had all its attempts. */
  #giveUp(queue: string, message: Message, lastCause: string, now: Instant): void {
    if (this.#get(queue).settings.freesKeyWhenGivenUp === true) message.key = undefined;
    this.#bury(queue, message, exhausted(message.attempts, lastCause), now);
  }

  #bury(queue: string, message: Message, cause: string, now: Instant): void {
    this.#count += 1;
    const id = `dl-${String(this.#count).padStart(16, "0")}`;
    message.dead = { id, cause, at: now };
    this.#dead.set(id, { queue, message });
  }

  #summary(id: string): DeadLetterSummary | undefined {
    const found = this.#dead.get(id);
    if (found?.message.dead === undefined) return undefined;
    const { queue, message } = found;
    const { key, attempts, redrives, sentAt, firstAt = sentAt, dead, headers } = message;
    const trace = headers["traceparent"];
    return {
      id,
      queue,
      messageId: message.id,
      ...(key !== undefined && { key }),
      cause: dead?.cause ?? "",
      attempts,
      redrives,
      sentAt,
      firstAttemptAt: firstAt,
      deadAt: dead?.at ?? 0,
      ...(trace !== undefined && { trace }),
    };
  }

  #endDeadLetter(id: string, end: DeadLetterRecord["end"], reason: string | undefined, now: Instant) {
    const found = this.#dead.get(id);
    const summary = this.#summary(id);
    if (found === undefined || summary === undefined) return undefined;
    const { queue, messageId, key, cause } = summary;
    const said = { ...(key !== undefined && { key }), ...(reason !== undefined && { reason }) };
    this.#dead.delete(id);
    this.#records.set(id, { id, queue, messageId, ...said, cause, end, endedAt: now });
    const [oldest] = this.#records.keys();
    if (this.#records.size > limits.deadLetterRecordsMax && oldest !== undefined) this.#records.delete(oldest);
    return found;
  }

  #outcomeOfGone(id: string): DeadLetterOutcome {
    return this.#records.has(id) ? "ended-before" : "unknown";
  }
}

function fill<V>(map: Map<string, V>, from: ReadonlyMap<string, V>): void {
  map.clear();
  for (const [key, value] of from) map.set(key, value);
}

function addCause(message: Message, cause: string, at: Instant): void {
  message.causes = [...message.causes, { attempt: message.attempts, at, cause }].slice(-limits.attemptCausesMax);
}

/** Forgets some ids whose time has passed; the oldest come first. */
function forgetPassed(known: Map<string, Instant>, now: Instant): void {
  for (const [id, until] of known) {
    if (until > now) return;
    known.delete(id);
  }
}
