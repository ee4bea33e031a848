/**
 * `node bin/larder.js --tool test/golden/record.ts NAME`: keeps the scenario's log, as this build writes it, and what it
 * comes to, under a name of its own. Run once for each version whose events are new; what is kept is never written again.
 */
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { recordScenario } from "./scenario.ts";
import { stateOf } from "./state.ts";

const [name = ""] = process.argv.slice(2);
if (!/^[\w.-]+$/.test(name)) throw new Error("say under which name the log is to be kept, as 0.2.0");
const path = (ending: string) => fileURLToPath(new URL(`./samples/${name}.${ending}`, import.meta.url));
if (existsSync(path("ndjson"))) throw new Error(`${path("ndjson")} is there already, and golden logs are for ever`);

const bodies = await recordScenario();
writeFileSync(path("ndjson"), bodies.map((body) => `${body}\n`).join(""));
writeFileSync(path("state.json"), `${JSON.stringify(await stateOf(bodies), null, 1)}\n`);
process.stdout.write(`${bodies.length} units in ${path("ndjson")}\n`);
