export { orderKeyOf } from "./order.ts";
export { type Choice, evolve, type Recorded, type SecretMark, type Webhook, type WebhookEvent } from "./webhook.ts";
