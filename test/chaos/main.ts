/** `npm run chaos -- --minutes 120 --seed 7 --shape whole --only PostgreSQL`. Ends with 1 when anything is not right. */

import { whyNoCluster } from "../../scripts/cluster/index.ts";
import { toolOptions } from "../../scripts/options.ts";
import { chaos } from "./chaos.ts";

const { values } = toolOptions({
  options: {
    minutes: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_007) },
    shape: { type: "string", default: "split" },
    only: { type: "string", default: "" },
  },
});
const missing = whyNoCluster();
const say = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
if (missing !== undefined || (values.shape !== "split" && values.shape !== "whole")) {
  console.error(missing ?? "--shape takes `split` or `whole`.");
  process.exitCode = 2;
} else {
  const { shape, only } = values;
  say(`seed ${values.seed}`);
  const minutes = values.minutes === undefined ? {} : { minutes: Number(values.minutes) };
  const report = await chaos({ shape, only, seed: Number(values.seed), ...minutes, say });
  console.log(JSON.stringify(report, undefined, 2));
  const isRight = report.findings.length === 0 && report.crashes === 0;
  if (!report.hadWrongClock) console.log("SKIPPED: a wrong clock. faketime is not installed.");
  process.exitCode = isRight ? 0 : 1;
}
