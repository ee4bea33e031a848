import { type Instant, InvariantError, limits, PlatformError } from "../../../kernel/index.ts";
import { Listener, migrate, Postgres, reading } from "../../postgres/index.ts";
import { unanswered } from "../book.ts";
import {
  checkDeclaration,
  checkLease,
  checkMessages,
  checkName,
  checkReceive,
  checkRetryDelay,
  cut,
} from "../checks.ts";
import type {
  DeadLetterOptions,
  DeadLetters,
  Delivery,
  Failure,
  Lease,
  Messaging,
  OutgoingMessage,
  QueueDeclaration,
  QueueDepth,
  ReceiveOptions,
} from "../port.ts";
import { Receivers, systemTimer, type Timer } from "../receivers.ts";
import { headersOf, PostgresDeadLetters } from "./dead-letters.ts";
import { Lane } from "./lane.ts";
import { statements } from "./statements.ts";
import { packed, unpacked } from "./texts.ts";

export interface PostgresMessagingOptions {
  /** The database's address (`Postgres`). */
  readonly url: string;
  /** The hour by which leases and delays are judged; the server's own unless given, so that processes agree. */
  readonly clock?: () => Instant;
  /** Node's own when not said. */
  readonly timer?: Timer;
  /** Milliseconds after which a receiver that waits looks again by itself, in case a notification was lost. */
  readonly pollMs?: number;
}

interface Sending {
  readonly queue: string | null;
  readonly topic: string | null;
  readonly messages: readonly OutgoingMessage[];
}
interface Sent {
  readonly outcome: "sent" | "full" | "undeclared";
  /** Those that got it, or the one that is full. */
  readonly queues: readonly string[];
  readonly room: number | null;
}
interface Receiving {
  readonly queue: string;
  readonly max: number;
  readonly bytesMax: number | undefined;
  readonly leaseMs: number;
}
interface Received {
  readonly found: readonly Delivery[];
  readonly isUndeclared: boolean;
  /** Milliseconds until something is due; undefined when nothing will be. */
  readonly dueInMs: number | undefined;
}
interface ReceivedRow {
  readonly request: number;
  readonly now: number;
  readonly undeclared: boolean;
  readonly next_due: number | null;
  readonly id: string | null;
  readonly key: string | null;
  readonly token: number;
  readonly headers: string;
  readonly body: string;
  readonly attempts: number;
  readonly sent_at: number;
  readonly first_at: number;
  readonly leased_until: number;
}
interface Answering {
  readonly act: "acknowledge" | "extend" | "retry" | "release" | "dead" | "dead-and-free" | "look";
  readonly lease: Lease;
  readonly ms: number;
  readonly cause: string | null;
}

const nothing: Received = { found: [], isUndeclared: false, dueInMs: undefined };
/** Bytes that a request without a body holds while it waits. */
const requestBytes = 256;
/** Milliseconds between looks of a waiting receiver while notifications are heard, and while they are not. */
const pollMsHeard = 5000;
const pollMsUnheard = 500;

/**
 * Opens the queues of a database, beside other processes that have them open. Makes their tables where they are not.
 *
 * Throws `PlatformError("storage-unavailable")` when the server can't be reached, is too old, or holds tables of a newer
 * version of Larder.
 */
