/**
 * What `data` of each recorded event holds, as clients see it: the public schemas of what Larder tells. Members are
 * added, never taken away or given another type; that would be a new version beside the old one. Clients pass over
 * members and types that they don't know.
 */
import { type TObject, type TSchema, Type } from "../../../kernel/index.ts";

const time = Type.String({ description: "RFC 3339." });
const whole = (description: string) => Type.Integer({ description });
const text = (description?: string) => Type.String(description === undefined ? {} : { description });
const optional = Type.Optional;
const texts = Type.Union([Type.String(), Type.Null()]);

const factReference = Type.Object({ source: Type.String(), id: Type.String() });

const cause = Type.Union(
  [
    Type.Object({ source: Type.String(), id: Type.String() }, { title: "the fact" }),
    Type.Object({ reservation: Type.String() }),
    Type.Object({ lot: Type.String() }, { title: "the lot whose date has come, or come near" }),
    Type.Object({ policy: Type.String() }, { title: "the sku whose policy was set" }),
  ],
  { description: "What brought it about." },
);

/** What every event says. */
const always = { recordedAt: time, actor: text("Who: the id of a key, or `system:…`."), cause: optional(cause) };

const balance = Type.Object(
  {
    available: whole("Units that may still be promised."),
    onHand: whole("Physically there."),
    unavailable: whole("On hand but not sellable."),
    reserved: whole("Held for carts and quotes."),
    committed: whole("Promised to orders."),
    safetyStock: whole("Withheld from promising."),
    incoming: whole("On its way here."),
  },
  { description: "The quantities after this event." },
);

const lotChange = Type.Object({
  lot: Type.String(),
  quantity: optional(whole("Change of its units.")),
  heldBack: optional(whole("Change of its units that are held back.")),
  expiresOn: optional(texts),
  expiresAt: optional(time),
});

const change = Type.Object(
  {
    onHand: optional(Type.Integer()),
    unavailable: optional(Type.Integer()),
    incoming: optional(Type.Integer()),
    lots: optional(Type.Array(lotChange)),
    receipt: optional(
      Type.Object({
        reference: Type.String(),
        expected: optional(Type.Integer()),
        received: optional(Type.Integer()),
      }),
    ),
    count: optional(
      Type.Union([
        Type.Object({ source: Type.String(), id: Type.String(), asOf: time, quantity: Type.Integer() }),
        Type.Null(),
      ]),
    ),
    lotCountAsOf: optional(time),
  },
  { description: "What it did, as resolved when it was recorded; what is 0 is left out." },
);

/** What every event about one stock says. */
const ofStock = {
  ...always,
  sku: Type.String(),
  location: Type.String(),
  balance,
  version: whole("Grows with every change of this sku at this location."),
};

/** What a fact may have told, whatever its type. */
const told = {
  lot: optional(Type.String()),
  reference: optional(Type.String()),
  gtin: optional(Type.String()),
  change,
  flags: optional(Type.Array(Type.String())),
  absorbedBy: optional(factReference),
};

const quantity = whole("Units, as told.");
const ofReservation = { ...ofStock, reservation: Type.String() };
const holds = Type.Array(
  Type.Object({
    line: whole("Index of the line."),
    quantity: Type.Integer(),
    sellableUntil: optional(Type.String()),
    lot: optional(Type.String()),
  }),
);
const promised = Type.Enum(["reserved", "committed"]);
const lotsUnderWay = optional(
  Type.Array(Type.Object({ lot: Type.String(), quantity: Type.Integer(), expiresOn: optional(Type.String()) })),
);
const item = {
  ...always,
  sku: Type.String(),
  name: Type.String(),
  unit: Type.Enum(["each", "g", "ml"]),
  gtins: Type.Array(Type.String()),
  plu: texts,
};
const wholeOrNull = Type.Union([Type.Integer(), Type.Null()]);
const policyFields = {
  safetyStock: optional(Type.Integer()),
  lowAt: optional(wholeOrNull),
  expiringDays: optional(wholeOrNull),
  backorderLimit: optional(Type.Integer()),
};

const crossing = Type.Object({
  ...ofStock,
  was: whole("Units that could be promised before."),
  lowAt: wholeOrNull,
});

const stockFact = (members: Record<string, TSchema> = {}) => Type.Object({ ...ofStock, ...told, quantity, ...members });
const { change: _change, ...toldOnly } = told;

