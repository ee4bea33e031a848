import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { ArchivePlan, ArchiveStatus } from "../services/archive/index.ts";
import type { Client } from "./client.ts";
import { Failure, wrongUse } from "./failure.ts";
import { folderNamed } from "./folder.ts";
import type { Io } from "./io.ts";
import { clientOf, dataOption, type ServerOptions, withExamples, withServer } from "./options.ts";
import { Progress } from "./progress.ts";
import { settingsFrom } from "./serve.ts";
import { counted } from "./words.ts";

interface ArchiveFlags extends ServerOptions {
  readonly data?: string;
  readonly before?: string;
  readonly dryRun?: boolean;
  readonly status?: boolean;
  readonly check?: boolean;
  readonly compact?: boolean;
}

type Request = Pick<ArchiveFlags, "before" | "dryRun">;

/** The archive of a server or of a folder. */
interface Target {
  start(request: Request): Promise<ArchivePlan | ArchiveStatus>;
  status(): Promise<ArchiveStatus>;
  close(): Promise<void>;
}

/** Milliseconds between looks at a run that is under way. */
const lookMs = 300;

export function archiveCommand(io: Io): Command {
  const command = new Command("archive")
    .description(
      "Move whole days of the log into Parquet files. Everything is read as before, old times a little slower. By a running server, or on the data folder of one that is stopped.",
    )
    .option(
      "--before <date>",
      "days before this one, UTC; default is as LARDER_ARCHIVE_AFTER says, the server's, or with --data that of this command",
    )
    .option("--dry-run", "tell what would be moved, and move nothing")
    .option("--status", "tell what lies in cold files, and how the last run went")
    .option("--check", "read every cold file of a data folder and compare it with its manifest; needs --data")
    .option("--compact", "give the room that is free in log.db back to the disk; needs --data")
    .addOption(dataOption("the data folder of a stopped server; without it a running server is asked"))
    .action(async (flags: ArchiveFlags) => {
      checkFlags(flags);
      if (flags.check) return await check(flags, io);
      if (flags.compact) return await compact(flags, io);
      const target =
        flags.data === undefined ? serverTarget(clientOf(flags, io)) : await folderTarget(flags.data, flags, io);
      try {
        await archive(target, flags, io);
      } finally {
        await target.close();
      }
    });
  return withExamples(
    withServer(command),
    "larder archive --before 2026-08-01 --dry-run",
    "larder archive --before 2026-08-01",
    "larder archive --status --json",
    "larder archive --before 2026-08-01 --data /var/lib/larder",
    "larder archive --check --data /var/lib/larder",
  );
}

/** What would be passed over is refused: `--status --before` moves nothing, and who writes it may think that it does. */
function checkFlags({ data, before, dryRun, status, check, compact }: ArchiveFlags): void {
  if (data !== undefined) folderNamed(data);
  const given = Object.entries({
    "--before": before,
    "--dry-run": dryRun,
    "--status": status,
    "--check": check,
    "--compact": compact,
  });
  const names = given.filter(([, value]) => value !== undefined).map(([name]) => name);
  const isMove = names.every((name) => name === "--before" || name === "--dry-run");
  if (!isMove && names.length > 1)
    throw wrongUse(`${names.join(" and ")} don't go together: run them one after the other.`);
}

async function archive(target: Target, flags: ArchiveFlags, io: Io): Promise<void> {
  const { before, dryRun } = flags;
  const started = flags.status
    ? await target.status()
    : await target.start({ ...(before !== undefined && { before }), ...(dryRun && { dryRun }) });
  if ("days" in started) {
    tellPlan(started, flags, io);
    return;
  }
  const ended = flags.status ? started : await awaitEnd(target, started, io);
  if (flags.json) io.out(JSON.stringify(ended));
  else for (const line of linesOf(ended)) io.out(line);
  const problem = ended.lastRun?.problem;
  if (problem === undefined) return;
  const told = `Not all was moved. ${problem}`;
  if (!flags.status) throw new Failure(told);
  if (!flags.json) io.out(io.paint("red", told));
}

