import { limits } from "../../../kernel/index.ts";
import type { Querying } from "../../postgres/index.ts";
import { exhausted } from "../book.ts";
import { checkPage, cut } from "../checks.ts";
import type {
  AttemptCause,
  DeadLetter,
  DeadLetterOutcome,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterRecord,
  DeadLetterSummary,
  DeadLetters,
} from "../port.ts";
import { statements } from "./statements.ts";
import { packed, unpacked } from "./texts.ts";

interface DeadRow {
  readonly number: number;
  readonly queue: string;
  readonly id: string;
  readonly key: string | null;
  readonly cause: string;
  readonly given_up: boolean;
  readonly attempts: number;
  readonly redrives: number;
  readonly sent_at: number;
  readonly first_at: number;
  readonly dead_at: number;
  readonly causes: readonly AttemptCause[];
  readonly headers: string;
  readonly body: string;
}

interface RecordRow extends Pick<DeadRow, "number" | "queue" | "id" | "key" | "cause" | "given_up" | "attempts"> {
  readonly ended: DeadLetterRecord["end"];
  readonly reason: string | null;
  readonly ended_at: number;
}

export interface PostgresDeadLettersOptions {
  readonly query: Querying["query"];
  /** For what only reads: asked again when its answer was lost. */
  readonly read: Querying["query"];
  /** What the functions take as the hour. */
  readonly time: () => number | null;
  /** Called when a queue may have something to give. */
  readonly wake: (queue: string) => void;
}

/** The dead letters of all queues. */
export class PostgresDeadLetters implements DeadLetters {
  readonly #query: Querying["query"];
  readonly #read: Querying["query"];
  readonly #time: () => number | null;
  readonly #wake: (queue: string) => void;

  constructor({ query, read, time, wake }: PostgresDeadLettersOptions) {
    this.#query = query;
    this.#read = read;
    this.#time = time;
    this.#wake = wake;
  }

  async list({ queue, order, limit, cursor }: DeadLetterQuery): Promise<DeadLetterPage> {
    checkPage(limit);
    const isNewest = order === "newest-first";
    const after = (cursor === undefined ? undefined : numberOf(cursor)) ?? (isNewest ? Number.MAX_SAFE_INTEGER : 0);
    const { deadNewest, deadOldest, deadNewestOf, deadOldestOf } = statements;
    const found =
      queue === undefined
        ? await this.#read<DeadRow>(isNewest ? deadNewest : deadOldest, [after, limit + 1])
        : await this.#read<DeadRow>(isNewest ? deadNewestOf : deadOldestOf, [after, limit + 1, queue]);
    const items = found.slice(0, limit).map(summaryOf);
    const last = items.at(-1);
    return found.length > limit && last !== undefined ? { items, next: last.id } : { items };
  }

  async read(id: string): Promise<DeadLetter | undefined> {
    const number = numberOf(id);
    if (number === undefined) return undefined;
    const [row] = await this.#read<DeadRow>(statements.deadOne, [number]);
    if (row === undefined) return undefined;
    const causes = row.causes.map(({ attempt, at, cause }) => ({ attempt, at, cause: unpacked(cause) }));
    return { ...summaryOf(row), body: unpacked(row.body), headers: headersOf(row.headers), causes };
  }

  async findRecord(id: string): Promise<DeadLetterRecord | undefined> {
    const number = numberOf(id);
    if (number === undefined) return undefined;
    const [row] = await this.#read<RecordRow>(statements.record, [number]);
    if (row === undefined) return undefined;
    return {
      id: idOf(row.number),
      queue: row.queue,
      messageId: unpacked(row.id),
      ...(row.key !== null && { key: unpacked(row.key) }),
      cause: causeOf(row),
      end: row.ended,
      ...(row.reason !== null && { reason: unpacked(row.reason) }),
      endedAt: row.ended_at,
    };
  }

  redrive(id: string): Promise<DeadLetterOutcome> {
    return this.#end(id, null);
  }

  discard(id: string, reason: string): Promise<DeadLetterOutcome> {
    return this.#end(id, packed(cut(reason)));
  }

  async redriveQueue(queue: string): Promise<number> {
    // Those that die again meanwhile have greater numbers, and are left for the next time.
    const [newest] = await this.#read<{ number: number | null }>(statements.newestDead, [queue]);
    if (newest?.number == null) return 0;
    let redriven = 0;
    for (;;) {
      const values = [this.#time(), queue, newest.number, limits.messageBatchMax, limits.deadLetterRecordsMax];
      const [step] = await this.#query<{ count: number }>(statements.redrive, values);
      const count = step?.count ?? 0;
      redriven += count;
      if (count > 0) this.#wake(queue);
      if (count < limits.messageBatchMax) return redriven;
    }
  }

  async #end(id: string, reason: string | null): Promise<DeadLetterOutcome> {
    const number = numberOf(id);
    if (number === undefined) return "unknown";
    const values = [this.#time(), number, reason, limits.deadLetterRecordsMax];
    const [ended] = await this.#query<{ outcome: DeadLetterOutcome; queue: string | null }>(statements.endDead, values);
    if (ended?.queue != null) this.#wake(ended.queue);
    return ended?.outcome ?? "unknown";
  }
}

function summaryOf(row: DeadRow): DeadLetterSummary {
  const trace = headersOf(row.headers)["traceparent"];
  return {
    id: idOf(row.number),
    queue: row.queue,
    messageId: unpacked(row.id),
    ...(row.key !== null && { key: unpacked(row.key) }),
    cause: causeOf(row),
    attempts: row.attempts,
    redrives: row.redrives,
    sentAt: row.sent_at,
    firstAttemptAt: row.first_at,
    deadAt: row.dead_at,
    ...(trace !== undefined && { trace }),
  };
}

function causeOf({ cause, given_up, attempts }: Pick<DeadRow, "cause" | "given_up" | "attempts">): string {
  return given_up ? exhausted(attempts, unpacked(cause)) : unpacked(cause);
}

/** Headers are kept as JSON, in which U+0000 is written as text; none as an empty text. */
export function headersOf(text: string): Readonly<Record<string, string>> {
  return text === "" ? {} : JSON.parse(text);
}

function idOf(number: number): string {
  return `dl-${String(number).padStart(16, "0")}`;
}

/** The number that an id names; undefined for a text that is none of ours. */
function numberOf(id: string): number | undefined {
  const number = /^dl-\d{16}$/.test(id) ? Number(id.slice(3)) : undefined;
  return number !== undefined && Number.isSafeInteger(number) ? number : undefined;
}
