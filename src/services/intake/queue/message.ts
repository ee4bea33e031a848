/**
 * Facts as messages of the queue `intake`. The body is a CloudEvent, or a list of those of one key that came in one request:
 * a key gets on at one message a round, so that a till which uploads its day would wait long for its best seller. The
 * headers say who sent it.
 */
import { hash } from "node:crypto";
import {
  accept,
  formatInstant,
  type Instant,
  limits,
  parseInstant,
  type Result,
  reject,
} from "../../../kernel/index.ts";
import type { Delivery, OutgoingMessage } from "../../../platform/messaging/index.ts";
import type { Caller } from "../../inventory/index.ts";
import { orderKey } from "../domain/order-key.ts";

/** The header that holds the caller: who it is and how far its word reaches, never its key. */
export const callerHeader = "larder-caller";
/** The header that says when a fact was received, where that was before its message was sent. */
const receiptHeader = "larder-received-at";
const contentType = "content-type";
const single = "application/cloudevents+json";
const list = "application/cloudevents-batch+json";

export interface FactContext {
  readonly caller: Caller;
  /** W3C trace context of the request that brought it. */
  readonly traceparent?: string;
}

/**
 * Makes messages of one caller's facts, in their order by key. The same facts of the same caller, together, are the same
 * messages.
 */
export function factMessages(
  facts: readonly unknown[],
  { caller, traceparent }: FactContext,
): readonly OutgoingMessage[] {
  const told = JSON.stringify(toldCaller(caller));
  const headers = { [callerHeader]: told, ...(traceparent !== undefined && { traceparent }) };
  const room = limits.messageBytesMax - bytesOf({ id: "", body: "", headers }) - envelopeBytes;
  const messages: OutgoingMessage[] = [];
  /** Those that may take more, by key. */
  const open = new Map<string, { bytes: number; readonly bodies: string[] }>();
  for (const fact of facts) {
    const body = JSON.stringify(fact);
    const key = orderKey(fact);
    if (key === undefined) {
      messages.push(messageOf([body], headers, undefined));
      continue;
    }
    const bytes = Buffer.byteLength(body) + 1;
    const found = open.get(key);
    if (found !== undefined && found.bodies.length < limits.intakeMessageFactsMax && found.bytes + bytes <= room) {
      found.bodies.push(body);
      found.bytes += bytes;
      continue;
    }
    if (found !== undefined) messages.push(messageOf(found.bodies, headers, key));
    open.set(key, { bytes, bodies: [body] });
  }
  for (const [key, { bodies }] of open) messages.push(messageOf(bodies, headers, key));
  return messages;
}

/** Bytes for the content type, and for what stands around a list. */
const envelopeBytes = 256;

function messageOf(
  bodies: readonly string[],
  headers: Readonly<Record<string, string>>,
  key: string | undefined,
): OutgoingMessage {
  const [first = ""] = bodies;
  const isSingle = bodies.length === 1;
  const body = isSingle ? first : `[${bodies.join(",")}]`;
  return {
    id: hash("sha256", `${headers[callerHeader]}\n${body}`, "base64url"),
    body,
    headers: { ...headers, [contentType]: isSingle ? single : list },
    ...(key !== undefined && { key }),
  };
}

/** One fact of a message as a message of its own, in no order: what becomes of it is no concern of the others. */
export function aloneOf(fact: unknown, { headers, sentAt }: Pick<Delivery, "headers" | "sentAt">): OutgoingMessage {
  const kept = { ...headers, [receiptHeader]: formatInstant(receiptOf({ headers, sentAt })) };
  return messageOf([JSON.stringify(fact)], kept, undefined);
}

/** When the facts of a message were received. */
export function receiptOf({ headers, sentAt }: Pick<Delivery, "headers" | "sentAt">): Instant {
  const told = headers[receiptHeader];
  return (told === undefined ? undefined : parseInstant(told)) ?? sentAt;
}

/** About how many bytes a message is, as its limit counts them. */
export function bytesOf({ body, headers = {} }: OutgoingMessage): number {
  const texts = [body, ...Object.entries(headers).flat()];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

export interface WaitingFacts {
  readonly facts: readonly unknown[];
  /** As the header has it: messages with the same one are of the same caller. */
  readonly told: string;
}

/** Reads a message's body; the caller in its header is read by `readCaller`. Rejects with a sentence. */
export function readFacts({ body, headers }: Pick<Delivery, "body" | "headers">): Result<WaitingFacts, string> {
  const told = headers[callerHeader];
  if (told === undefined) return reject(`The message does not say who sent it: it lacks the header ${callerHeader}.`);
  try {
    const content: unknown = JSON.parse(body);
    const isList = headers[contentType] === list && Array.isArray(content);
    return accept({ facts: isList ? content : [content], told });
  } catch (error) {
    return reject(`The message is not JSON (${error instanceof Error ? error.message : "unreadable"}).`);
  }
}

interface ToldCaller {
  readonly id: string;
  readonly locations?: readonly string[];
  readonly sources?: readonly string[];
  readonly ownReservations: boolean;
}

/** The header that says who sent a message. */
export function callerHeaders(caller: Caller): Readonly<Record<string, string>> {
  return { [callerHeader]: JSON.stringify(toldCaller(caller)) };
}

function toldCaller({ id, locations, sources, ownReservations }: Caller): ToldCaller {
  return {
    id,
    ...(locations && { locations: [...locations] }),
    ...(sources && { sources: [...sources] }),
    ownReservations,
  };
}

/** Reads the header that `factMessages` wrote. What is not just so is no caller: limits are never guessed. */
export function readCaller(told: string): Result<Caller, string> {
  const caller = parsed(told);
  const { id, locations, sources, ownReservations } = caller ?? {};
  const areLimits = [locations, sources].every((texts) => texts === undefined || isTexts(texts));
  if (typeof id !== "string" || !areLimits || typeof ownReservations !== "boolean")
    return reject(`The message does not say who sent it: its header ${callerHeader} can't be read.`);
  return accept({
    id,
    ...(isTexts(locations) && { locations: new Set(locations) }),
    ...(isTexts(sources) && { sources: new Set(sources) }),
    ownReservations,
  });
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}
