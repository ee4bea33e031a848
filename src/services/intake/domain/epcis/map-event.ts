import { beginningOf, formatInstant, identifierProblem, limits } from "../../../../kernel/index.ts";
import type { CloudEvent } from "../mapper.ts";
import { type ContentsFinder, withContents } from "./contents.ts";
import { identify } from "./identify.ts";
import { type CountingSurroundings, type Line, type LotData, linesOf } from "./lines.ts";
import { type MeaningSurroundings, type Movement, meaningOf } from "./meaning.ts";
import type { EpcisErrorDeclaration, EpcisEvent } from "./model.ts";
import { encoded } from "./own-names.ts";

/** What a mapping needs to know of the world. */
export interface EpcisSurroundings extends MeaningSurroundings, CountingSurroundings {
  /** CloudEvents source of the facts; with an event's id it names its facts for ever. */
  readonly source: string;
  /** What is in a logistic unit. */
  readonly contentsOf: ContentsFinder;
  /** A digest that nobody can make collide, in characters that are safe anywhere. Ids come from it. */
  readonly digest: (text: string) => string;
}

/** What becomes of an event: all of it or nothing. */
export type MappedEvent =
  | { readonly kind: "facts"; readonly facts: readonly CloudEvent[] }
  | { readonly kind: "nothing"; readonly reason: string }
  | { readonly kind: "rejected"; readonly reason: string };

/**
 * The facts of an event, by the table of docs/reference/epcis.md. Of an event that declares itself an error: voids of the
 * facts that it made when it was told first.
 */
export function mapEvent(told: EpcisEvent, around: EpcisSurroundings): MappedEvent {
  const opened = withContents(told, around.contentsOf);
  const event = opened.ok ? opened.value : told;
  const meaning = meaningOf(event, around);
  if (!meaning.ok) return outcomeOf(event, "rejected", meaning.rejection);
  if (typeof meaning.value === "string") return outcomeOf(event, "nothing", meaning.value);
  if (!opened.ok) return outcomeOf(event, "rejected", opened.rejection);

  const key = event.eventId ?? `urn:larder:epcis:${around.digest(identify(told))}`;
  const facts: CloudEvent[] = [];
  for (const movement of meaning.value) {
    const lines = linesOf(movement.things, madeBy(event, movement), around);
    if (!lines.ok) return outcomeOf(event, "rejected", lines.rejection);
    for (const line of lines.value) {
      if (line.quantity > 0 || movement.fact === "counted") facts.push(factOf(movement, line, key, event, around));
    }
  }
  if (facts.length === 0) return outcomeOf(event, "nothing", "names no units of trade items");
  return { kind: "facts", facts: event.error === undefined ? facts : facts.map(voidOf(event.error, around)) };
}

/**
 * An error declaration of what means nothing takes nothing back. One of an event that can't be mapped now may have been
 * mapped when it was told first: what it recorded would stand, so nobody may take that for done.
 */
function outcomeOf(event: EpcisEvent, kind: "nothing" | "rejected", reason: string): MappedEvent {
  if (event.error === undefined) return { kind, reason };
  const so = kind === "nothing" ? "the event itself recorded nothing" : "it can't be told what to take back";
  return { kind, reason: `declares an error, and ${so}: ${reason}` };
}

/** Master data is of what an event brings into being; what a transformation uses up was there before (EPCIS 2.0, section 7.4.6). */
function madeBy(event: EpcisEvent, { things }: Movement): LotData {
  return things === event.inputs ? {} : event;
}

function factOf(movement: Movement, line: Line, key: string, event: EpcisEvent, around: EpcisSurroundings): CloudEvent {
  const { fact, location, more, sign } = movement;
  const { item, lot, expiresOn, quantity } = line;
  const isDated = ["received", "returned", "dispatched", "arrived"].includes(fact);
  return {
    specversion: "1.0",
    id: asId(idOf(movement, line, key), around),
    source: around.source,
    type: `larder.stock.${fact}.v1`,
    time: formatInstant(event.time),
    data: {
      ...item,
      location,
      ...(lot !== undefined && { lot }),
      ...(isDated && expiresOn !== undefined && { expiresOn }),
      ...(sign === undefined ? { quantity } : { delta: sign * quantity }),
      ...more,
    },
  };
}

/**
 * What a fact is known by for ever: its event, the side of stock that it is on, the item, the lot and the last date; why so
 * stands in docs/adr/0033. The facts of an event are told apart by what they are about, not by their order, which notations
 * are free in. Only the first part can hold a blank, so that no two facts come to one text.
 */
function idOf(movement: Movement, { item, lot, expiresOn }: Line, key: string): string {
  const parts = [key, sideOf(movement), "gtin" in item ? item.gtin : `sku:${encoded(item.sku)}`];
  if (lot !== undefined) parts.push(`lot:${encoded(lot)}`);
  if (expiresOn !== undefined) parts.push(`expires:${expiresOn}`);
  return parts.join(" ");
}

/**
 * Which way a movement goes. Whether what leaves is sold or dispatched may change with what is registered, but not that it
 * leaves: the same event told again must meet the fact that it made before.
 */
function sideOf({ fact, sign }: Movement): string {
  switch (fact) {
    case "sold":
    case "dispatched":
      return "out";
    case "received":
    case "returned":
    case "arrived":
      return "in";
    case "adjusted":
      return sign === 1 ? "in" : "out";
    default:
      return fact;
  }
}

function voidOf(error: EpcisErrorDeclaration, around: EpcisSurroundings): (fact: CloudEvent) => CloudEvent {
  const corrected = error.correctedBy.length === 0 ? "" : `; corrected by ${error.correctedBy.join(", ")}`;
  const reason = beginningOf(`${error.reason ?? "declared an error"}${corrected}`, limits.textLengthMax);
  return ({ id, source }) => ({
    specversion: "1.0",
    id: asId(`${id} void`, around),
    source,
    type: "larder.fact.voided.v1",
    time: formatInstant(error.declaredAt),
    data: { source, id, reason },
  });
}

function asId(text: string, { digest }: EpcisSurroundings): string {
  return identifierProblem(text) === undefined ? text : `urn:larder:epcis:${digest(text)}`;
}
