/**
 * `npm run properties -- [--rounds 20] [--seed N]`: all property tests with other cases than those of the gate, a seed a
 * round. Ends at the first round that fails, and prints its seed.
 */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { toolOptions, wrongOption } from "./options.ts";

const home = fileURLToPath(new URL("..", import.meta.url));
const { values } = toolOptions({ options: { rounds: { type: "string", default: "20" }, seed: { type: "string" } } });
const first = values.seed === undefined ? Math.floor(Date.now() / 1000) : Number(values.seed);
const rounds = Number(values.rounds);
if (!Number.isSafeInteger(first) || !(rounds >= 1)) wrongOption("--rounds and --seed are whole numbers.");

const files = globSync("{src,test,sdk/src}/**/*.test.ts", { cwd: home, exclude: ["**/*.int.test.ts"] }).filter((file) =>
  /from "fast-check"|\.(contract|model)\.ts"/.test(readFileSync(`${home}${file}`, "utf8")),
);
const line = ["node_modules/vitest/vitest.mjs", "run", ...files];
for (let seed = first; seed < first + rounds; seed++) {
  const env = { ...process.env, LARDER_TEST_SEED: String(seed) };
  process.stdout.write(`── ${files.length} files, seed ${seed}\n`);
  const { status, stdout, stderr } = spawnSync(process.execPath, line, { cwd: home, env, maxBuffer: 2 ** 28 });
  if (status === 0) continue;
  process.stdout.write(
    `${stdout.toString()}${stderr.toString()}\nSeed ${seed} fails. Replay: npm run properties -- --rounds 1 --seed ${seed}\n`,
  );
  process.exitCode = 1;
  break;
}
