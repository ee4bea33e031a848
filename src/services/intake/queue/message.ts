/** A fact as a message of the queue `intake`: its body is the CloudEvent, its headers say who sent it. */
import { hash } from "node:crypto";
import { accept, type Result, reject } from "../../../kernel/index.ts";
import type { Delivery, OutgoingMessage } from "../../../platform/messaging/index.ts";
import type { Caller } from "../../inventory/index.ts";
import { orderKey } from "../domain/order-key.ts";

/** The header that holds the caller: who it is and how far its word reaches, never its key. */
export const callerHeader = "larder-caller";

export interface FactContext {
  readonly caller: Caller;
  /** W3C trace context of the request that brought it. */
  readonly traceparent?: string;
}

/** Makes messages of one caller's facts. The same fact of the same caller is the same message. */
export function factMessages(
  facts: readonly unknown[],
  { caller, traceparent }: FactContext,
): readonly OutgoingMessage[] {
  const told = JSON.stringify(toldCaller(caller));
  const headers = {
    "content-type": "application/cloudevents+json",
    [callerHeader]: told,
    ...(traceparent !== undefined && { traceparent }),
  };
  return facts.map((fact) => {
    const body = JSON.stringify(fact);
    const key = orderKey(fact);
    const id = hash("sha256", `${told}\n${body}`, "base64url");
    return { id, body, headers, ...(key !== undefined && { key }) };
  });
}

/** About how many bytes a message is, as its limit counts them. */
export function bytesOf({ body, headers = {} }: OutgoingMessage): number {
  const texts = [body, ...Object.entries(headers).flat()];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

export interface WaitingFact {
  readonly fact: unknown;
  /** As the header has it: messages with the same one are of the same caller. */
  readonly told: string;
}

/** Reads a message's body; the caller in its header is read by `readCaller`. Rejects with a sentence. */
export function readFact({ body, headers }: Pick<Delivery, "body" | "headers">): Result<WaitingFact, string> {
  const told = headers[callerHeader];
  if (told === undefined) return reject(`The message does not say who sent it: it lacks the header ${callerHeader}.`);
  try {
    return accept({ fact: JSON.parse(body), told });
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
  const areLimits = [locations, sources].every((list) => list === undefined || isTexts(list));
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
