/** A door of its own: servers that answer no gRPC do without its code. */
export { createGrpcGateway, type GrpcGateway, type GrpcGatewayOptions } from "./server.ts";
