import { formatInstant, identifierProblem, limits } from "../../../../kernel/index.ts";
import type { CloudEvent } from "../mapper.ts";
import { type ContentsFinder, withContents } from "./contents.ts";
import { identify } from "./identify.ts";
import { parseGs1Key } from "./keys.ts";
import { type CountingSurroundings, type Line, linesOf } from "./lines.ts";
import { type MeaningSurroundings, type Movement, meaningOf } from "./meaning.ts";
import type { EpcisErrorDeclaration, EpcisEvent } from "./model.ts";

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
  const event = withContents(told, around.contentsOf);
  const meaning = meaningOf(event, around);
  if (!meaning.ok) return outcomeOf(event, "rejected", meaning.rejection);
  if (typeof meaning.value === "string") return outcomeOf(event, "nothing", meaning.value);

  const key = event.eventId ?? `urn:larder:epcis:${around.digest(identify(told))}`;
  const facts: CloudEvent[] = [];
  for (const movement of meaning.value) {
    const lines = linesOf(movement.things, event, around);
    if (!lines.ok) return outcomeOf(event, "rejected", lines.rejection);
    for (const line of lines.value) {
      if (line.quantity > 0 || movement.fact === "counted") facts.push(factOf(movement, line, key, event, around));
    }
  }
  if (facts.length === 0) return outcomeOf(event, ...whyEmpty(event));
  return { kind: "facts", facts: event.error === undefined ? facts : facts.map(voidOf(event.error, around)) };
}

/** An error declaration of what recorded nothing takes nothing back. */
function outcomeOf(event: EpcisEvent, kind: "nothing" | "rejected", reason: string): MappedEvent {
  if (event.error === undefined) return { kind, reason };
  return { kind: "nothing", reason: `declares an error, and the event itself recorded nothing: ${reason}` };
}

/** A logistic unit alone moves what is in it, which the event doesn't say; anything else that is no trade item is no stock. */
function whyEmpty({ things, inputs, outputs, parent }: EpcisEvent): ["nothing" | "rejected", string] {
  const epcs = [...things.epcs, ...inputs.epcs, ...outputs.epcs];
  const unit = [...epcs, ...(parent === undefined ? [] : [parent])].find((uri) => {
    const key = parseGs1Key(uri);
    return key.ok && key.value.kind === "logistic-unit";
  });
  const hasItems = [things, inputs, outputs].some(({ quantities }) => quantities.length > 0);
  if (unit !== undefined && !hasItems)
    return ["rejected", `${unit} is a logistic unit, and neither the event nor one before it says what is in it`];
  return ["nothing", "names no units of trade items"];
}

function factOf(
  { fact, location, more, sign }: Movement,
  { item, lot, expiresOn, quantity }: Line,
  key: string,
  event: EpcisEvent,
  around: EpcisSurroundings,
): CloudEvent {
  const isDated = ["received", "returned", "dispatched", "arrived"].includes(fact);
  return {
    specversion: "1.0",
    // The parts of an event are told apart by what they are about, not by their order, which notations are free in.
    id: asId(
      [key, fact, "gtin" in item ? item.gtin : `sku:${item.sku}`, lot ?? "", expiresOn ?? ""].join(" ").trimEnd(),
      around,
    ),
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

function voidOf(error: EpcisErrorDeclaration, around: EpcisSurroundings): (fact: CloudEvent) => CloudEvent {
  const corrected = error.correctedBy.length === 0 ? "" : `; corrected by ${error.correctedBy.join(", ")}`;
  const reason = `${error.reason ?? "declared an error"}${corrected}`.slice(0, limits.textLengthMax);
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
