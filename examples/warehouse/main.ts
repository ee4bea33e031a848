/**
 * Runs the example warehouse: `node bin/larder.js --tool examples/warehouse/main.ts --location leeds --port 9500`. The
 * README beside it says how to connect a Larder to it.
 */
import { toolOptions, wrongOption } from "../../scripts/options.ts";
import { readSwitches } from "./faults.ts";
import { startWarehouse } from "./server.ts";

const { values } = toolOptions({
  options: {
    location: { type: "string", default: "warehouse" },
    port: { type: "string", default: "9500" },
    secret: { type: "string" },
    authority: { type: "string", default: "ours" },
    larder: { type: "string" },
    key: { type: "string" },
    seed: { type: "string", default: "1" },
    latency: { type: "string", default: "0" },
    errors: { type: "string", default: "0" },
    timeouts: { type: "string", default: "0" },
    lost: { type: "string", default: "0" },
    down: { type: "boolean", default: false },
  },
});
const faults = readSwitches({
  latencyMs: Number(values.latency),
  errorRate: Number(values.errors),
  timeoutRate: Number(values.timeouts),
  lostRate: Number(values.lost),
  down: values.down,
});
if (typeof faults === "string") wrongOption(faults);
if (values.authority !== "ours" && values.authority !== "theirs") wrongOption("--authority is ours or theirs.");
const key = values.key ?? process.env["LARDER_KEY"] ?? "";

const warehouse = await startWarehouse({
  location: values.location,
  port: Number(values.port),
  authority: values.authority,
  seed: Number(values.seed),
  faults,
  ...(values.secret !== undefined && { secret: values.secret }),
  ...(values.larder !== undefined && { larder: { url: values.larder, key } }),
});
console.log(`The warehouse ${values.location} is at ${warehouse.url}; its switches are at ${warehouse.url}/control.`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void warehouse.stop());
