import {
  accept,
  formatInstant,
  type Instant,
  identifierProblem,
  invariant,
  limits,
  normalise,
  type Outcome,
  PlatformError,
  reject,
} from "../../../kernel/index.ts";
import {
  type Delivery,
  done,
  type Handled,
  type Messaging,
  QueueWorker,
  type RetryPolicy,
  type Settled,
} from "../../../platform/messaging/index.ts";
import type { Storage } from "../../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../../platform/timers/index.ts";
import type { Caller, Inventory } from "../../inventory/index.ts";
import type {
  CaptureAccepted,
  CaptureEvent,
  CaptureJob,
  CaptureProblem,
  ErrorBehaviour,
} from "../domain/capture/job.ts";
import { type HoldOptions, untilTaken } from "../hold.ts";
import { callerHeader, readCaller } from "../queue/message.ts";
import {
  type Breathe,
  type CaptureDocument,
  type EventFacts,
  mapDocument,
  problemOf,
  readDocument,
} from "./document.ts";
import { CaptureJobs } from "./jobs.ts";
import { type CapturePart, endingOf, partsOf, problemsOf, readMessage } from "./parts.ts";
import type { CaptureJobView } from "./wire.ts";

export interface CaptureRequest {
  readonly behaviour: ErrorBehaviour;
  /** The only source that the caller is limited to, else `epcis`, when not said. */
  readonly source?: string;
  readonly leaveOut: readonly string[];
  readonly ownNames: boolean;
}

/**
 * EPCIS capture: takes documents in, and records in the background what they say of stock. `capture` judges what can be
 * judged at once; what is left to record waits in the queue `epcis`, so nothing is lost when the process ends.
 */
export interface EpcisCapture {
  /**
   * Resolves once the document is durable, with the id of its job. Rejects what is no EPCIS document, holds too much, or
   * speaks for a source that the caller may not speak for. Throws `PlatformError` when it can't be taken in now.
   */
  capture(
    document: CaptureDocument,
    request: CaptureRequest,
    caller: Caller,
  ): Promise<Outcome<{ readonly id: string }>>;
  /** A caller who is limited in any way sees only its own jobs. */
  job(id: string, caller: Caller): Promise<Outcome<CaptureJobView>>;
  /** Newest first. */
  jobs(
    query: { readonly limit: number; readonly after?: string },
    caller: Caller,
  ): Promise<Outcome<{ readonly items: readonly CaptureJobView[]; readonly next?: string }>>;
}

export interface CaptureOptions {
  readonly inventory: Inventory;
  readonly storage: Storage;
  readonly messaging: Messaging;
  readonly clock: () => Instant;
  /** A random id of 128 bits or more, as text. */
  readonly randomId: () => string;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly onSettled?: (settled: Settled) => void;
  /** The inventory takes no facts; asked for again and again. */
  readonly onHeld?: (error: unknown) => void;
  /** The queue itself failed. */
  readonly onFailure?: (error: unknown) => void;
  readonly timers?: Timers;
}

export interface RunningCapture extends EpcisCapture {
  /** Takes no more from the queue, and finishes what is under way. */
  stop(): Promise<void>;
}

export const captureQueue = "epcis";

/** Opens the queue, and begins to record what waits in it. */
export async function startCapture(options: CaptureOptions): Promise<RunningCapture> {
  await options.messaging.declareQueue({
    name: captureQueue,
    deduplicationMs: 3_600_000,
    attemptsMax: deathsMax,
    depthMax: limits.captureQueueMax,
  });
  const capture = new LocalCapture(options);
  capture.start();
  return capture;
}

/** For a part on which the inventory breaks: an outage is no attempt (`untilTaken`). */
const policy: RetryPolicy = { firstDelayMs: 1000, delayMsMax: 60_000, attemptsMax: 5, elapsedMsMax: 3_600_000 };
/** Deaths of the process at one part before it becomes a dead letter. */
const deathsMax = 100;
/** Documents that are recorded at the same time: their facts share the syncs of the disk. */
const concurrency = 4;

class LocalCapture implements RunningCapture {
  readonly #inventory: Inventory;
  readonly #messaging: Messaging;
  readonly #jobs: CaptureJobs;
  readonly #randomId: () => string;
  readonly #worker: QueueWorker;
  readonly #breathe: Breathe;
  readonly #holding: Pick<HoldOptions, "timers" | "random" | "onHeld">;

