import { parseGs1Key } from "./keys.ts";
import type { EpcisEvent } from "./model.ts";
import { ownItemOf } from "./own-names.ts";

/** The GTINs (14 digits) of the trade items that an event names. */
export function gtinsIn(event: EpcisEvent): readonly string[] {
  return thingsIn(event).flatMap((uri) => {
    const key = parseGs1Key(uri);
    return key.ok && key.value.kind === "trade-item" ? [key.value.gtin] : [];
  });
}

/** The skus that an event names by Larder's own URIs. */
export function ownSkusIn(event: EpcisEvent): readonly string[] {
  return thingsIn(event).flatMap((uri) => ownItemOf(uri)?.sku ?? []);
}

function thingsIn({ things, inputs, outputs }: EpcisEvent): readonly string[] {
  return [things, inputs, outputs].flatMap(({ epcs, quantities }) => [
    ...epcs,
    ...quantities.map(({ epcClass }) => epcClass),
  ]);
}

/** The GLNs (13 digits) of the places that an event names. */
export function glnsIn({ readPoint, bizLocation, sources, destinations }: EpcisEvent): readonly string[] {
  const uris = [readPoint, bizLocation, ...sources.map(({ id }) => id), ...destinations.map(({ id }) => id)];
  return uris.flatMap((uri) => {
    const key = uri === undefined ? undefined : parseGs1Key(uri);
    return key?.ok && key.value.kind === "place" ? [key.value.gln] : [];
  });
}
