// Written by scripts/sdk.ts from api/openapi.json: change the routes, not this.
import { type CallOptions, pages, Transport } from "./transport.ts";
export interface ArchivePlan {
  /** A day, UTC. */
  readonly before: string;
  readonly days: readonly {
    /** A day, UTC. */
    readonly day: string;
    /** Events of that day. */
    readonly events: number;
  }[];
}

export interface ArchiveRequest {
  /** Days before this one (UTC) are moved. Default: as many days ago as `LARDER_ARCHIVE_AFTER` says. */
  readonly before?: string | undefined;
  /** Whether to tell only what would be moved. */
  readonly dryRun?: boolean | undefined;
}

export interface ArchiveStatus {
  readonly isRunning: boolean;
  /** Days after which events are moved by themselves; null when they are not. */
  readonly after: number | null;
  /** When the oldest event in the hot log was recorded; null in an empty log. */
  readonly hotSince: string | null;
  /** Cold files. */
  readonly files: number;
  /** Events in cold files. */
  readonly coldEvents: number;
  /** Bytes of cold files. */
  readonly coldBytes: number;
  /** Bytes of the hot log's file that the next events will take. */
  readonly freeBytes: number;
  readonly lastRun?: {
    /** When it began. RFC 3339. */
    readonly startedAt: string;
    /** When it ended; absent while it runs. RFC 3339. */
    readonly endedAt?: string | undefined;
    /** A day, UTC. */
    readonly before: string;
    /** Days to be moved. */
    readonly days: number;
    /** Files written so far. */
    readonly files: number;
    /** Events moved so far. */
    readonly events: number;
    /** Bytes of those files. */
    readonly bytes: number;
    /** Why it ended too early; what was moved before stays moved. */
    readonly problem?: string | undefined;
  } | undefined;
  /** Why nothing can be moved here, as on PostgreSQL; absent where it can. */
  readonly unavailable?: string | undefined;
}

export interface Availability {
  readonly items: readonly ({
    readonly sku: string;
    readonly location: string;
    /** onHand − unavailable − reserved − committed − safetyStock; below zero when facts left less than was promised. */
    readonly available: number;
    /** Physically at the location, whatever its condition or promises. */
    readonly onHand: number;
    /** On hand but not sellable: damaged, in quarantine, expired. */
    readonly unavailable: number;
    /** Held for carts and quotes; lapses by itself. */
    readonly reserved: number;
    /** Promised to confirmed orders, not yet handed over. */
    readonly committed: number;
    /** Withheld from promising. */
    readonly safetyStock: number;
    /** Expected from suppliers or in transit from other locations. */
    readonly incoming: number;
    /** RFC 3339, as 2026-11-21T09:30:00Z. */
    readonly updatedAt: string;
    /** Grows with every recorded change; equal versions mean equal content. */
    readonly version: number;
  } | {
    readonly sku: string;
    /** Larder has never had any of it, anywhere that the caller may see. */
    readonly known: false;
  })[];
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

export interface AvailabilityBatchRequest {
  readonly skus: readonly string[];
  readonly locations?: readonly string[] | undefined;
}

/** One captured document. */
export interface CaptureJobView {
  readonly captureID: string;
  readonly createdAt: string;
  /** Absent while it runs. */
  readonly finishedAt?: string | undefined;
  readonly running: boolean;
  /** No error so far. */
  readonly success: boolean;
  readonly captureErrorBehaviour: "rollback" | "proceed";
  readonly errors: readonly {
    /** An exception of the standard, as `epcisException:ValidationException`. */
    readonly type: string;
    readonly title: string;
    /** Stable: that of a rejected fact, or `unreadable-event`, `unmappable-event`, `part-given-up`. */
    readonly code: string;
    readonly detail: string;
    /** Absent when the event has none. */
    readonly eventID?: string | undefined;
    /** JSON Pointer of the event in its document. */
    readonly pointer?: string | undefined;
  }[];
  /** All errors; `errors` has the first of them. */
  readonly errorCount: number;
  /** Events of the document. */
  readonly events: number;
  /** Facts that it added to the log so far. */
  readonly factsRecorded: number;
  /** Facts that were known already, from the same event told before. */
  readonly factsKnown: number;
}

export interface CreatedKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly ("stock:read" | "stock:write" | "reservations:write" | "sync:admin" | "dlq:admin" | "admin")[];
  /** Only these locations exist for the key; all when absent. */
  readonly locations?: readonly string[] | undefined;
  /** Sources of facts it may speak for; all when absent. */
  readonly sources?: readonly string[] | undefined;
  /** Whether it sees only the reservations it made. */
  readonly ownReservations: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Null when it does not expire. */
  readonly expiresAt: string | null;
  /** The secret. Shown this once; Larder keeps only its hash. */
  readonly key: string;
}

export interface DeadLetterDetail {
  /** Of this dead letter; a message that dies again after a redrive gets another one. */
  readonly id: string;
  readonly queue: string;
  readonly messageId: string;
  /** Messages of one key wait for each other; those behind it wait now. */
  readonly key?: string | undefined;
  /** Why it could not be handled, for people; a rejected fact's begins with its code. */
  readonly cause: string;
  /** Since it was sent or redriven. */
  readonly attempts: number;
  /** How often it has been redriven before. */
  readonly redrives: number;
  /** When it came into the queue. RFC 3339. */
  readonly sentAt: string;
  /** The first attempt since it was sent or redriven. RFC 3339. */
  readonly firstAttemptAt: string;
  /** When it became a dead letter. RFC 3339. */
  readonly deadAt: string;
  /** The W3C `traceparent` it came with. */
  readonly trace?: string | undefined;
  /** As it was sent. */
  readonly message: {
    /** The body, when it is JSON. */
    readonly json?: unknown | undefined;
    /** The body, when it is not. */
    readonly text?: string | undefined;
    readonly headers: Readonly<Record<string, string>>;
  };
  /** The newest 20 failed attempts, oldest first. */
  readonly causes: readonly {
    readonly attempt: number;
    /** When it failed. RFC 3339. */
    readonly at: string;
    readonly cause: string;
  }[];
}

export interface DeadLetterEnd {
  readonly id: string;
  readonly queue: string;
  readonly messageId: string;
  readonly cause: string;
  readonly end: "redriven" | "discarded";
  /** Why it was discarded. */
  readonly reason?: string | undefined;
  /** When. RFC 3339. */
  readonly endedAt: string;
}

export interface DeadLettersPage {
  readonly items: readonly {
    /** Of this dead letter; a message that dies again after a redrive gets another one. */
    readonly id: string;
    readonly queue: string;
    readonly messageId: string;
    /** Messages of one key wait for each other; those behind it wait now. */
    readonly key?: string | undefined;
    /** Why it could not be handled, for people; a rejected fact's begins with its code. */
    readonly cause: string;
    /** Since it was sent or redriven. */
    readonly attempts: number;
    /** How often it has been redriven before. */
    readonly redrives: number;
    /** When it came into the queue. RFC 3339. */
    readonly sentAt: string;
    /** The first attempt since it was sent or redriven. RFC 3339. */
    readonly firstAttemptAt: string;
    /** When it became a dead letter. RFC 3339. */
    readonly deadAt: string;
    /** The W3C `traceparent` it came with. */
    readonly trace?: string | undefined;
  }[];
  readonly next?: string | undefined;
}

export interface CreatedWebhook {
  readonly id: string;
  /** Where events are posted: http or https, a public address unless the operator allows others. */
  readonly url: string;
  /** Only events of these CloudEvents types (docs/reference/events.md); all when absent. */
  readonly types?: readonly string[] | undefined;
  /** Only events about these skus; all when absent. */
  readonly skus?: readonly string[] | undefined;
  /** Only events about these locations; all when absent. */
  readonly locations?: readonly string[] | undefined;
  /** The locations that its maker was limited to; it never tells of others. */
  readonly limitedTo?: readonly string[] | undefined;
  /** `disabled`: its receiver answered 410, or no delivery has succeeded for 5 days. */
  readonly status: "active" | "paused" | "disabled";
  /** Why nothing is sent; null while it is. */
  readonly reason: string | null;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339. */
  readonly updatedAt: string;
  /** Until when the former secret signs too; null when it does not. */
  readonly formerSecretUntil: string | null;
  /** Events in its queue. */
  readonly waiting: number;
  /** Events that were given up, and hold up those behind them. */
  readonly deadLetters: number;
  /** The last delivery that succeeded. */
  readonly lastSuccessAt: string | null;
  /** Since when no delivery has succeeded, though some were tried. */
  readonly failingSince: string | null;
  /** `whsec_…`, to verify signatures with. Shown this once. */
  readonly secret: string;
}

