import { fingerprint, normalise } from "../../../kernel/index.ts";

/**
 * What keeps waiting facts in order: those of one source about one sku at one place have one key, and are recorded in the
 * order in which they came. An order of several lines goes by its first. Undefined for what has no such place: voids,
 * which bear any order, and whatever can't be read.
 */
export function orderKey(fact: unknown): string | undefined {
  if (!isRecord(fact) || !isRecord(fact["data"])) return undefined;
  const { source, data } = fact;
  const lines = data["lines"];
  const place = Array.isArray(lines) ? lines[0] : data;
  if (!isRecord(place)) return undefined;
  const { location, sku, gtin } = place;
  const subject = typeof sku === "string" ? sku : typeof gtin === "string" ? gtin.padStart(14, "0") : undefined;
  if (typeof source !== "string" || typeof location !== "string" || subject === undefined) return undefined;
  // A text that someone makes to collide only waits behind another.
  return fingerprint([source, location, subject].map(normalise).join("\u0000"));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
