import type { Command } from "commander";
import type { Io } from "./io.ts";
import { larderProgram } from "./program.ts";

/** The text of `docs/reference/cli.md`. */
export function cliReference(): string {
  const program = larderProgram(mute);
  return `# Command line

<!-- Written by scripts/reference.ts from the commands in src/cli; edit those, then run \`node bin/larder.js --tool scripts/reference.ts\`. -->

\`npx larder COMMAND\` in the project's folder, or from anywhere \`node …/bin/larder.js COMMAND\`; written \`larder COMMAND\` below and
everywhere in these pages. \`alias larder="npx larder"\` lets you write it so yourself, and is needed for what [completion](#larder-completion)
completes. Every command has \`--help\`.
With \`--json\` standard output holds the answer as JSON and nothing else. The exit code is 0 when all went well, 2 when
the command was used wrongly, 1 for every other failure. Colours and progress bars are shown on a terminal only; \`NO_COLOR\`
turns colours off.

${program.commands.flatMap((command) => sections(command, "larder", 2)).join("\n\n")}
`;
}

function sections(command: Command, parent: string, level: number): readonly string[] {
  const path = `${parent} ${command.name()}`;
  const own = `${"#".repeat(level)} ${path}\n\n\`\`\`text\n${help(command)}\n\`\`\``;
  return [own, ...command.commands.flatMap((child) => sections(child, path, level + 1))];
}

/** The help as a terminal of 100 columns shows it, with the text that follows it. */
function help(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trimEnd();
}

const mute: Io = {
  env: {},
  out: () => {},
  note: () => {},
  raw: () => {},
  isTerminal: { out: false, err: false },
  paint: (_style, text) => text,
};