export interface FactsReceipt {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly {
    readonly index: number;
    readonly id: string | null;
    readonly code: string;
    readonly detail: string;
  }[];
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

export interface Item {
  readonly sku: string;
  readonly name: string;
  readonly unit: "each" | "g" | "ml";
  readonly gtins: readonly string[];
  readonly plu: string | null;
  /** RFC 3339, as 2026-11-21T09:30:00Z. */
  readonly updatedAt: string;
}

export interface ItemBody {
  readonly name: string;
  readonly unit: "each" | "g" | "ml";
  /** GTINs of 8, 12, 13 or 14 digits; kept as 14. */
  readonly gtins?: readonly string[] | undefined;
  /** Price look-up code of fresh produce, 4 or 5 digits. */
  readonly plu?: string | undefined;
}

export interface ItemsReceipt {
  readonly accepted: number;
  readonly unchanged: number;
  readonly rejected: readonly {
    readonly index: number;
    readonly sku: string | null;
    readonly code: string;
    readonly detail: string;
  }[];
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

export interface KeyRequest {
  readonly name: string;
  readonly scopes: readonly ("stock:read" | "stock:write" | "reservations:write" | "sync:admin" | "dlq:admin" | "admin")[];
  /** Only these locations exist for the key; all when absent. */
  readonly locations?: readonly string[] | undefined;
  /** Sources of facts it may speak for; all when absent. */
  readonly sources?: readonly string[] | undefined;
  /** Whether it sees only the reservations it made. */
  readonly ownReservations?: boolean | undefined;
  /** RFC 3339, in the future; never when absent. */
  readonly expiresAt?: string | undefined;
}

export interface KeysPage {
  readonly items: readonly {
    readonly id: string;
    readonly name: string;
    readonly scopes: readonly ("stock:read" | "stock:write" | "reservations:write" | "sync:admin" | "dlq:admin" | "admin")[];
    /** Only these locations exist for the key; all when absent. */
    readonly locations?: readonly string[] | undefined;
    /** Sources of facts it may speak for; all when absent. */
    readonly sources?: readonly string[] | undefined;
    /** Whether it sees only the reservations it made. */
    readonly ownReservations: boolean;
    /** RFC 3339. */
    readonly createdAt: string;
    /** Null when it does not expire. */
    readonly expiresAt: string | null;
  }[];
  readonly next?: string | undefined;
}

/** How well a location agreed with us, over time. */
export interface LocationAccuracy {
  readonly location: string;
  /** RFC 3339. */
  readonly reconciledAt: string;
  readonly accuracy: number;
  /** Findings ÷ compared: 1 − accuracy. */
  readonly discrepancyRate: number;
  /** Oldest first, the newest 360. */
  readonly history: readonly {
    /** RFC 3339. */
    readonly at: string;
    readonly compared: number;
    readonly findings: number;
    readonly accuracy: number;
  }[];
}

export interface LocationBody {
  readonly name: string;
  readonly kind: "warehouse" | "store" | "dark-store" | "supplier" | "virtual";
  readonly group?: string | undefined;
  /** Lower is served from first; default 100. */
  readonly priority?: number | undefined;
  readonly position?: {
    readonly lat: number;
    readonly lon: number;
  } | undefined;
  /** IANA name, as Europe/London; default UTC. */
  readonly timeZone?: string | undefined;
  readonly authority?: "ours" | "theirs" | undefined;
  /** GS1 Global Location Number, by which EPCIS documents name the place; one location has it at a time. */
  readonly gln?: string | undefined;
  /** Has changes pushed to this location. */
  readonly sync?: {
    /** Changes are posted to `{url}/stock`, and what the other side holds is read from `{url}/snapshot`. */
    readonly url: string;
    /** Whose changes it gets: of `all` locations (the default), of its `own`, of all `others`, or a list of ids and groups. An entry is a location's id, or `group:` and a group; in both `*` stands for any run of characters, as `leeds-*` or `group:north/*`. */
    readonly of?: "all" | "own" | "others" | readonly string[] | undefined;
    /** Records of one push at most; 10 when absent. */
    readonly batchSize?: number | undefined;
    /** Only skus that fit; `*` stands for any run of characters, as `dairy-*`. */
    readonly skus?: string | undefined;
    /** Signs each push (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64. Never shown again. Absent, the one that was set before stays; null removes it. */
    readonly secret?: string | null | undefined;
  } | undefined;
}

export interface LocationView {
  readonly id: string;
  readonly name: string;
  readonly kind: "warehouse" | "store" | "dark-store" | "supplier" | "virtual";
  readonly group: string | null;
  readonly priority: number;
  readonly position: {
    readonly lat: number;
    readonly lon: number;
  } | null;
  readonly timeZone: string;
  readonly authority: "ours" | "theirs";
  readonly gln: string | null;
  /** How changes are pushed to it; null when they are not. */
  readonly sync: {
    readonly url: string;
    /** Whose changes it gets. Of ids in a list only those that the credential may know. */
    readonly of: "all" | "own" | "others" | readonly string[];
    readonly batchSize: number;
    readonly skus: string | null;
    /** The only locations of which it gets changes: those that whoever set this was limited to. Only those that the credential may know. */
    readonly limitedTo?: readonly string[] | undefined;
    /** Whether a secret is set. */
    readonly isSigned: boolean;
  } | null;
  /** RFC 3339, as 2026-11-21T09:30:00Z. */
  readonly updatedAt: string;
}

export interface PolicyBody {
  /** A place that holds stock. */
  readonly location?: string | undefined;
  readonly safetyStock?: number | undefined;
  /** Available units at which stock is announced as low; null for never. */
  readonly lowAt?: number | null | undefined;
  /** Days before its date at which a lot is announced as about to expire; null for never. */
  readonly expiringDays?: number | null | undefined;
  readonly backorderLimit?: number | undefined;
}

export interface PolicyView {
  readonly sku: string;
  readonly general: {
    readonly safetyStock: number | null;
    readonly lowAt: number | null;
    readonly expiringDays: number | null;
    readonly backorderLimit: number | null;
  };
  readonly locations: readonly {
    readonly location: string;
    readonly safetyStock: number | null;
    readonly lowAt: number | null;
    readonly expiringDays: number | null;
    readonly backorderLimit: number | null;
  }[];
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

/** RFC 9457. Some codes carry more members, described where they occur. */
export interface Problem {
  /** Where the code is explained; relative to this server. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Stable: decide by this one. */
  readonly code: "invalid-request" | "all-rejected" | "idempotency-key-required" | "invalid-position" | "invalid-check-digit" | "unauthenticated" | "forbidden" | "not-found" | "method-not-allowed" | "request-timeout" | "insufficient-stock" | "reservation-already-confirmed" | "reservation-already-fulfilled" | "reservation-already-released" | "reservation-already-expired" | "exceeds-reservation" | "version-conflict" | "dead-letter-ended" | "gtin-in-use" | "gln-in-use" | "position-from-another-history" | "payload-too-large" | "unsupported-media-type" | "idempotency-key-reused" | "too-many-allocations" | "headers-too-large" | "too-many-requests" | "overloaded" | "read-side-behind" | "storage-unavailable" | "archive-unavailable" | "peer-unavailable" | "shutting-down" | "internal";
  /** For people; may be reworded. */
  readonly detail: string;
  /** Names this occurrence. */
  readonly instance: string;
  readonly requestId: string;
  readonly errors?: readonly {
    readonly in: "body" | "path" | "query" | "header";
    /** JSON pointer to what is wrong. */
    readonly pointer: string;
    readonly detail: string;
  }[] | undefined;
}

export interface Reconciliation {
  readonly id: string;
  /** `failed`: at least one location could not be compared. */
  readonly status: "waiting" | "running" | "done" | "failed";
  readonly mode: "report" | "correct";
  /** Whether its time had come, instead of someone asking for it. */
  readonly scheduled: boolean;
  /** RFC 3339. */
  readonly requestedAt: string;
  readonly endedAt: string | null;
  /** Stocks that were compared, without those whose changes were under way. */
  readonly compared: number;
  readonly matched: number;
  /** Stocks that differed only by changes under way. */
  readonly inFlight: number;
  /** matched ÷ compared; 1 when nothing was compared. */
  readonly accuracy: number;
  /** Those that are done so far. */
  readonly locations: readonly {
    readonly location: string;
    /** Stocks that were compared, without those whose changes were under way. */
    readonly compared: number;
    readonly matched: number;
    /** Stocks that differed only by changes under way. */
    readonly inFlight: number;
    /** matched ÷ compared; 1 when nothing was compared. */
    readonly accuracy: number;
    /** How many; the first 1000 are listed. */
    readonly findings: number;
    /** Of all findings, listed or not, those that were left as they are (`action` is `none`). */
    readonly left: number;
    /** What could not be compared while all else was: it is in no other figure. */
    readonly passedOver: readonly {
      /** `impossible-name`: their record has a sku or location that none here can have. `unreadable-here`: their record tells of an earlier figure of ours, which is in a part of the archive that can't be read. */
      readonly reason: "impossible-name" | "unreadable-here";
      readonly count: number;
      /** The first of them, a name that is too long being cut; null when the credential may not know its location. */
      readonly first: {
        readonly sku: string;
        readonly location: string;
      } | null;
    }[];
    /** Why it could not be compared; else null. */
    readonly cause: string | null;
  }[];
  readonly findings: readonly {
    /** Whose system was asked. */
    readonly receiver: string;
    readonly sku: string;
    readonly location: string;
    /** On hand here, at the version or time of their record; of what is late as it is now. Null: no record. */
    readonly ours: number | null;
    /** On hand there; null when they have no record. */
    readonly theirs: number | null;
    /** `missing-here`, `missing-there`: one side has no record. `late`: they hold an old figure of ours, and nothing is on its way. `drift`: the figures differ. */
    readonly kind: "missing-here" | "missing-there" | "late" | "drift";
    /** `sent-again`: ours is pushed once more. `counted`: theirs was recorded here as a count. */
    readonly action: "none" | "sent-again" | "counted";
  }[];
}

export interface ReconciliationRequest {
  /** Compared with these; with all that get changes pushed when absent. */
  readonly locations?: readonly string[] | undefined;
  /** `report` only says what it finds, `correct` also puts it right. */
  readonly mode: "report" | "correct";
}

export interface ReconciliationSummary {
  readonly id: string;
  /** `failed`: at least one location could not be compared. */
  readonly status: "waiting" | "running" | "done" | "failed";
  readonly mode: "report" | "correct";
  /** Whether its time had come, instead of someone asking for it. */
  readonly scheduled: boolean;
  /** RFC 3339. */
  readonly requestedAt: string;
  readonly endedAt: string | null;
  /** Stocks that were compared, without those whose changes were under way. */
  readonly compared: number;
  readonly matched: number;
  /** Stocks that differed only by changes under way. */
  readonly inFlight: number;
  /** matched ÷ compared; 1 when nothing was compared. */
  readonly accuracy: number;
  /** Those that are done so far. */
  readonly locations: readonly {
    readonly location: string;
    /** Stocks that were compared, without those whose changes were under way. */
    readonly compared: number;
    readonly matched: number;
    /** Stocks that differed only by changes under way. */
    readonly inFlight: number;
    /** matched ÷ compared; 1 when nothing was compared. */
    readonly accuracy: number;
    /** How many; the first 1000 are listed. */
    readonly findings: number;
    /** Of all findings, listed or not, those that were left as they are (`action` is `none`). */
    readonly left: number;
    /** What could not be compared while all else was: it is in no other figure. */
    readonly passedOver: readonly {
      /** `impossible-name`: their record has a sku or location that none here can have. `unreadable-here`: their record tells of an earlier figure of ours, which is in a part of the archive that can't be read. */
      readonly reason: "impossible-name" | "unreadable-here";
      readonly count: number;
      /** The first of them, a name that is too long being cut; null when the credential may not know its location. */
      readonly first: {
        readonly sku: string;
        readonly location: string;
      } | null;
    }[];
    /** Why it could not be compared; else null. */
    readonly cause: string | null;
  }[];
}

export interface RecordedCloudEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** RFC 3339, as 2026-11-21T09:30:00Z. */
  readonly time: string;
  readonly subject?: string | undefined;
  readonly datacontenttype: "application/json";
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface ReplayRequest {
  /** A position that Larder has given: what was recorded after it is sent again. */
  readonly after: string;
}

export interface Reservation {
  readonly id: string;
  readonly status: "active" | "confirmed" | "partly-fulfilled" | "fulfilled" | "released" | "expired";
  /** RFC 3339, as 2026-11-21T09:30:00Z. */
  readonly createdAt: string;
  /** Null once it no longer expires. */
  readonly expiresAt: string | null;
  readonly owner: string | null;
  readonly reference: string | null;
  readonly lines: readonly {
    readonly sku: string;
    readonly location: string;
    /** Units allocated; when released or fulfilled in part, see the other members. */
    readonly quantity: number;
    /** Which line of the request it serves; lines that ask for the same are one. */
    readonly lineIndex: number;
    /** Units of it handed over so far; absent when none. */
    readonly fulfilled?: number | undefined;
    readonly sellableUntil?: string | undefined;
    readonly lot?: string | undefined;
  }[];
  readonly releasedLines?: readonly {
    readonly sku: string;
    readonly location: string;
    readonly quantity: number;
    readonly lineIndex: number;
  }[] | undefined;
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

export interface ReserveRequest {
  readonly id?: string | undefined;
  readonly owner?: string | undefined;
  readonly reference?: string | undefined;
  readonly ttlSeconds?: number | undefined;
  readonly allowPartial?: boolean | undefined;
  /** How locations are chosen for lines that name none; default `priority`. */
  readonly strategy?: "priority" | "fewest-splits" | "most-stock" | "nearest" | "earliest-expiry" | undefined;
  readonly near?: {
    readonly lat: number;
    readonly lon: number;
  } | undefined;
  readonly lines: readonly {
    /** The merchant's code for one stocked kind. */
    readonly sku: string;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    /** A place that holds stock. */
    readonly location?: string | undefined;
    /** Served from these, in this order. */
    readonly locations?: readonly string[] | undefined;
    /** A date, as 2026-11-21. */
    readonly sellableUntil?: string | undefined;
    readonly lot?: string | undefined;
  }[];
}

export interface SourcingPlan {
  readonly feasible: boolean;
  readonly lines: readonly {
    readonly sku: string;
    readonly location: string;
    readonly quantity: number;
    readonly lineIndex: number;
    /** Why this location, in plain words. */
    readonly because: string;
  }[];
  readonly short: readonly {
    readonly sku: string;
    readonly location?: string | undefined;
    readonly requested: number;
    readonly available: number;
  }[];
  readonly notes: readonly string[];
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

export interface StockEvents {
  readonly events: readonly {
    readonly specversion: "1.0";
    readonly id: string;
    readonly source: string;
    readonly type: string;
    /** RFC 3339, as 2026-11-21T09:30:00Z. */
    readonly time: string;
    readonly subject?: string | undefined;
    readonly datacontenttype: "application/json";
    /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
    readonly position: string;
    readonly data: Readonly<Record<string, unknown>>;
  }[];
  readonly next?: string | undefined;
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

export interface StockView {
  readonly sku: string;
  readonly locations: readonly {
    readonly location: string;
    /** onHand − unavailable − reserved − committed − safetyStock; below zero when facts left less than was promised. */
    readonly available: number;
    /** Physically at the location, whatever its condition or promises. */
    readonly onHand: number;
    /** On hand but not sellable: damaged, in quarantine, expired. */
    readonly unavailable: number;
    /** Held for carts and quotes; lapses by itself. */
    readonly reserved: number;
    /** Promised to confirmed orders, not yet handed over. */
    readonly committed: number;
    /** Withheld from promising. */
    readonly safetyStock: number;
    /** Expected from suppliers or in transit from other locations. */
    readonly incoming: number;
    readonly version: number;
    /** RFC 3339, as 2026-11-21T09:30:00Z. */
    readonly updatedAt: string;
    readonly lots?: readonly {
      readonly lot: string;
      readonly expiresOn: string | null;
      readonly quantity: number;
      /** Units of it that are neither held back nor expired. */
      readonly sellable: number;
    }[] | undefined;
  }[];
  readonly totals: {
    /** onHand − unavailable − reserved − committed − safetyStock; below zero when facts left less than was promised. */
    readonly available: number;
    /** Physically at the location, whatever its condition or promises. */
    readonly onHand: number;
    /** On hand but not sellable: damaged, in quarantine, expired. */
    readonly unavailable: number;
    /** Held for carts and quotes; lapses by itself. */
    readonly reserved: number;
    /** Promised to confirmed orders, not yet handed over. */
    readonly committed: number;
    /** Withheld from promising. */
    readonly safetyStock: number;
    /** Expected from suppliers or in transit from other locations. */
    readonly incoming: number;
  };
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
}

export interface WebhookAttempt {
  /** RFC 3339. */
  readonly time: string;
  /** Its id; also the `webhook-id` of the delivery. */
  readonly event: string;
  readonly type: string;
  /** 1 for the first. */
  readonly attempt: number;
  readonly delivered: boolean;
  /** What the receiver answered; null when it did not. */
  readonly status: number | null;
  readonly ms: number;
  /** Why it was not delivered. */
  readonly cause: string | null;
}

export interface WebhookDeliveries {
  /** The newest, at most 200; newest first. */
  readonly items: readonly {
    /** RFC 3339. */
    readonly time: string;
    /** Its id; also the `webhook-id` of the delivery. */
    readonly event: string;
    readonly type: string;
    /** 1 for the first. */
    readonly attempt: number;
    readonly delivered: boolean;
    /** What the receiver answered; null when it did not. */
    readonly status: number | null;
    readonly ms: number;
    /** Why it was not delivered. */
    readonly cause: string | null;
  }[];
}

export interface WebhookRequest {
  /** Where events are posted: http or https, a public address unless the operator allows others. */
  readonly url: string;
  /** Only events of these CloudEvents types (docs/reference/events.md); all when absent. */
  readonly types?: readonly string[] | undefined;
  /** Only events about these skus; all when absent. */
  readonly skus?: readonly string[] | undefined;
  /** Only events about these locations; all when absent. */
  readonly locations?: readonly string[] | undefined;
}

export interface WebhooksPage {
  readonly items: readonly {
    readonly id: string;
    /** Where events are posted: http or https, a public address unless the operator allows others. */
    readonly url: string;
    /** Only events of these CloudEvents types (docs/reference/events.md); all when absent. */
    readonly types?: readonly string[] | undefined;
    /** Only events about these skus; all when absent. */
    readonly skus?: readonly string[] | undefined;
    /** Only events about these locations; all when absent. */
    readonly locations?: readonly string[] | undefined;
    /** The locations that its maker was limited to; it never tells of others. */
    readonly limitedTo?: readonly string[] | undefined;
    /** `disabled`: its receiver answered 410, or no delivery has succeeded for 5 days. */
    readonly status: "active" | "paused" | "disabled";
    /** Why nothing is sent; null while it is. */
    readonly reason: string | null;
    /** RFC 3339. */
    readonly createdAt: string;
    /** RFC 3339. */
    readonly updatedAt: string;
    /** Until when the former secret signs too; null when it does not. */
    readonly formerSecretUntil: string | null;
    /** Events in its queue. */
    readonly waiting: number;
    /** Events that were given up, and hold up those behind them. */
    readonly deadLetters: number;
    /** The last delivery that succeeded. */
    readonly lastSuccessAt: string | null;
    /** Since when no delivery has succeeded, though some were tried. */
    readonly failingSince: string | null;
  }[];
  readonly next?: string | undefined;
}

export interface WebhookView {
  readonly id: string;
  /** Where events are posted: http or https, a public address unless the operator allows others. */
  readonly url: string;
  /** Only events of these CloudEvents types (docs/reference/events.md); all when absent. */
  readonly types?: readonly string[] | undefined;
  /** Only events about these skus; all when absent. */
  readonly skus?: readonly string[] | undefined;
  /** Only events about these locations; all when absent. */
  readonly locations?: readonly string[] | undefined;
  /** The locations that its maker was limited to; it never tells of others. */
  readonly limitedTo?: readonly string[] | undefined;
  /** `disabled`: its receiver answered 410, or no delivery has succeeded for 5 days. */
  readonly status: "active" | "paused" | "disabled";
  /** Why nothing is sent; null while it is. */
  readonly reason: string | null;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339. */
  readonly updatedAt: string;
  /** Until when the former secret signs too; null when it does not. */
  readonly formerSecretUntil: string | null;
  /** Events in its queue. */
  readonly waiting: number;
  /** Events that were given up, and hold up those behind them. */
  readonly deadLetters: number;
  /** The last delivery that succeeded. */
  readonly lastSuccessAt: string | null;
  /** Since when no delivery has succeeded, though some were tried. */
  readonly failingSince: string | null;
}

/** How it stands with one location that gets changes pushed. */
export interface SyncStatus {
  readonly location: string;
  /** Stocks (sku and location) whose newest figures it has not acknowledged. */
  readonly waiting: number;
  /** How long the oldest change of these has waited; null when none does. */
  readonly oldestWaitingSeconds: number | null;
  /** While everything is being gone through for what it lacks (a new receiver, another route, a resend, a long outage): how many stocks have been looked at. What is found counts as waiting. */
  readonly fullPush: {
    readonly lookedAt: number;
    readonly of: number;
  } | null;
  readonly lastSuccessAt: string | null;
  /** From recording a change to its acknowledgement by the other side, over the last five minutes; within 10 %. Null when there was none. */
  readonly latencySeconds: {
    readonly p50: number | null;
    readonly p95: number | null;
    readonly max: number | null;
  };
  /** Of the pushes of the last five minutes, the share that failed; null when there was none. */
  readonly errorRate: number | null;
  /** `open` while the receiver counts as down and is only probed. */
  readonly circuit: "closed" | "open" | "half-open";
  /** When what waits now will be done at the pace of the last minute; 0 when nothing waits, null when unknown. */
  readonly completesInSeconds: number | null;
  /** Why the last push that failed did. */
  readonly lastError: string | null;
  /** `slow`: a change waits, or took, longer than 5 s. `failing`: over 1 % of the pushes failed. */
  readonly alarms: readonly ("slow" | "failing")[];
}

/** Goods came in. */
export interface StockReceivedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.received.v1";
  /** Goods came in. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    /** A date, as 2026-11-21. */
    readonly expiresOn?: string | undefined;
  };
}

/** A purchase order or advice: goods that will come in under this reference. */
export interface StockExpectedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.expected.v1";
  /** A purchase order or advice: goods that will come in under this reference. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference: string;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    /** A date, as 2026-11-21. */
    readonly dueOn?: string | undefined;
  };
}

/** Sold and gone: by a till, or an order already paid. */
export interface StockSoldV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.sold.v1";
  /** Sold and gone: by a till, or an order already paid. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
  };
}

/** Came back from a customer. */
export interface StockReturnedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.returned.v1";
  /** Came back from a customer. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    /** Default true. */
    readonly sellable?: boolean | undefined;
    /** A date, as 2026-11-21. */
    readonly expiresOn?: string | undefined;
  };
}

