import { accept, identifierProblem, type Result, reject } from "../../../../kernel/index.ts";
import { parseGs1Key } from "./keys.ts";
import type { EpcisEvent, EpcisThings } from "./model.ts";
import { own } from "./own.ts";
import type { FoundPlace, PlaceFinder } from "./places.ts";
import {
  decidingSteps,
  freeDispositions,
  goneDispositions,
  heldDispositions,
  removalReasons,
  ruleOf,
  type StepRule,
} from "./rules.ts";

/** What the meaning of an event depends on besides itself. */
export interface MeaningSurroundings {
  readonly placeOf: PlaceFinder;
  /** Steps for which nothing is recorded, because the partner tells the same movement by another step too. */
  readonly leftOut: ReadonlySet<string>;
}

export type Data = Readonly<Record<string, string | number | boolean>>;

/** One effect on stock, still without its quantities. */
export interface Movement {
  readonly fact:
    | "received"
    | "sold"
    | "returned"
    | "held-back"
    | "put-back"
    | "counted"
    | "dispatched"
    | "arrived"
    | "adjusted";
  readonly location: string;
  readonly things: EpcisThings;
  readonly more: Data;
  /** Of `adjusted`: which way. */
  readonly sign?: 1 | -1;
}

/** Movements, or why there are none; a rejection when there should be some. */
export type Meaning = Result<readonly Movement[] | string, string>;

/** What an event says has happened to our stock, by the table of docs/reference/epcis.md. */
export function meaningOf(event: EpcisEvent, around: MeaningSurroundings): Meaning {
  const { type, action, bizStep, things } = event;
  if (bizStep !== undefined && around.leftOut.has(bizStep)) return accept(`the mapping leaves out the step ${bizStep}`);
  if (type === "AssociationEvent") return accept("joining things moves nothing");
  if (type === "AggregationEvent" && action !== "OBSERVE") return accept("packing and unpacking move nothing");
  if (type === "TransactionEvent" && action === "DELETE") return accept("only the tie to the transaction ends");
  if (type === "TransformationEvent") return transformation(event, around);
  const rule = ruleOf(bizStep, action);
  if (rule !== undefined) return moved(event, rule, around);
  const here = locationOf(event, around);
  if (here === undefined) return accept(elsewhere);
  if (type === "ObjectEvent" && action === "DELETE")
    return accept([{ fact: "adjusted", sign: -1, location: here, things, more: { reason: removalReason(event) } }]);
  return accept(conditions(event, here) ?? `${bizStep ?? "an event without a step"} moves nothing`);
}

const elsewhere = "at no place of ours";
const countsPart =
  "counts a part of the place, where a count is of all that is there; give the part an entry of its own";

/** Owns the switch over effects. */
function moved(event: EpcisEvent, rule: StepRule, around: MeaningSurroundings): Meaning {
  const { things, disposition } = event;
  const from = locationIn(event.sources, around);
  const to = locationIn(event.destinations, around);
  const here = locationOf(event, around);
  switch (rule.effect) {
    case "in": {
      const at = here ?? to;
      if (at === undefined) return accept(elsewhere);
      if (from !== undefined && from !== at) return arrival(event, at, from);
      if (disposition === "returned" || disposition === "retail_sold") return accept([returned(event, at)]);
      const more = referenceOf(event);
      return accept([{ fact: "received", location: at, things, more }, ...(heldBack(event, at) ?? [])]);
    }
    case "arrival": {
      const at = here ?? to;
      if (at === undefined) return accept(elsewhere);
      if (from === undefined || from === at)
        return accept("arrived from no other place of ours: it counts when received");
      return arrival(event, at, from);
    }
    case "out": {
      const at = from ?? locationOf(event, around, "readPoint");
      if (at === undefined) return accept(elsewhere);
      if (to === at) return accept("leaves and stays at one place of ours");
      if (to !== undefined) {
        const transfer = consignmentOf(event);
        if (!transfer.ok) return transfer;
        return accept([{ fact: "dispatched", location: at, things, more: { transfer: transfer.value, to } }]);
      }
      const reason = own(removalReasons, disposition);
      if (reason === undefined) return accept([{ fact: "sold", location: at, things, more: referenceOf(event) }]);
      return accept([{ fact: "adjusted", sign: -1, location: at, things, more: { reason } }]);
    }
    case "undo": {
      const at = from ?? locationOf(event, around, "readPoint");
      if (at === undefined) return accept(elsewhere);
      if (to !== undefined && to !== at)
        return reject("a transfer between places of ours is taken back by an error declaration of its dispatch");
      return accept([{ fact: "adjusted", sign: 1, location: at, things, more: { reason: "void-shipping" } }]);
    }
    default: {
      const place = placeOf(event, around);
      if (place === undefined) return accept(elsewhere);
      if (rule.effect === "count" && place.isPart) return reject(countsPart);
      return accept([atPlace(event, rule.effect, place.location)]);
    }
  }
}

