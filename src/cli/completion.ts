import { Argument, Command } from "commander";
import type { Io } from "./io.ts";
import { jsonOption, withExamples } from "./options.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/** `program` is asked for when the command runs: by then it has all commands. */
export function completionCommand(io: Io, program: () => Command): Command {
  const command = new Command("completion")
    .description(
      "Write the script that teaches a shell to complete larder's commands and options, where that is a command or an alias (`alias larder='npx larder'`).",
    )
    .addArgument(new Argument("<shell>", "the shell").choices([...shells]))
    .addOption(jsonOption())
    .action((shell: Shell, { json }: { readonly json?: boolean }) => {
      const script = writers[shell](wordsOf(program()));
      if (json) io.out(JSON.stringify({ shell, script }));
      else io.raw(script);
    });
  return withExamples(
    command,
    "larder completion bash > ~/.local/share/bash-completion/completions/larder",
    "larder completion zsh > ~/.zsh/completions/_larder",
    "larder completion fish > ~/.config/fish/completions/larder.fish",
  );
}

interface Words {
  /** The commands before it, as `reserve confirm`; empty for larder itself. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly about: string }[];
}

/** For each command what may stand after it. */
function wordsOf(command: Command, path = ""): readonly Words[] {
  const shown = command.createHelp();
  const commands = shown.visibleCommands(command).map((child) => ({ word: child.name(), about: child.description() }));
  const options = shown
    .visibleOptions(command)
    .flatMap(({ long, description }) => (long == null ? [] : [{ word: long, about: description }]));
  const choices = command.registeredArguments.flatMap(({ argChoices, description }) =>
    (argChoices ?? []).map((word) => ({ word, about: description })),
  );
  const inner = command.commands.flatMap((child) => wordsOf(child, `${path} ${child.name()}`.trim()));
  return [{ path, words: [...commands, ...choices, ...options] }, ...inner];
}

const writers: Readonly<Record<Shell, (all: readonly Words[]) => string>> = {
  bash: (all) => `# Completion of larder for bash.
_larder() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${all.flatMap(({ path }) => (path === "" ? [] : [`      " ${path}"|"${path}") path="${path}" ;;`])).join("\n")}
    esac
  done
  case "$path" in
${all.map(({ path, words }) => `    "${path}") COMPREPLY=($(compgen -W "${words.map(({ word }) => word).join(" ")}" -- "$current")) ;;`).join("\n")}
  esac
  if [[ "$current" != -* && \${#COMPREPLY[@]} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _larder larder
`,
  // In zsh `path` is PATH, and a length that begins with a letter is a modifier.
  zsh: (all) => `#compdef larder
# Completion of larder for zsh.
_larder() {
  local at="" word
  for word in "\${words[@]:1:$((CURRENT-2))}"; do
    case "$at $word" in
${all.flatMap(({ path }) => (path === "" ? [] : [`      " ${path}"|"${path}") at="${path}" ;;`])).join("\n")}
    esac
  done
  local -a found
  case "$at" in
${all.map(({ path, words }) => `    "${path}") found=(${words.map(({ word, about }) => quoted(`${word}:${about.replaceAll(":", "\\:")}`)).join(" ")}) ;;`).join("\n")}
  esac
  _describe 'larder' found || _files
}
if [ "$funcstack[1]" = "_larder" ]; then _larder "$@"; else compdef _larder larder; fi
`,
  fish: (all) =>
    `# Completion of larder for fish.
function __larder_at
  set -l path
  for word in (commandline -opc)[2..]
    if contains -- (string join ' ' $path $word) ${all.flatMap(({ path }) => (path === "" ? [] : [quoted(path)])).join(" ")}
      set -a path $word
    end
  end
  test (string join ' ' $path) = "$argv[1]"
end
${all
  .flatMap(({ path, words }) =>
    words.map(
      ({ word, about }) =>
        `complete -c larder -n ${quoted(`__larder_at ${quoted(path)}`)} ${word.startsWith("--") ? `-l ${word.slice(2)}` : `-f -a ${quoted(word)}`} -d ${quoted(about)}`,
    ),
  )
  .join("\n")}
`,
};

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