/** A correction of on hand, up or down. */
export interface StockAdjustedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.adjusted.v1";
  /** A correction of on hand, up or down. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    readonly delta: number;
    readonly reason: string;
  };
}

/** Still there, but not for sale. */
export interface StockHeldBackV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.held-back.v1";
  /** Still there, but not for sale. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    readonly reason: string;
  };
}

/** For sale again. */
export interface StockPutBackV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.put-back.v1";
  /** For sale again. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    readonly reason: string;
  };
}

/** All that is physically there; with `lot`, of that lot. */
export interface StockCountedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.counted.v1";
  /** All that is physically there; with `lot`, of that lot. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    readonly quantity: number;
    /** RFC 3339, as 2026-11-21T09:30:00Z. */
    readonly asOf?: string | undefined;
  };
}

/** Sent to another of our locations. */
export interface StockDispatchedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.dispatched.v1";
  /** Sent to another of our locations. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    readonly transfer: string;
    /** A place that holds stock. */
    readonly to: string;
    /** A date, as 2026-11-21. */
    readonly expiresOn?: string | undefined;
  };
}

/** Came in from another of our locations. */
export interface StockArrivedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.stock.arrived.v1";
  /** Came in from another of our locations. */
  readonly data: {
    /** The merchant's code for one stocked kind. */
    readonly sku?: string | undefined;
    /** Instead of `sku`: a GTIN of a registered item. */
    readonly gtin?: string | undefined;
    /** A place that holds stock. */
    readonly location: string;
    readonly lot?: string | undefined;
    readonly reference?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    readonly transfer: string;
    /** A place that holds stock. */
    readonly from: string;
    /** A date, as 2026-11-21. */
    readonly expiresOn?: string | undefined;
  };
}

