export { runUntilSignal } from "./process.ts";
export { listTargets, type RunningServer, type ServerOptions, startServer, TargetError } from "./server.ts";
