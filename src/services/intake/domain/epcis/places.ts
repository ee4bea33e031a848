import { accept, type Result, reject } from "../../../../kernel/index.ts";
import { hasRightCheckDigit } from "./digits.ts";
import { parseGs1Key } from "./keys.ts";

/** A location of ours. */
export interface FoundPlace {
  readonly location: string;
  /** What was asked for is a part of it, which has no entry of its own. */
  readonly isPart: boolean;
}

/** Which location of ours a place of an event is, or is in; undefined for places of others. */
export type PlaceFinder = (uri: string) => FoundPlace | undefined;

/**
 * Finds our locations by a table from places to them. A place is a GLN of 13 digits, or any URI: of an SGLN or a Digital
 * Link, that place in either notation. A place inside another (with an extension) that is not in the table itself is
 * found by its GLN. Rejects with the entry that is wrong.
 */
export function placeFinder(table: Readonly<Record<string, string>>): Result<PlaceFinder, string> {
  const known = new Map<string, string>();
  for (const [place, location] of Object.entries(table)) {
    const isGln = /^\d{13}$/.test(place);
    if (isGln && !hasRightCheckDigit(place)) return reject(`GLN ${place} has a wrong check digit`);
    const names = isGln ? ([place] as const) : namesOf(place);
    if (names === undefined) return reject(`${place} names no place`);
    known.set(names[0], location);
  }
  return accept((uri) => {
    const names = namesOf(uri) ?? [];
    const found = names.find((name) => known.has(name));
    const location = found === undefined ? undefined : known.get(found);
    return location === undefined ? undefined : { location, isPart: found !== names[0] };
  });
}

/** Names a place goes by, the narrowest first; undefined when the URI can't be read. */
function namesOf(uri: string): readonly [string, ...string[]] | undefined {
  const key = parseGs1Key(uri);
  if (!key.ok) return undefined;
  if (key.value.kind !== "place") return [uri.trim()];
  const { gln, extension } = key.value;
  return extension === undefined ? [gln] : [`${gln}/${extension}`, gln];
}
