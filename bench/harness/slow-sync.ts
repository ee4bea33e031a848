import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The environment of a process whose syncs take longer by so many microseconds: a slower disk. Undefined where that
 * can't be had: it takes Linux and a C compiler.
 */
export function slowSync(microseconds: number): Readonly<Record<string, string>> | undefined {
  if (process.platform !== "linux") return undefined;
  const library = join(mkdtempSync(join(tmpdir(), "larder-shim-")), "sync-shim.so");
  try {
    const source = join(import.meta.dirname, "sync-shim.c");
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  execFileSync("chmod", ["755", join(library, "..")]);
  return { LD_PRELOAD: library, SYNC_DELAY_US: String(microseconds) };
}
