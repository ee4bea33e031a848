import { Command } from "commander";
import { isPostgresUrl, withoutLogin } from "../platform/config/index.ts";
import type { Io } from "./io.ts";
import { dataOption, jsonOption, logPlace, withExamples } from "./options.ts";

export function resumeCommand(io: Io): Command {
  const command = new Command("resume")
    .description(
      "Let everything outgoing go on, which waits since a restore. The server of a data folder must be stopped; those on PostgreSQL may run.",
    )
    .addOption(dataOption("the data folder, or a postgres:// address; default $LARDER_DATA or ./data"))
    .addOption(jsonOption())
    .action(async (flags: { data?: string; json?: boolean }) => {
      const { resumeOutgoing } = await import("../platform/runtime/index.ts");
      const place = logPlace(flags, io);
      const wasPaused = await resumeOutgoing(place);
      const folder = withoutLogin(place);
      if (flags.json) io.out(JSON.stringify({ data: folder, wasPaused, outgoingPaused: false }));
      else io.out(wasPaused ? goesOn(folder, isPostgresUrl(place)) : `Nothing outgoing was paused in ${folder}.`);
    });
  return withExamples(
    command,
    "larder resume --data ./data-restored",
    "larder resume --data postgres://larder@db.internal/larder",
  );
}

function goesOn(folder: string, isShared: boolean): string {
  const subject = `Outgoing traffic of ${folder} goes on`;
  if (!isShared) return `${subject} at its next start.`;
  return `${subject} within two seconds, also of servers that run.`;
}
