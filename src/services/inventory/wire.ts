/**
 * What clients of the inventory send and get, as JSON Schemas that validate, type and document at once. contract.md's
 * names; every change here is a change of the public API.
 */

import { limits, type Static, type TSchema, Type } from "../../kernel/index.ts";

const closed = { additionalProperties: false } as const;

export const Sku = Type.String({
  minLength: 1,
  maxLength: limits.skuLengthMax,
  format: "identifier",
  description: "The merchant's code for one stocked kind.",
});
export const LocationId = Type.String({
  minLength: 1,
  maxLength: limits.locationLengthMax,
  format: "identifier",
  description: "A place that holds stock.",
});
/** The format `identifier`: no control characters or lone surrogates, no white space at either end. */
export const Identifier = Type.String({ minLength: 1, maxLength: limits.identifierLengthMax, format: "identifier" });
export const Quantity = Type.Integer({
  minimum: 1,
  maximum: limits.quantityMax,
  description: "Whole units of the SKU's base unit (each, g, ml).",
});
export const CalendarDate = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}$", description: "A date, as 2026-11-21." });
export const Time = Type.String({ maxLength: 64, description: "RFC 3339, as 2026-11-21T09:30:00Z." });
export const Position = Type.String({
  maxLength: limits.positionLengthMax,
  description: "Opaque: how far the log has been seen. Store it and hand it back; never compare.",
});
export const Coordinates = Type.Object(
  { lat: Type.Number({ minimum: -90, maximum: 90 }), lon: Type.Number({ minimum: -180, maximum: 180 }) },
  closed,
);

const total = (description: string) => Type.Integer({ description });

export const quantities = {
  available: total(
    "onHand − unavailable − reserved − committed − safetyStock; below zero when facts left less than was promised.",
  ),
  onHand: total("Physically at the location, whatever its condition or promises."),
  unavailable: total("On hand but not sellable: damaged, in quarantine, expired."),
  reserved: total("Held for carts and quotes; lapses by itself."),
  committed: total("Promised to confirmed orders, not yet handed over."),
  safetyStock: total("Withheld from promising."),
  incoming: total("Expected from suppliers or in transit from other locations."),
};

// Reservations

export const ReservationLine = Type.Object(
  {
    sku: Sku,
    quantity: Quantity,
    location: Type.Optional(LocationId),
    locations: Type.Optional(
      Type.Array(LocationId, { minItems: 1, maxItems: 1000, description: "Served from these, in this order." }),
    ),
    sellableUntil: Type.Optional(CalendarDate),
    lot: Type.Optional(Identifier),
  },
  closed,
);
export type ReservationLine = Static<typeof ReservationLine>;

const lines = Type.Array(ReservationLine, { minItems: 1, maxItems: limits.reservationLinesMax });

export const strategyNames = ["priority", "fewest-splits", "most-stock", "nearest", "earliest-expiry"] as const;
export const StrategyName = Type.Enum([...strategyNames], {
  description: "How locations are chosen for lines that name none; default `priority`.",
});

export const ReserveRequest = Type.Object(
  {
    id: Type.Optional(Identifier),
    owner: Type.Optional(Identifier),
    reference: Type.Optional(Identifier),
    ttlSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.reservationTtlSecondsMax })),
    allowPartial: Type.Optional(Type.Boolean()),
    strategy: Type.Optional(StrategyName),
    near: Type.Optional(Coordinates),
    lines,
  },
  {
    ...closed,
    examples: [
      {
        owner: "customer-81",
        reference: "cart-4711",
        ttlSeconds: 900,
        lines: [
          { sku: "milk-1l", quantity: 2, location: "store-1" },
          { sku: "bread-500g", quantity: 1 },
        ],
      },
    ],
  },
);
export type ReserveRequest = Static<typeof ReserveRequest>;

export const ExtendRequest = Type.Object(
  { ttlSeconds: Type.Integer({ minimum: 1, maximum: limits.reservationTtlSecondsMax }) },
  { ...closed, examples: [{ ttlSeconds: 900 }] },
);
export const AmendRequest = Type.Object({ lines }, closed);
export const ConfirmRequest = Type.Object(
  { reacquire: Type.Optional(Type.Boolean()) },
  { ...closed, examples: [{ reacquire: true }] },
);
export const FulfilLine = Type.Object({ sku: Sku, location: Type.Optional(LocationId), quantity: Quantity }, closed);
export type FulfilLine = Static<typeof FulfilLine>;
export const FulfilRequest = Type.Object(
  { lines: Type.Optional(Type.Array(FulfilLine, { minItems: 1, maxItems: limits.reservationLinesMax })) },
  { ...closed, examples: [{ lines: [{ sku: "milk-1l", location: "store-1", quantity: 1 }] }] },
);

