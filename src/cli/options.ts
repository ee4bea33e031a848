import { type Command, InvalidArgumentError, Option } from "commander";
import { Client } from "./client.ts";
import { wrongUse } from "./failure.ts";
import { folderNamed, logPlaceNamed } from "./folder.ts";
import type { Io } from "./io.ts";

export interface ServerOptions {
  readonly url?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** The options of every command that talks to a server. */
export function withServer(command: Command): Command {
  return command
    .addOption(new Option("--url <url>", "the server; default http://127.0.0.1:$LARDER_PORT").env("LARDER_URL"))
    .addOption(
      new Option("--key <key>", "API key; better given as LARDER_KEY, which other users can't see").env("LARDER_KEY"),
    )
    .addOption(jsonOption());
}

export function jsonOption(): Option {
  return new Option("--json", "write the answer as JSON, and nothing else, to standard output");
}

export function dataOption(meaning: string): Option {
  return new Option("--data <folder>", meaning);
}

/** The folder that a command works on: that of the server, unless another one is named. */
export function dataFolder(options: { readonly data?: string }, io: Io): string {
  return folderNamed(dataPlace(options, io));
}

/** As `dataFolder`, where a PostgreSQL database may be named too. */
export function logPlace(options: { readonly data?: string }, io: Io): string {
  return logPlaceNamed(dataPlace(options, io));
}

function dataPlace({ data }: { readonly data?: string }, { env }: Io): string {
  return data ?? (env["LARDER_DATA"] || "./data");
}

/**
 * The client of the server that is named, or of the one on this machine. Only there the administrator's key of the
 * server's own environment serves when no other is given: it must not go to a server that somebody merely named.
 */
export function clientOf(options: ServerOptions, io: Io): Client {
  const { url, key } = serverOf(options, io);
  return new Client(url, key);
}

/** Its address, and the key to come with. */
export function serverOf({ url, key }: ServerOptions, { env }: Io): { readonly url: string; readonly key?: string } {
  if (url !== undefined) return { url, ...(key !== undefined && { key }) };
  const known = key ?? (env["LARDER_ADMIN_KEY"] || undefined);
  return { url: `http://127.0.0.1:${portIn(env)}`, ...(known !== undefined && { key: known }) };
}

function portIn(env: Io["env"]): string {
  const port = env["LARDER_PORT"] || "8080";
  if (/^\d{1,5}$/.test(port) && Number(port) <= 65_535) return port;
  throw wrongUse(`LARDER_PORT is "${port}", and must be the port of the server. Or name the server by --url.`);
}

/** Adds the examples that close a command's help. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

/** A whole number of an option or argument. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(
        `A whole number${max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`} is needed.`,
      );
    }
    return value;
  };
}

/** A span of time as `90`, `90s`, `15m`, `2h` or `30d`, in seconds. */
export function spanSeconds(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("A span as 90s, 15m, 2h or 30d is needed.");
  const factors: Record<string, number> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };
  return Number(match[1]) * (factors[match[2] ?? ""] ?? 1);
}

/** Collects an option that may be given several times. */
export function several(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
