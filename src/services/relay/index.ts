export type { Relay } from "./api.ts";
export { type RelayObserver, silentObserver } from "./observer.ts";
export { type RelayFigures, type RelayOptions, type RunningRelay, startRelay } from "./relay.ts";
export { relayMethods } from "./remote.ts";
export {
  type RunningSinks,
  type SinkFigures,
  type SinksObserver,
  type SinksOptions,
  startSinks,
} from "./sinks/index.ts";
export {
  CreatedWebhook,
  ReplayRequest,
  WebhookAttempt,
  WebhookDeliveries,
  WebhookRequest,
  WebhooksPage,
  WebhookView,
} from "./wire.ts";
