import { accessSync, constants, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Command } from "commander";
import type { ImportInput, ImportProgress, ImportSummary, RejectsFile } from "../services/intake/index.ts";
import { Failure, messageOf, wrongUse } from "./failure.ts";
import type { Io } from "./io.ts";
import { type ServerOptions, serverOf, withExamples, withServer } from "./options.ts";
import { Progress } from "./progress.ts";
import { counted } from "./words.ts";

interface ImportFlags extends ServerOptions {
  readonly mapping?: string;
  readonly rejects?: string;
  readonly dryRun?: boolean;
  readonly epcis?: boolean;
}

export function importCommand(io: Io): Command {
  const command = withImportOptions(new Command("import"))
    .description(
      "Map the rows of a CSV or NDJSON file to facts and record them. The same file twice changes nothing. Rows that were turned down go to a file with line and reason; the exit code is 1 when any was, other than by a rule of the mapping.",
    )
    .option("--epcis", "the file is a GS1 EPCIS document, JSON or XML (docs/guides/import-epcis.md)")
    .action((file: string, flags: ImportFlags) => runImport(file, flags, io, flags.epcis === true ? "epcis" : "facts"));
  withExamples(
    command,
    "larder import sales.csv --mapping examples/online-retail/mapping.json --dry-run",
    "larder import sales.csv.gz --mapping examples/online-retail/mapping.json --rejects turned-down.csv",
    "zcat sales.csv.gz | larder import - --mapping examples/online-retail/mapping.json",
    "larder import items barcodes.csv.gz --mapping examples/gtin/items.json",
    "larder import events.xml --epcis --mapping examples/epcis/mapping.json",
  );
  return command.addCommand(
    withExamples(
      withImportOptions(new Command("items"))
        .description("Map the rows of a file to items: their names, units and barcodes.")
        .action((file: string, flags: ImportFlags) => runImport(file, flags, io, "items")),
      "larder import items barcodes.csv.gz --mapping examples/gtin/items.json",
    ),
  );
}

function withImportOptions(command: Command): Command {
  return withServer(
    command
      .argument("<file>", "CSV or NDJSON, plain or gzip; - for standard input")
      .option("--mapping <file>", "what the columns mean (docs/guides/import.md)")
      .option("--rejects <file>", "where rows go that were turned down; default FILE.rejects.csv beside the file")
      .option("--dry-run", "map everything and record nothing"),
  );
}

async function runImport(file: string, flags: ImportFlags, io: Io, what: "facts" | "items" | "epcis"): Promise<void> {
  // Not a required option of commander's: that one is asked of a command's parent too.
  const { mapping: mappingPath } = flags;
  if (mappingPath === undefined)
    throw wrongUse("--mapping is missing: it names the file that says what the columns mean (docs/guides/import.md).");
  if (flags.rejects !== undefined && !canWriteTo(flags.rejects) && !canWriteTo(dirname(flags.rejects)))
    throw wrongUse(`--rejects ${flags.rejects}: nothing can be written in ${dirname(flags.rejects)}.`);
  for (const read of [file, mappingPath]) {
    if (flags.rejects !== undefined && isSameFile(flags.rejects, read))
      throw wrongUse(`--rejects ${flags.rejects}: that is ${read} itself, which would be written over.`);
  }
  const intake = await import("../services/intake/index.ts");
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const { url, key = "" } = serverOf(flags, io);
  const onRetry = (why: string, waitMs: number) => io.note(`${why}; trying again in ${(waitMs / 1000).toFixed(1)} s.`);
  const around = async (format: ConstructorParameters<typeof RejectsFile>[1]) => {
    const input = await intake.openInput(file);
    const rejects = new intake.RejectsFile(flags.rejects ?? rejectsPath(file, format.type), format);
    return { input, rejects, dryRun: flags.dryRun === true, signal: stop.signal };
  };
  try {
    if (what === "items") {
      const mapping = await intake.readItemMapping(mappingPath);
      const options = await around(mapping.format);
      const sink = intake.httpItemSink({ url, key, onRetry });
      await conclude(options, flags, io, (onProgress) => intake.importItems({ ...options, mapping, sink, onProgress }));
    } else if (what === "epcis") {
      const mapping = await intake.readEpcisMapping(mappingPath);
      const options = await around({ type: "ndjson" });
      const [sink, units] = [intake.httpSink({ url, key, onRetry }), intake.httpItemUnits({ url, key, onRetry })];
      await conclude(options, flags, io, (onProgress) =>
        intake.importEpcis({ ...options, mapping, sink, units, onProgress }),
      );
    } else {
      const mapping = await intake.readMapping(mappingPath);
      const options = await around(mapping.format);
      const sink = intake.httpSink({ url, key, onRetry });
      await conclude(options, flags, io, (onProgress) => intake.importFacts({ ...options, mapping, sink, onProgress }));
    }
  } catch (error) {
    if (error instanceof intake.MappingError)
      throw wrongUse(`The mapping ${mappingPath} can't be used: ${error.message}.`);
    if (error instanceof intake.ImportError) throw new Failure(`${messageOf(error)}${soFar(error.summary)}`);
    throw error;
  }
}