export async function openPostgresMessaging(options: PostgresMessagingOptions): Promise<Messaging> {
  const postgres = new Postgres({ url: options.url, name: "larder queues", connectionsMax: 6 });
  try {
    await postgres.check();
    await migrate(postgres, "queues", new URL("./migrations/", import.meta.url));
    return new PostgresMessaging(postgres, options);
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

/**
 * The port on tables that several processes share. What is asked at the same time goes to the server in one call: one
 * lane each for sends, receives, and answers to leases.
 */
class PostgresMessaging implements Messaging {
  readonly deadLetters: DeadLetters;
  readonly #postgres: Postgres;
  /** The hour of this process: for waits. */
  readonly #clock: () => Instant;
  /** What the server's functions take as the hour: null for its own. */
  readonly #time: () => Instant | null;
  readonly #receivers: Receivers;
  readonly #listener: Listener;
  readonly #pollMs: number | undefined;
  readonly #sends = new Lane<Sending, Sent>((requests) => this.#callSend(requests));
  readonly #receives = new Lane<Receiving, Received>((requests) => this.#callReceive(requests));
  readonly #answers = new Lane<Answering, boolean | null>((requests) => this.#callSettle(requests));
  readonly #depths = new Lane<string, QueueDepth | undefined>((queues) => this.#callDepth(queues));
  readonly #notices = new Lane<string, undefined>((queues) => this.#callNotify(queues));
  #underWay = 0;
  #whenQuiet: (() => void) | undefined;
  #isClosed = false;

  constructor(postgres: Postgres, { clock, timer = systemTimer, pollMs }: PostgresMessagingOptions) {
    this.#postgres = postgres;
    this.#clock = clock ?? Date.now;
    this.#time = clock ?? (() => null);
    this.#receivers = new Receivers(timer);
    this.#pollMs = pollMs;
    this.#listener = new Listener(postgres, {
      channel: "larder_queue",
      heard: (queue) => this.#receivers.wake(queue),
      connected: () => this.#receivers.wakeAll(),
    });
    const wake = (queue: string) => this.#wake(queue);
    this.deadLetters = new PostgresDeadLetters({ query: this.#query, read: this.#read, time: this.#time, wake });
  }

  async declareQueue(queue: QueueDeclaration): Promise<void> {
    checkDeclaration(queue);
    const { name, deduplicationMs, attemptsMax, depthMax, freesKeyWhenGivenUp = false } = queue;
    const values = [name, deduplicationMs, attemptsMax, depthMax, limits.queuesMax, freesKeyWhenGivenUp];
    const [{ done } = { done: false }] = await this.#query<{ done: boolean }>(statements.declare, values);
    if (!done) throw new PlatformError("overloaded", `there are ${limits.queuesMax} queues already`);
  }

  async removeQueue(queue: string): Promise<void> {
    await this.#query(statements.remove, [queue]);
    this.#wake(queue);
  }

  async queues(): Promise<readonly string[]> {
    return (await this.#read<{ name: string }>(statements.queues)).map(({ name }) => name);
  }

  async subscribe(topic: string, queue: string): Promise<void> {
    checkName("topic", topic);
    const found = await this.#query(statements.subscribe, [topic, queue]);
    if (found.length === 0) throw undeclared(queue);
  }

  async unsubscribe(topic: string, queue: string): Promise<void> {
    checkName("topic", topic);
    const found = await this.#query(statements.unsubscribe, [topic, queue]);
    if (found.length === 0) throw undeclared(queue);
  }

  send(queue: string, messages: readonly OutgoingMessage[]): Promise<void> {
    return this.#send({ queue, topic: null, messages });
  }

  async publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    checkName("topic", topic);
    await this.#send({ queue: null, topic, messages });
  }

  async sendDead(queue: string, message: OutgoingMessage, failure: Failure): Promise<void> {
    checkMessages([message]);
    const { id, key, headers, body } = rowOf(message);
    const { cause, attempts, firstAttemptAt = null } = failure;
    const values = [this.#time(), queue, id, key, headers, body, packed(cut(cause)), attempts, firstAttemptAt];
    const [{ outcome, room } = { outcome: "undeclared" as const, room: null }] = await this.#query<
      Pick<Sent, "outcome" | "room">
    >(statements.sendDead, values);
    refuse({ outcome, queues: [queue], room }, queue);
  }

  async receive(queue: string, options: ReceiveOptions): Promise<readonly Delivery[]> {
    checkReceive(options);
    const { max, bytesMax, leaseMs, waitMs = 0, signal } = options;
    const until = this.#clock() + waitMs;
    for (;;) {
      const news = this.#receivers.news(queue);
      const asked = this.#clock();
      const { found, isUndeclared, dueInMs } = await this.#receives.ask(
        { queue, max, bytesMax, leaseMs },
        requestBytes,
      );
      if (isUndeclared) throw undeclared(queue);
      const now = this.#clock();
      if (found.length > 0 || now >= until || signal?.aborted === true || this.#isClosed) return found;
      const pollMs = this.#pollMs ?? (this.#listener.isConnected ? pollMsHeard : pollMsUnheard);
      // What was to be due while the answer was under way is looked for at once.
      const nextLook = Math.min(Math.max(1, dueInMs ?? pollMs) - (now - asked), pollMs);
      if (nextLook > 0) await this.#receivers.wait(queue, news, Math.min(until - now, nextLook), signal);
      if (this.#isClosed) return [];
    }
  }

  acknowledge(lease: Lease): Promise<boolean> {
    return this.#settle({ act: "acknowledge", lease, ms: 0, cause: null });
  }

  async extend(lease: Lease, leaseMs: number): Promise<boolean> {
    checkLease(leaseMs);
    return this.#answer({ act: "extend", lease, ms: leaseMs, cause: null });
  }

  async retry(lease: Lease, delayMs: number, cause: string): Promise<boolean> {
    checkRetryDelay(delayMs);
    return this.#settle({ act: "retry", lease, ms: delayMs, cause: packed(cut(cause)) });
  }

  release(lease: Lease): Promise<boolean> {
    return this.#settle({ act: "release", lease, ms: 0, cause: null });
  }

  deadLetter(lease: Lease, cause: string, { freesKey = false }: DeadLetterOptions = {}): Promise<boolean> {
    return this.#settle({ act: freesKey ? "dead-and-free" : "dead", lease, ms: 0, cause: packed(cut(cause)) });
  }

  isCurrent(lease: Lease): Promise<boolean> {
    return this.#answer({ act: "look", lease, ms: 0, cause: null });
  }

  async depth(queue: string): Promise<QueueDepth> {
    const depth = await this.#depths.ask(queue, requestBytes);
    if (depth === undefined) throw undeclared(queue);
    return depth;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#receivers.wakeAll();
    for (const lane of [this.#sends, this.#receives, this.#answers, this.#depths]) await lane.close();
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#whenQuiet = resolve));
    await this.#notices.close();
    await this.#listener.close();
    await this.#postgres.close();
  }

  /** As that of `Postgres`, for what goes in no lane; refused once closed. */
  readonly #query: Postgres["query"] = async (statement, values) => {
    if (this.#isClosed) throw new PlatformError("storage-unavailable", "the queues are closed");
    this.#underWay += 1;
    try {
      return await this.#postgres.query(statement, values);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#whenQuiet?.();
    }
  };

  /** For what only reads. */
  readonly #read: Postgres["query"] = (statement, values) => reading(() => this.#query(statement, values));

  async #send(sending: Sending): Promise<void> {
    const bytes = checkMessages(sending.messages);
    const sent = await this.#sends.ask(sending, requestBytes * (1 + sending.messages.length) + bytes);
    refuse(sent, sending.queue ?? "");
    for (const queue of sent.queues) this.#wake(queue);
  }

  async #answer(answering: Answering): Promise<boolean> {
    const held = await this.#answers.ask(answering, requestBytes);
    if (held === null) throw undeclared(answering.lease.queue);
    return held;
  }

  /** An answer after which another message of the key, or the same one, may be due. */
  async #settle(answering: Answering): Promise<boolean> {
    const isDone = await this.#answer(answering);
    if (isDone) this.#wake(answering.lease.queue);
    return isDone;
  }

  /** Something may be due in a queue: those who wait here look at once, and those of other processes soon. */
  #wake(queue: string): void {
    this.#receivers.wake(queue);
    // Lost, it costs others until they look again by themselves.
    if (!this.#isClosed) this.#notices.ask(queue, 0).catch(() => undefined);
  }

  async #callSend(requests: readonly Sending[]): Promise<readonly Sent[]> {
    const rows = requests.flatMap(({ messages }, index) =>
      messages.map((message) => ({ request: index + 1, ...rowOf(message) })),
    );
    const told = await this.#postgres.query<Sent & { request: number }>(statements.send, [
      this.#time(),
      requests.map(({ queue }) => queue),
      requests.map(({ topic }) => topic),
      rows.map(({ request }) => request),
      rows.map(({ id }) => id),
      rows.map(({ key }) => key),
      rows.map(({ headers }) => headers),
      rows.map(({ body }) => body),
      rows.map(({ delayMs }) => delayMs),
    ]);
    const outcomes = new Map(told.map((outcome) => [outcome.request - 1, outcome]));
    return requests.map(
      ({ queue }, index): Sent =>
        outcomes.get(index) ?? { outcome: "sent", queues: queue === null ? [] : [queue], room: null },
    );
  }

  async #callReceive(requests: readonly Receiving[]): Promise<readonly Received[]> {
    // Those who ask the same of a queue are asked for together, and share what comes; but not what is bounded in bytes.
    const shared = new Map<string, Receiving[]>();
    for (const [index, request] of requests.entries()) {
      const name = `${request.bytesMax === undefined ? "" : index} ${request.leaseMs} ${request.queue}`;
      shared.set(name, [...(shared.get(name) ?? []), request]);
    }
    const groups = [...shared.values()];
    const rows = await this.#postgres.query<ReceivedRow>(statements.receive, [
      this.#time(),
      groups.map(([first]) => first?.queue),
      groups.map((group) => group.reduce((sum, { max }) => sum + max, 0)),
      groups.map(([first]) => first?.leaseMs),
      groups.map(([first]) => first?.bytesMax ?? null),
      unanswered,
    ]);
    const answers = new Map<Receiving, Received>();
    const rowsOf = Map.groupBy(rows, ({ request }) => request - 1);
    for (const [index, group] of groups.entries()) {
      const own = rowsOf.get(index) ?? [];
      const { undeclared = false, next_due = null, now = 0 } = own.find(({ id }) => id === null) ?? {};
      let given = 0;
      for (const request of group) {
        const share = own.slice(given, given + request.max);
        given += share.length;
        answers.set(request, {
          found: share.flatMap((row) => (row.id === null ? [] : [deliveryOf(request.queue, row.id, row)])),
          isUndeclared: undeclared,
          dueInMs: next_due === null ? undefined : next_due - now,
        });
      }
    }
    return requests.map((request) => answers.get(request) ?? nothing);
  }

  async #callSettle(requests: readonly Answering[]): Promise<readonly (boolean | null)[]> {
    const rows = await this.#postgres.query<{ answer: number; held: boolean | null }>(statements.settle, [
      this.#time(),
      requests.map(({ act }) => act),
      requests.map(({ lease }) => lease.queue),
      requests.map(({ lease }) => packed(lease.id)),
      // A text that is none of ours is the token of nothing.
      requests.map(({ lease }) => (/^\d{16}$/.test(lease.token) ? Number(lease.token) : 0)),
      requests.map(({ ms }) => ms),
      requests.map(({ cause }) => cause),
    ]);
    const held = new Map(rows.map((row) => [row.answer, row.held]));
    return requests.map((_, index) => {
      const answer = held.get(index + 1);
      return answer === undefined ? false : answer;
    });
  }

  async #callDepth(queues: readonly string[]): Promise<readonly (QueueDepth | undefined)[]> {
    interface DepthRow {
      readonly name: string;
      readonly waiting: number;
      readonly dead: number;
      readonly oldest_sent_at: number | null;
      readonly oldest_dead_at: number | null;
    }
    const names = [...new Set(queues)];
    const rows = await reading(() => this.#postgres.query<DepthRow>(statements.depth, [names]));
    const byName = new Map(
      rows.map(({ name, waiting, dead, oldest_sent_at, oldest_dead_at }) => [
        name,
        {
          waiting,
          deadLetters: dead,
          ...(oldest_sent_at !== null && { oldestSentAt: oldest_sent_at }),
          ...(oldest_dead_at !== null && { oldestDeadAt: oldest_dead_at }),
        },
      ]),
    );
    return queues.map((queue) => byName.get(queue));
  }

  async #callNotify(queues: readonly string[]): Promise<readonly undefined[]> {
    await this.#postgres.query(statements.notify, [[...new Set(queues)]]);
    return queues.map(() => undefined);
  }
}

function rowOf({ id, key, headers, body, delayMs = 0 }: OutgoingMessage) {
  const isBare = headers === undefined || Object.keys(headers).length === 0;
  return {
    id: packed(id),
    key: key === undefined ? null : packed(key),
    headers: isBare ? "" : JSON.stringify(headers),
    body: packed(body),
    delayMs,
  };
}

function deliveryOf(queue: string, id: string, row: ReceivedRow): Delivery {
  return {
    queue,
    id: unpacked(id),
    // A token as a text that is compared as the number is.
    token: String(row.token).padStart(16, "0"),
    ...(row.key !== null && { key: unpacked(row.key) }),
    body: unpacked(row.body),
    headers: headersOf(row.headers),
    attempts: row.attempts,
    sentAt: row.sent_at,
    firstAttemptAt: row.first_at,
    leasedUntil: row.leased_until,
  };
}

function refuse({ outcome, queues, room }: Sent, queue: string): void {
  if (outcome === "undeclared") throw undeclared(queue);
  if (outcome === "full")
    throw new PlatformError("overloaded", `the queue ${queues[0]} is full: it has room for ${room} more`);
}

function undeclared(queue: string): InvariantError {
  return new InvariantError(`the queue ${queue} was not declared`);
}