function atPlace(event: EpcisEvent, effect: "sale" | "return" | "removal" | "count", location: string): Movement {
  const { things } = event;
  switch (effect) {
    case "sale":
      return { fact: "sold", location, things, more: {} };
    case "return":
      return returned(event, location);
    case "removal":
      return { fact: "adjusted", sign: -1, location, things, more: { reason: removalReason(event) } };
    case "count":
      return { fact: "counted", location, things, more: {} };
  }
}

function arrival(event: EpcisEvent, location: string, from: string): Meaning {
  const transfer = consignmentOf(event);
  if (!transfer.ok) return transfer;
  const { things } = event;
  const more = { transfer: transfer.value, from };
  return accept([{ fact: "arrived", location, things, more }, ...(heldBack(event, location) ?? [])]);
}

function returned(event: EpcisEvent, location: string): Movement {
  const isHeld = heldReason(event) !== undefined;
  return { fact: "returned", location, things: event.things, more: isHeld ? { sellable: false } : {} };
}

function transformation(event: EpcisEvent, around: MeaningSurroundings): Meaning {
  const location = locationOf(event, around);
  if (location === undefined) return accept(elsewhere);
  const { inputs, outputs } = event;
  return accept([
    { fact: "adjusted", sign: -1, location, things: inputs, more: { reason: "transformation" } },
    { fact: "received", location, things: outputs, more: {} },
  ]);
}

/** What an event that moves nothing says of the state of what it saw. */
function conditions(event: EpcisEvent, location: string): readonly Movement[] | undefined {
  const { things, disposition, bizStep, dispositionsUnset } = event;
  const gone = own(goneDispositions, disposition);
  if (gone !== undefined) return [{ fact: "adjusted", sign: -1, location, things, more: { reason: gone } }];
  const held = heldBack(event, location);
  if (held !== undefined) return held;
  const ended = dispositionsUnset.flatMap((word) => own(heldDispositions, word) ?? [])[0];
  if (ended !== undefined) return [{ fact: "put-back", location, things, more: { reason: ended } }];
  const isFreed = freeDispositions.includes(disposition ?? "") && decidingSteps.includes(bizStep ?? "");
  return isFreed ? [{ fact: "put-back", location, things, more: { reason: "sellable" } }] : undefined;
}

function heldBack(event: EpcisEvent, location: string): readonly Movement[] | undefined {
  const reason = heldReason(event);
  return reason === undefined ? undefined : [{ fact: "held-back", location, things: event.things, more: { reason } }];
}

function heldReason({ disposition, dispositionsSet }: EpcisEvent): string | undefined {
  const words = [...(disposition === undefined ? [] : [disposition]), ...dispositionsSet];
  return words.flatMap((word) => own(heldDispositions, word) ?? [])[0];
}

function removalReason({ disposition, bizStep }: EpcisEvent): string {
  return own(removalReasons, disposition) ?? (bizStep ?? "decommissioning").replaceAll("_", "-");
}

/** Where it is now, or what saw it; before a departure the other way round. */
function placeOf(
  { bizLocation, readPoint }: EpcisEvent,
  around: MeaningSurroundings,
  first: "bizLocation" | "readPoint" = "bizLocation",
): FoundPlace | undefined {
  const places = first === "readPoint" ? [readPoint, bizLocation] : [bizLocation, readPoint];
  return places.flatMap((uri) => (uri === undefined ? [] : (around.placeOf(uri) ?? [])))[0];
}

function locationOf(...asked: Parameters<typeof placeOf>): string | undefined {
  return placeOf(...asked)?.location;
}

function locationIn(list: EpcisEvent["sources"], { placeOf: find }: MeaningSurroundings): string | undefined {
  return list.flatMap(({ type, id }) => (type === "location" ? (find(id)?.location ?? []) : []))[0];
}

/** The order that goods come in or go out for: what `expected` and reports go by. */
function referenceOf(event: EpcisEvent): Data {
  const found = ["po", "desadv", "inv"].flatMap((wanted) =>
    event.transactions.filter(({ type, id }) => type === wanted && identifierProblem(id) === undefined),
  )[0];
  return found === undefined ? {} : { reference: found.id };
}

/**
 * What dispatch and arrival of a consignment have in common: the despatch advice, bill of lading or other transaction
 * that both name, or the logistic unit that moved, by its SSCC, which is one in every notation. Of several units beside each
 * other the smallest, for their order says nothing.
 */
function consignmentOf(event: EpcisEvent): Result<string, string> {
  const { transactions, parent, things } = event;
  const named = ["desadv", "bol", "po", "inv"].flatMap((wanted) => transactions.filter(({ type }) => type === wanted));
  const units = [...ssccsIn(parent === undefined ? [] : [parent]), ...ssccsIn(things.epcs).toSorted()];
  const found = [...named.map(({ id }) => id), ...transactions.map(({ id }) => id), ...units].find(
    (id) => identifierProblem(id) === undefined,
  );
  if (found !== undefined) return accept(found);
  return reject(
    "moves goods between places of ours, and names no despatch advice, order or logistic unit by which dispatch and arrival find each other",
  );
}

function ssccsIn(uris: readonly string[]): readonly string[] {
  return uris.flatMap((uri) => {
    const key = parseGs1Key(uri);
    return key.ok && key.value.kind === "logistic-unit" ? [key.value.sscc] : [];
  });
}
