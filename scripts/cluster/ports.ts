import { freePort, isFree } from "./net.ts";

/** Ports of a cluster, all on loopback, away from those that the same servers have as services of the system. */
export const fixedPorts = {
  http: 8080,
  grpc: 8090,
  stats: 8404,
  postgres: 15432,
  nats: 14222,
  natsMonitor: 18222,
  redis: 16379,
  prometheus: 19090,
} as const;

export type PortName = keyof typeof fixedPorts | `${string}-http` | `${string}-grpc` | `${string}-cluster`;
export type Ports = ReadonlyMap<PortName, number>;

/** The first port of Larder's own processes; each has some for HTTP, gRPC, and the other processes. */
const firstOfProcesses = 18_100;

/** Which port each part has. Fixed ones are the same at every start; free ones let several clusters stand side by side. */
export async function choosePorts(kind: "fixed" | "free", processes: readonly string[]): Promise<Ports> {
  const names: readonly PortName[] = [
    ...(Object.keys(fixedPorts) as (keyof typeof fixedPorts)[]),
    ...processes.flatMap((name) => [`${name}-http`, `${name}-grpc`, `${name}-cluster`] as const),
  ];
  const ports = new Map<PortName, number>();
  for (const [index, name] of names.entries()) {
    if (kind === "fixed") {
      const own = firstOfProcesses + index - Object.keys(fixedPorts).length;
      ports.set(name, (fixedPorts as Readonly<Record<string, number>>)[name] ?? own);
      continue;
    }
    let port = await freePort();
    while ([...ports.values()].includes(port)) port = await freePort();
    ports.set(name, port);
  }
  return ports;
}

/** Ports that somebody else has, each with what it is for. */
export async function takenPorts(ports: Ports): Promise<readonly string[]> {
  const taken: string[] = [];
  for (const [name, port] of ports) if (!(await isFree(port))) taken.push(`${port} (${name})`);
  return taken;
}

export function portOf(ports: Ports, name: PortName): number {
  const port = ports.get(name);
  if (port === undefined) throw new Error(`${name} has no port`);
  return port;
}