/** By public type. */
export const recordedSchemas: Readonly<Record<string, TObject>> = {
  "larder.stock.received.v1": stockFact({ expiresOn: optional(Type.String()) }),
  "larder.stock.expected.v1": stockFact({ dueOn: optional(Type.String()) }),
  "larder.stock.sold.v1": stockFact(),
  "larder.stock.returned.v1": stockFact({
    sellable: optional(Type.Boolean()),
    expiresOn: optional(Type.String()),
  }),
  "larder.stock.adjusted.v1": Type.Object({
    ...ofStock,
    ...told,
    delta: Type.Integer(),
    reason: Type.String(),
  }),
  "larder.stock.held-back.v1": stockFact({ reason: Type.String() }),
  "larder.stock.put-back.v1": stockFact({ reason: Type.String() }),
  "larder.stock.counted.v1": stockFact({ asOf: optional(time) }),
  "larder.stock.dispatched.v1": stockFact({
    transfer: Type.String(),
    to: Type.String(),
    expiresOn: optional(Type.String()),
  }),
  "larder.stock.arrived.v1": stockFact({
    transfer: Type.String(),
    from: Type.String(),
    expiresOn: optional(Type.String()),
  }),
  "larder.order.completed.v1": stockFact({ order: Type.String(), reservation: optional(Type.String()) }),
  "larder.fact.voided.v1": Type.Object({
    ...always,
    ...toldOnly,
    sku: optional(Type.String()),
    location: optional(Type.String()),
    balance: optional(balance),
    version: optional(Type.Integer()),
    voids: factReference,
    reason: optional(Type.String()),
    change: optional(change),
    effect: optional(Type.String({ description: "Why it changes nothing now." })),
    locations: optional(Type.Array(Type.String())),
    flags: optional(Type.Array(Type.String())),
  }),
  "larder.stock.shortfall.v1": Type.Object({
    ...ofStock,
    available: Type.Integer(),
    onHand: Type.Integer(),
    reservation: optional(Type.String()),
  }),
  "larder.stock.lot-expired.v1": Type.Object({ ...ofStock, lot: Type.String(), quantity: Type.Integer() }),
  "larder.stock.policy-set.v1": Type.Object({
    ...ofStock,
    safetyStock: Type.Integer(),
    lowAt: wholeOrNull,
    expiringDays: optional(wholeOrNull),
    backorderLimit: Type.Integer(),
  }),
  "larder.stock.low.v1": crossing,
  "larder.stock.out.v1": crossing,
  "larder.stock.back.v1": crossing,
  "larder.stock.recovered.v1": crossing,
  "larder.stock.lot-expiring.v1": Type.Object({
    ...ofStock,
    lot: Type.String(),
    quantity: whole("Units of it that can still be sold."),
    expiresOn: Type.String(),
    expiresAt: time,
  }),
  "larder.stock.incoming-changed.v1": Type.Object({ ...ofStock, transfer: Type.String(), change }),
  "larder.reservation.reserved.v1": Type.Object({ ...ofReservation, expiresAt: time, holds }),
  "larder.reservation.extended.v1": Type.Object({ ...ofReservation, expiresAt: time }),
  "larder.reservation.amended.v1": Type.Object({
    ...ofReservation,
    expiresAt: time,
    holds,
    change: whole("Change of reserved."),
  }),
  "larder.reservation.confirmed.v1": Type.Object({ ...ofReservation, quantity: Type.Integer() }),
  "larder.reservation.reacquired.v1": Type.Object({ ...ofReservation, holds }),
  "larder.reservation.fulfilled.v1": Type.Object({
    ...ofReservation,
    holds,
    quantity: Type.Integer(),
    from: promised,
    commits: optional(Type.Integer()),
    change,
    absorbedBy: optional(factReference),
    flags: optional(Type.Array(Type.String())),
  }),
  "larder.reservation.released.v1": Type.Object({ ...ofReservation, quantity: Type.Integer(), from: promised }),
  "larder.reservation.expired.v1": Type.Object({ ...ofReservation, quantity: Type.Integer() }),
  "larder.reservation.status-changed.v1": Type.Object({
    ...always,
    reservation: Type.String(),
    step: Type.Enum(["placed", "extended", "amended", "confirmed", "reacquired", "fulfilled", "released", "expired"]),
    owner: optional(Type.String()),
    reference: optional(Type.String()),
    expiresAt: optional(time),
    allocations: optional(
      Type.Array(
        Type.Object({
          line: whole("Index of the line."),
          sku: Type.String(),
          location: Type.String(),
          quantity: Type.Integer(),
          sellableUntil: optional(Type.String()),
          lot: optional(Type.String()),
        }),
      ),
    ),
    parts: optional(Type.Array(Type.Object({ allocation: Type.Integer(), quantity: Type.Integer() }))),
    key: optional(Type.String()),
    sourcing: optional(
      Type.Object({
        strategy: Type.String(),
        near: optional(Type.Object({ lat: Type.Number(), lon: Type.Number() })),
      }),
    ),
  }),
  "larder.transfer.dispatched.v1": Type.Object({
    ...always,
    transfer: Type.String(),
    sku: Type.String(),
    from: Type.String(),
    to: Type.String(),
    quantity: Type.Integer(),
    lots: lotsUnderWay,
    difference: optional(Type.Integer()),
  }),
  "larder.transfer.arrived.v1": Type.Object({
    ...always,
    transfer: Type.String(),
    sku: Type.String(),
    at: Type.String(),
    from: Type.String(),
    quantity: Type.Integer(),
    lots: lotsUnderWay,
    difference: optional(whole("Arrived less dispatched, so far.")),
  }),
  "larder.transfer.corrected.v1": Type.Object({
    ...always,
    transfer: Type.String(),
    sku: Type.String(),
    dispatched: optional(Type.Integer()),
    to: optional(Type.String()),
    arrived: optional(Type.Integer()),
    arrivals: optional(Type.Integer()),
    lots: lotsUnderWay,
  }),
  "larder.policy.set.v1": Type.Object({
    ...always,
    sku: Type.String(),
    location: optional(Type.String()),
    ...policyFields,
  }),
  "larder.item.registered.v1": Type.Object(item),
  "larder.item.changed.v1": Type.Object(item),
  "larder.location.described.v1": Type.Object({
    ...always,
    location: Type.String(),
    name: Type.String(),
    kind: Type.String(),
    group: optional(Type.String()),
    priority: Type.Integer(),
    position: optional(Type.Object({ lat: Type.Number(), lon: Type.Number() })),
    timeZone: Type.String(),
    gln: optional(Type.String()),
    sync: optional(
      Type.Object({
        url: Type.String(),
        of: Type.Union([Type.String(), Type.Array(Type.String())]),
        batchSize: Type.Integer(),
        skus: optional(Type.String()),
        limitedTo: optional(Type.Array(Type.String())),
      }),
    ),
    authority: Type.Enum(["ours", "theirs"]),
  }),
};
