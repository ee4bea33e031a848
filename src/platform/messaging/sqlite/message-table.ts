import type { DatabaseSync } from "node:sqlite";
import type { Instant } from "../../../kernel/index.ts";
import type { AttemptCause, OutgoingMessage } from "../port.ts";
import type { DeadRow } from "./dead-table.ts";
import type { QueueRow } from "./queue-list.ts";

/** A message without its content. */
export interface MessageRow {
  readonly place: number;
  readonly id: string;
  readonly key: string | undefined;
  readonly due: Instant | undefined;
  readonly token: number | undefined;
  readonly attempts: number;
  readonly sentAt: Instant;
  readonly firstAt: Instant | undefined;
  readonly redrives: number;
  readonly causes: readonly AttemptCause[];
}

interface Content {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Times {
  readonly now: Instant;
  readonly notBefore: Instant;
  /** Undefined behind another of its key. */
  readonly due: Instant | undefined;
}

interface LeaseTerms {
  readonly token: number;
  readonly attempts: number;
  readonly due: Instant;
  readonly firstAt: Instant;
}

/** The tables `message`, `content` and `known`: each function is one or two statements. */
export class MessageTable {
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: DatabaseSync) {
    this.#sql = prepareAll(database);
  }

  /** Whether an id was sent not long ago, or its message is still there. */
  isKnown(queue: number, id: string, now: Instant): boolean {
    const known = this.#sql.known.get(queue, id);
    return known !== undefined && (Number(known["until"]) > now || this.#isThere(Number(known["place"])));
  }

  learn(queue: number, id: string, place: number, until: Instant): void {
    this.#sql.learn.run(queue, id, place, until);
  }

  /**
   * Forgets ids whose time has passed, at most so many. Those of messages that are still there are looked at again later: until
   * then their time stands below zero, for they are known only while their messages are there.
   */
  forget(now: Instant, count: number): void {
    for (const { queue, id, place } of this.#sql.listPassed.all(now, -now, count)) {
      if (this.#isThere(Number(place))) this.#sql.keepKnown.run(-(now + lookAgainMs), Number(queue), String(id));
      else this.#sql.forget.run(Number(queue), String(id));
    }
  }

  /** All of a queue, whose places lie from the first up to, not including, the second. */
  removeAll(queue: number, first: number, beyond: number): void {
    this.#sql.removeAllMessages.run(first, beyond);
    this.#sql.removeAllContent.run(first, beyond);
    this.#sql.forgetAll.run(queue);
  }

  add(queue: QueueRow, { id, key, body, headers }: OutgoingMessage, { now, notBefore, due }: Times): void {
    this.#sql.addContent.run(queue.next, headers === undefined ? "" : JSON.stringify(headers), body);
    this.#sql.add.run(queue.next, queue.number, id, key ?? null, due ?? null, notBefore, now, 0, "");
  }

  /** Puts a dead letter's message back to its place, before those of its key behind it; due at once, or behind others. */
  addAgain({ place, queue, id, key, sentAt, redrives, causes }: DeadRow, isBehind: boolean, now: Instant): void {
    const due = isBehind ? null : now;
    this.#sql.add.run(place, queue, id, key ?? null, due, now, sentAt, redrives + 1, JSON.stringify(causes));
  }

  due(queue: number, now: Instant, max: number): MessageRow[] {
    return this.#sql.due.all(queue, now, max).map(messageOf);
  }

  /** Those that are leased are due now; looks at what is leased or delayed, and not at what waits. */
  releaseLeased(queue: number, now: Instant): void {
    this.#sql.releaseLeased.run(now, queue, now);
  }

  nextDue(queue: number): Instant | undefined {
    const due = this.#sql.nextDue.get(queue)?.["due"];
    return due === undefined ? undefined : Number(due);
  }

  content(place: number): Content {
    const { headers, body } = this.#sql.content.get(place) ?? {};
    return { headers: headersOf(headers), body: String(body) };
  }

  lease({ place, causes }: MessageRow, { token, attempts, due, firstAt }: LeaseTerms): void {
    this.#sql.lease.run(token, attempts, due, firstAt, causesText(causes), place);
  }

  delay(place: number, due: Instant, token: number | undefined, causes?: readonly AttemptCause[]): void {
    if (causes === undefined) this.#sql.delay.run(due, token ?? null, place);
    else this.#sql.delayWithCauses.run(due, token ?? null, causesText(causes), place);
  }

  /** As if it had not been leased. */
  giveBack(place: number, due: Instant): void {
    this.#sql.giveBack.run(due, place);
  }

  find(queue: number, id: string): MessageRow | undefined {
    const row = this.#sql.find.get(queue, id);
    return row && messageOf(row);
  }

  remove(place: number): void {
    this.#sql.remove.run(place);
  }

  removeContent(place: number): void {
    this.#sql.removeContent.run(place);
  }

  /** The place of the first one of a key. */
  firstOfKey(queue: number, key: string): number | undefined {
    const place = this.#sql.firstOfKey.get(queue, key)?.["place"];
    return place === undefined ? undefined : Number(place);
  }

  /** Lets one be given out that has waited behind others of its key. */
  promote(place: number): void {
    this.#sql.promote.run(place);
  }

  oldestSentAt(from: number, to: number): Instant | undefined {
    const sentAt = this.#sql.oldest.get(from, to)?.["sentAt"];
    return sentAt === undefined ? undefined : Number(sentAt);
  }

  #isThere(place: number): boolean {
    return this.#sql.isThere.get(place) !== undefined;
  }
}

/** Milliseconds for which the id of a message that is still there is kept on, again and again. */
const lookAgainMs = 3_600_000;

function prepareAll(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  const columns = "place, id, key, due, token, attempts, sentAt, firstAt, redrives, causes";
  return {
    known: prepare("SELECT place, until FROM known WHERE queue = ? AND id = ?"),
    learn: prepare("INSERT OR REPLACE INTO known (queue, id, place, until) VALUES (?, ?, ?, ?)"),
    listPassed: prepare(
      "SELECT queue, id, place FROM known WHERE until BETWEEN 0 AND ? OR until BETWEEN ? AND -1 LIMIT ?",
    ),
    isThere: prepare("SELECT 1 FROM content WHERE place = ?"),
    forget: prepare("DELETE FROM known WHERE queue = ? AND id = ?"),
    keepKnown: prepare("UPDATE known SET until = ? WHERE queue = ? AND id = ?"),
    addContent: prepare("INSERT INTO content (place, headers, body) VALUES (?, ?, ?)"),
    add: prepare(
      `INSERT INTO message (place, queue, id, key, due, notBefore, token, attempts, sentAt, firstAt, redrives, causes)
       VALUES (?, ?, ?, ?, ?, ?, NULL, 0, ?, NULL, ?, ?)`,
    ),
    due: prepare(
      `SELECT ${columns} FROM message INDEXED BY message_due WHERE queue = ? AND due <= ? ORDER BY due, place LIMIT ?`,
    ),
    releaseLeased: prepare(
      "UPDATE message INDEXED BY message_due SET due = ? WHERE queue = ? AND due > ? AND token IS NOT NULL",
    ),
    nextDue: prepare(
      "SELECT due FROM message INDEXED BY message_due WHERE queue = ? AND due IS NOT NULL ORDER BY due LIMIT 1",
    ),
    content: prepare("SELECT headers, body FROM content WHERE place = ?"),
    lease: prepare("UPDATE message SET token = ?, attempts = ?, due = ?, firstAt = ?, causes = ? WHERE place = ?"),
    delay: prepare("UPDATE message SET due = ?, token = ? WHERE place = ?"),
    delayWithCauses: prepare("UPDATE message SET due = ?, token = ?, causes = ? WHERE place = ?"),
    giveBack: prepare("UPDATE message SET due = ?, token = NULL, attempts = attempts - 1 WHERE place = ?"),
    find: prepare(`SELECT ${columns} FROM message WHERE place = (SELECT place FROM known WHERE queue = ? AND id = ?)`),
    remove: prepare("DELETE FROM message WHERE place = ?"),
    removeAllMessages: prepare("DELETE FROM message WHERE place >= ? AND place < ?"),
    removeAllContent: prepare("DELETE FROM content WHERE place >= ? AND place < ?"),
    forgetAll: prepare("DELETE FROM known WHERE queue = ?"),
    removeContent: prepare("DELETE FROM content WHERE place = ?"),
    firstOfKey: prepare(
      "SELECT place FROM message INDEXED BY message_key WHERE queue = ? AND key = ? ORDER BY place LIMIT 1",
    ),
    promote: prepare("UPDATE message SET due = notBefore WHERE place = ? AND due IS NULL"),
    oldest: prepare("SELECT sentAt FROM message WHERE place >= ? AND place < ? ORDER BY place LIMIT 1"),
  };
}

function messageOf(row: Record<string, unknown>): MessageRow {
  return {
    place: Number(row["place"]),
    id: String(row["id"]),
    key: row["key"] === null ? undefined : String(row["key"]),
    due: numberOf(row["due"]),
    token: numberOf(row["token"]),
    attempts: Number(row["attempts"]),
    sentAt: Number(row["sentAt"]),
    firstAt: numberOf(row["firstAt"]),
    redrives: Number(row["redrives"]),
    causes: causesOf(row["causes"]),
  };
}

function numberOf(value: unknown): number | undefined {
  return value === null ? undefined : Number(value);
}

/** Most messages never fail: no causes are an empty text. */
function causesText(causes: readonly AttemptCause[]): string {
  return causes.length === 0 ? "" : JSON.stringify(causes);
}

export function causesOf(text: unknown): readonly AttemptCause[] {
  return text === "" ? [] : JSON.parse(String(text));
}

export function headersOf(text: unknown): Readonly<Record<string, string>> {
  return text === "" ? {} : JSON.parse(String(text));
}
