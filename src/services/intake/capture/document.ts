import { hash } from "node:crypto";
import { accept, limits, type Outcome, reject, shortened } from "../../../kernel/index.ts";
import type { Inventory } from "../../inventory/index.ts";
import type { CaptureProblem } from "../domain/capture/job.ts";
import { Contents } from "../domain/epcis/contents.ts";
import type { BaseUnit, OwnItems } from "../domain/epcis/lines.ts";
import { type EpcisSurroundings, mapEvent } from "../domain/epcis/map-event.ts";
import type { ReadEvent } from "../domain/epcis/model.ts";
import { glnsIn, gtinsIn, ownSkusIn } from "../domain/epcis/named.ts";
import { ownLocationOf } from "../domain/epcis/own-names.ts";
import { type PlaceFinder, placeFinder } from "../domain/epcis/places.ts";
import { readJsonDocument } from "../domain/epcis/read-json.ts";
import { bareSteps } from "../domain/epcis/vocabulary.ts";
import type { CloudEvent } from "../domain/mapper.ts";
import { XmlEventReader, XmlRefused } from "../epcis/read-xml.ts";

/** A document as it came over the wire. */
export type CaptureDocument = { readonly json: unknown } | { readonly xml: string };

/** How a document is to be understood. */
export interface Understanding {
  /** CloudEvents source of the facts: with the ids of the events it names them for ever. */
  readonly source: string;
  /** Business steps to record nothing for, because the partner tells the same movement by another step too. */
  readonly leaveOut: readonly string[];
  /** Whether Larder's own URIs name items and locations of ours: the document is from a Larder that has the same. */
  readonly ownNames: boolean;
}

/** What is to be recorded of one event. */
export interface EventFacts {
  readonly eventID?: string;
  readonly pointer: string;
  readonly facts: readonly CloudEvent[];
}

export interface MappedDocument {
  readonly events: number;
  /** Only events that come to facts. */
  readonly toRecord: readonly EventFacts[];
  readonly problems: readonly CaptureProblem[];
}

/** Lets others have their turn. */
export type Breathe = () => Promise<void>;

/** Characters of XML that are read before others have their turn, and events, lookups: about a millisecond or two. */
const xmlPieceChars = 16_384;
const eventsAtOnce = 10;
const lookupsAtOnce = 500;

/** The events of a document, in its order. Rejects what is no EPCIS document, or holds too much. */
export async function readDocument(
  document: CaptureDocument,
  breathe: Breathe,
): Promise<Outcome<readonly ReadEvent[]>> {
  const read = "xml" in document ? await readXml(document.xml, breathe) : readJson(document.json);
  if (read.ok && read.value.length > limits.captureEventsMax)
    return tooLarge(`a document has at most ${limits.captureEventsMax} events`);
  return read;
}

function readJson(json: unknown): Outcome<readonly ReadEvent[]> {
  const read = readJsonDocument(json);
  if (read.ok) return read;
  const { pointer, detail } = read.rejection;
  const where = pointer === "" ? "" : ` at ${pointer}`;
  return reject({ code: "invalid-request", detail: `The document${where} ${detail}.` });
}

async function readXml(text: string, breathe: Breathe): Promise<Outcome<readonly ReadEvent[]>> {
  const reader = new XmlEventReader();
  const events: ReadEvent[] = [];
  try {
    for (let from = 0; from < text.length && events.length <= limits.captureEventsMax; from += xmlPieceChars) {
      events.push(...reader.push(text.slice(from, from + xmlPieceChars)));
      await breathe();
    }
    if (events.length <= limits.captureEventsMax) events.push(...reader.finish());
    return accept(events);
  } catch (error) {
    if (!(error instanceof XmlRefused)) throw error;
    return reject({ code: "invalid-request", detail: `Line ${error.line} of the document: ${error.message}.` });
  }
}

