import type { SinkEvent } from "../port.ts";

/** What all subjects begin with. */
export const subjectRoot = "larder.changes";

/**
 * The subject of an event: `larder.changes.{partition}.{location}.{sku}.{type}`, the type without its `larder.` and in words
 * of their own (`stock.sold.v1`). A name that is not there is `-`.
 */
export function subjectOf({ partition, location, sku, type }: SinkEvent): string {
  const kind = type.startsWith("larder.") ? type.slice("larder.".length) : type;
  return `${subjectRoot}.${partition}.${tokenOf(location)}.${tokenOf(sku)}.${kind.split(".").map(tokenOf).join(".")}`;
}

/**
 * A name as one token of a subject: letters, digits, `-` and `_` as they are, all else percent-encoded in UTF-8, for NATS
 * separates by `.`, matches by `*` and `>`, and takes no white space. A name that is `-` alone is `%2D`.
 */
export function tokenOf(name: string | undefined): string {
  if (name === undefined) return "-";
  if (name === "-") return "%2D";
  return encodeURIComponent(name.toWellFormed()).replace(
    /[.!~*'()]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