export const reservationStatuses = [
  "active",
  "confirmed",
  "partly-fulfilled",
  "fulfilled",
  "released",
  "expired",
] as const;
export const ReservationStatus = Type.Enum([...reservationStatuses]);
export type ReservationStatus = (typeof reservationStatuses)[number];

export const AllocatedLine = Type.Object({
  sku: Type.String(),
  location: Type.String(),
  quantity: Type.Integer({
    description: "Units allocated; when released or fulfilled in part, see the other members.",
  }),
  lineIndex: Type.Integer({ description: "Which line of the request it serves; lines that ask for the same are one." }),
  fulfilled: Type.Optional(Type.Integer({ description: "Units of it handed over so far; absent when none." })),
  sellableUntil: Type.Optional(Type.String()),
  lot: Type.Optional(Type.String()),
});

export const Reservation = Type.Object({
  id: Type.String(),
  status: ReservationStatus,
  createdAt: Time,
  expiresAt: Type.Union([Time, Type.Null()], { description: "Null once it no longer expires." }),
  owner: Type.Union([Type.String(), Type.Null()]),
  reference: Type.Union([Type.String(), Type.Null()]),
  lines: Type.Array(AllocatedLine),
  releasedLines: Type.Optional(
    Type.Array(
      Type.Object({ sku: Type.String(), location: Type.String(), quantity: Type.Integer(), lineIndex: Type.Integer() }),
    ),
  ),
  position: Position,
});
export type Reservation = Static<typeof Reservation>;

export const SourcingPlan = Type.Object({
  feasible: Type.Boolean(),
  lines: Type.Array(
    Type.Object({
      sku: Type.String(),
      location: Type.String(),
      quantity: Type.Integer(),
      lineIndex: Type.Integer(),
      because: Type.String({ description: "Why this location, in plain words." }),
    }),
  ),
  short: Type.Array(
    Type.Object({
      sku: Type.String(),
      location: Type.Optional(Type.String()),
      requested: Type.Integer(),
      available: Type.Integer(),
    }),
  ),
  notes: Type.Array(Type.String()),
  position: Position,
});
export type SourcingPlan = Static<typeof SourcingPlan>;

// Reading

export const AvailabilityItem = Type.Object({
  sku: Type.String(),
  location: Type.String(),
  ...quantities,
  updatedAt: Time,
  version: Type.Integer({ description: "Grows with every recorded change; equal versions mean equal content." }),
});
export const UnknownSku = Type.Object({
  sku: Type.String(),
  known: Type.Literal(false, { description: "Larder has never had any of it, anywhere that the caller may see." }),
});

export const Availability = Type.Object({
  items: Type.Array(Type.Union([AvailabilityItem, UnknownSku])),
  position: Position,
});

/** One stock as the read side shows it. */
export type AvailabilityItem = Static<typeof AvailabilityItem>;
export type UnknownSku = Static<typeof UnknownSku>;
export type Availability = Static<typeof Availability>;

export const AvailabilityBatchRequest = Type.Object(
  {
    skus: Type.Array(Sku, { minItems: 1, maxItems: limits.batchItemsMax }),
    locations: Type.Optional(Type.Array(LocationId, { minItems: 1, maxItems: limits.batchItemsMax })),
  },
  { ...closed, examples: [{ skus: ["milk-1l", "bread-500g"], locations: ["store-1"] }] },
);

export const LotView = Type.Object({
  lot: Type.String(),
  expiresOn: Type.Union([Type.String(), Type.Null()]),
  quantity: Type.Integer(),
  sellable: Type.Integer({ description: "Units of it that are neither held back nor expired." }),
});
export const StockView = Type.Object({
  sku: Type.String(),
  locations: Type.Array(
    Type.Object({
      location: Type.String(),
      ...quantities,
      version: Type.Integer(),
      updatedAt: Time,
      lots: Type.Optional(Type.Array(LotView)),
    }),
  ),
  totals: Type.Object(quantities),
  position: Position,
});
export type StockView = Static<typeof StockView>;