async function conclude(
  { input, rejects }: { readonly input: ImportInput; readonly rejects: RejectsFile },
  flags: ImportFlags,
  io: Io,
  carryOut: (onProgress: (progress: ImportProgress) => void) => Promise<ImportSummary>,
): Promise<void> {
  const progress = new Progress("importing", input.bytesTotal ?? 0, io);
  let summary: ImportSummary;
  let hasRejects = false;
  try {
    summary = await carryOut((now) => progress.update(now.bytesRead, progressDetails(now)));
  } finally {
    progress.end();
    hasRejects = await rejects.close();
  }
  const rejectsPath = hasRejects ? rejects.path : undefined;
  if (flags.json)
    io.out(JSON.stringify({ ...summary, dryRun: flags.dryRun === true, ...(rejectsPath && { rejects: rejectsPath }) }));
  else for (const line of summaryLines(summary, flags, rejectsPath)) io.out(line);
  if (!summary.isComplete)
    throw new Failure("The import was stopped before the end. Run it again: what is recorded counts once.");
  const unforeseen = summary.rejected.filter(({ by }) => by !== "rule").reduce((sum, { count }) => sum + count, 0);
  if (unforeseen > 0)
    throw new Failure(
      `${counted(unforeseen, "row was", "rows were")} turned down${rejectsPath ? `; put them right in ${rejectsPath} and import it` : ""}.`,
    );
}

function progressDetails({ rows, rejected, rowsPerSecond }: ImportProgress): string {
  return `${rows} rows, ${rowsPerSecond}/s${rejected > 0 ? `, ${rejected} turned down` : ""}`;
}

function summaryLines(summary: ImportSummary, flags: ImportFlags, rejectsPath: string | undefined): readonly string[] {
  const { rows, made, accepted, duplicates, repeated, ignored, rejected, seconds, rowsPerSecond } = summary;
  const recorded = flags.dryRun ? "nothing recorded (dry run)" : `${accepted} new, ${duplicates} known before`;
  return [
    `${counted(rows, "row")} in ${seconds.toFixed(1)} s (${rowsPerSecond}/s) made ${made}: ${recorded}.`,
    ...(repeated > 0 ? [`${counted(repeated, "row repeats", "rows repeat")} an earlier one.`] : []),
    ...ignored.map(({ reason, count }) => `${count} left out: ${reason}`),
    ...rejected.map(({ reason, count }) => `${count} turned down: ${reason}`),
    ...(rejectsPath === undefined ? [] : [`What was turned down stands in ${rejectsPath}.`]),
  ];
}

function soFar(summary: ImportSummary | undefined): string {
  return summary === undefined
    ? ""
    : ` Until then ${summary.accepted} were recorded of ${counted(summary.rows, "row")}.`;
}

/**
 * `/some/where/sales.rejects.csv` for `/some/where/sales.csv.gz`: beside it, where the files lie that its mapping looks things
 * up in, so that the rejects can be imported as it was; in this folder when nothing can be written there, or it is no file.
 */
function rejectsPath(file: string, type: "csv" | "ndjson"): string {
  if (file === "-") return `stdin.rejects.${type}`;
  const name = basename(file)
    .replace(/\.gz$/, "")
    .replace(/\.[^.]+$/, "");
  const isBeside = statSync(file, { throwIfNoEntry: false })?.isFile() === true && canWriteTo(dirname(file));
  return join(isBeside ? dirname(file) : ".", `${name}.rejects.${type}`);
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino && a.isFile();
}

function canWriteTo(place: string): boolean {
  try {
    accessSync(place, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
