import { Command, Option } from "commander";
import { withoutLogin } from "../platform/config/index.ts";
import { Failure, wrongUse } from "./failure.ts";
import { folderNamed } from "./folder.ts";
import type { Io } from "./io.ts";
import { jsonOption, withExamples } from "./options.ts";
import { Progress } from "./progress.ts";
import { counted } from "./words.ts";

interface MigrateFlags {
  readonly from: string;
  readonly to: string;
  readonly leaveQueues?: boolean;
  readonly json?: boolean;
}

export function migrateCommand(io: Io): Command {
  const command = new Command("migrate")
    .description(
      "Copy the log of a data folder into an empty PostgreSQL database, and check every promise in the copy. Its server must be stopped. Broken off, it goes on where it was when it is run again.",
    )
    .addOption(new Option("--from <store>", "`sqlite:` and the data folder, as sqlite:./data").makeOptionMandatory())
    .addOption(
      new Option("--to <store>", "the database, as postgres://larder@db.internal/larder").makeOptionMandatory(),
    )
    .option("--leave-queues", "go on although messages wait in queues.db, or are dead letters; they are not copied")
    .addOption(jsonOption())
    .action(async (flags: MigrateFlags) => {
      if (!flags.from.startsWith("sqlite:")) throw wrongUse("--from takes sqlite:FOLDER.");
      if (!/^postgres(ql)?:\/\//.test(flags.to)) throw wrongUse("--to takes a postgres:// address.");
      await migrate(folderNamed(flags.from.slice("sqlite:".length)), flags, io);
    });
  return withExamples(command, "larder migrate --from sqlite:./data --to postgres://larder@db.internal/larder");
}

async function migrate(folder: string, flags: MigrateFlags, io: Io): Promise<void> {
  const { countQueues, migrateFolder } = await import("../platform/runtime/index.ts");
  const { waiting, deadLetters } = countQueues(folder) ?? { waiting: 0, deadLetters: 0 };
  if (waiting + deadLetters > 0 && !flags.leaveQueues)
    throw new Failure(
      `${counted(waiting, "message waits", "messages wait")} in ${folder}/queues.db, and ${counted(deadLetters, "is a dead letter", "are dead letters")}; they are not copied. ` +
        "Start its server until none wait, and redrive or discard the dead letters, or name --leave-queues.",
    );
  const progress = new Progress("copying", 100, io);
  let copied: Awaited<ReturnType<typeof migrateFolder>>;
  try {
    copied = await migrateFolder({
      folder,
      url: flags.to,
      onProgress: (done, of) => progress.update((100 * done) / of, `${done} of ${of} events`),
    });
  } finally {
    progress.end();
  }
  if (flags.json) {
    io.out(JSON.stringify({ from: folder, to: withoutLogin(flags.to), ...copied }));
    return;
  }
  const { events, resumedAfter, epoch } = copied;
  const again = resumedAfter > 0 ? `, going on after ${resumedAfter}` : "";
  io.out(
    `${counted(events, "event is", "events are")} in ${withoutLogin(flags.to)}${again}; read back and verified. Epoch ${epoch.number} begins.`,
  );
  io.out(
    `Start servers with LARDER_STORE=${withoutLogin(flags.to)}, and with LARDER_SERVER_KEY from ${folder}/secret.key if that is there.`,
  );
}
