export { Child, pause } from "./child.ts";
export { Cluster, type ClusterOptions, haproxySays, whyNoCluster } from "./cluster.ts";
export { leash } from "./leash.ts";
export { statusOf } from "./net.ts";
export { choosePorts, type Ports, portOf } from "./ports.ts";
export type { ProcessOptions, Shape } from "./processes.ts";
export { findProgram } from "./programs.ts";
export { haproxy, home } from "./services.ts";
