/** What a tool of the project is told on its command line. */
import { type ParseArgsConfig, parseArgs } from "node:util";

/**
 * `parseArgs`, which for `--help` tells the options there are, and for one that there is not says so in a sentence; both end the
 * process.
 */
export function toolOptions<const Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  const args = config.args ?? process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${optionsIn(config)}\n`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (!code.startsWith("ERR_PARSE_ARGS")) throw error;
    // The rest is about positional arguments, which hardly any tool has.
    const what = message.split(/\. |\n/, 1)[0]?.replace(/\.$/, "");
    process.stderr.write(`${what}.\n${optionsIn(config)}\n`);
    process.exit(2);
  }
}

/** `Options: --seed VALUE (1), --json`. */
function optionsIn({ options = {} }: ParseArgsConfig): string {
  const names = Object.entries(options).map(([name, option]) => {
    const isDefault = option.type === "string" && typeof option.default === "string" && option.default !== "";
    return `--${name}${option.type === "string" ? " VALUE" : ""}${isDefault ? ` (${option.default})` : ""}`;
  });
  return `Options: ${names.join(", ")}`;
}

/** A wrong value of an option, in a sentence; ends the process. */
export function wrongOption(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
