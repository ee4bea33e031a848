/** What clients send and get about webhooks. Every change here is a change of the public API. */

import { limits, type Static, Type } from "../../kernel/index.ts";

const texts = (description: string, lengthMax: number) =>
  Type.Array(Type.String({ minLength: 1, maxLength: lengthMax, format: "identifier" }), {
    minItems: 1,
    maxItems: limits.batchItemsMax,
    uniqueItems: true,
    description,
  });
const choice = {
  url: Type.String({
    minLength: 1,
    maxLength: limits.outboundUrlLengthMax,
    description: "Where events are posted: http or https, a public address unless the operator allows others.",
    examples: ["https://shop.example.com/hooks/larder"],
  }),
  types: Type.Optional(
    texts(
      "Only events of these CloudEvents types (docs/reference/events.md); all when absent.",
      limits.identifierLengthMax,
    ),
  ),
  skus: Type.Optional(texts("Only events about these skus; all when absent.", limits.skuLengthMax)),
  locations: Type.Optional(texts("Only events about these locations; all when absent.", limits.locationLengthMax)),
};

export const WebhookRequest = Type.Object(choice, { additionalProperties: false });
export type WebhookRequest = Static<typeof WebhookRequest>;

export const ReplayRequest = Type.Object(
  {
    after: Type.String({
      minLength: 1,
      maxLength: limits.positionLengthMax,
      description: "A position that Larder has given: what was recorded after it is sent again.",
    }),
  },
  { additionalProperties: false },
);

const time = Type.String({ description: "RFC 3339." });
const timeOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

const viewFields = {
  id: Type.String(),
  ...choice,
  limitedTo: Type.Optional(
    Type.Array(Type.String(), {
      description: "The locations that its maker was limited to; it never tells of others.",
    }),
  ),
  status: Type.Enum(["active", "paused", "disabled"], {
    description: "`disabled`: its receiver answered 410, or no delivery has succeeded for 5 days.",
  }),
  reason: timeOrNull("Why nothing is sent; null while it is."),
  createdAt: time,
  updatedAt: time,
  formerSecretUntil: timeOrNull("Until when the former secret signs too; null when it does not."),
  waiting: Type.Integer({ description: "Events in its queue." }),
  deadLetters: Type.Integer({ description: "Events that were given up, and hold up those behind them." }),
  lastSuccessAt: timeOrNull("The last delivery that succeeded."),
  failingSince: timeOrNull("Since when no delivery has succeeded, though some were tried."),
};

export const WebhookView = Type.Object(viewFields);
export type WebhookView = Static<typeof WebhookView>;

export const CreatedWebhook = Type.Object({
  ...viewFields,
  secret: Type.String({ description: "`whsec_…`, to verify signatures with. Shown this once." }),
});
export type CreatedWebhook = Static<typeof CreatedWebhook>;

export const WebhooksPage = Type.Object({ items: Type.Array(WebhookView), next: Type.Optional(Type.String()) });
export type WebhooksPage = Static<typeof WebhooksPage>;

export const WebhookAttempt = Type.Object({
  time,
  event: Type.String({ description: "Its id; also the `webhook-id` of the delivery." }),
  type: Type.String(),
  attempt: Type.Integer({ description: "1 for the first." }),
  delivered: Type.Boolean(),
  status: Type.Union([Type.Integer(), Type.Null()], {
    description: "What the receiver answered; null when it did not.",
  }),
  ms: Type.Integer(),
  cause: Type.Union([Type.String(), Type.Null()], { description: "Why it was not delivered." }),
});
export type WebhookAttempt = Static<typeof WebhookAttempt>;

export const WebhookDeliveries = Type.Object({
  items: Type.Array(WebhookAttempt, {
    description: `The newest, at most ${limits.webhookDeliveriesKept}; newest first.`,
  }),
});
export type WebhookDeliveries = Static<typeof WebhookDeliveries>;