/** A paid order of any sales system: what matches its reservation is fulfilled, the rest is taken as sold. */
export interface OrderCompletedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.order.completed.v1";
  /** A paid order of any sales system: what matches its reservation is fulfilled, the rest is taken as sold. */
  readonly data: {
    readonly order: string;
    readonly lines: readonly {
      /** The merchant's code for one stocked kind. */
      readonly sku: string;
      /** A place that holds stock. */
      readonly location: string;
      /** Whole units of the SKU's base unit (each, g, ml). */
      readonly quantity: number;
    }[];
    readonly reservation?: string | undefined;
    /** Whether to release what the reservation still holds; default false. */
    readonly final?: boolean | undefined;
  };
}

/** Undoes what that fact did, as if it had not happened. */
export interface FactVoidedV1 {
  readonly specversion: "1.0";
  /** With `source`, names the fact for ever. */
  readonly id: string;
  readonly source: string;
  /** RFC 3339: when it happened; the time of receipt when absent. */
  readonly time?: string | undefined;
  readonly type: "larder.fact.voided.v1";
  /** Undoes what that fact did, as if it had not happened. */
  readonly data: {
    readonly source: string;
    readonly id: string;
    readonly reason: string;
  };
}

export type Fact = StockReceivedV1 | StockExpectedV1 | StockSoldV1 | StockReturnedV1 | StockAdjustedV1 | StockHeldBackV1 | StockPutBackV1 | StockCountedV1 | StockDispatchedV1 | StockArrivedV1 | OrderCompletedV1 | FactVoidedV1;

/** Every code of a problem. */
export type ErrorCode = Problem["code"];

export type IsAliveAnswer = {
  readonly ok: boolean;
};

export type IsReadyAnswer = {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, {
    readonly ok: boolean;
    /** Someone has to do something, although the server does its work. */
    readonly needsSomeone?: boolean | undefined;
    readonly detail?: string | undefined;
  }>>;
};

export interface ReserveOptions extends CallOptions {
  /** 1 to 256 printable ASCII characters; makes a retry safe. */
  readonly idempotencyKey?: string | undefined;
}