async function awaitEnd(target: Target, started: ArchiveStatus, io: Io): Promise<ArchiveStatus> {
  const progress = new Progress("archiving", started.lastRun?.days ?? 0, io);
  let status = started;
  try {
    while (status.isRunning) {
      await sleep(lookMs);
      status = await target.status();
      const { files = 0, days = 0 } = status.lastRun ?? {};
      progress.update(files, `${files} of ${days} days`);
    }
  } finally {
    progress.end();
  }
  return status;
}

function tellPlan({ before, days }: ArchivePlan, { json }: ArchiveFlags, io: Io): void {
  if (json) {
    io.out(JSON.stringify({ before, days }));
    return;
  }
  for (const { day, events } of days) io.out(`${day}  ${counted(events, "event")}`);
  const events = days.reduce((sum, one) => sum + one.events, 0);
  io.out(`${counted(days.length, "day")} before ${before} would be moved, ${counted(events, "event")} in all.`);
}

function linesOf({
  isRunning,
  hotSince,
  files,
  coldEvents,
  coldBytes,
  freeBytes,
  after,
  lastRun,
  unavailable,
}: ArchiveStatus): string[] {
  if (unavailable !== undefined) return [unavailable];
  const lines: string[] = [];
  if (lastRun !== undefined) {
    const { events, before, bytes, days } = lastRun;
    lines.push(
      isRunning
        ? `A run is under way: ${lastRun.files} of ${counted(days, "day")} before ${before} moved so far, ${counted(events, "event")}, ${megabytes(bytes)}.`
        : `${counted(events, "event")} before ${before} moved into ${counted(lastRun.files, "cold file")}, ${megabytes(bytes)}.`,
    );
  }
  lines.push(
    `${counted(coldEvents, "event lies", "events lie")} in ${counted(files, "cold file")}, ${megabytes(coldBytes)}.`,
  );
  lines.push(hotSince === null ? "The log is empty." : `The hot log begins at ${hotSince}.`);
  if (freeBytes > 0) lines.push(`${megabytes(freeBytes)} of log.db are free, and taken by what is recorded next.`);
  if (after !== null) lines.push(`Events are moved by themselves after ${after} days.`);
  return lines;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function serverTarget(client: Client): Target {
  return {
    start: (body) => client.json("POST", "/v1/archive", { body }),
    status: () => client.json("GET", "/v1/archive"),
    close: async () => undefined,
  };
}

async function folderTarget(folder: string, { before, status }: ArchiveFlags, io: Io): Promise<Target> {
  const { openArchive } = await import("../platform/runtime/index.ts");
  // Settings that can't be used are in nobody's way who needs none.
  const settings = before === undefined && !status ? settingsFrom({}, io).settings : undefined;
  const { archive, close } = await openArchive(folder, settings);
  return {
    async start({ before, dryRun = false }) {
      const outcome = await archive.start({ ...(before !== undefined && { before }), dryRun });
      if (!outcome.ok) throw new Failure(outcome.rejection.detail);
      return outcome.value;
    },
    status: () => archive.status(),
    close,
  };
}

async function check(flags: ArchiveFlags, io: Io): Promise<void> {
  const { checkArchive } = await import("../platform/runtime/index.ts");
  const found = await checkArchive({ folder: folderOf(flags, "--check"), whole: true });
  const { files, bytes, problems, unknown } = found;
  if (flags.json) io.out(JSON.stringify({ ok: problems.length === 0, ...found }));
  else {
    io.out(`Read and compared: ${counted(files, "cold file")}, ${megabytes(bytes)}.`);
    for (const problem of problems) io.out(io.paint("red", problem));
    for (const name of unknown) io.out(`${name} belongs to no day that was moved, and may be removed.`);
  }
  if (problems.length > 0) throw new Failure("Put back from a backup what is missing or damaged.");
}

async function compact(flags: ArchiveFlags, io: Io): Promise<void> {
  const { compactLog, openArchive } = await import("../platform/runtime/index.ts");
  const folder = folderOf(flags, "--compact");
  // What a crash has left is brought in order first, as by any opening.
  await (await openArchive(folder)).close();
  const { before, after } = compactLog(folder);
  if (flags.json) io.out(JSON.stringify({ before, after }));
  else io.out(`log.db had ${megabytes(before)}, and has ${megabytes(after)} now.`);
}

function folderOf({ data }: ArchiveFlags, flag: string): string {
  if (data === undefined) throw new Failure(`${flag} works on a data folder: name it by --data.`);
  return data;
}
