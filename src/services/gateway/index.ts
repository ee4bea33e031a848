export { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
export type { Check, MetricsPage, Readiness } from "./operations.ts";