/** Maps the events of a document to facts, with items and places as they are registered now. */
export async function mapDocument(
  events: readonly ReadEvent[],
  understanding: Understanding,
  inventory: Registered,
  breathe: Breathe,
): Promise<Outcome<MappedDocument>> {
  const contents = new Contents();
  let thingsOpened = 0;
  const around: EpcisSurroundings = {
    source: understanding.source,
    leftOut: bareSteps(understanding.leaveOut),
    digest: (text) => hash("sha256", text, "hex"),
    ...(await lookUp(events, understanding.ownNames, inventory, breathe)),
    contentsOf(units) {
      const found = thingsOpened > limits.captureThingsMax ? undefined : contents.of(units);
      if (found !== undefined) thingsOpened += found.epcs.length + found.quantities.length;
      return found;
    },
  };
  const toRecord: EventFacts[] = [];
  const problems: CaptureProblem[] = [];
  let facts = 0;
  for (const [index, read] of events.entries()) {
    if (index % eventsAtOnce === 0) await breathe();
    const { pointer, event } = read;
    if (!event.ok) {
      const { pointer: where, detail } = event.rejection;
      problems.push(problemOf("unreadable-event", `${where}: ${detail}`, { pointer, ...idIn(read) }));
      continue;
    }
    contents.note(event.value);
    const mapped = mapEvent(event.value, around);
    if (thingsOpened > limits.captureThingsMax)
      return tooLarge(`its logistic units open to at most ${limits.captureThingsMax} things`);
    if (mapped.kind === "rejected")
      problems.push(problemOf("unmappable-event", mapped.reason, { pointer, ...idIn(read) }));
    if (mapped.kind !== "facts") continue;
    facts += mapped.facts.length;
    if (facts > limits.captureFactsMax) return tooLarge(`it may come to at most ${limits.captureFactsMax} facts`);
    toRecord.push({ pointer, ...idIn(read), facts: mapped.facts });
  }
  return accept({ events: events.length, toRecord, problems });
}

/** What is asked of the inventory. */
type Registered = Pick<Inventory, "item" | "itemsByGtin" | "locationsByGln">;

/** Items and places that a document names, each asked for once. */
async function lookUp(
  events: readonly ReadEvent[],
  ownNames: boolean,
  inventory: Registered,
  breathe: Breathe,
): Promise<Pick<EpcisSurroundings, "unitOf" | "ownItems" | "placeOf">> {
  const items = new Map<string, { readonly sku: string; readonly unit: BaseUnit } | undefined>();
  const ownUnits = new Map<string, BaseUnit | undefined>();
  const locations: Record<string, string> = {};
  let lookups = 0;
  const pause = async () => {
    lookups += 1;
    if (lookups % lookupsAtOnce === 0) await breathe();
  };
  for (const { event } of events) {
    if (!event.ok) continue;
    for (const gtin of gtinsIn(event.value)) {
      if (items.has(gtin)) continue;
      const found = await inventory.itemsByGtin(gtin);
      items.set(gtin, found.ok ? found.value.items[0] : undefined);
      await pause();
    }
    for (const sku of ownNames ? ownSkusIn(event.value) : []) {
      if (ownUnits.has(sku)) continue;
      const found = await inventory.item(sku);
      ownUnits.set(sku, found.ok ? found.value.unit : undefined);
      await pause();
    }
    for (const gln of glnsIn(event.value)) {
      if (gln in locations) continue;
      const found = await inventory.locationsByGln(gln, anyone);
      const id = found.ok ? found.value.items[0]?.id : undefined;
      if (id !== undefined) locations[gln] = id;
      await pause();
    }
  }
  const places = placeFinder(locations);
  const byGln = places.ok ? places.value : () => undefined;
  const byOwnName: PlaceFinder = (uri) => {
    const location = ownNames ? ownLocationOf(uri) : undefined;
    return location === undefined ? undefined : { location, isPart: false };
  };
  const ownItems: OwnItems = { skuOf: (gtin) => items.get(gtin)?.sku, unitOf: (sku) => ownUnits.get(sku) };
  return {
    unitOf: (gtin) => items.get(gtin)?.unit,
    ...(ownNames && { ownItems }),
    placeOf: (uri) => byGln(uri) ?? byOwnName(uri),
  };
}

/**
 * Places are looked up for whoever sends the document: an event at a place that they may not speak for is refused when it
 * is judged, and not taken for one that happened elsewhere.
 */
const anyone = { id: "system:epcis", ownReservations: false };

export function problemOf(
  code: string,
  detail: string,
  event: { readonly eventID?: string; readonly pointer: string },
): CaptureProblem {
  const isForbidden = code === "forbidden";
  return {
    type: isForbidden ? "epcisException:SecurityException" : "epcisException:ValidationException",
    title: "The event was not captured",
    code,
    detail: shortened(detail, limits.textLengthMax),
    ...(event.eventID !== undefined && { eventID: event.eventID }),
    pointer: event.pointer,
  };
}

/** The event's id as far as it can be told, also of one that can't be read. */
function idIn({ raw, event }: ReadEvent): { readonly eventID?: string } {
  const told = event.ok ? event.value.eventId : (raw as { readonly eventID?: unknown } | null)?.eventID;
  return typeof told === "string" && told !== "" ? { eventID: shortened(told, limits.identifierLengthMax) } : {};
}

function tooLarge(why: string): Outcome<never> {
  return reject({ code: "payload-too-large", detail: `The document is too large: ${why}. Split it.` });
}
