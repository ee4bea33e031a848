import { Command } from "commander";
import type { Io } from "./io.ts";
import { dataFolder, dataOption, jsonOption, withExamples } from "./options.ts";

export function resumeCommand(io: Io): Command {
  const command = new Command("resume")
    .description("Let everything outgoing go on, which waits since a restore. Its server must be stopped.")
    .addOption(dataOption("the data folder; default $LARDER_DATA or ./data"))
    .addOption(jsonOption())
    .action(async (flags: { data?: string; json?: boolean }) => {
      const { resumeOutgoing } = await import("../platform/runtime/index.ts");
      const folder = dataFolder(flags, io);
      const wasPaused = await resumeOutgoing(folder);
      if (flags.json) io.out(JSON.stringify({ data: folder, wasPaused, outgoingPaused: false }));
      else
        io.out(
          wasPaused
            ? `Outgoing traffic of ${folder} goes on at its next start.`
            : `Nothing outgoing was paused in ${folder}.`,
        );
    });
  return withExamples(command, "larder resume --data ./data-restored");
}
