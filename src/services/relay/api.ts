import type { Outcome } from "../../kernel/index.ts";
import type { Credential } from "../../platform/auth/index.ts";
import type {
  CreatedWebhook,
  WebhookAttempt,
  WebhookDeliveries,
  WebhookRequest,
  WebhooksPage,
  WebhookView,
} from "./wire.ts";

/**
 * Webhooks: what the relay does for clients. A credential that is limited to locations makes webhooks that are limited to
 * them for ever, and knows only those that are limited to some of its own; any other is `not-found`.
 */
export interface Relay {
  create(request: WebhookRequest, by: Credential): Promise<Outcome<CreatedWebhook>>;
  list(query: { readonly cursor?: string; readonly limit: number }, by: Credential): Promise<Outcome<WebhooksPage>>;
  read(id: string, by: Credential): Promise<Outcome<WebhookView>>;
  /** Gives it another address and choice of events. What is queued already goes to the new address. */
  update(id: string, request: WebhookRequest, by: Credential): Promise<Outcome<WebhookView>>;
  /** Nothing is sent until it is enabled; what happens meanwhile is sent then. */
  pause(id: string, by: Credential): Promise<Outcome<WebhookView>>;
  /** Sends again, dead letters first. */
  enable(id: string, by: Credential): Promise<Outcome<WebhookView>>;
  /** The former secret signs too for a day. */
  rotateSecret(id: string, by: Credential): Promise<Outcome<CreatedWebhook>>;
  /** Ends it, with all that waits for it. */
  remove(id: string, by: Credential): Promise<Outcome<undefined>>;
  deliveries(id: string, limit: number, by: Credential): Promise<Outcome<WebhookDeliveries>>;
  /** Sends again all that was recorded after a position; rejects one that can't be read or is from another history. */
  replay(id: string, after: string, by: Credential): Promise<Outcome<WebhookView>>;
  /** Sends an event of type `larder.webhook.test.v1` at once, whatever its state, and tells what became of it. */
  test(id: string, by: Credential): Promise<Outcome<WebhookAttempt>>;
}
