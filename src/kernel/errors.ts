import { type Result, reject } from "./result.ts";

export interface ErrorSpec {
  readonly http: number;
  readonly grpc: string;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
  readonly title: string;
}

/** Every code a client can see. Codes are public and never reused; docs and OpenAPI list the same set. */
export const catalogue = {
  "invalid-request": { http: 400, grpc: "INVALID_ARGUMENT", retryable: false, title: "The request is malformed" },
  "all-rejected": { http: 400, grpc: "INVALID_ARGUMENT", retryable: false, title: "Every fact was rejected" },
  "idempotency-key-required": {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    retryable: false,
    title: "An Idempotency-Key is needed",
  },
  "invalid-position": { http: 400, grpc: "INVALID_ARGUMENT", retryable: false, title: "The position can't be read" },
  "invalid-check-digit": {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    retryable: false,
    title: "The barcode's check digit is wrong",
  },
  unauthenticated: { http: 401, grpc: "UNAUTHENTICATED", retryable: false, title: "Credentials are missing or wrong" },
  forbidden: { http: 403, grpc: "PERMISSION_DENIED", retryable: false, title: "The credential may not do this" },
  "not-found": { http: 404, grpc: "NOT_FOUND", retryable: false, title: "Not found" },
  "method-not-allowed": {
    http: 405,
    grpc: "UNIMPLEMENTED",
    retryable: false,
    title: "The resource has no such method",
  },
  "request-timeout": { http: 408, grpc: "DEADLINE_EXCEEDED", retryable: true, title: "The request came too slowly" },
  "insufficient-stock": { http: 409, grpc: "FAILED_PRECONDITION", retryable: false, title: "Not enough stock" },
  "reservation-already-confirmed": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The reservation is confirmed",
  },
  "reservation-already-fulfilled": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The reservation is fulfilled",
  },
  "reservation-already-released": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The reservation is released",
  },
  "reservation-already-expired": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The reservation has expired",
  },
  "exceeds-reservation": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "More than the reservation still holds",
  },
  "version-conflict": { http: 409, grpc: "ABORTED", retryable: true, title: "Others changed the same stock meanwhile" },
  "dead-letter-ended": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The dead letter was redriven or discarded before",
  },
  "gtin-in-use": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The barcode belongs to another item",
  },
  "gln-in-use": {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The GLN belongs to another location",
  },
  "position-from-another-history": {
    http: 410,
    grpc: "OUT_OF_RANGE",
    retryable: false,
    title: "The position is from a history that was left",
  },
  "payload-too-large": { http: 413, grpc: "RESOURCE_EXHAUSTED", retryable: false, title: "The request is too large" },
  "unsupported-media-type": {
    http: 415,
    grpc: "INVALID_ARGUMENT",
    retryable: false,
    title: "The content type is not supported",
  },
  "idempotency-key-reused": {
    http: 422,
    grpc: "ALREADY_EXISTS",
    retryable: false,
    title: "The id was used with another body",
  },
  "too-many-allocations": {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The order needs too many (sku, location) pairs",
  },
  "headers-too-large": { http: 431, grpc: "RESOURCE_EXHAUSTED", retryable: false, title: "The headers are too large" },
  "too-many-requests": { http: 429, grpc: "RESOURCE_EXHAUSTED", retryable: true, title: "Too many requests" },
  overloaded: { http: 503, grpc: "UNAVAILABLE", retryable: true, title: "Too much is waiting" },
  "read-side-behind": { http: 503, grpc: "UNAVAILABLE", retryable: true, title: "The read side has not caught up" },
  "storage-unavailable": { http: 503, grpc: "UNAVAILABLE", retryable: true, title: "The store can't be written" },
  "archive-unavailable": {
    http: 503,
    grpc: "UNAVAILABLE",
    retryable: true,
    title: "A part of the archive can't be read",
  },
  "peer-unavailable": {
    http: 503,
    grpc: "UNAVAILABLE",
    retryable: true,
    title: "A part of Larder that runs elsewhere can't be reached",
  },
  "shutting-down": { http: 503, grpc: "UNAVAILABLE", retryable: true, title: "The server is stopping" },
  internal: { http: 500, grpc: "INTERNAL", retryable: false, title: "Larder is broken here" },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof catalogue;

/** Codes of a rejected item of a batch of facts; the batch itself goes on. */
export const factRejections = {
  "invalid-fact": "The fact is malformed: an unknown type or field, a missing field, or a value out of its range.",
  "event-id-reused": "A fact of the same source and id was recorded with other content.",
  "out-of-range": "A total would go beyond ±10^15.",
  "unknown-item": "No item has this GTIN.",
  "invalid-check-digit": "The GTIN's check digit is wrong.",
  forbidden: "The credential may not speak for this location or source.",
} as const satisfies Record<string, string>;

export type FactRejectionCode = keyof typeof factRejections;

/** A request turned down, with the numbers its caller needs. */
export interface Rejection {
  readonly code: ErrorCode;
  readonly detail: string;
  /** Members the problem document carries beside the standard ones. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export type Outcome<T> = Result<T, Rejection>;

/** What a list answers to a cursor that it can't have given. */
export function unreadableCursor(): { readonly ok: false; readonly rejection: Rejection } {
  return reject({ code: "invalid-request", detail: "The cursor can't be read: hand back one that Larder has given." });
}

/** A part of the platform failed: thrown, then retried or answered as 503 by whoever stands at the rim. */
export class PlatformError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "PlatformError";
    this.code = code;
  }
}

/**
 * The answer of a part of the platform was lost, so that nobody knows whether what was asked has been done. No
 * `PlatformError`, which says that nothing was done; whoever can find out does, and the rim tells it as `storage-unavailable`.
 */
export class OutcomeUnknown extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "OutcomeUnknown";
  }
}

/** What a fault is told as; undefined for a defect. */
export function codeOf(error: unknown): ErrorCode | undefined {
  if (error instanceof PlatformError) return error.code;
  return error instanceof OutcomeUnknown ? "storage-unavailable" : undefined;
}

export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof PlatformError && error.code === code;
}

/**
 * It was not the time for what was asked (`Timeframe`): nothing of it was done, and nothing of this attempt will be. What takes
 * several steps may have done some of them, if it may be repeated.
 */
export class NotBegun extends PlatformError {
  constructor(message: string) {
    super("peer-unavailable", message);
    this.name = "NotBegun";
  }
}

/** The code is wrong, not its input. Nobody handles it: the request fails and the alarm rings. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "InvariantError";
  }
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
