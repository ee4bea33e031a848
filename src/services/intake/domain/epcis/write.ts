import { formatInstant, type Instant, isDate } from "../../../../kernel/index.ts";
import type { BaseUnit } from "./lines.ts";
import type { EpcisAction } from "./model.ts";
import { own } from "./own.ts";
import { encoded, uriOfOwnItem, uriOfOwnLocation } from "./own-names.ts";
import { heldDispositions, removalReasons } from "./rules.ts";

/** A recorded event of the change feed, as far as it is written. */
export interface RecordedFact {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What the outside world calls our items and places. */
export interface EpcisNames {
  /** 14 digits; undefined for an item without one, which goes by Larder's own URI. */
  readonly gtinOf: (sku: string) => string | undefined;
  readonly unitOf: (sku: string) => BaseUnit | undefined;
  /** A GLN (13 digits) or a URI; undefined for a place that has none. */
  readonly placeOf: (location: string) => string | undefined;
  /** What was recorded of a fact for one stock, for a later event that voids it: of an order, a sale beside what was fulfilled. */
  readonly recorded: (fact: {
    readonly source: string;
    readonly id: string;
    readonly sku: string;
    readonly location: string;
  }) => readonly RecordedFact[];
}

const standardContext = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld";

/** An `EPCISDocument` in JSON-LD of events that `epcisEventsOf` gave. */
export function epcisDocument(events: readonly object[], createdAt: Instant): Readonly<Record<string, unknown>> {
  return {
    "@context": [standardContext, { larder: "urn:larder:epcis:" }],
    type: "EPCISDocument",
    schemaVersion: "2.0",
    creationDate: formatInstant(createdAt),
    epcisBody: { eventList: events },
  };
}

/** The answer to a query: an `EPCISQueryDocument` in JSON-LD of events that `epcisEventsOf` gave. */
export function epcisQueryDocument(events: readonly object[], createdAt: Instant): Readonly<Record<string, unknown>> {
  const results = { queryName: "SimpleEventQuery", resultsBody: { eventList: events } };
  return {
    ...epcisDocument([], createdAt),
    type: "EPCISQueryDocument",
    epcisBody: { queryResults: results },
  };
}

type Told = Readonly<Record<string, unknown>>;

/**
 * A recorded event as EPCIS ObjectEvents; none for what is no movement or state of goods: promises, policies, the units
 * under way. A void is what it voids again, with an error declaration, as far as `recorded` knows it.
 *
 * Source: GS1 EPCIS 2.0, section 7.4.2 (ObjectEvent), 7.4.1.2 (error declaration), 10.1 (JSON-LD); CBV 2.0, section 7.
 */
export function epcisEventsOf(event: RecordedFact, names: EpcisNames): readonly Told[] {
  const [sku, location] = [event.data["sku"], event.data["location"]];
  if (typeof sku !== "string" || typeof location !== "string") return [];
  if (event.type === "larder.fact.voided.v1") return voided(event, sku, location, names);
  const told = movement(event, sku, location, names);
  return told === undefined ? [] : [told];
}

function movement(event: RecordedFact, sku: string, location: string, names: EpcisNames): Told | undefined {
  const { data } = event;
  const written = own(writers, event.type)?.(data, (place) => uriOfPlace(place, names));
  // A count may find nothing; whatever else is about no units has moved nothing.
  const isCount = event.type === "larder.stock.counted.v1";
  if (written === undefined || written.quantity < 0 || (written.quantity === 0 && !isCount)) return undefined;
  const { quantity, lot, ...said } = written;
  const uom = uomOf[names.unitOf(sku) ?? "each"];
  const place = { id: uriOfPlace(location, names) };
  return {
    type: "ObjectEvent",
    eventID: `urn:larder:event:${encoded(event.id)}`,
    eventTime: event.time,
    eventTimeZoneOffset: "+00:00",
    ...recordTimeOf(event),
    ...said,
    readPoint: place,
    ...(said.bizStep !== "shipping" && { bizLocation: place }),
    quantityList: [{ epcClass: uriOfItem(sku, lot, names), quantity, ...(uom !== undefined && { uom }) }],
    ...(isText(data["expiresOn"]) && isDate(data["expiresOn"]) && { "larder:expiresOn": data["expiresOn"] }),
    ...(isText(data["reason"]) && { "larder:reason": data["reason"] }),
  };
}

/** Of a void, when it was recorded: what asks for news by this time must hear of it. */
function recordTimeOf({ data }: RecordedFact): { readonly recordTime?: string } {
  return typeof data["recordedAt"] === "string" ? { recordTime: data["recordedAt"] } : {};
}

interface Written {
  readonly action: EpcisAction;
  readonly bizStep: string;
  readonly disposition?: string;
  readonly persistentDisposition?: { readonly set: readonly string[] };
  readonly bizTransactionList?: readonly object[];
  readonly sourceList?: readonly object[];
  readonly destinationList?: readonly object[];
  readonly quantity: number;
  readonly lot: string | undefined;
}

type Data = RecordedFact["data"];
type Writer = (data: Data, placeOf: (location: string) => string) => Written | undefined;

const sold: Writer = (data) => ({ ...basics(data), bizStep: "retail_selling", disposition: "retail_sold" });

/** How each type of event is told; the inverse of docs/reference/epcis.md where there is one. */
const writers: Readonly<Record<string, Writer>> = {
  "larder.stock.received.v1": (data) => ({
    ...basics(data),
    bizStep: "receiving",
    disposition: "in_progress",
    ...transaction("po", data["reference"]),
  }),
  "larder.stock.sold.v1": sold,
  "larder.order.completed.v1": sold,
  "larder.reservation.fulfilled.v1": (data) => ({
    ...basics(data),
    quantity: -changeOf(data, "onHand"),
    bizStep: "retail_selling",
    disposition: "retail_sold",
  }),
  "larder.stock.returned.v1": (data) => ({
    ...basics(data),
    bizStep: "receiving",
    disposition: "returned",
    ...(data["sellable"] === false && { persistentDisposition: { set: ["non_sellable_other"] } }),
  }),
  "larder.stock.adjusted.v1": (data) => {
    const delta = numberIn(data["delta"]);
    const quantity = Math.abs(delta);
    if (delta > 0) return { ...basics(data), quantity, action: "ADD", bizStep: "commissioning", disposition: "active" };
    const disposition = wordFor(removalReasons, data["reason"]) ?? "inactive";
    return { ...basics(data), quantity, action: "DELETE", bizStep: "decommissioning", disposition };
  },
  "larder.stock.held-back.v1": (data) => ({
    ...basics(data),
    bizStep: "holding",
    disposition: wordFor(heldDispositions, data["reason"]) ?? "non_sellable_other",
  }),
  "larder.stock.put-back.v1": (data) => ({
    ...basics(data),
    bizStep: "holding",
    disposition: "sellable_accessible",
  }),
  "larder.stock.lot-expired.v1": (data) => ({
    ...basics(data),
    quantity: changeOf(data, "unavailable"),
    bizStep: "holding",
    disposition: "expired",
  }),
  "larder.stock.counted.v1": (data) => ({
    ...basics(data),
    // A count of what is in no lot is not one of everything.
    ...(data["lot"] === "unknown" && { lot: "unknown" }),
    bizStep: "cycle_counting",
  }),
  "larder.stock.dispatched.v1": (data, placeOf) => ({
    ...basics(data),
    bizStep: "shipping",
    disposition: "in_transit",
    ...transaction("desadv", data["transfer"]),
    sourceList: [{ type: "location", source: placeOf(String(data["location"])) }],
    destinationList: [{ type: "location", destination: placeOf(String(data["to"])) }],
  }),
  "larder.stock.arrived.v1": (data, placeOf) => ({
    ...basics(data),
    bizStep: "arriving",
    disposition: "in_progress",
    ...transaction("desadv", data["transfer"]),
    sourceList: [{ type: "location", source: placeOf(String(data["from"])) }],
    destinationList: [{ type: "location", destination: placeOf(String(data["location"])) }],
  }),
};

function voided(event: RecordedFact, sku: string, location: string, names: EpcisNames): readonly Told[] {
  const { voids } = event.data as { readonly voids?: { readonly source?: unknown; readonly id?: unknown } };
  if (!isText(voids?.source) || !isText(voids?.id)) return [];
  const before = names.recorded({ source: voids.source, id: voids.id, sku, location });
  return before.flatMap((one) => {
    const told = movement(one, sku, location, names);
    if (told === undefined) return [];
    const errorDeclaration = { declarationTime: event.time, reason: "incorrect_data" };
    return [{ ...told, ...recordTimeOf(event), errorDeclaration }];
  });
}

function basics(data: Data): {
  readonly action: "OBSERVE";
  readonly quantity: number;
  readonly lot: string | undefined;
} {
  const lot = data["lot"];
  // Lot `unknown` is Larder's word for having been told none.
  return {
    action: "OBSERVE",
    quantity: numberIn(data["quantity"]),
    lot: isText(lot) && lot !== "unknown" ? lot : undefined,
  };
}

function changeOf(data: Data, quantity: string): number {
  const { change } = data as { readonly change?: Readonly<Record<string, unknown>> };
  return numberIn(change?.[quantity]);
}

function transaction(type: string, id: unknown): { readonly bizTransactionList?: readonly object[] } {
  if (!isText(id)) return {};
  const isUri = /^[a-z][a-z0-9+.-]*:[!-~]+$/i.test(id);
  const bizTransaction = isUri ? id : `urn:larder:reference:${encoded(id)}`;
  return { bizTransactionList: [{ type, bizTransaction }] };
}

const uomOf: Readonly<Record<BaseUnit, string | undefined>> = { each: undefined, g: "GRM", ml: "MLT" };

/** What AI (10) can hold: 20 characters of GS1's set 82 (General Specifications, figure 7.11-1). */
const gs1Lot = /^[!"%-?A-Z_a-z]{1,20}$/;

function uriOfItem(sku: string, lot: string | undefined, { gtinOf }: EpcisNames): string {
  const gtin = gtinOf(sku);
  if (gtin === undefined || (lot !== undefined && !gs1Lot.test(lot))) return uriOfOwnItem(sku, lot);
  return `https://id.gs1.org/01/${gtin}${lot === undefined ? "" : `/10/${encoded(lot)}`}`;
}

function uriOfPlace(location: string, { placeOf }: EpcisNames): string {
  const place = placeOf(location);
  if (place === undefined) return uriOfOwnLocation(location);
  return /^\d{13}$/.test(place) ? `https://id.gs1.org/414/${place}` : place;
}

function wordFor(reasons: Readonly<Record<string, string>>, reason: unknown): string | undefined {
  return Object.entries(reasons).find(([, known]) => known === reason)?.[0];
}

function numberIn(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
