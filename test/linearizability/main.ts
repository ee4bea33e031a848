/**
 * The nightly campaign: `npm run linearizability -- --waves 100 --seed 1`. Ends with 1 when anything is not right.
 * `--judge FILE --tries 1000000` looks again at a history that a campaign has kept.
 */
import { readFileSync } from "node:fs";
import { toolOptions } from "../../scripts/options.ts";
import { campaign } from "./campaign.ts";
import { check } from "./checker.ts";
import { read } from "./history.ts";

const { values } = toolOptions({
  options: {
    waves: { type: "string", default: "60" },
    histories: { type: "string", default: "8" },
    judge: { type: "string" },
    tries: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_007) },
  },
});
if (values.judge === undefined) await run();
else judge(values.judge);

async function run(): Promise<void> {
  const [seed, waves, histories] = [Number(values.seed), Number(values.waves), Number(values.histories)];
  const started = performance.now();
  const findings = await campaign({ seed, waves, histories, print: (line) => console.log(line) });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${JSON.stringify(findings)}\nseed ${seed}: ${findings.accepted} histories accepted in ${seconds} s`);
  const isRight = findings.wrong === 0 && findings.undecided === 0 && findings.corrupted.missed.length === 0;
  process.exitCode = isRight && findings.accepted > 0 ? 0 : 1;
}

function judge(file: string): void {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const verdict = check(lines.map(read), { triesMax: Number(values.tries) });
  console.log(verdict.verdict === "wrong" ? `not linearizable ${verdict.stuck}` : JSON.stringify(verdict));
  process.exitCode = verdict.verdict === "linearizable" ? 0 : 1;
}
