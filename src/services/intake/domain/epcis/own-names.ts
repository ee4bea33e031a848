/** Larder's own URIs, for items and places that have no GS1 key: how they are written, and read. */
import { normalise } from "../../../../kernel/index.ts";

export function uriOfOwnItem(sku: string, lot: string | undefined): string {
  return `urn:larder:item:${encoded(sku)}${lot === undefined ? "" : `:lot:${encoded(lot)}`}`;
}

export function uriOfOwnLocation(location: string): string {
  return `urn:larder:location:${encoded(location)}`;
}

/** The item and lot of a URI that `uriOfOwnItem` wrote. */
export function ownItemOf(uri: string): { readonly sku: string; readonly lot?: string } | undefined {
  const match = /^urn:larder:item:([^:]+)(?::lot:([^:]+))?$/.exec(uri.trim());
  const sku = decoded(match?.[1]);
  const lot = decoded(match?.[2]);
  if (sku === undefined || (lot === undefined && match?.[2] !== undefined)) return undefined;
  return { sku, ...(lot !== undefined && { lot }) };
}

/** The location of a URI that `uriOfOwnLocation` wrote. */
export function ownLocationOf(uri: string): string | undefined {
  return decoded(/^urn:larder:location:([^:]+)$/.exec(uri.trim())?.[1]);
}

/** As a part of a URI; half a surrogate pair, which no identifier holds, becomes U+FFFD. */
export function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : normalise(decodeURIComponent(text));
  } catch {
    return undefined; // a percent sign that escapes nothing
  }
}
