/** The servers that a cluster stands on, as the system has them. Nothing is downloaded: what is missing is named. */
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

const packages = {
  postgres: { apt: "postgresql", brew: "postgresql@17" },
  "nats-server": { apt: "nats-server", brew: "nats-server" },
  "redis-server": { apt: "redis-server", brew: "redis" },
  haproxy: { apt: "haproxy", brew: "haproxy" },
  faketime: { apt: "faketime", brew: "libfaketime" },
  prometheus: { apt: "prometheus", brew: "prometheus" },
} as const;

export type ProgramName = keyof typeof packages;

/** Where the system keeps a program; undefined when it has none. The newest PostgreSQL of several. */
export function findProgram(name: ProgramName): string | undefined {
  return foldersOf(name)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

function foldersOf(name: ProgramName): readonly string[] {
  const usual = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
  if (name !== "postgres") return usual;
  // Debian keeps the programs of each version in a folder of its own, Homebrew too.
  const kegs = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"].flatMap((root) => {
    const names = existsSync(root) ? readdirSync(root).filter((entry) => /^(postgresql@)?\d+$/.test(entry)) : [];
    return names.sort((a, b) => versionOf(b) - versionOf(a)).map((entry) => join(root, entry, "bin"));
  });
  return [...kegs, ...usual];
}

function versionOf(entry: string): number {
  return Number(/\d+$/.exec(entry)?.[0] ?? 0);
}

/** A sentence on what to install, with the lines to paste; undefined when all are there. */
export function missingMessage(names: readonly ProgramName[]): string | undefined {
  const missing = names.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return undefined;
  const named = (manager: "apt" | "brew") => missing.map((name) => packages[name][manager]).join(" ");
  return [
    `Not found: ${missing.join(", ")}. A cluster stands on real servers; install them and run this again:`,
    `  Debian, Ubuntu   sudo apt-get install ${named("apt")}`,
    `  macOS            brew install ${named("brew")}`,
    "Debian starts some of them as services at once; that does no harm here, a cluster has ports of its own.",
  ].join("\n");
}
