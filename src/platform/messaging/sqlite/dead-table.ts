import type { DatabaseSync } from "node:sqlite";
import { type Instant, limits } from "../../../kernel/index.ts";
import type { AttemptCause, DeadLetter, DeadLetterQuery, DeadLetterRecord, DeadLetterSummary } from "../port.ts";
import { causesOf, headersOf, type MessageRow } from "./message-table.ts";

/** A dead letter; `number` is the token of its last lease. */
export interface DeadRow {
  readonly number: number;
  readonly place: number;
  readonly queue: number;
  readonly id: string;
  readonly key: string | undefined;
  readonly attempts: number;
  readonly sentAt: Instant;
  readonly firstAt: Instant;
  readonly deadAt: Instant;
  readonly redrives: number;
  readonly cause: string;
  readonly causes: readonly AttemptCause[];
}

/** The tables `dead` and `record`. */
export class DeadTable {
  readonly #sql: ReturnType<typeof prepareAll>;
  #records = 0;

  constructor(database: DatabaseSync) {
    this.#sql = prepareAll(database);
    this.reload();
  }

  reload(): void {
    this.#records = Number(this.#sql.countRecords.get()?.["n"]);
  }

  /** The place of the first one of a key. */
  firstOfKey(queue: number, key: string): number | undefined {
    const place = this.#sql.firstOfKey.get(queue, key)?.["place"];
    return place === undefined ? undefined : Number(place);
  }

  add(queue: number, message: MessageRow, number: number, cause: string, now: Instant): void {
    const { place, id, key, attempts, sentAt, firstAt, redrives, causes } = message;
    const times = [sentAt, firstAt ?? now, now];
    this.#sql.add.run(
      number,
      place,
      queue,
      id,
      key ?? null,
      attempts,
      ...times,
      redrives,
      cause,
      JSON.stringify(causes),
    );
  }

  removeAll(queue: number): void {
    this.#sql.removeAll.run(queue);
  }

  /** Of one queue, or of all. */
  list(queue: number | undefined, order: DeadLetterQuery["order"], limit: number, cursor?: string): DeadRow[] {
    const isNewest = order === "newest-first";
    const after = cursor === undefined ? (isNewest ? Number.MAX_SAFE_INTEGER : 0) : (numberOf(cursor) ?? 0);
    const { newest, oldest, newestOf, oldestOf } = this.#sql;
    const rows =
      queue === undefined
        ? (isNewest ? newest : oldest).all(after, limit)
        : (isNewest ? newestOf : oldestOf).all(queue, after, limit);
    return rows.map(deadOf);
  }

  get(id: string): DeadRow | undefined {
    const number = numberOf(id);
    const row = number === undefined ? undefined : this.#sql.get.get(number);
    return row && deadOf(row);
  }

  summary(dead: DeadRow, queue: string): DeadLetterSummary {
    const headers = headersOf(this.#sql.headers.get(dead.place)?.["headers"]);
    const { key } = dead;
    const trace = headers["traceparent"];
    return {
      id: idOf(dead.number),
      queue,
      messageId: dead.id,
      ...(key !== undefined && { key }),
      cause: dead.cause,
      attempts: dead.attempts,
      redrives: dead.redrives,
      sentAt: dead.sentAt,
      firstAttemptAt: dead.firstAt,
      deadAt: dead.deadAt,
      ...(trace !== undefined && { trace }),
    };
  }

  whole(dead: DeadRow, queue: string): DeadLetter {
    const { headers, body } = this.#sql.content.get(dead.place) ?? {};
    return { ...this.summary(dead, queue), body: String(body), headers: headersOf(headers), causes: dead.causes };
  }

  /** Takes a dead letter away and remembers what became of it. */
  end(dead: DeadRow, queue: string, end: DeadLetterRecord["end"], reason: string | undefined, now: Instant): void {
    const record: DeadLetterRecord = {
      id: idOf(dead.number),
      queue,
      messageId: dead.id,
      ...(dead.key !== undefined && { key: dead.key }),
      cause: dead.cause,
      end,
      ...(reason !== undefined && { reason }),
      endedAt: now,
    };
    this.#sql.remove.run(dead.number);
    this.#sql.addRecord.run(dead.number, JSON.stringify(record));
    this.#records += 1;
    if (this.#records <= limits.deadLetterRecordsMax) return;
    this.#sql.removeRecord.run();
    this.#records -= 1;
  }

  findRecord(id: string): DeadLetterRecord | undefined {
    const number = numberOf(id);
    const row = number === undefined ? undefined : this.#sql.record.get(number);
    return row && JSON.parse(String(row["body"]));
  }

  oldestDeadAt(queue: number): Instant | undefined {
    const deadAt = this.#sql.oldestOf.get(queue, 0, 1)?.["deadAt"];
    return deadAt === undefined ? undefined : Number(deadAt);
  }
}

function prepareAll(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    firstOfKey: prepare(
      "SELECT place FROM dead INDEXED BY dead_key WHERE queue = ? AND key = ? ORDER BY place LIMIT 1",
    ),
    add: prepare("INSERT INTO dead VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    newest: prepare("SELECT * FROM dead WHERE number < ? ORDER BY number DESC LIMIT ?"),
    oldest: prepare("SELECT * FROM dead WHERE number > ? ORDER BY number LIMIT ?"),
    newestOf: prepare(
      "SELECT * FROM dead INDEXED BY dead_queue WHERE queue = ? AND number < ? ORDER BY number DESC LIMIT ?",
    ),
    oldestOf: prepare(
      "SELECT * FROM dead INDEXED BY dead_queue WHERE queue = ? AND number > ? ORDER BY number LIMIT ?",
    ),
    get: prepare("SELECT * FROM dead WHERE number = ?"),
    headers: prepare("SELECT headers FROM content WHERE place = ?"),
    content: prepare("SELECT headers, body FROM content WHERE place = ?"),
    remove: prepare("DELETE FROM dead WHERE number = ?"),
    removeAll: prepare("DELETE FROM dead WHERE queue = ?"),
    countRecords: prepare("SELECT COUNT(*) AS n FROM record"),
    addRecord: prepare("INSERT INTO record (number, body) VALUES (?, ?)"),
    removeRecord: prepare("DELETE FROM record WHERE position = (SELECT MIN(position) FROM record)"),
    record: prepare("SELECT body FROM record WHERE number = ?"),
  };
}

function deadOf(row: Record<string, unknown>): DeadRow {
  return {
    number: Number(row["number"]),
    place: Number(row["place"]),
    queue: Number(row["queue"]),
    id: String(row["id"]),
    key: row["key"] === null ? undefined : String(row["key"]),
    attempts: Number(row["attempts"]),
    sentAt: Number(row["sentAt"]),
    firstAt: Number(row["firstAt"]),
    deadAt: Number(row["deadAt"]),
    redrives: Number(row["redrives"]),
    cause: String(row["cause"]),
    causes: causesOf(row["causes"]),
  };
}

function idOf(number: number): string {
  return `dl-${String(number).padStart(16, "0")}`;
}

/** The number that an id names; undefined for a text that is none of ours. */
function numberOf(id: string): number | undefined {
  return /^dl-\d{16}$/.test(id) ? Number(id.slice(3)) : undefined;
}
