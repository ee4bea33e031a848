import { dirname } from "node:path";
import { Command } from "commander";
import { withoutLogin } from "../platform/config/index.ts";
import type { Verification } from "../services/inventory/index.ts";
import { readAnchor, writeAnchor } from "./anchor.ts";
import { Failure } from "./failure.ts";
import { logPlaceNamed } from "./folder.ts";
import type { Io } from "./io.ts";
import { dataOption, jsonOption, logPlace, withExamples } from "./options.ts";
import { Progress } from "./progress.ts";
import { counted } from "./words.ts";

interface VerifyFlags {
  readonly data?: string;
  readonly anchor?: string;
  readonly writeAnchor?: string;
  readonly json?: boolean;
}

export function verifyCommand(io: Io): Command {
  const command = new Command("verify")
    .description(
      "Read a whole log and check every promise made in it, and that its seals show no event changed, missing or reordered. Also beside a running server.",
    )
    .argument(
      "[path]",
      "a backup, a data folder, the log.db in one, or a postgres:// address; default is the data folder",
    )
    .addOption(dataOption("the data folder; default $LARDER_DATA or ./data"))
    .option("--anchor <file>", "a seal that was kept elsewhere: shows also whether the end was cut off")
    .option("--write-anchor <file>", "keep the last seal in a file, if all is well; store it on another machine")
    .addOption(jsonOption())
    .action(async (path: string | undefined, flags: VerifyFlags) => {
      const folder = path === undefined ? logPlace(flags, io) : logPlaceNamed(path.replace(/\/+$/, ""));
      await verify(folder.endsWith("log.db") ? dirname(folder) : folder, flags, io);
    });
  return withExamples(
    command,
    "larder verify",
    "larder verify --write-anchor /mnt/elsewhere/larder.anchor",
    "larder verify /backups/2026-11-21 --anchor /mnt/elsewhere/larder.anchor",
  );
}

async function verify(place: string, flags: VerifyFlags, io: Io): Promise<void> {
  const folder = withoutLogin(place);
  const anchor = flags.anchor === undefined ? undefined : await readAnchor(flags.anchor);
  const { openLog } = await import("../platform/runtime/index.ts");
  const { verifyLog } = await import("../services/inventory/index.ts");
  const log = await openLog(place);
  const progress = new Progress("verifying", log.head(), io);
  let verification: Verification;
  try {
    verification = await verifyLog(log, {
      ...(anchor && { anchor }),
      onProgress: (seq, head) => progress.update(seq, `${seq} of ${head} events`),
    });
  } finally {
    progress.end();
    await log.close();
  }
  const ok = verification.findingsCount === 0;
  if (flags.json) io.out(JSON.stringify({ ok, folder, ...verification }));
  else report(folder, verification, io);
  if (!ok)
    throw new Failure(
      `The log in ${folder} is not what Larder wrote. Keep it as it is, and restore a backup into a new folder.`,
    );
  if (flags.writeAnchor !== undefined) keepAnchor(flags.writeAnchor, verification, flags, io);
}

function report(folder: string, verification: Verification, io: Io): void {
  const { events, stocks, reservations, seals, unsealedEvents, shortfalls, findings, findingsCount } = verification;
  io.out(
    `${folder}: ${counted(events, "event")}, ${counted(stocks, "stock")}, ${counted(reservations, "reservation")}, ${counted(seals, "seal")}, ${counted(shortfalls, "shortfall")}.`,
  );
  if (unsealedEvents > 0)
    io.out(
      `The log's end is not sealed yet, ${counted(unsealedEvents, "event")}; its contents were checked all the same.`,
    );
  if (findingsCount === 0) {
    io.out(io.paint("green", "Every figure and every promise holds, and nothing was changed."));
    return;
  }
  for (const { seq, problem } of findings) io.out(`${io.paint("red", seq === 0 ? "log" : `event ${seq}`)}: ${problem}`);
  if (findingsCount > findings.length) io.out(`… and ${findingsCount - findings.length} more.`);
}

function keepAnchor(path: string, { lastSeal }: Verification, flags: VerifyFlags, io: Io): void {
  if (lastSeal === undefined)
    throw new Failure("The log has no seal yet; a server writes one within a second of its first event.");
  writeAnchor(path, lastSeal);
  if (!flags.json) io.out(`The seal of the first ${lastSeal.to} events is kept in ${path}.`);
}
