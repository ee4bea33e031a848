import { accept, limits, type Outcome, reject } from "../../../kernel/index.ts";
import type { OutgoingMessage } from "../../../platform/messaging/index.ts";
import type { Caller } from "../../inventory/index.ts";
import type { CaptureAccepted, CaptureProblem } from "../domain/capture/job.ts";
import type { CloudEvent } from "../domain/mapper.ts";
import { callerHeaders } from "../queue/message.ts";
import { type EventFacts, problemOf } from "./document.ts";

/** Facts of a document that are recorded in one go: what a message of the queue holds. */
export interface CapturePart {
  readonly job: string;
  /** From 0. */
  readonly part: number;
  /** With the first part: what the job begins with, for when the one who took the document in could not write it down. */
  readonly accepted?: CaptureAccepted;
  readonly events: readonly EventFacts[];
}

/** Behind the parts of a job: whatever became of them, nothing more of it is to come. */
export interface CaptureEnding {
  readonly job: string;
  readonly isEnding: true;
}

/** The message that ends a job: of its key, so that its turn comes when no part is left, none of them a dead letter. */
export function endingOf(job: string, headers: Readonly<Record<string, string>>): OutgoingMessage {
  const body: CaptureEnding = { job, isEnding: true };
  return { id: `${job}-end`, key: job, body: JSON.stringify(body), headers };
}

/** What a message of the queue holds; undefined when it is none of ours. */
export function readMessage(body: string): CapturePart | CaptureEnding | undefined {
  try {
    const read = JSON.parse(body) as Partial<CapturePart & CaptureEnding> | null;
    if (typeof read?.job !== "string") return undefined;
    const isPart = typeof read.part === "number" && Array.isArray(read.events);
    return isPart || read.isEnding === true ? (read as CapturePart | CaptureEnding) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Packs what is to be recorded into messages, in the order of the document. Whoever sent it speaks for it when it is
 * recorded too, with the limits that the credential had then; the secret does not travel.
 *
 * Rejects with `payload-too-large` when it does not fit into one call of the queue.
 */
export function partsOf(
  job: string,
  toRecord: readonly EventFacts[],
  accepted: Omit<CaptureAccepted, "parts">,
  caller: Caller,
): Outcome<{ readonly accepted: CaptureAccepted; readonly messages: readonly OutgoingMessage[] }> {
  const headers = { "content-type": "application/json", ...callerHeaders(caller) };
  const room = limits.messageBytesMax - bytesOf({ job, headers, accepted }) - envelopeBytes;
  const packed: Packed[][] = [];
  let [bytes, facts] = [Number.POSITIVE_INFINITY, 0];
  for (const event of toRecord) {
    const { facts: all, ...named } = event;
    for (const fact of all) {
      const size = bytesOf(fact) + bytesOf(named) + envelopeBytes;
      if (size > room) return tooLarge();
      if (bytes + size > room || facts === limits.batchItemsMax) {
        packed.push([]);
        [bytes, facts] = [0, 0];
      }
      addTo(packed.at(-1) ?? [], named, fact);
      bytes += size;
      facts += 1;
    }
  }
  const whole = { ...accepted, parts: packed.length };
  const messages = packed.map((events, part) => {
    const body: CapturePart = { job, part, ...(part === 0 && { accepted: whole }), events };
    return {
      id: `${job}-${part}`,
      key: job,
      body: JSON.stringify(body),
      headers,
    };
  });
  const total = messages.reduce((sum, { body }) => sum + Buffer.byteLength(body) + envelopeBytes, 0);
  if (messages.length > limits.messageBatchMax || total > limits.messageBatchBytesMax) return tooLarge();
  return accept({ accepted: whole, messages });
}

/** Above what names, brackets and headers add to what is measured. */
const envelopeBytes = 256;

type Named = Omit<EventFacts, "facts">;
type Packed = Named & { readonly facts: CloudEvent[] };

function addTo(part: Packed[], named: Named, fact: CloudEvent): void {
  const last = part.at(-1);
  if (last?.pointer === named.pointer) last.facts.push(fact);
  else part.push({ ...named, facts: [fact] });
}

/** The problems of facts that were turned down, by the events that they came from. */
export function problemsOf(
  rejected: readonly { readonly index: number; readonly code: string; readonly detail: string }[],
  events: readonly EventFacts[],
): readonly CaptureProblem[] {
  const origins = events.flatMap((event) => event.facts.map(() => event));
  return rejected.flatMap(({ index, code, detail }) => {
    const event = origins[index];
    return event === undefined ? [] : [problemOf(code, detail, event)];
  });
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function tooLarge(): Outcome<never> {
  return reject({
    code: "payload-too-large",
    detail: "The document comes to more facts than can be taken in at once. Split it.",
  });
}
