import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

const home = join(import.meta.dirname, "../..");
const tsc = (...args: string[]) =>
  execFileSync(join(home, "node_modules", ".bin", "tsc"), args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

const program = `
import { isLarderError, Larder, type Reservation } from "@larder/client";
const larder = new Larder({ url: "http://127.0.0.1:1", retries: 0 });
try {
  const cart: Reservation = await larder.reserve({ lines: [{ sku: "milk", quantity: 1 }] });
  console.log(cart.id);
} catch (error) {
  if (isLarderError(error, "insufficient-stock")) console.log(error.problem.lines[0]?.available);
  else if (isLarderError(error, "unreachable")) console.log("unreachable");
}
`;

it("the package compiles, and serves a program of others with its types", () => {
  const folder = mkdtempSync(join(tmpdir(), "larder-package-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const installed = join(folder, "node_modules", "@larder", "client");
  mkdirSync(installed, { recursive: true });
  copyFileSync(join(home, "sdk", "package.json"), join(installed, "package.json"));
  tsc("-p", join(home, "sdk", "tsconfig.build.json"), "--outDir", join(installed, "dist"));
  expect(readFileSync(join(installed, "dist", "larder.js"), "utf8")).toContain('from "./transport.js"');

  const options = { module: "NodeNext", target: "ES2022", lib: ["ES2022", "DOM"], types: [], strict: true };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["program.ts"] }));
  writeFileSync(join(folder, "program.ts"), program);
  tsc("-p", folder);
  expect(execFileSync(process.execPath, [join(folder, "program.js")], { encoding: "utf8" })).toBe("unreachable\n");
});