  constructor({ inventory, messaging, storage, clock, random, randomId, ...rest }: CaptureOptions) {
    const { timers = systemTimers, onFailure = () => {}, onSettled = () => {}, onHeld } = rest;
    this.#inventory = inventory;
    this.#messaging = messaging;
    this.#jobs = new CaptureJobs(storage, clock, randomId);
    this.#randomId = randomId;
    this.#breathe = () => new Promise((resolve) => timers.soon(resolve));
    this.#holding = { timers, random, onHeld };
    this.#worker = new QueueWorker({
      messaging,
      queue: captureQueue,
      handle: async (batch, signal) => await Promise.all(batch.map((delivery) => this.#handle(delivery, signal))),
      policy,
      concurrency,
      leaseMs: limits.intakeLeaseMs,
      clock,
      random,
      onSettled: (_, settled) => onSettled(settled),
      onFailure,
      timers,
    });
  }

  start(): void {
    this.#worker.start();
  }

  async stop(): Promise<void> {
    await this.#worker.stop(limits.intakeStopMs);
  }

  async capture(document: CaptureDocument, request: CaptureRequest, caller: Caller): Promise<Outcome<{ id: string }>> {
    const source = sourceFor(request, caller);
    if (!source.ok) return source;
    const read = await readDocument(document, this.#breathe);
    if (!read.ok) return read;
    const { leaveOut, ownNames, behaviour } = request;
    const understanding = { source: source.value, leaveOut, ownNames };
    const mapped = await mapDocument(read.value, understanding, this.#inventory, this.#breathe);
    if (!mapped.ok) return mapped;
    const { events, toRecord } = mapped.value;
    const isAllOrNothing = behaviour === "rollback";
    const foreseen = isAllOrNothing ? [...clashes(toRecord), ...(await this.#check(toRecord, caller))] : [];
    const problems = [...mapped.value.problems, ...foreseen];
    const first = problems.slice(0, limits.captureProblemsMax);
    const id = this.#randomId();
    const packed = partsOf(
      id,
      isAllOrNothing && problems.length > 0 ? [] : toRecord,
      { behaviour, events, problems: first, problemCount: problems.length },
      caller,
    );
    if (!packed.ok) return packed;
    const { accepted, messages } = packed.value;
    // What is to be recorded comes first: a job that nobody carries out would run for ever.
    if (messages.length > 0) await this.#messaging.send(captureQueue, messages);
    await this.#begin(id, accepted, caller.id);
    return accept({ id });
  }

  /** What recording would turn down, found out before anything is recorded. */
  async #check(toRecord: readonly EventFacts[], caller: Caller): Promise<readonly CaptureProblem[]> {
    const problems: CaptureProblem[] = [];
    let batch: EventFacts[] = [];
    let facts = 0;
    const flush = async () => {
      const items = batch.flatMap((event) => event.facts);
      problems.push(...problemsOf(await this.#inventory.checkFacts(items, caller), batch));
      [batch, facts] = [[], 0];
    };
    for (const event of toRecord) {
      batch.push(event);
      facts += event.facts.length;
      if (facts >= limits.batchItemsMax) await flush();
    }
    await flush();
    return problems;
  }

  /** The worker may have written it down before, with what came with the first part. */
  async #begin(id: string, data: CaptureAccepted, actor: string): Promise<void> {
    await this.#jobs.append(id, 0, { type: "CaptureAccepted", data }, actor);
  }

  async #handle(delivery: Delivery, signal: AbortSignal): Promise<Handled> {
    const message = readMessage(delivery.body);
    const caller = readCaller(delivery.headers[callerHeader] ?? "");
    if (message === undefined || !caller.ok)
      return { outcome: "dead", cause: "The message is no part of a captured document." };
    // A part that failed may be given up and discarded: then it is the last of its job that anyone hears of.
    if (delivery.attempts > 1 && !("isEnding" in message)) await this.#foreseeEnd(message.job, delivery);
    const work = async () =>
      "isEnding" in message
        ? await this.#end(message.job, caller.value)
        : await this.#record(message, caller.value, delivery.sentAt);
    await untilTaken(work, {
      ...this.#holding,
      signal,
      // A lease that can't be extended runs out: the part comes again, which is harmless.
      beforeNext: async () => void (await Promise.allSettled([this.#messaging.extend(delivery, limits.intakeLeaseMs)])),
    });
    return done;
  }

  /** Known while it waits: sent once, however often a part is attempted. Where no room is for it, the next attempt sends it. */
  async #foreseeEnd(job: string, { headers }: Delivery): Promise<void> {
    await this.#messaging.send(captureQueue, [endingOf(job, headers)]).catch(() => undefined);
  }

  async #end(id: string, caller: Caller): Promise<void> {
    await this.#append(id, { type: "CaptureEnded", data: {} }, caller, (job) => job.finishedAt !== undefined);
  }

  /** May be called again for the same part: its facts are known then, and it is counted once. */
  async #record(part: CapturePart, caller: Caller, takenInAt: Instant): Promise<void> {
    const { job: id, events, accepted } = part;
    if (accepted !== undefined && (await this.#jobs.read(id)).job === undefined)
      await this.#begin(id, accepted, caller.id);
    if ((await this.#jobs.read(id)).job?.recordedParts.has(part.part)) return;
    const facts = events.flatMap((event) => event.facts);
    // A clock that is ahead is one that was so when the document came.
    const receivedAt = facts.map(() => takenInAt);
    const receipt = await this.#inventory.recordFacts(facts, caller, receivedAt);
    const problems = problemsOf(receipt.rejected, events);
    const data = {
      part: part.part,
      accepted: receipt.accepted,
      duplicates: receipt.duplicates,
      problems: problems.slice(0, limits.captureProblemsMax),
      problemCount: problems.length,
    };
    const isRecorded = (job: CaptureJob) => job.recordedParts.has(part.part);
    await this.#append(id, { type: "CapturePartRecorded", data }, caller, isRecorded);
  }

  /** Appends to a job what it has not had before. */
  async #append(id: string, event: CaptureEvent, caller: Caller, hasHad: (job: CaptureJob) => boolean): Promise<void> {
    for (let attempt = 0; attempt <= limits.conflictRetriesMax; attempt += 1) {
      const { job, version } = await this.#jobs.read(id);
      // After a restore to an earlier point the job may be gone; what it recorded counts all the same.
      if (job === undefined || hasHad(job)) return;
      if (await this.#jobs.append(id, version, event, caller.id)) return;
    }
    throw new PlatformError("version-conflict", "others changed the capture job at the same time");
  }

  async job(id: string, caller: Caller): Promise<Outcome<CaptureJobView>> {
    const { job } = await this.#jobs.read(id);
    if (job === undefined || (isLimited(caller) && job.actor !== caller.id))
      return reject({ code: "not-found", detail: "There is no such capture job." });
    return accept(viewOf(id, job));
  }

  async jobs({ limit, after }: { readonly limit: number; readonly after?: string }, caller: Caller) {
    if (after !== undefined && !/^\d{1,15}$/.test(after))
      return reject({
        code: "invalid-request" as const,
        detail: "nextPageToken can't be read: hand back one that Larder has given.",
      });
    const actor = isLimited(caller) ? caller.id : undefined;
    const { found, next } = await this.#jobs.list(actor, after === undefined ? undefined : Number(after), limit);
    const items = found.map(({ id, job }) => viewOf(id, job));
    return accept({ items, ...(next !== undefined && { next: String(next) }) });
  }
}

function sourceFor({ source }: CaptureRequest, { sources }: Caller): Outcome<string> {
  const [only, ...others] = sources ?? [];
  const chosen = normalise(source ?? (only !== undefined && others.length === 0 ? only : "epcis"));
  const problem = identifierProblem(chosen);
  if (problem !== undefined) return reject({ code: "invalid-request", detail: `source ${problem}.` });
  if (sources?.has(chosen) ?? true) return accept(chosen);
  const detail = `The credential may not speak for the source ${chosen}: name one of its own by the parameter \`source\`.`;
  return reject({ code: "forbidden", detail });
}

/** Events of one id in one document that say different things: which of them would be recorded first is no matter of chance. */
function clashes(toRecord: readonly EventFacts[]): readonly CaptureProblem[] {
  const said = new Map<string, string>();
  return toRecord.flatMap((event) => {
    const clash = event.facts.find((fact) => {
      const content = JSON.stringify(fact);
      const before = said.get(fact.id);
      said.set(fact.id, before ?? content);
      return before !== undefined && before !== content;
    });
    return clash === undefined
      ? []
      : [
          problemOf(
            "event-id-reused",
            "An event before it in the document has the same id and says something else.",
            event,
          ),
        ];
  });
}

function isLimited({ locations, sources, ownReservations }: Caller): boolean {
  return locations !== undefined || sources !== undefined || ownReservations;
}

function viewOf(id: string, job: CaptureJob): CaptureJobView {
  const isOver = job.finishedAt !== undefined;
  const missing = isOver ? job.parts - job.recordedParts.size : 0;
  invariant(missing >= 0, "a job records each part once");
  const errors: CaptureJobView["errors"] = [...job.problems];
  if (missing > 0)
    errors.push({
      type: "epcisException:ImplementationException",
      title: "A part of the document was given up",
      code: "part-given-up",
      detail: `${missing} of ${job.parts} parts became dead letters of the queue ${captureQueue} and were discarded.`,
    });
  return {
    captureID: id,
    createdAt: formatInstant(job.createdAt),
    ...(job.finishedAt !== undefined && { finishedAt: formatInstant(job.finishedAt) }),
    running: !isOver,
    success: errors.length === 0,
    captureErrorBehaviour: job.behaviour,
    errors,
    errorCount: job.problemCount + (missing > 0 ? 1 : 0),
    events: job.events,
    factsRecorded: job.accepted,
    factsKnown: job.duplicates,
  };
}
