import { Command, Option } from "commander";
import { formatInstant, type Instant, parseInstant } from "../kernel/index.ts";
import type { RestorePoint } from "../platform/runtime/index.ts";
import { Failure, wrongUse } from "./failure.ts";
import { folderNamed, folderTrouble } from "./folder.ts";
import type { Io } from "./io.ts";
import { dataOption, jsonOption, withExamples } from "./options.ts";
import { counted } from "./words.ts";

interface RestoreFlags {
  readonly data: string;
  readonly toPosition?: string;
  readonly toTime?: string;
  readonly archive?: string;
  readonly json?: boolean;
}

export function restoreCommand(io: Io): Command {
  const command = new Command("restore")
    .description(
      "Make a data folder from a backup, whole or up to a point in time; its queues come back as they were. It begins a new epoch, and whatever its server would send out waits for `larder resume`.",
    )
    .argument("<backup>", "the folder of the backup")
    .addOption(dataOption("the folder to make; it must not hold a log yet").makeOptionMandatory())
    .addOption(
      new Option("--to-position <position>", "up to a position that a client or the feed knows").conflicts("toTime"),
    )
    .option("--to-time <time>", "up to what was recorded at that time (RFC 3339)")
    .option("--archive <folder>", "where the cold files are that the backup left out")
    .addOption(jsonOption())
    .action(async (backup: string, flags: RestoreFlags) => {
      for (const folder of [backup, flags.data, flags.archive ?? "."]) folderNamed(folder);
      const trouble = folderTrouble(flags.data);
      if (trouble !== undefined) throw new Failure(`The folder can't be made: ${trouble}, or name another by --data.`);
      const { restoreFolder } = await import("../platform/runtime/index.ts");
      const upTo = await restorePoint(backup, flags);
      const restored = await restoreFolder({
        backup,
        folder: flags.data,
        ...(upTo && { upTo }),
        ...(flags.archive !== undefined && { archive: flags.archive }),
      });
      if (flags.json) {
        io.out(JSON.stringify({ data: flags.data, ...restored }));
        return;
      }
      io.out(`${flags.data} holds the log up to event ${restored.lastSequence}, in epoch ${restored.epoch.number}.`);
      const { queues } = restored;
      if (queues !== undefined && queues.waiting + queues.deadLetters > 0) {
        io.out(
          `Of the queues ${counted(queues.waiting, "message is", "messages are")} done after the start; ${counted(queues.deadLetters, "is a dead letter", "are dead letters")}.`,
        );
      }
      io.out(
        `Start it by \`larder serve --data ${flags.data}\`. Outgoing traffic is paused: \`larder resume --data ${flags.data}\` lets it go, once you trust what you see.`,
      );
    });
  return withExamples(
    command,
    "larder restore /backups/2026-11-21 --data ./data-restored",
    `larder restore /backups/2026-11-21 --data ./data-restored --to-time ${formatInstant(1_795_248_000_000)}`,
  );
}

async function restorePoint(backup: string, { toPosition, toTime }: RestoreFlags): Promise<RestorePoint | undefined> {
  if (toTime !== undefined) {
    const instant = parseInstant(toTime);
    if (instant === undefined) throw wrongUse(`--to-time ${toTime} is not an RFC 3339 time, as 2026-11-21T09:30:00Z.`);
    await checkSpan(backup, instant);
    return { instant };
  }
  if (toPosition === undefined) return undefined;
  const { openLog } = await import("../platform/runtime/index.ts");
  const { sequenceOfPosition } = await import("../services/inventory/index.ts");
  const log = await openLog(backup);
  try {
    const sequence = sequenceOfPosition(toPosition, log);
    if (!sequence.ok) throw new Failure(`--to-position: ${sequence.rejection.detail}`);
    return { sequence: sequence.value };
  } finally {
    await log.close();
  }
}

/** A time before the first event would make an empty shop, and nobody wants one who restores a backup. */
async function checkSpan(backup: string, instant: Instant): Promise<void> {
  const { openLog } = await import("../platform/runtime/index.ts");
  const log = await openLog(backup);
  try {
    // Unknown where the cold files of its first days were left out: those lie far back.
    const [first] = await log.readLog(0, 1).catch(() => []);
    if (first === undefined || first.meta.recordedAt <= instant) return;
    const [from, to] = [first.meta.recordedAt, log.lastRecordedAt()].map(formatInstant);
    throw new Failure(
      `Nothing had been recorded at ${formatInstant(instant)}: this backup goes from ${from} to ${to}. Nothing was made.`,
    );
  } finally {
    await log.close();
  }
}
