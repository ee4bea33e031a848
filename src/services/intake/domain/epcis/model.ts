import type { Instant, Result } from "../../../../kernel/index.ts";

/** One EPCIS event, the same whatever notation it came in. Vocabulary words are bare, times are instants. */
export interface EpcisEvent {
  readonly type: EpcisEventType;
  /** As its maker gave it; without one, an event is known by its content (`identify`). */
  readonly eventId?: string;
  readonly time: Instant;
  /** Of the place where it happened, as `+02:00`; `time` has it already. */
  readonly offset: string;
  readonly action?: EpcisAction;
  readonly bizStep?: string;
  readonly disposition?: string;
  readonly dispositionsSet: readonly string[];
  readonly dispositionsUnset: readonly string[];
  readonly readPoint?: string;
  readonly bizLocation?: string;
  /** What it is about; of an aggregation or association, the children. */
  readonly things: EpcisThings;
  readonly inputs: EpcisThings;
  readonly outputs: EpcisThings;
  readonly parent?: string;
  readonly transformation?: string;
  readonly transactions: readonly EpcisReference[];
  readonly sources: readonly EpcisReference[];
  readonly destinations: readonly EpcisReference[];
  /** Of what the event brings into being: the lot and the last date, when told in the standard's vocabulary. */
  readonly lot?: string;
  readonly expiresOn?: string;
  readonly error?: EpcisErrorDeclaration;
  /** What vendors' members and master data say besides, a line each. Only `identify` looks at it. Sensors are left out. */
  readonly rest: string;
}

export const epcisEventTypes = [
  "ObjectEvent",
  "AggregationEvent",
  "TransactionEvent",
  "TransformationEvent",
  "AssociationEvent",
] as const;
export type EpcisEventType = (typeof epcisEventTypes)[number];
export type EpcisAction = "ADD" | "OBSERVE" | "DELETE";

export interface EpcisThings {
  /** URIs of single things. */
  readonly epcs: readonly string[];
  readonly quantities: readonly EpcisQuantity[];
}

export interface EpcisQuantity {
  readonly epcClass: string;
  /** A decimal, as `200.5`; absent when the event doesn't say. */
  readonly quantity?: string;
  /** UN/ECE Recommendation 20; absent for pieces. */
  readonly uom?: string;
}

export interface EpcisReference {
  readonly type?: string;
  readonly id: string;
}

/** The event should not have been told, or not so; the events that say it rightly. */
export interface EpcisErrorDeclaration {
  readonly declaredAt: Instant;
  readonly reason?: string;
  readonly correctedBy: readonly string[];
}

/** An event where it stands in its document. */
export interface ReadEvent {
  /** JSON Pointer of the event; of XML, in the corresponding JSON document. */
  readonly pointer: string;
  /** Of XML, the line of the file it begins on. */
  readonly line?: number;
  /** In the JSON notation. */
  readonly raw: unknown;
  /** The `@context` of its document, where that binds prefixes: `raw` may use them. */
  readonly context?: unknown;
  readonly event: Result<EpcisEvent, EpcisProblem>;
}

/** Why something can't be read: what, and the JSON Pointer of where. */
export interface EpcisProblem {
  readonly pointer: string;
  readonly detail: string;
}