export type ListReservationsAnswer = {
  readonly items: readonly Reservation[];
  readonly next?: string | undefined;
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
};

export interface ListReservationsQuery {
  readonly owner?: string | undefined;
  readonly reference?: string | undefined;
  /** The merchant's code for one stocked kind. */
  readonly sku?: string | undefined;
  readonly status?: "active" | "confirmed" | "partly-fulfilled" | "fulfilled" | "released" | "expired" | undefined;
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export type ExtendReservationBody = {
  readonly ttlSeconds: number;
};

export type AmendReservationBody = {
  readonly lines: readonly {
    /** The merchant's code for one stocked kind. */
    readonly sku: string;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
    /** A place that holds stock. */
    readonly location?: string | undefined;
    /** Served from these, in this order. */
    readonly locations?: readonly string[] | undefined;
    /** A date, as 2026-11-21. */
    readonly sellableUntil?: string | undefined;
    readonly lot?: string | undefined;
  }[];
};

export type ConfirmReservationBody = {
  readonly reacquire?: boolean | undefined;
};

export interface FulfilReservationOptions extends CallOptions {
  /** 1 to 256 printable ASCII characters; makes a retry safe. */
  readonly idempotencyKey?: string | undefined;
}

export type FulfilReservationBody = {
  readonly lines?: readonly {
    /** The merchant's code for one stocked kind. */
    readonly sku: string;
    /** A place that holds stock. */
    readonly location?: string | undefined;
    /** Whole units of the SKU's base unit (each, g, ml). */
    readonly quantity: number;
  }[] | undefined;
};

export interface GetAvailabilityQuery {
  /** Once for each sku. */
  readonly sku: readonly string[];
  /** All when absent. */
  readonly location?: readonly string[] | undefined;
}

export interface GetAvailabilityOptions extends CallOptions {
  /** A position to wait for, up to 2 s, until the read side has seen it: so a read that follows a write sees it. */
  readonly minPosition?: string | undefined;
}

export interface GetAvailabilityBatchOptions extends CallOptions {
  /** A position to wait for, up to 2 s, until the read side has seen it: so a read that follows a write sees it. */
  readonly minPosition?: string | undefined;
}

export interface GetStockQuery {
  /** Whether each location lists its lots. */
  readonly lots?: boolean | undefined;
  /** RFC 3339: what was there then, by what is known now; `version` and `updatedAt` are those of what is known. */
  readonly at?: string | undefined;
  /** RFC 3339: what Larder would have answered then. */
  readonly knownAt?: string | undefined;
}

export interface GetStockEventsQuery {
  /** A place that holds stock. */
  readonly location?: string | undefined;
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export type ListItemsAnswer = {
  readonly items: readonly Item[];
  readonly next?: string | undefined;
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
};

export interface ListItemsQuery {
  /** A barcode of 8, 12, 13 or 14 digits: the item that has it. */
  readonly gtin?: string | undefined;
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export type PutItemsBody = {
  readonly items: readonly unknown[];
};

export type ListLocationsAnswer = {
  readonly items: readonly LocationView[];
  readonly next?: string | undefined;
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
};

export interface ListLocationsQuery {
  /** The location that has this GLN. */
  readonly gln?: string | undefined;
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export type GetSyncAnswer = {
  readonly items: readonly SyncStatus[];
  readonly next?: string | undefined;
};

export interface GetSyncQuery {
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ListDeadLettersQuery {
  /** Only of this queue. */
  readonly queue?: string | undefined;
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface DiscardDeadLetterQuery {
  /** Why; it is kept. */
  readonly reason: string;
}

export type RedriveQueueAnswer = {
  readonly queue: string;
  /** Dead letters that are handled again now. */
  readonly redriven: number;
};

export type RedriveQueueBody = {
  readonly queue: string;
};

export type ListReconciliationsAnswer = {
  readonly items: readonly ReconciliationSummary[];
  readonly next?: string | undefined;
};

export interface ListReconciliationsQuery {
  /** Only of this location. */
  readonly location?: string | undefined;
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export type GetAccuracyAnswer = {
  readonly items: readonly LocationAccuracy[];
  readonly next?: string | undefined;
};

export interface GetAccuracyQuery {
  /** Only of this location. */
  readonly location?: string | undefined;
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ListKeysQuery {
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ListWebhooksQuery {
  /** Rows; 100 when absent. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ListWebhookDeliveriesQuery {
  /** Rows; all that are kept, 200, when absent. */
  readonly limit?: number | undefined;
}

export type RecordFactsAnswer = FactsReceipt | {
  /** Facts that wait to be judged. */
  readonly queued: number;
};

export interface RecordFactsOptions extends CallOptions {
  /** `respond-async` (RFC 7240): take the facts in now, judge them later. */
  readonly prefer?: string | undefined;
}

export type CaptureEpcisAnswer = {
  readonly captureID: string;
};

export interface CaptureEpcisQuery {
  /** CloudEvents source of the facts: `epcis` when absent, or the only source that the key may speak for. With the ids of the events it names the facts for ever. */
  readonly source?: string | undefined;
  /** A business step to record nothing for, once for each: the partner tells it by another step too. */
  readonly leaveOut?: readonly string[] | undefined;
  /** Whether `urn:larder:item:` and `urn:larder:location:` name our own items and locations: the document was written by a Larder that has the same. */
  readonly ownNames?: boolean | undefined;
}

export interface CaptureEpcisOptions extends CallOptions {
  /** `rollback` (default): when an event can't be recorded, none is. `proceed`: what can be recorded is. */
  readonly gs1CaptureErrorBehaviour?: string | undefined;
  /** 2.0.0; 1.2.0 for XML. */
  readonly gs1EpcisVersion?: string | undefined;
}

export interface ListEpcisCaptureJobsQuery {
  /** Rows; 30 when absent. */
  readonly perPage?: number | undefined;
  /** As the `Link` header of the page before has it. */
  readonly nextPageToken?: string | undefined;
}

export interface QueryEpcisEventsQuery {
  /** A type of event; Larder writes `ObjectEvent`; several by `|`. */
  readonly eventType?: string | undefined;
  /** RFC 3339: happened then or later. */
  readonly GE_eventTime?: string | undefined;
  /** RFC 3339: happened before. */
  readonly LT_eventTime?: string | undefined;
  /** RFC 3339: recorded then or later: the log is in this order, so it bounds what is read. */
  readonly GE_recordTime?: string | undefined;
  /** RFC 3339: recorded before. */
  readonly LT_recordTime?: string | undefined;
  /** The id of an event; several by `|`. */
  readonly EQ_eventID?: string | undefined;
  /** ADD, OBSERVE or DELETE; several by `|`. */
  readonly EQ_action?: string | undefined;
  /** A business step, as `shipping`; several by `|`. */
  readonly EQ_bizStep?: string | undefined;
  /** A disposition, as `in_transit`; several by `|`. */
  readonly EQ_disposition?: string | undefined;
  /** A place by its URI, in any notation; several by `|`. */
  readonly EQ_bizLocation?: string | undefined;
  /** A place by its URI, in any notation; several by `|`. */
  readonly EQ_readPoint?: string | undefined;
  /** An item, or an item and lot, by its URI; `urn:epc:idpat:sgtin:…*` for any lot; several by `|`. */
  readonly MATCH_epcClass?: string | undefined;
  /** The same; several by `|`. */
  readonly MATCH_anyEPCClass?: string | undefined;
  /** Rows; 30 when absent. */
  readonly perPage?: number | undefined;
  /** As the `Link` header of the page before has it. */
  readonly nextPageToken?: string | undefined;
}

/** Operations whose answer is a stream; each has a method that is written by hand. */
export type StreamOperation = "followChanges";

/** Every operation of Larder, as a method. */
export class Operations {
  protected readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Whether the process answers. Open on loopback; elsewhere by any key. */
  isAlive(options: CallOptions = {}): Promise<IsAliveAnswer> {
    return this.transport.call({ method: "GET", path: "/livez", answer: "json", isRepeatable: true }, options);
  }

  /** Whether it can do its work. Open on loopback; elsewhere by any key. */
  isReady(options: CallOptions = {}): Promise<IsReadyAnswer> {
    return this.transport.call({ method: "GET", path: "/readyz", answer: "json", isRepeatable: true, alsoAnswers: [503] }, options);
  }

  /** Metrics in OpenMetrics. Open on loopback; elsewhere by any key. */
  getMetrics(options: CallOptions = {}): Promise<string> {
    return this.transport.call({ method: "GET", path: "/metrics", answer: "text", isRepeatable: true }, options);
  }

  /**
   * Reserve stock. All lines or none, unless `allowPartial`. Safe to retry with the same `id`, or the same `Idempotency-Key` header of the same credential: the same body is answered 200 with the reservation as it now is. Where both are sent, the `id` decides. A refusal spends neither. `insufficient-stock` carries `lines`: for each short one `sku`, `location`, `requested` and `available`.
   *
   * Needs `reservations:write`.
   */
  reserve(body: ReserveRequest, options: ReserveOptions = {}): Promise<Reservation> {
    return this.transport.call({ method: "POST", path: "/v1/reservations", answer: "json", isRepeatable: true, takesKey: true, body, bodyType: "application/json", headers: { "idempotency-key": options.idempotencyKey } }, options);
  }

  /** List reservations. Needs `reservations:write` or `stock:read`. */
  listReservations(query: ListReservationsQuery = {}, options: CallOptions = {}): Promise<ListReservationsAnswer> {
    return this.transport.call({ method: "GET", path: "/v1/reservations", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `listReservations`, fetched page by page as it is asked for. */
  allReservations(query: ListReservationsQuery = {}, options: CallOptions = {}): AsyncGenerator<Reservation, void> {
    return pages((cursor = query.cursor) => this.listReservations({ ...query, cursor }, options), ({ items }) => items);
  }

  /**
   * See what a reservation would get, and why. The same body as a reservation; nothing is held.
   *
   * Needs `reservations:write`.
   */
  planReservation(body: ReserveRequest, options: CallOptions = {}): Promise<SourcingPlan> {
    return this.transport.call({ method: "POST", path: "/v1/reservations:plan", answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Read a reservation. Judged exactly: one whose time is over is `expired`, whether or not that was recorded yet.
   *
   * Needs `reservations:write` or `stock:read`.
   */
  getReservation(id: string, options: CallOptions = {}): Promise<Reservation> {
    return this.transport.call({ method: "GET", path: `/v1/reservations/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true }, options);
  }

  /**
   * Hold for longer. From now on; never shortens.
   *
   * Needs `reservations:write`.
   */
  extendReservation(id: string, body: ExtendReservationBody, options: CallOptions = {}): Promise<Reservation> {
    return this.transport.call({ method: "POST", path: `/v1/reservations/${encodeURIComponent(id)}/extend`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Change the lines. The new lines as a whole or not at all; what is unchanged is never let go. `expiresAt` stays.
   *
   * Needs `reservations:write`.
   */
  amendReservation(id: string, body: AmendReservationBody, options: CallOptions = {}): Promise<Reservation> {
    return this.transport.call({ method: "PUT", path: `/v1/reservations/${encodeURIComponent(id)}/lines`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Confirm for an order. Reserved becomes committed and expires no more. `reacquire` revives an expired one if stock still allows.
   *
   * Needs `reservations:write`.
   */
  confirmReservation(id: string, body: ConfirmReservationBody = {}, options: CallOptions = {}): Promise<Reservation> {
    return this.transport.call({ method: "POST", path: `/v1/reservations/${encodeURIComponent(id)}/confirm`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Hand over, whole or in part. With `lines` an `Idempotency-Key` header is needed, so that a retry counts once.
   *
   * Needs `reservations:write`.
   */
  fulfilReservation(id: string, body: FulfilReservationBody = {}, options: FulfilReservationOptions = {}): Promise<Reservation> {
    return this.transport.call({ method: "POST", path: `/v1/reservations/${encodeURIComponent(id)}/fulfil`, answer: "json", isRepeatable: true, takesKey: true, body, bodyType: "application/json", headers: { "idempotency-key": options.idempotencyKey } }, options);
  }

  /** Let go of what remains. Needs `reservations:write`. */
  releaseReservation(id: string, body: Readonly<Record<string, never>> = {}, options: CallOptions = {}): Promise<Reservation> {
    return this.transport.call({ method: "POST", path: `/v1/reservations/${encodeURIComponent(id)}/release`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * See what can be promised. From the read side, which follows the log and never slows a write down. An unknown sku is an item with `known: false`; a known one has no item for a location that never had any of it.
   *
   * Needs `stock:read`.
   */
  getAvailability(query: GetAvailabilityQuery, options: GetAvailabilityOptions = {}): Promise<Availability> {
    return this.transport.call({ method: "GET", path: "/v1/availability", answer: "json", isRepeatable: true, query, headers: { "larder-min-position": options.minPosition } }, options);
  }

  /** See what can be promised of up to 1,000 skus. Needs `stock:read`. */
  getAvailabilityBatch(body: AvailabilityBatchRequest, options: GetAvailabilityBatchOptions = {}): Promise<Availability> {
    return this.transport.call({ method: "POST", path: "/v1/availability:batch", answer: "json", isRepeatable: true, body, bodyType: "application/json", headers: { "larder-min-position": options.minPosition } }, options);
  }

  /**
   * Read the stock of one sku from the truth. `at` and `knownAt` look back, each by itself or both together.
   *
   * Needs `stock:read`.
   */
  getStock(sku: string, query: GetStockQuery = {}, options: CallOptions = {}): Promise<StockView> {
    return this.transport.call({ method: "GET", path: `/v1/stock/${encodeURIComponent(sku)}`, answer: "json", isRepeatable: true, query }, options);
  }

  /**
   * Read the audit trail of one sku. What, when it happened, when it was recorded, by whom, from which source, why, and the balance after it.
   *
   * Needs `stock:read`.
   */
  getStockEvents(sku: string, query: GetStockEventsQuery = {}, options: CallOptions = {}): Promise<StockEvents> {
    return this.transport.call({ method: "GET", path: `/v1/stock/${encodeURIComponent(sku)}/events`, answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `getStockEvents`, fetched page by page as it is asked for. */
  allStockEvents(sku: string, query: GetStockEventsQuery = {}, options: CallOptions = {}): AsyncGenerator<{
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** RFC 3339, as 2026-11-21T09:30:00Z. */
  readonly time: string;
  readonly subject?: string | undefined;
  readonly datacontenttype: "application/json";
  /** Opaque: how far the log has been seen. Store it and hand it back; never compare. */
  readonly position: string;
  readonly data: Readonly<Record<string, unknown>>;
}, void> {
    return pages((cursor = query.cursor) => this.getStockEvents(sku, { ...query, cursor }, options), ({ events }) => events);
  }

  /** Read the policy of one sku. Needs `stock:read`. */
  getPolicy(sku: string, options: CallOptions = {}): Promise<PolicyView> {
    return this.transport.call({ method: "GET", path: `/v1/stock/${encodeURIComponent(sku)}/policy`, answer: "json", isRepeatable: true }, options);
  }

  /**
   * Set the policy of one sku. In general, or for one location, whose fields override the general ones, field by field. Absent fields stay.
   *
   * Needs `stock:write`.
   */
  setPolicy(sku: string, body: PolicyBody, options: CallOptions = {}): Promise<PolicyView> {
    return this.transport.call({ method: "PUT", path: `/v1/stock/${encodeURIComponent(sku)}/policy`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /** List items, or find one by its barcode. Needs `stock:read`. */
  listItems(query: ListItemsQuery = {}, options: CallOptions = {}): Promise<ListItemsAnswer> {
    return this.transport.call({ method: "GET", path: "/v1/items", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `listItems`, fetched page by page as it is asked for. */
  allItems(query: ListItemsQuery = {}, options: CallOptions = {}): AsyncGenerator<Item, void> {
    return pages((cursor = query.cursor) => this.listItems({ ...query, cursor }, options), ({ items }) => items);
  }

  /** Read an item. Needs `stock:read`. */
  getItem(sku: string, options: CallOptions = {}): Promise<Item> {
    return this.transport.call({ method: "GET", path: `/v1/items/${encodeURIComponent(sku)}`, answer: "json", isRepeatable: true }, options);
  }

  /** Set what a sku is. Needs `stock:write`. */
  putItem(sku: string, body: ItemBody, options: CallOptions = {}): Promise<Item> {
    return this.transport.call({ method: "PUT", path: `/v1/items/${encodeURIComponent(sku)}`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Set up to 1,000 items. Items as `{sku, name, unit, gtins?, plu?}`; each is judged by itself.
   *
   * Needs `stock:write`.
   */
  putItems(body: PutItemsBody, options: CallOptions = {}): Promise<ItemsReceipt> {
    return this.transport.call({ method: "POST", path: "/v1/items:batch", answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /** List locations, or find one by its GLN. Needs `stock:read`. */
  listLocations(query: ListLocationsQuery = {}, options: CallOptions = {}): Promise<ListLocationsAnswer> {
    return this.transport.call({ method: "GET", path: "/v1/locations", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `listLocations`, fetched page by page as it is asked for. */
  allLocations(query: ListLocationsQuery = {}, options: CallOptions = {}): AsyncGenerator<LocationView, void> {
    return pages((cursor = query.cursor) => this.listLocations({ ...query, cursor }, options), ({ items }) => items);
  }

  /** Read a location. Needs `stock:read`. */
  getLocation(id: string, options: CallOptions = {}): Promise<LocationView> {
    return this.transport.call({ method: "GET", path: `/v1/locations/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true }, options);
  }

  /** Set what a location is. Needs `sync:admin`. */
  putLocation(id: string, body: LocationBody, options: CallOptions = {}): Promise<LocationView> {
    return this.transport.call({ method: "PUT", path: `/v1/locations/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * See how it stands with each location that gets changes pushed. What waits, how long changes take, how many pushes fail, whether the location counts as down, and which alarms ring.
   *
   * Needs `sync:admin`.
   */
  getSync(query: GetSyncQuery = {}, options: CallOptions = {}): Promise<GetSyncAnswer> {
    return this.transport.call({ method: "GET", path: "/v1/sync", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `getSync`, fetched page by page as it is asked for. */
  allSync(query: GetSyncQuery = {}, options: CallOptions = {}): AsyncGenerator<SyncStatus, void> {
    return pages((cursor = query.cursor) => this.getSync({ ...query, cursor }, options), ({ items }) => items);
  }

  /**
   * Push everything that a location asks for again. Whatever it has been told before: after the other side has lost what it held. Changes go first. Asking again begins anew.
   *
   * Needs `sync:admin`.
   */
  resendSync(location: string, body: Readonly<Record<string, never>> = {}, options: CallOptions = {}): Promise<SyncStatus> {
    return this.transport.call({ method: "POST", path: `/v1/sync/${encodeURIComponent(location)}/resend`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * List what could not be handled, newest first. For keys without limits: dead letters show what others sent.
   *
   * Needs `dlq:admin`.
   */
  listDeadLetters(query: ListDeadLettersQuery = {}, options: CallOptions = {}): Promise<DeadLettersPage> {
    return this.transport.call({ method: "GET", path: "/v1/dead-letters", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `listDeadLetters`, fetched page by page as it is asked for. */
  allDeadLetters(query: ListDeadLettersQuery = {}, options: CallOptions = {}): AsyncGenerator<{
  /** Of this dead letter; a message that dies again after a redrive gets another one. */
  readonly id: string;
  readonly queue: string;
  readonly messageId: string;
  /** Messages of one key wait for each other; those behind it wait now. */
  readonly key?: string | undefined;
  /** Why it could not be handled, for people; a rejected fact's begins with its code. */
  readonly cause: string;
  /** Since it was sent or redriven. */
  readonly attempts: number;
  /** How often it has been redriven before. */
  readonly redrives: number;
  /** When it came into the queue. RFC 3339. */
  readonly sentAt: string;
  /** The first attempt since it was sent or redriven. RFC 3339. */
  readonly firstAttemptAt: string;
  /** When it became a dead letter. RFC 3339. */
  readonly deadAt: string;
  /** The W3C `traceparent` it came with. */
  readonly trace?: string | undefined;
}, void> {
    return pages((cursor = query.cursor) => this.listDeadLetters({ ...query, cursor }, options), ({ items }) => items);
  }

  /** Read a dead letter with its message and the causes. Needs `dlq:admin`. */
  getDeadLetter(id: string, options: CallOptions = {}): Promise<DeadLetterDetail> {
    return this.transport.call({ method: "GET", path: `/v1/dead-letters/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true }, options);
  }

  /**
   * Remove a dead letter for good. Repeated, it changes nothing more and is answered like the first time.
   *
   * Needs `dlq:admin`.
   */
  discardDeadLetter(id: string, query: DiscardDeadLetterQuery, options: CallOptions = {}): Promise<DeadLetterEnd> {
    return this.transport.call({ method: "DELETE", path: `/v1/dead-letters/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true, query }, options);
  }

  /**
   * Let a dead letter be handled again. Repeated, it changes nothing more and is answered like the first time.
   *
   * Needs `dlq:admin`.
   */
  redriveDeadLetter(id: string, body: Readonly<Record<string, never>> = {}, options: CallOptions = {}): Promise<DeadLetterEnd> {
    return this.transport.call({ method: "POST", path: `/v1/dead-letters/${encodeURIComponent(id)}/redrive`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Let all dead letters of a queue be handled again. Those that are there now, oldest first.
   *
   * Needs `dlq:admin`.
   */
  redriveQueue(body: RedriveQueueBody, options: CallOptions = {}): Promise<RedriveQueueAnswer> {
    return this.transport.call({ method: "POST", path: "/v1/dead-letters:redrive", answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Compare with what locations hold. It takes some seconds at least, for what is under way is let arrive: ask for it again until `endedAt` is there. `correct` sends ours again, or counts theirs where the location's `authority` is `theirs`.
   *
   * Needs `sync:admin`.
   */
  reconcile(body: ReconciliationRequest, options: CallOptions = {}): Promise<Reconciliation> {
    return this.transport.call({ method: "POST", path: "/v1/reconciliations", answer: "json", body, bodyType: "application/json" }, options);
  }

  /**
   * List reconciliations, newest first. The newest 1000, without their findings.
   *
   * Needs `sync:admin`.
   */
  listReconciliations(query: ListReconciliationsQuery = {}, options: CallOptions = {}): Promise<ListReconciliationsAnswer> {
    return this.transport.call({ method: "GET", path: "/v1/reconciliations", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `listReconciliations`, fetched page by page as it is asked for. */
  allReconciliations(query: ListReconciliationsQuery = {}, options: CallOptions = {}): AsyncGenerator<ReconciliationSummary, void> {
    return pages((cursor = query.cursor) => this.listReconciliations({ ...query, cursor }, options), ({ items }) => items);
  }

  /** How well locations agreed with us, over time. Needs `sync:admin`. */
  getAccuracy(query: GetAccuracyQuery = {}, options: CallOptions = {}): Promise<GetAccuracyAnswer> {
    return this.transport.call({ method: "GET", path: "/v1/reconciliations:accuracy", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `getAccuracy`, fetched page by page as it is asked for. */
  allAccuracy(query: GetAccuracyQuery = {}, options: CallOptions = {}): AsyncGenerator<LocationAccuracy, void> {
    return pages((cursor = query.cursor) => this.getAccuracy({ ...query, cursor }, options), ({ items }) => items);
  }

  /** Read a reconciliation with its findings. Needs `sync:admin`. */
  getReconciliation(id: string, options: CallOptions = {}): Promise<Reconciliation> {
    return this.transport.call({ method: "GET", path: `/v1/reconciliations/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true }, options);
  }

  /**
   * Make an API key. The answer holds the secret, this once. Only a key that is not limited itself may manage keys.
   *
   * Needs `admin`.
   */
  createKey(body: KeyRequest, options: CallOptions = {}): Promise<CreatedKey> {
    return this.transport.call({ method: "POST", path: "/v1/keys", answer: "json", body, bodyType: "application/json" }, options);
  }

  /** List the keys that stand. Needs `admin`. */
  listKeys(query: ListKeysQuery = {}, options: CallOptions = {}): Promise<KeysPage> {
    return this.transport.call({ method: "GET", path: "/v1/keys", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `listKeys`, fetched page by page as it is asked for. */
  allKeys(query: ListKeysQuery = {}, options: CallOptions = {}): AsyncGenerator<{
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly ("stock:read" | "stock:write" | "reservations:write" | "sync:admin" | "dlq:admin" | "admin")[];
  /** Only these locations exist for the key; all when absent. */
  readonly locations?: readonly string[] | undefined;
  /** Sources of facts it may speak for; all when absent. */
  readonly sources?: readonly string[] | undefined;
  /** Whether it sees only the reservations it made. */
  readonly ownReservations: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Null when it does not expire. */
  readonly expiresAt: string | null;
}, void> {
    return pages((cursor = query.cursor) => this.listKeys({ ...query, cursor }, options), ({ items }) => items);
  }

  /**
   * Revoke a key at once. Also ends the change feeds that are open with it.
   *
   * Needs `admin`.
   */
  revokeKey(id: string, options: CallOptions = {}): Promise<undefined> {
    return this.transport.call({ method: "DELETE", path: `/v1/keys/${encodeURIComponent(id)}`, answer: "none", isRepeatable: true }, options);
  }

  /**
   * Have events posted to a URL. Every event that is recorded from now on and matches is posted as one CloudEvent, signed per Standard Webhooks: at least once, in order per sku and location, retried for hours. The answer holds the secret, this once. A webhook of a key that is limited to locations tells only of them, for ever.
   *
   * Needs `sync:admin`.
   */
  createWebhook(body: WebhookRequest, options: CallOptions = {}): Promise<CreatedWebhook> {
    return this.transport.call({ method: "POST", path: "/v1/webhooks", answer: "json", body, bodyType: "application/json" }, options);
  }

  /** List webhooks. Needs `sync:admin`. */
  listWebhooks(query: ListWebhooksQuery = {}, options: CallOptions = {}): Promise<WebhooksPage> {
    return this.transport.call({ method: "GET", path: "/v1/webhooks", answer: "json", isRepeatable: true, query }, options);
  }

  /** Every row of `listWebhooks`, fetched page by page as it is asked for. */
  allWebhooks(query: ListWebhooksQuery = {}, options: CallOptions = {}): AsyncGenerator<{
  readonly id: string;
  /** Where events are posted: http or https, a public address unless the operator allows others. */
  readonly url: string;
  /** Only events of these CloudEvents types (docs/reference/events.md); all when absent. */
  readonly types?: readonly string[] | undefined;
  /** Only events about these skus; all when absent. */
  readonly skus?: readonly string[] | undefined;
  /** Only events about these locations; all when absent. */
  readonly locations?: readonly string[] | undefined;
  /** The locations that its maker was limited to; it never tells of others. */
  readonly limitedTo?: readonly string[] | undefined;
  /** `disabled`: its receiver answered 410, or no delivery has succeeded for 5 days. */
  readonly status: "active" | "paused" | "disabled";
  /** Why nothing is sent; null while it is. */
  readonly reason: string | null;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339. */
  readonly updatedAt: string;
  /** Until when the former secret signs too; null when it does not. */
  readonly formerSecretUntil: string | null;
  /** Events in its queue. */
  readonly waiting: number;
  /** Events that were given up, and hold up those behind them. */
  readonly deadLetters: number;
  /** The last delivery that succeeded. */
  readonly lastSuccessAt: string | null;
  /** Since when no delivery has succeeded, though some were tried. */
  readonly failingSince: string | null;
}, void> {
    return pages((cursor = query.cursor) => this.listWebhooks({ ...query, cursor }, options), ({ items }) => items);
  }

  /** Read a webhook and how it does. Needs `sync:admin`. */
  getWebhook(id: string, options: CallOptions = {}): Promise<WebhookView> {
    return this.transport.call({ method: "GET", path: `/v1/webhooks/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true }, options);
  }

  /**
   * Give it another URL and choice of events. What is queued already goes to the new URL, whether it matches the new choice or not.
   *
   * Needs `sync:admin`.
   */
  putWebhook(id: string, body: WebhookRequest, options: CallOptions = {}): Promise<WebhookView> {
    return this.transport.call({ method: "PUT", path: `/v1/webhooks/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /** End a webhook, with all that waits for it. Needs `sync:admin`. */
  deleteWebhook(id: string, options: CallOptions = {}): Promise<undefined> {
    return this.transport.call({ method: "DELETE", path: `/v1/webhooks/${encodeURIComponent(id)}`, answer: "none", isRepeatable: true }, options);
  }

  /**
   * Send nothing until it is enabled. What happens meanwhile is sent then.
   *
   * Needs `sync:admin`.
   */
  pauseWebhook(id: string, body: Readonly<Record<string, never>> = {}, options: CallOptions = {}): Promise<WebhookView> {
    return this.transport.call({ method: "POST", path: `/v1/webhooks/${encodeURIComponent(id)}/pause`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Send again. Also its dead letters, each before what waits behind it.
   *
   * Needs `sync:admin`.
   */
  enableWebhook(id: string, body: Readonly<Record<string, never>> = {}, options: CallOptions = {}): Promise<WebhookView> {
    return this.transport.call({ method: "POST", path: `/v1/webhooks/${encodeURIComponent(id)}/enable`, answer: "json", isRepeatable: true, body, bodyType: "application/json" }, options);
  }

  /**
   * Get another secret. For a day each delivery is signed with both. The answer holds the new one, this once.
   *
   * Needs `sync:admin`.
   */
  rotateWebhookSecret(id: string, body: Readonly<Record<string, never>> = {}, options: CallOptions = {}): Promise<CreatedWebhook> {
    return this.transport.call({ method: "POST", path: `/v1/webhooks/${encodeURIComponent(id)}/rotate-secret`, answer: "json", body, bodyType: "application/json" }, options);
  }

  /** List the newest attempts to deliver. Needs `sync:admin`. */
  listWebhookDeliveries(id: string, query: ListWebhookDeliveriesQuery = {}, options: CallOptions = {}): Promise<WebhookDeliveries> {
    return this.transport.call({ method: "GET", path: `/v1/webhooks/${encodeURIComponent(id)}/deliveries`, answer: "json", isRepeatable: true, query }, options);
  }

  /**
   * Send again what was recorded after a position. With the ids it had, behind what waits already; receivers keep the highest `version`.
   *
   * Needs `sync:admin`.
   */
  replayWebhook(id: string, body: ReplayRequest, options: CallOptions = {}): Promise<WebhookView> {
    return this.transport.call({ method: "POST", path: `/v1/webhooks/${encodeURIComponent(id)}/replay`, answer: "json", body, bodyType: "application/json" }, options);
  }

  /**
   * Send a test event now. Of type `larder.webhook.test.v1`, signed like any other, whatever state the webhook is in.
   *
   * Needs `sync:admin`.
   */
  testWebhook(id: string, body: Readonly<Record<string, never>> = {}, options: CallOptions = {}): Promise<WebhookAttempt> {
    return this.transport.call({ method: "POST", path: `/v1/webhooks/${encodeURIComponent(id)}/test`, answer: "json", body, bodyType: "application/json" }, options);
  }

  /** What lies in cold files, and how the last run went. Needs `admin`. */
  getArchive(options: CallOptions = {}): Promise<ArchiveStatus> {
    return this.transport.call({ method: "GET", path: "/v1/archive", answer: "json", isRepeatable: true }, options);
  }

  /**
   * Move old days of the log into cold files. Begins a run and answers at once; `GET /v1/archive` tells how far it is. A run that is under way already goes on. All reads go on giving the same answers.
   *
   * Needs `admin`.
   */
  startArchive(body: ArchiveRequest, options: CallOptions = {}): Promise<ArchivePlan | ArchiveStatus> {
    return this.transport.call({ method: "POST", path: "/v1/archive", answer: "json", body, bodyType: "application/json" }, options);
  }

  /**
   * Record what has happened. A well-formed fact is never refused, however late or surprising. `source` and `id` identify it for ever: the same one again has no effect and is counted in `duplicates`. Each item of a batch is judged by itself; 400 means that all were rejected, and its `rejected` says why. With `Prefer: respond-async` the facts are taken into a queue, whatever they hold, and answered with `{"queued": n}` once they are durable there; each counts as of its receipt, and one that is rejected becomes a dead letter.
   *
   * Needs `stock:write`.
   */
  recordFacts(body: Fact | readonly Fact[], options: RecordFactsOptions = {}): Promise<RecordFactsAnswer> {
    return this.transport.call({ method: "POST", path: "/v1/events", answer: "json", isRepeatable: true, body, bodyType: Array.isArray(body) ? "application/cloudevents-batch+json" : "application/cloudevents+json", headers: { "prefer": options.prefer } }, options);
  }

  /**
   * Capture an EPCIS document. A whole document, one event, or a list of events, of at most 1000 events. What it says of stock is recorded in the background, also when the server ends meanwhile; the job of the `Location` header tells what became of it.
   *
   * Needs `stock:write`.
   */
  captureEpcis(body: Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[] | string, query: CaptureEpcisQuery = {}, options: CaptureEpcisOptions = {}): Promise<CaptureEpcisAnswer> {
    return this.transport.call({ method: "POST", path: "/v1/epcis/capture", answer: "json", query, body, bodyType: typeof body === "string" ? "application/xml" : "application/json", headers: { "gs1-capture-error-behaviour": options.gs1CaptureErrorBehaviour, "gs1-epcis-version": options.gs1EpcisVersion } }, options);
  }

  /**
   * List capture jobs, newest first. A limited key sees its own. The `Link` header leads to the next page.
   *
   * Needs `stock:read`.
   */
  listEpcisCaptureJobs(query: ListEpcisCaptureJobsQuery = {}, options: CallOptions = {}): Promise<readonly CaptureJobView[]> {
    return this.transport.call({ method: "GET", path: "/v1/epcis/capture", answer: "json", isRepeatable: true, query }, options);
  }

  /** See what became of a document. Needs `stock:read`. */
  getEpcisCaptureJob(id: string, options: CallOptions = {}): Promise<CaptureJobView> {
    return this.transport.call({ method: "GET", path: `/v1/epcis/capture/${encodeURIComponent(id)}`, answer: "json", isRepeatable: true }, options);
  }

  /**
   * Read the log as EPCIS. Movements and states of goods as an EPCISQueryDocument, in the order in which they were recorded. A page may come short, or empty: go on while the `Link` header leads to a next one. A key that is limited to locations sees what happened there.
   *
   * Needs `stock:read`.
   */
  queryEpcisEvents(query: QueryEpcisEventsQuery = {}, options: CallOptions = {}): Promise<Readonly<Record<string, unknown>>> {
    return this.transport.call({ method: "GET", path: "/v1/epcis/events", answer: "json", isRepeatable: true, query }, options);
  }

  /**
   * Read one event as EPCIS. When it was voided, the declaration of its error stands after it, under the same id.
   *
   * Needs `stock:read`.
   */
  getEpcisEvent(eventID: string, options: CallOptions = {}): Promise<Readonly<Record<string, unknown>>> {
    return this.transport.call({ method: "GET", path: `/v1/epcis/events/${encodeURIComponent(eventID)}`, answer: "json", isRepeatable: true }, options);
  }

}
