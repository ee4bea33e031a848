import type { Rejection } from "../../../kernel/index.ts";
import { nearest } from "../../../platform/config/index.ts";
import { factSchemas } from "../facts/schemas.ts";
import { recordedTypes, reservationType } from "./cloud-events.ts";

/** Every public type that the log can tell. */
const typeNames: ReadonlySet<string> = new Set([
  ...Object.keys(factSchemas),
  ...Object.values(recordedTypes).map(([type]) => type),
  reservationType,
]);

/**
 * Why a choice of events is refused: it names a type that Larder never tells, so whoever made it would wait for ever.
 * Undefined when all exist.
 */
export function unknownTypeIn(types: readonly string[] = []): Rejection | undefined {
  const unknown = types.find((type) => !typeNames.has(type));
  if (unknown === undefined) return undefined;
  const byBareName = new Map([...typeNames].map((type) => [bareName(type), type]));
  const meant = byBareName.get(nearest(bareName(unknown), [...byBareName.keys()]) ?? "");
  const hint = meant === undefined ? "docs/reference/events.md lists all." : `Did you mean ${meant}?`;
  return { code: "invalid-request", detail: `"${unknown}" is no type of event. ${hint}` };
}

/** `stock.sold` of `larder.stock.sold.v1`, as the command line shows it: what all share makes none alike. */
function bareName(type: string): string {
  return type.replace(/^larder\./, "").replace(/\.v\d+$/, "");
}
