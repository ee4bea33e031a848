// Written by scripts/sdk.ts from api/openapi.json: change the routes, not this.
import { type CallOptions, pages, Transport } from "./transport.ts";
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
  /** RFC 3339, as 2026-11-21T09:30:00Z. */
  readonly updatedAt: string;
}

export interface PolicyBody {
  /** A place that holds stock. */
  readonly location?: string | undefined;
  readonly safetyStock?: number | undefined;
  readonly lowAt?: number | null | undefined;
  readonly backorderLimit?: number | undefined;
}

export interface PolicyView {
  readonly sku: string;
  readonly general: {
    readonly safetyStock: number | null;
    readonly lowAt: number | null;
    readonly backorderLimit: number | null;
  };
  readonly locations: readonly {
    readonly location: string;
    readonly safetyStock: number | null;
    readonly lowAt: number | null;
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
  readonly code: "invalid-request" | "all-rejected" | "idempotency-key-required" | "invalid-position" | "invalid-check-digit" | "unauthenticated" | "forbidden" | "not-found" | "method-not-allowed" | "request-timeout" | "insufficient-stock" | "reservation-already-confirmed" | "reservation-already-fulfilled" | "reservation-already-released" | "reservation-already-expired" | "exceeds-reservation" | "version-conflict" | "gtin-in-use" | "position-from-another-history" | "payload-too-large" | "unsupported-media-type" | "idempotency-key-reused" | "too-many-allocations" | "headers-too-large" | "too-many-requests" | "overloaded" | "read-side-behind" | "storage-unavailable" | "shutting-down" | "internal";
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
  /** RFC 3339: what was there then, by what is known now. */
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

  /** List locations. Needs `stock:read`. */
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
   * Record what has happened. A well-formed fact is never refused, however late or surprising. `source` and `id` identify it for ever: the same one again has no effect and is counted in `duplicates`. Each item of a batch is judged by itself; 400 means that all were rejected, and its `rejected` says why.
   *
   * Needs `stock:write`.
   */
  recordFacts(body: Fact | readonly Fact[], options: CallOptions = {}): Promise<FactsReceipt> {
    return this.transport.call({ method: "POST", path: "/v1/events", answer: "json", isRepeatable: true, body, bodyType: Array.isArray(body) ? "application/cloudevents-batch+json" : "application/cloudevents+json" }, options);
  }

}
