import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PlatformError } from "../../../kernel/index.ts";
import { copyAnew, hashFile, makeFolder, syncFile, syncFolder } from "../../sqlite/index.ts";
import { type ColdManifest, manifestNameOf, manifestText } from "../cold/index.ts";

/**
 * Copies cold files and their manifests into another folder, on disk when it resolves. Throws
 * `PlatformError("archive-unavailable")` when one is not there or not what was written.
 */
export async function copyArchive(manifests: readonly ColdManifest[], from: string, to: string): Promise<void> {
  if (manifests.length === 0) return;
  makeFolder(to);
  for (const manifest of manifests) {
    const [source, copy] = [join(from, manifest.file), join(to, manifest.file)];
    if (!existsSync(source)) throw unavailable(source, "is missing");
    copyAnew(source, copy);
    if ((await hashFile(copy)) !== manifest.sha256) throw unavailable(source, "is not what its manifest says");
    writeFileSync(join(to, manifestNameOf(manifest.file)), manifestText(manifest));
    syncFile(copy);
    syncFile(join(to, manifestNameOf(manifest.file)));
  }
  syncFolder(to);
}

/** What is wrong with cold files: a line each. `whole` reads every byte; else only their sizes are looked at. */
export async function archiveProblems(
  manifests: readonly ColdManifest[],
  folder: string,
  whole: boolean,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { file, bytes, sha256 } of manifests) {
    const path = join(folder, file);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) problems.push(`${path} is missing`);
    else if (size !== bytes) problems.push(`${path} has ${size} bytes, and its manifest says ${bytes}`);
    else if (whole && (await hashFile(path)) !== sha256) problems.push(`${path} is not what its manifest says`);
  }
  return problems;
}

function unavailable(path: string, problem: string): PlatformError {
  return new PlatformError("archive-unavailable", `the cold file ${path} ${problem}`);
}
