import { parseGs1Key } from "./keys.ts";
import type { EpcisEvent, EpcisReference, EpcisThings } from "./model.ts";

/**
 * A text that two events share exactly when they say the same: whatever the notation, the order of lists, the time zone
 * a time is written in, URN or Digital Link. Without what is told about the event: its id, its declaration as an error.
 * Sensors count for nothing. Ids of recorded facts come from it: it must never change.
 */
export function identify(event: EpcisEvent): string {
  const { eventId: _id, error: _error, offset: _offset, ...said } = event;
  return JSON.stringify([
    said.type,
    said.time,
    said.action ?? "",
    said.bizStep ?? "",
    said.disposition ?? "",
    [...said.dispositionsSet].sort(),
    [...said.dispositionsUnset].sort(),
    one(said.readPoint),
    one(said.bizLocation),
    ...[said.things, said.inputs, said.outputs].map(things),
    one(said.parent),
    one(said.transformation),
    ...[said.transactions, said.sources, said.destinations].map(references),
    said.lot ?? "",
    said.expiresOn ?? "",
    said.rest,
  ]);
}

function things({ epcs, quantities }: EpcisThings): unknown {
  const sums = quantities.map(({ epcClass, quantity, uom }) => `${one(epcClass)} ${quantity ?? ""} ${uom ?? ""}`);
  return [[...new Set(epcs.map(one))].sort(), sums.sort()];
}

function references(list: readonly EpcisReference[]): readonly string[] {
  return list.map(({ type, id }) => `${type ?? ""} ${one(id)}`).sort();
}

function one(uri: string | undefined): string {
  if (uri === undefined) return "";
  const key = parseGs1Key(uri);
  if (!key.ok || key.value.kind === "other") return uri;
  return JSON.stringify(Object.entries(key.value).sort());
}
