import { Command, CommanderError } from "commander";
import { codeOf } from "../kernel/index.ts";
import { archiveCommand } from "./archive.ts";
import { backupCommand } from "./backup.ts";
import { benchCommand } from "./bench.ts";
import { completionCommand } from "./completion.ts";
import { demoCommand } from "./demo.ts";
import { dlqCommand } from "./dlq.ts";
import { doctorCommand } from "./doctor.ts";
import { exportCommand } from "./export.ts";
import { Failure, messageOf } from "./failure.ts";
import { importCommand } from "./import.ts";
import type { Io } from "./io.ts";
import { keysCommand } from "./keys.ts";
import { migrateCommand } from "./migrate.ts";
import { reconcileCommand } from "./reconcile.ts";
import { reserveCommand } from "./reserve.ts";
import { restoreCommand } from "./restore.ts";
import { resumeCommand } from "./resume.ts";
import { serveCommand } from "./serve.ts";
import { stockCommand } from "./stock.ts";
import { syncCommand } from "./sync.ts";
import { tailCommand } from "./tail.ts";
import { verifyCommand } from "./verify.ts";
import { larderVersion, versionCommand } from "./version.ts";
import { webhooksCommand } from "./webhooks.ts";

/** The tree of all commands. Making it starts nothing. */
export function larderProgram(io: Io): Command {
  const program: Command = new Command("larder")
    .description("Real-time, event-sourced inventory: the server, and the commands that work with it.")
    .version(larderVersion())
    .helpCommand(true)
    .addHelpText(
      "after",
      "\nFirst steps: `larder demo` shows everything on a real shop's sales; `larder serve` starts a server.",
    );
  program.commandsGroup("A server:");
  program
    .addCommand(serveCommand(io))
    .addCommand(demoCommand(io))
    .addCommand(doctorCommand(io))
    .addCommand(benchCommand(io));
  program.commandsGroup("Stock:");
  program.addCommand(stockCommand(io)).addCommand(reserveCommand(io)).addCommand(tailCommand(io));
  program.commandsGroup("In and out:");
  program.addCommand(importCommand(io)).addCommand(exportCommand(io));
  program.commandsGroup("Looking after it:");
  program
    .addCommand(syncCommand(io))
    .addCommand(webhooksCommand(io))
    .addCommand(keysCommand(io))
    .addCommand(reconcileCommand(io))
    .addCommand(dlqCommand(io))
    .addCommand(verifyCommand(io));
  program
    .addCommand(backupCommand(io))
    .addCommand(restoreCommand(io))
    .addCommand(resumeCommand(io))
    .addCommand(migrateCommand(io));
  program.addCommand(archiveCommand(io));
  program.commandsGroup("This program:");
  program.addCommand(completionCommand(io, () => program)).addCommand(versionCommand(io));
  quieten(program, io);
  return program;
}

/** Runs one command line and gives its exit code: 0 when all went well, 2 for a wrong use, 1 for any failure. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    const program = larderProgram(io);
    await program.parseAsync(withoutVainHelp(args, program), { from: "user" });
    return 0;
  } catch (error) {
    // Commander has printed what it had to say; help and version are told as errors with the code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof Failure) {
      io.note(io.paint("red", error.message));
      return error.exitCode;
    }
    const isKnown = codeOf(error) !== undefined || "syscall" in Object(error);
    io.note(
      io.paint(
        "red",
        isKnown ? sentence(messageOf(error)) : `larder is broken here: ${(error as Error).stack ?? messageOf(error)}`,
      ),
    );
    return 1;
  }
}

/** Help about a command that there is not is answered as that command is: by the one that may be meant. */
function withoutVainHelp(args: readonly string[], program: Command): readonly string[] {
  const [first, second = ""] = args;
  const isVain = first === "help" && /^[^-]/.test(second) && program.commands.every((one) => one.name() !== second);
  return isVain && second !== "help" ? args.slice(1) : args;
}

/** What the platform says of a fault, as a sentence; the name of a file keeps its letters. */
function sentence(message: string): string {
  const isWord = /^[a-z]+ /.test(message);
  return `${isWord ? message.charAt(0).toUpperCase() + message.slice(1) : message}.`;
}

/** Errors and help of every command go through `io`, none ends the process, and each tells where help is. */
function quieten(command: Command, io: Io): void {
  command
    .exitOverride()
    // An option after a sub-command is that one's, even where both have it.
    .enablePositionalOptions()
    .configureOutput({ writeOut: (text) => io.raw(text), writeErr: (text) => io.note(text.trimEnd()) })
    .showHelpAfterError(`Run \`${pathOf(command)} --help\` for how it is used.`);
  for (const child of command.commands) quieten(child, io);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
