export type { Relay } from "./api.ts";
export { type RelayObserver, silentObserver } from "./observer.ts";
export { type RelayFigures, type RelayOptions, type RunningRelay, startRelay } from "./relay.ts";
export { relayMethods } from "./remote.ts";
export {
  CreatedWebhook,
  ReplayRequest,
  WebhookAttempt,
  WebhookDeliveries,
  WebhookRequest,
  WebhooksPage,
  WebhookView,
} from "./wire.ts";
