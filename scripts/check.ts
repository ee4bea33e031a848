/**
 * The gate (`npm run check`): format, lint, types, boundaries, schemas of events, protos, and the tests. `--no-tests` leaves out the tests, for a
 * caller that has just run them; `format` writes the formatting instead of checking it.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { boundaryErrors } from "./boundaries.ts";
import { eventSchemaErrors } from "./event-schemas.ts";
import { protobufErrors } from "./protobuf.ts";

const home = fileURLToPath(new URL("..", import.meta.url));
const biome = join(home, "tools", "node_modules", ".bin", "biome");
const buf = join(home, "tools", "node_modules", ".bin", "buf");
const flags = new Set(process.argv.slice(2));

function run(title: string, command: string, ...args: string[]): boolean {
  process.stdout.write(`── ${title}\n`);
  return spawnSync(command, args, { cwd: home, stdio: "inherit" }).status === 0;
}

function report(title: string, errors: readonly string[]): boolean {
  process.stdout.write(`── ${title}\n`);
  for (const error of errors) process.stdout.write(`${error}\n`);
  return errors.length === 0;
}

/** Checks a project again only as far as it has changed: a whole check takes most of a minute of processor time. */
function checkTypes(project: string): boolean {
  const kept = join(home, "node_modules", ".cache", `${project.replaceAll("/", "-")}.tsbuildinfo`);
  const tsc = join(home, "node_modules", ".bin", "tsc");
  return run(`types: ${project}`, tsc, "-p", project, "--incremental", "--tsBuildInfoFile", kept);
}

if (!(existsSync(biome) && existsSync(buf)) && !run("lint tools", "npm", "ci", "--prefix", "tools")) process.exit(1);
if (flags.has("format")) process.exit(run("format", biome, "check", "--write", ".") ? 0 : 1);

const checks: readonly (() => boolean)[] = [
  () => run("format and lint", biome, "check", "--error-on-warnings", "."),
  () => checkTypes("tsconfig.json"),
  () => checkTypes("tsconfig.pure.json"),
  () => checkTypes("sdk/tsconfig.json"),
  () => report("boundaries", boundaryErrors(home)),
  () => report("schemas of events, against those released", eventSchemaErrors(home)),
  () => report("protos, against those released, and the code made from them", protobufErrors(home)),
  ...(flags.has("--no-tests")
    ? []
    : [() => run("tests", "npm", "test"), () => run("faults", "npm", "run", "test:faults")]),
];
const failed = checks.filter((check) => !check()).length;
process.stdout.write(failed === 0 ? "All checks passed.\n" : `${failed} of ${checks.length} checks failed.\n`);
process.exit(failed === 0 ? 0 : 1);
