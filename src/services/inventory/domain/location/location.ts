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
  const { position: placeA, ...restA } = a;
  const { position: placeB, ...restB } = b;
  const names = new Set([...Object.keys(restA), ...Object.keys(restB)]) as Set<keyof typeof restB>;
  return (
    placeA?.lat === placeB?.lat &&
    placeA?.lon === placeB?.lon &&
    [...names].every((name) => restA[name] === restB[name])
  );
}
