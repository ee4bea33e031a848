import { join } from "node:path";
import { Command } from "commander";
import type { Anchor } from "../services/inventory/index.ts";
import { writeAnchor } from "./anchor.ts";
import { Failure } from "./failure.ts";
import { folderNamed, folderTrouble } from "./folder.ts";
import type { Io } from "./io.ts";
import { dataFolder, dataOption, jsonOption, withExamples } from "./options.ts";
import { counted } from "./words.ts";

/** The last seal of the backed-up log, beside its manifest. */
const anchorFile = "anchor.json";

export function backupCommand(io: Io): Command {
  const command = new Command("backup")
    .description(
      "Copy the log and the queues of a data folder, whole and consistent, also while its server runs. The log's last seal is kept beside them, for `larder verify --anchor`.",
    )
    .argument("<destination>", "a new folder for the backup; nothing is overwritten")
    .addOption(dataOption("the data folder; default $LARDER_DATA or ./data"))
    .option("--without-archive", "leave out the cold files, which never change; for who keeps them by other means")
    .addOption(jsonOption())
    .action(async (destination: string, flags: { data?: string; withoutArchive?: boolean; json?: boolean }) => {
      const folder = dataFolder(flags, io);
      const trouble = folderTrouble(folderNamed(destination));
      if (trouble !== undefined) throw new Failure(`The backup can't be made: ${trouble}, or name another place.`);
      const { backupFolder } = await import("../platform/runtime/index.ts");
      const leavesArchiveOut = flags.withoutArchive ?? false;
      const manifest = await backupFolder({ folder, destination, leavesArchiveOut });
      const anchor = await keepAnchor(destination, leavesArchiveOut);
      if (flags.json) {
        io.out(JSON.stringify({ destination, ...manifest, ...(anchor && { anchor }) }));
        return;
      }
      const until = manifest.recordedAt === undefined ? "" : `, the last recorded at ${manifest.recordedAt}`;
      io.out(`${counted(manifest.events, "event is", "events are")} in ${destination}${until}.`);
      if (manifest.queues !== undefined) {
        const { waiting, deadLetters } = manifest.queues;
        io.out(
          `So are its queues: ${counted(waiting, "message waits", "messages wait")}, ${counted(deadLetters, "is a dead letter", "are dead letters")}.`,
        );
      }
      if (anchor !== undefined)
        io.out(
          `The seal of the first ${anchor.to} is in ${join(destination, anchorFile)}; keep a copy of it on another machine.`,
        );
      if (manifest.archive?.isIncluded === false)
        io.out(
          `It needs ${counted(manifest.archive.files.length, "cold file")} of ${join(folder, "archive")}, which it does not hold.`,
        );
      io.out(`Put it into use by \`larder restore ${destination} --data NEW-FOLDER\`.`);
    });
  return withExamples(
    command,
    "larder backup /backups/2026-11-21",
    "larder backup /backups/now --data /var/lib/larder",
    "larder backup /backups/now --without-archive",
  );
}

/** Undefined when the log has no seal yet, as within its first second, or only in cold files that were left out. */
async function keepAnchor(backup: string, leavesArchiveOut: boolean): Promise<Anchor | undefined> {
  const { openLog } = await import("../platform/runtime/index.ts");
  const { lastSealIn } = await import("../services/inventory/index.ts");
  const log = await openLog(backup);
  const seal = await lastSealIn(log)
    .catch((error: unknown) => {
      if (!leavesArchiveOut) throw error;
      return undefined;
    })
    .finally(() => log.close());
  if (seal !== undefined) writeAnchor(join(backup, anchorFile), seal);
  return seal;
}
