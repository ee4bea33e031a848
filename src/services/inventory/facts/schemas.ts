/**
 * The facts of contract.md: what may stand in `data` of each type. A released type never changes; a new shape is a new
 * version beside it.
 */

import { limits, type TObject, type TSchema, Type } from "../../../kernel/index.ts";
import type { FactEventType } from "../domain/stock/index.ts";
import { CalendarDate, Identifier, LocationId, Quantity, Sku, Time } from "../wire.ts";

const closed = { additionalProperties: false } as const;
const Reason = Type.String({ minLength: 1, maxLength: limits.textLengthMax });
const Gtin = Type.String({ pattern: "^\\d{8,14}$", description: "Instead of `sku`: a GTIN of a registered item." });

const subject = {
  sku: Type.Optional(Sku),
  gtin: Type.Optional(Gtin),
  location: LocationId,
  lot: Type.Optional(Identifier),
  reference: Type.Optional(Identifier),
};

function stockFact(description: string, members: Record<string, TSchema>): TObject {
  return Type.Object({ ...subject, ...members }, { ...closed, description });
}

export const factSchemas = {
  "larder.stock.received.v1": stockFact("Goods came in.", {
    quantity: Quantity,
    expiresOn: Type.Optional(CalendarDate),
  }),
  "larder.stock.expected.v1": Type.Object(
    { ...subject, reference: Identifier, quantity: Quantity, dueOn: Type.Optional(CalendarDate) },
    { ...closed, description: "A purchase order or advice: goods that will come in under this reference." },
  ),
  "larder.stock.sold.v1": stockFact("Sold and gone: by a till, or an order already paid.", { quantity: Quantity }),
  "larder.stock.returned.v1": stockFact("Came back from a customer.", {
    quantity: Quantity,
    sellable: Type.Optional(Type.Boolean({ description: "Default true." })),
    expiresOn: Type.Optional(CalendarDate),
  }),
  "larder.stock.adjusted.v1": stockFact("A correction of on hand, up or down.", {
    delta: Type.Integer({ minimum: -limits.quantityMax, maximum: limits.quantityMax, not: { const: 0 } }),
    reason: Reason,
  }),
  "larder.stock.held-back.v1": stockFact("Still there, but not for sale.", { quantity: Quantity, reason: Reason }),
  "larder.stock.put-back.v1": stockFact("For sale again.", { quantity: Quantity, reason: Reason }),
  "larder.stock.counted.v1": stockFact("All that is physically there; with `lot`, of that lot.", {
    quantity: Type.Integer({ minimum: 0, maximum: limits.quantityMax }),
    asOf: Type.Optional(Time),
  }),
  "larder.stock.dispatched.v1": stockFact("Sent to another of our locations.", {
    quantity: Quantity,
    transfer: Identifier,
    to: LocationId,
    expiresOn: Type.Optional(CalendarDate),
  }),
  "larder.stock.arrived.v1": stockFact("Came in from another of our locations.", {
    quantity: Quantity,
    transfer: Identifier,
    from: LocationId,
    expiresOn: Type.Optional(CalendarDate),
  }),
  "larder.order.completed.v1": Type.Object(
    {
      order: Identifier,
      lines: Type.Array(Type.Object({ sku: Sku, location: LocationId, quantity: Quantity }, closed), {
        minItems: 1,
        maxItems: limits.reservationLinesMax,
      }),
      reservation: Type.Optional(Identifier),
      final: Type.Optional(
        Type.Boolean({ description: "Whether to release what the reservation still holds; default false." }),
      ),
    },
    {
      ...closed,
      description:
        "A paid order of any sales system: what matches its reservation is fulfilled, the rest is taken as sold.",
    },
  ),
  "larder.fact.voided.v1": Type.Object(
    { source: Identifier, id: Identifier, reason: Reason },
    { ...closed, description: "Undoes what that fact did, as if it had not happened." },
  ),
} as const satisfies Record<string, TObject>;

export type FactType = keyof typeof factSchemas;

/** The stock event that each fact about one stock becomes. */
export const eventOfFact: { readonly [T in FactType]?: FactEventType } = {
  "larder.stock.received.v1": "StockReceived",
  "larder.stock.expected.v1": "StockExpected",
  "larder.stock.sold.v1": "StockSold",
  "larder.stock.returned.v1": "StockReturned",
  "larder.stock.adjusted.v1": "StockAdjusted",
  "larder.stock.held-back.v1": "StockHeldBack",
  "larder.stock.put-back.v1": "StockPutBack",
  "larder.stock.counted.v1": "StockCounted",
  "larder.stock.dispatched.v1": "StockDispatched",
  "larder.stock.arrived.v1": "StockArrived",
};
