import { type Instant, parseInstant } from "../../../../kernel/index.ts";
import { parseGs1Key } from "./keys.ts";
import { bareWord, standardPrefixes, type Vocabulary } from "./vocabulary.ts";

/** What is wanted of events that Larder writes; of a list, any. Absent: all. */
export interface WantedEvents {
  readonly eventTypes?: readonly string[];
  readonly eventIds?: readonly string[];
  readonly from?: Instant;
  readonly before?: Instant;
  readonly actions?: readonly string[];
  readonly bizSteps?: readonly string[];
  readonly dispositions?: readonly string[];
  readonly bizLocations?: readonly string[];
  readonly readPoints?: readonly string[];
  /** One of each list: classes as URIs, or patterns `urn:epc:idpat:…` with `*` for any lot. */
  readonly epcClasses?: readonly (readonly string[])[];
}

/**
 * Whether an event as `epcisEventsOf` gives it is wanted.
 *
 * Source: GS1 EPCIS 2.0, section 8.2.7.1 (parameters of the simple event query).
 */
export function isMatch(event: Readonly<Record<string, unknown>>, wanted: WantedEvents): boolean {
  const { type, eventID, action, bizStep, disposition, bizLocation, readPoint, quantityList } = event;
  const at = parseInstant(String(event["eventTime"])) ?? 0;
  const classes = ((quantityList ?? []) as readonly { readonly epcClass: string }[]).map(({ epcClass }) => epcClass);
  return (
    isIn(wanted.eventTypes, type) &&
    isIn(wanted.eventIds, eventID) &&
    (wanted.from === undefined || at >= wanted.from) &&
    (wanted.before === undefined || at < wanted.before) &&
    isIn(wanted.actions, action) &&
    isIn(words(wanted.bizSteps, "bizstep"), bizStep) &&
    isIn(words(wanted.dispositions, "disp"), disposition) &&
    isPlaceIn(wanted.bizLocations, bizLocation) &&
    isPlaceIn(wanted.readPoints, readPoint) &&
    (wanted.epcClasses ?? []).every((list) => classes.some((uri) => list.some((one) => isClass(uri, one))))
  );
}

function isIn(list: readonly string[] | undefined, value: unknown): boolean {
  return list === undefined || (typeof value === "string" && list.includes(value));
}

function words(list: readonly string[] | undefined, vocabulary: Vocabulary): readonly string[] | undefined {
  return list?.map((word) => bareWord(word, vocabulary, standardPrefixes));
}

/** The same place in whatever notation. */
function isPlaceIn(list: readonly string[] | undefined, place: unknown): boolean {
  if (list === undefined) return true;
  const { id } = (place ?? {}) as { readonly id?: unknown };
  return typeof id === "string" && list.some((one) => identityOf(one) === identityOf(id));
}

function isClass(uri: string, wanted: string): boolean {
  if (identityOf(uri) === identityOf(wanted)) return true;
  const [key, pattern] = [parseGs1Key(uri), parseGs1Key(wanted)];
  const isPattern = /^urn:epc:idpat:.*\.\*$/i.test(wanted.trim());
  if (!isPattern || !key.ok || !pattern.ok) return false;
  return (
    key.value.kind === "trade-item" && pattern.value.kind === "trade-item" && key.value.gtin === pattern.value.gtin
  );
}

function identityOf(uri: string): string {
  const key = parseGs1Key(uri);
  if (!key.ok || key.value.kind === "other") return uri.trim();
  return JSON.stringify(Object.entries(key.value).sort());
}
