import type { Instant } from "../../../../kernel/index.ts";

/** What is known of a place that holds stock. A location that nobody has described has `priority` 100 and is in UTC. */
export interface LocationFields {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  /** Lower is served from first. */
  readonly priority: number;
  readonly position?: { readonly lat: number; readonly lon: number };
  /** IANA name: the zone in which dates of lots end. */
  readonly timeZone: string;
  /** GS1 Global Location Number: 13 digits with a right check digit; belongs to one location at a time. */
  readonly gln?: string;
  /** Whose figures win when both sides differ. */
  readonly authority: "ours" | "theirs";
  /** Present when changes are pushed to the location. */
  readonly sync?: LocationSync;
}

/** Where changes are pushed to, and which. */
export interface LocationSync {
  readonly url: string;
  /** Changes of all locations, of its own, of all others, or of those that fit one of these patterns of ids or groups. */
  readonly of: "all" | "own" | "others" | readonly string[];
  /** Records of one push at most. */
  readonly batchSize: number;
  /** A pattern of skus; all when absent. */
  readonly skus?: string;
  /** The locations that whoever set this was limited to: it never gets changes of others. */
  readonly limitedTo?: readonly string[];
  /** What signs pushes, sealed with the server's key, for the log is read by many; not signed when absent. */
  readonly sealedSecret?: string;
}

/**
 * How changes are pushed, as far as someone limited to locations may know it: ids of others are left out. Patterns and groups
 * name no location, and stay.
 */
export function syncKnownTo(sync: LocationSync, locations: ReadonlySet<string>): LocationSync {
  const { of, limitedTo } = sync;
  const isKnown = (entry: string) => locations.has(entry) || entry.includes("*") || entry.startsWith("group:");
  return {
    ...sync,
    of: typeof of === "string" ? of : of.filter(isKnown),
    ...(limitedTo && { limitedTo: limitedTo.filter((location) => locations.has(location)) }),
  };
}

export interface LocationEvent {
  readonly type: "LocationDescribed";
  readonly data: LocationFields;
}

export interface LocationState {
  readonly fields: LocationFields | undefined;
  readonly updatedAt: Instant;
}

export const noLocation: LocationState = { fields: undefined, updatedAt: 0 };

export function evolveLocation(_state: LocationState, event: LocationEvent, recordedAt: Instant): LocationState {
  return { fields: event.data, updatedAt: recordedAt };
}

/** The event that describes a location; none when it is described so already. */
export function decideLocation(state: LocationState, fields: LocationFields): LocationEvent[] {
  return isSame(state.fields, fields) ? [] : [{ type: "LocationDescribed", data: fields }];
}

function isSame(a: LocationFields | undefined, b: LocationFields): boolean {
  if (a === undefined) return false;
  const { position: placeA, sync: syncA, ...restA } = a;
  const { position: placeB, sync: syncB, ...restB } = b;
  const names = new Set([...Object.keys(restA), ...Object.keys(restB)]) as Set<keyof typeof restB>;
  return (
    placeA?.lat === placeB?.lat &&
    placeA?.lon === placeB?.lon &&
    isSameSync(syncA, syncB) &&
    [...names].every((name) => restA[name] === restB[name])
  );
}

function isSameSync(a: LocationSync | undefined, b: LocationSync | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const told = ({ url, of, batchSize, skus, limitedTo, sealedSecret }: LocationSync) =>
    JSON.stringify([url, of, batchSize, skus ?? null, limitedTo ?? null, sealedSecret ?? null]);
  return told(a) === told(b);
}
