export { definitionOf, methodDefinition } from "./definition.ts";
export { drained } from "./drained.ts";
export { ModuleService } from "./generated/larder/internal/v1/modules_pb.js";
export type { FeedSpec, MethodSpec, Methods } from "./methods.ts";
export { ModuleServer, type ModuleServerOptions, type OfferedModule } from "./module-server.ts";
export { Peers, type PeersOptions } from "./peers.ts";
export { GrpcServer, type GrpcServerOptions, type TlsFiles } from "./server.ts";
