import { Command } from "commander";
import type { Io } from "./io.ts";
import { dataFolder, dataOption, jsonOption, withExamples } from "./options.ts";

export function backupCommand(io: Io): Command {
  const command = new Command("backup")
    .description("Copy the log of a data folder, whole and consistent, also while its server runs.")
    .argument("<destination>", "a new folder for the backup; nothing is overwritten")
    .addOption(dataOption("the data folder; default $LARDER_DATA or ./data"))
    .addOption(jsonOption())
    .action(async (destination: string, flags: { data?: string; json?: boolean }) => {
      const { backupStore } = await import("../platform/runtime/index.ts");
      const manifest = await backupStore({ folder: dataFolder(flags, io), destination });
      if (flags.json) {
        io.out(JSON.stringify({ destination, ...manifest }));
        return;
      }
      const until = manifest.recordedAt === undefined ? "" : `, the last recorded at ${manifest.recordedAt}`;
      io.out(`${manifest.events} events are in ${destination}${until}.`);
      io.out(`Put it into use by \`larder restore ${destination} --data NEW-FOLDER\`.`);
    });
  return withExamples(
    command,
    "larder backup /backups/2026-11-21",
    "larder backup /backups/now --data /var/lib/larder",
  );
}
