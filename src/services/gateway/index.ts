export { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
export type { Check, MetricsPage, Readiness } from "./operations.ts";
export { createOperationsServer, type OperationsServer } from "./operations-server.ts";