/** A recorded event as clients see it: CloudEvents 1.0, with Larder's `position`. */
export const RecordedCloudEvent = Type.Object({
  specversion: Type.Literal("1.0"),
  id: Type.String(),
  source: Type.String(),
  type: Type.String(),
  time: Time,
  subject: Type.Optional(Type.String()),
  datacontenttype: Type.Literal("application/json"),
  position: Position,
  data: Type.Record(Type.String(), Type.Unknown()),
});
export type RecordedCloudEvent = Static<typeof RecordedCloudEvent>;

export const StockEvents = Type.Object({
  events: Type.Array(RecordedCloudEvent),
  next: Type.Optional(Type.String()),
  position: Position,
});
export type StockEvents = Static<typeof StockEvents>;

// Facts

export const FactsReceipt = Type.Object({
  accepted: Type.Integer(),
  duplicates: Type.Integer(),
  rejected: Type.Array(
    Type.Object({
      index: Type.Integer(),
      id: Type.Union([Type.String(), Type.Null()]),
      code: Type.String(),
      detail: Type.String(),
    }),
  ),
  position: Position,
});
export type FactsReceipt = Static<typeof FactsReceipt>;

// Items, policies, locations

export const units = ["each", "g", "ml"] as const;

export const ItemBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: limits.textLengthMax }),
    unit: Type.Enum([...units]),
    gtins: Type.Optional(
      Type.Array(Type.String({ maxLength: 32 }), {
        maxItems: limits.itemGtinsMax,
        description: "GTINs of 8, 12, 13 or 14 digits; kept as 14.",
      }),
    ),
    plu: Type.Optional(
      Type.String({ maxLength: 8, description: "Price look-up code of fresh produce, 4 or 5 digits." }),
    ),
  },
  { ...closed, examples: [{ name: "Whole milk, 1 l", unit: "each", gtins: ["4006381333931"] }] },
);
export type ItemBody = Static<typeof ItemBody>;
export const Item = Type.Object({
  sku: Type.String(),
  name: Type.String(),
  unit: Type.Enum([...units]),
  gtins: Type.Array(Type.String()),
  plu: Type.Union([Type.String(), Type.Null()]),
  updatedAt: Time,
});
export type Item = Static<typeof Item>;
export const ItemsBatchRequest = Type.Object(
  { items: Type.Array(Type.Unknown(), { minItems: 1, maxItems: limits.batchItemsMax }) },
  { ...closed, examples: [{ items: [{ sku: "milk-1l", name: "Whole milk, 1 l", unit: "each" }] }] },
);
export const ItemsReceipt = Type.Object({
  accepted: Type.Integer(),
  unchanged: Type.Integer(),
  rejected: Type.Array(
    Type.Object({
      index: Type.Integer(),
      sku: Type.Union([Type.String(), Type.Null()]),
      code: Type.String(),
      detail: Type.String(),
    }),
  ),
  position: Position,
});
export type ItemsReceipt = Static<typeof ItemsReceipt>;

export const PolicyBody = Type.Object(
  {
    location: Type.Optional(LocationId),
    safetyStock: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.quantityMax })),
    lowAt: Type.Optional(
      Type.Union([Type.Integer({ minimum: 0, maximum: limits.quantityMax }), Type.Null()], {
        description: "Available units at which stock is announced as low; null for never.",
      }),
    ),
    expiringDays: Type.Optional(
      Type.Union([Type.Integer({ minimum: 0, maximum: limits.expiringDaysMax }), Type.Null()], {
        description: "Days before its date at which a lot is announced as about to expire; null for never.",
      }),
    ),
    backorderLimit: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.quantityMax })),
  },
  { ...closed, examples: [{ location: "store-1", safetyStock: 2, lowAt: 10, expiringDays: 3 }] },
);
export type PolicyBody = Static<typeof PolicyBody>;
const policyFields = {
  safetyStock: Type.Union([Type.Integer(), Type.Null()]),
  lowAt: Type.Union([Type.Integer(), Type.Null()]),
  expiringDays: Type.Union([Type.Integer(), Type.Null()]),
  backorderLimit: Type.Union([Type.Integer(), Type.Null()]),
};
export const PolicyView = Type.Object({
  sku: Type.String(),
  general: Type.Object(policyFields),
  locations: Type.Array(Type.Object({ location: Type.String(), ...policyFields })),
  position: Position,
});
export type PolicyView = Static<typeof PolicyView>;

