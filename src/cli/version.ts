import { readFileSync } from "node:fs";
import { Command } from "commander";
import type { Io } from "./io.ts";
import { jsonOption, withExamples } from "./options.ts";

/** Larder's own version, as its package says it. */
export function larderVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

export function versionCommand(io: Io): Command {
  const command = new Command("version")
    .description("Say which version this is, and of what it stands on.")
    .addOption(jsonOption())
    .action((flags: { json?: boolean }) => {
      const versions = {
        larder: larderVersion(),
        node: process.versions.node,
        sqlite: process.versions.sqlite ?? "none",
        platform: `${process.platform}-${process.arch}`,
      };
      if (flags.json) io.out(JSON.stringify(versions));
      else io.out(`larder ${versions.larder} (Node ${versions.node}, SQLite ${versions.sqlite}, ${versions.platform})`);
    });
  return withExamples(command, "larder version --json");
}
