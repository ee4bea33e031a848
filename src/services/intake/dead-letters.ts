import { accept, formatInstant, type Outcome, reject } from "../../kernel/index.ts";
import type {
  DeadLetter,
  DeadLetterOutcome,
  DeadLetterRecord,
  DeadLetterSummary,
  Messaging,
} from "../../platform/messaging/index.ts";
import type { Caller } from "../inventory/index.ts";
import type { DeadLetterDetail, DeadLetterEnd, DeadLettersPage, DeadLetterView, RedriveAnswer } from "./wire.ts";

/** What became of dead letters, for the server's log. */
export type DeadLetterObserver = (ended: {
  readonly actor: string;
  readonly end: "redriven" | "discarded";
  readonly queue: string;
  /** Absent when all of the queue were redriven. */
  readonly id?: string;
  readonly reason?: string;
  readonly count: number;
}) => void;

/**
 * The dead letters of every queue, for those who look after the server. They show what others sent, so that a caller who
 * is limited to locations, sources or own reservations is `forbidden`.
 */
export class DeadLetterDesk {
  readonly #messaging: Messaging;
  readonly #observe: DeadLetterObserver;

  constructor(messaging: Messaging, observe: DeadLetterObserver = () => undefined) {
    this.#messaging = messaging;
    this.#observe = observe;
  }

  /** Newest first; of all queues when none is named. */
  async list(
    query: { readonly queue?: string; readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ): Promise<Outcome<DeadLettersPage>> {
    const refused = limited(caller) ?? (await this.#unknownQueue(query.queue));
    if (refused !== undefined) return refused;
    const { items, next } = await this.#messaging.deadLetters.list({ ...query, order: "newest-first" });
    return accept({ items: items.map(viewOf), ...(next !== undefined && { next }) });
  }

  async read(id: string, caller: Caller): Promise<Outcome<DeadLetterDetail>> {
    const refused = limited(caller);
    if (refused !== undefined) return refused;
    const found = await this.#messaging.deadLetters.read(id);
    return found === undefined ? this.#gone(id) : accept(detailOf(found));
  }

  /** Lets it be handled again. Repeated, it changes nothing more; `dead-letter-ended` when it was discarded. */
  async redrive(id: string, caller: Caller): Promise<Outcome<DeadLetterEnd>> {
    return await this.#end(id, "redriven", undefined, caller);
  }

  /** Removes it for good. Repeated, it changes nothing more; `dead-letter-ended` when it was redriven. */
  async discard(id: string, reason: string, caller: Caller): Promise<Outcome<DeadLetterEnd>> {
    return await this.#end(id, "discarded", reason, caller);
  }

  /** Redrives those that are there now, oldest first. */
  async redriveQueue(queue: string, caller: Caller): Promise<Outcome<RedriveAnswer>> {
    const refused = limited(caller) ?? (await this.#unknownQueue(queue));
    if (refused !== undefined) return refused;
    const redriven = await this.#messaging.deadLetters.redriveQueue(queue);
    if (redriven > 0) this.#observe({ actor: caller.id, end: "redriven", queue, count: redriven });
    return accept({ queue, redriven });
  }

  async #end(
    id: string,
    end: DeadLetterRecord["end"],
    reason: string | undefined,
    caller: Caller,
  ): Promise<Outcome<DeadLetterEnd>> {
    const refused = limited(caller);
    if (refused !== undefined) return refused;
    const { deadLetters } = this.#messaging;
    const outcome: DeadLetterOutcome = await (reason === undefined
      ? deadLetters.redrive(id)
      : deadLetters.discard(id, reason));
    const record = await deadLetters.findRecord(id);
    if (record === undefined) return notFound();
    if (outcome === "done")
      this.#observe({ actor: caller.id, end, queue: record.queue, id, count: 1, ...(reason && { reason }) });
    if (record.end === end) return accept(endOf(record));
    return reject({ code: "dead-letter-ended", detail: `It was ${endInWords(record)}.`, extra: { ...endOf(record) } });
  }

  async #gone(id: string): Promise<Outcome<never>> {
    const record = await this.#messaging.deadLetters.findRecord(id);
    return record === undefined ? notFound() : notFound(`This dead letter was ${endInWords(record)}.`);
  }

  async #unknownQueue(queue: string | undefined): Promise<Outcome<never> | undefined> {
    if (queue === undefined) return undefined;
    const queues = await this.#messaging.queues();
    if (queues.includes(queue)) return undefined;
    return notFound(`There is no such queue; there are: ${queues.join(", ") || "none"}.`);
  }
}

function limited({ locations, sources, ownReservations }: Caller): Outcome<never> | undefined {
  if (locations === undefined && sources === undefined && !ownReservations) return undefined;
  const detail = "Only a credential that is not limited to locations, sources or its own reservations may see these.";
  return reject({ code: "forbidden", detail });
}

function notFound(detail = "There is no such dead letter."): Outcome<never> {
  return reject({ code: "not-found", detail });
}

function endInWords({ end, endedAt, reason }: DeadLetterRecord): string {
  return `${end} at ${formatInstant(endedAt)}${reason === undefined ? "" : `: ${reason}`}`;
}

function viewOf({ sentAt, firstAttemptAt, deadAt, ...rest }: DeadLetterSummary): DeadLetterView {
  return {
    ...rest,
    sentAt: formatInstant(sentAt),
    firstAttemptAt: formatInstant(firstAttemptAt),
    deadAt: formatInstant(deadAt),
  };
}

function detailOf({ body, headers, causes, ...summary }: DeadLetter): DeadLetterDetail {
  return {
    ...viewOf(summary),
    message: { ...contentOf(body), headers: { ...headers } },
    causes: causes.map(({ attempt, at, cause }) => ({ attempt, at: formatInstant(at), cause })),
  };
}

function contentOf(body: string): { readonly json: unknown } | { readonly text: string } {
  try {
    return { json: JSON.parse(body) };
  } catch {
    return { text: body };
  }
}

function endOf({ key: _key, endedAt, ...rest }: DeadLetterRecord): DeadLetterEnd {
  return { ...rest, endedAt: formatInstant(endedAt) };
}