export const syncedWords = ["all", "own", "others"] as const;
const SyncedLocations = Type.Union(
  [Type.Enum([...syncedWords]), Type.Array(Identifier, { minItems: 1, maxItems: limits.syncPatternsMax })],
  {
    description:
      "Whose changes it gets: of `all` locations (the default), of its `own`, of all `others`, or a list of ids and groups. An entry is a location's id, or `group:` and a group; in both `*` stands for any run of characters, as `leeds-*` or `group:north/*`.",
  },
);
const SkuPattern = Type.String({
  minLength: 1,
  maxLength: limits.skuLengthMax,
  description: "Only skus that fit; `*` stands for any run of characters, as `dairy-*`.",
});

export const LocationSyncBody = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: limits.outboundUrlLengthMax,
      description: "Changes are posted to `{url}/stock`, and what the other side holds is read from `{url}/snapshot`.",
    }),
    of: Type.Optional(SyncedLocations),
    batchSize: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.syncBatchMax,
        description: `Records of one push at most; ${limits.syncBatchDefault} when absent.`,
      }),
    ),
    skus: Type.Optional(SkuPattern),
    secret: Type.Optional(
      Type.Union([Type.String({ maxLength: 128 }), Type.Null()], {
        description:
          "Signs each push (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64. Never shown again. Absent, the one that was set before stays; null removes it.",
      }),
    ),
  },
  { ...closed, description: "Has changes pushed to this location." },
);

export const locationKinds = ["warehouse", "store", "dark-store", "supplier", "virtual"] as const;
export const LocationBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: limits.textLengthMax }),
    kind: Type.Enum([...locationKinds]),
    group: Type.Optional(Identifier),
    priority: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000, description: "Lower is served from first; default 100." }),
    ),
    position: Type.Optional(Coordinates),
    timeZone: Type.Optional(Type.String({ maxLength: 64, description: "IANA name, as Europe/London; default UTC." })),
    authority: Type.Optional(Type.Enum(["ours", "theirs"])),
    gln: Type.Optional(
      Type.String({
        pattern: "^\\d{13}$",
        description:
          "GS1 Global Location Number, by which EPCIS documents name the place; one location has it at a time.",
      }),
    ),
    sync: Type.Optional(LocationSyncBody),
  },
  {
    ...closed,
    examples: [
      {
        name: "Main Street",
        kind: "store",
        priority: 10,
        position: { lat: 51.5, lon: -0.12 },
        timeZone: "Europe/London",
      },
    ],
  },
);
export type LocationBody = Static<typeof LocationBody>;
export const LocationView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  kind: Type.Enum([...locationKinds]),
  group: Type.Union([Type.String(), Type.Null()]),
  priority: Type.Integer(),
  position: Type.Union([Coordinates, Type.Null()]),
  timeZone: Type.String(),
  authority: Type.Enum(["ours", "theirs"]),
  gln: Type.Union([Type.String(), Type.Null()]),
  sync: Type.Union(
    [
      Type.Object({
        url: Type.String(),
        of: Type.Union([Type.Enum([...syncedWords]), Type.Array(Identifier)], {
          description: "Whose changes it gets. Of ids in a list only those that the credential may know.",
        }),
        batchSize: Type.Integer(),
        skus: Type.Union([Type.String(), Type.Null()]),
        limitedTo: Type.Optional(
          Type.Array(Type.String(), {
            description:
              "The only locations of which it gets changes: those that whoever set this was limited to. Only those that the credential may know.",
          }),
        ),
        isSigned: Type.Boolean({ description: "Whether a secret is set." }),
      }),
      Type.Null(),
    ],
    { description: "How changes are pushed to it; null when they are not." },
  ),
  updatedAt: Time,
});
export type LocationView = Static<typeof LocationView>;

/** A page of a list: hand `next` back as `cursor` while there is one. */
export const page = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), next: Type.Optional(Type.String()), position: Position });
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
  readonly position: string;
}
