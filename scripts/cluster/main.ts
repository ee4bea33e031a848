/**
 * `npm run cluster`: Larder as a cluster on this machine. Real PostgreSQL, NATS, Redis, HAProxy, and Prometheus where it
 * is installed, each as a process in a folder of its own, and Larder's own processes on top. Ctrl-C ends all of them.
 *
 *     npm run cluster                          in ./cluster-data, which is kept for the next time
 *     npm run cluster -- --whole               two servers that each do everything
 *     npm run cluster -- --only services       without Larder, to start its processes by hand
 *     npm run cluster -- --data /tmp/c --free-ports
 */
import { parseArgs } from "node:util";
import { Cluster } from "./cluster.ts";
import { portOf } from "./ports.ts";
import { frontsOf, type Shape } from "./processes.ts";
import { ClusterError } from "./services.ts";

const usage = `npm run cluster -- [--whole] [--data FOLDER] [--only services] [--free-ports]

  --whole           two servers that each do everything, instead of one process for each part
  --data FOLDER     where it keeps everything (./cluster-data)
  --only services   PostgreSQL, NATS, Redis and HAProxy, without Larder
  --free-ports      ports that are free, instead of those of the guide`;

/** Milliseconds after the first signal in which more of them are the same one: a terminal and a launcher both send it. */
const sameSignalMs = 1000;

const say = (line: string) => void process.stdout.write(`${line}\n`);

function optionsOf(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: "string", default: "./cluster-data" },
      only: { type: "string" },
      whole: { type: "boolean", default: false },
      "free-ports": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.only !== undefined && values.only !== "services") throw new ClusterError("--only takes `services`.");
  return values;
}

function greet(cluster: Cluster, shape: Shape, servicesOnly: boolean): void {
  const at = (name: Parameters<typeof portOf>[1]) => portOf(cluster.ports, name);
  const { url, adminKey, common } = cluster;
  say("");
  if (!servicesOnly) {
    const [front = ""] = frontsOf(shape);
    say(`  API            ${url}/v1`);
    if (shape === "split") say(`  gRPC           127.0.0.1:${at("grpc")}`);
    say(`  docs           http://127.0.0.1:${at(`${front}-http`)}/docs`);
    for (const name of cluster.processes.keys())
      say(
        `  ${name.padEnd(14)} http://127.0.0.1:${at(`${name}-http`)}/readyz, /metrics, pid ${cluster.process(name).pid}`,
      );
  }
  say(`  HAProxy        http://127.0.0.1:${at("stats")}/`);
  if (cluster.services.some(({ name }) => name === "prometheus"))
    say(`  Prometheus     http://127.0.0.1:${at("prometheus")}/alerts`);
  say(`  PostgreSQL     ${common.store}, pid ${cluster.service("postgres").pid}`);
  say(`  NATS, Redis    ${common.nats}  ${common.redis}`);
  if (servicesOnly) return;
  say(`
  The admin key, the same as long as the folder is kept:

export LARDER_KEY=${adminKey} LARDER_URL=${url}
curl -sS -H "Authorization: Bearer $LARDER_KEY" -H "Content-Type: application/json" \\
  -d '{"specversion":"1.0","source":"me","id":"1","type":"larder.stock.received.v1","data":{"sku":"tea","location":"leeds","quantity":5}}' $LARDER_URL/v1/events
curl -sS -H "Authorization: Bearer $LARDER_KEY" -H "Content-Type: application/json" \\
  -d '{"id":"cart-1","lines":[{"sku":"tea","quantity":2}]}' $LARDER_URL/v1/reservations
curl -sS -H "Authorization: Bearer $LARDER_KEY" "$LARDER_URL/v1/availability?sku=tea"
`);
}

async function untilSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => resolve());
  });
  const since = performance.now();
  const again = () => {
    if (performance.now() - since > sameSignalMs) process.exit(1);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, again);
}

try {
  const { data, only, help, whole, "free-ports": freePorts } = optionsOf(process.argv.slice(2));
  if (help) say(usage);
  else {
    const shape = whole ? "whole" : "split";
    const servicesOnly = only === "services";
    // Heard from here on, so that a signal during the start ends what was started.
    const signal = untilSignal();
    const starting = Cluster.start({
      folder: data,
      shape,
      servicesOnly,
      withPrometheus: true,
      ports: freePorts ? "free" : "fixed",
      say,
    });
    const cluster = await starting;
    greet(cluster, shape, servicesOnly);
    say(`All of it is in ${data}; logs in ${data}/logs. What dies is started again. Ctrl-C ends everything.`);
    await signal;
    say("stopping");
    await cluster.stop();
    say("stopped");
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ClusterError ? 2 : 1;
}
