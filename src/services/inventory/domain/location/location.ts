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
  /** What signs pushes, sealed with the server's key, for the log is read by many; not signed when absent. */
  readonly sealedSecret?: string;
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
  const isSameOf =
    typeof a.of === "string" || typeof b.of === "string"
      ? a.of === b.of
      : JSON.stringify(a.of) === JSON.stringify(b.of);
  return (
    isSameOf && a.url === b.url && a.batchSize === b.batchSize && a.skus === b.skus && a.sealedSecret === b.sealedSecret
  );
}
