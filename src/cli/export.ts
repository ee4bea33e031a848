import { once } from "node:events";
import { createWriteStream, openSync } from "node:fs";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { Command, Option } from "commander";
import { limits } from "../kernel/index.ts";
import type { Availability, RecordedCloudEvent } from "../services/inventory/index.ts";
import { type Client, problemOf, Refusal } from "./client.ts";
import { Failure, messageOf, wrongUse } from "./failure.ts";
import { lines } from "./feed.ts";
import { logPlaceNamed } from "./folder.ts";
import type { Io } from "./io.ts";
import { clientOf, dataOption, type ServerOptions, withExamples, withServer } from "./options.ts";

interface ExportFlags extends ServerOptions {
  readonly data?: string;
  readonly format: "ndjson" | "csv";
  readonly out?: string;
  readonly after?: string;
}

export function exportCommand(io: Io): Command {
  const command = new Command("export")
    .description("Write every recorded event as a CloudEvent a line, or the stock as it is now as a table.")
    .addOption(
      new Option("--format <format>", "ndjson: all events; csv: the stock as of now, a row for each sku and location")
        .choices(["ndjson", "csv"])
        .default("ndjson"),
    )
    .option("--out <file>", "write into this file; standard output when absent")
    .option("--after <position>", "only events after this position")
    .addOption(dataOption("read this data folder, backup or postgres:// address instead of asking a server"))
    .action(async (flags: ExportFlags) => {
      if (flags.data !== undefined) logPlaceNamed(flags.data);
      if (flags.json && flags.format === "csv" && flags.out === undefined)
        throw wrongUse(
          "--json tells what was written into a file: name it by --out, or leave --json out for the table.",
        );
      const target = flags.out === undefined ? process.stdout : fileAt(flags.out);
      const writeAll = (): Promise<Readonly<Record<string, number>>> =>
        flags.format === "csv" ? exportStock(flags, target, io) : exportEvents(flags, target, io);
      if (flags.out === undefined) {
        await writeAll();
        return;
      }
      const written = await intoFile(flags.out, target, writeAll);
      if (flags.json) io.out(JSON.stringify({ file: flags.out, ...written }));
      else
        io.out(
          `${Object.entries(written)
            .map(([what, count]) => `${count} ${what}`)
            .join(", ")} in ${flags.out}.`,
        );
    });
  return withExamples(
    withServer(command),
    "larder export --out events.ndjson",
    "larder export --format csv > stock.csv",
    "larder export --data /backups/2026-11-21 --out events.ndjson",
  );
}

/** Opened at once, so that a path that can't be written is told before anything is read. */
function fileAt(path: string): Writable {
  try {
    const file = createWriteStream(path, { fd: openSync(path, "w") });
    // It may fail while nobody waits for it: the next write, or the end, throws what it failed of.
    file.on("error", () => {});
    return file;
  } catch (error) {
    throw new Failure(`${path} can't be written: ${messageOf(error)}. Name another file by --out.`);
  }
}

/** What `writeAll` gives, once the file has all that it wrote. */
async function intoFile<T>(path: string, file: Writable, writeAll: () => Promise<T>): Promise<T> {
  try {
    const written = await writeAll();
    file.end();
    await finished(file);
    return written;
  } catch (error) {
    if (error !== file.errored) throw error;
    throw new Failure(`${path} can't be written: ${messageOf(error)}.`);
  }
}

async function exportEvents(flags: ExportFlags, target: Writable, io: Io): Promise<{ events: number }> {
  if (flags.data !== undefined && flags.after !== undefined)
    throw wrongUse("--after works with a server, not with --data.");
  let events = 0;
  for await (const line of flags.data === undefined
    ? linesOfServer(clientOf(flags, io), flags.after)
    : linesOfFolder(flags.data)) {
    await write(target, `${line}\n`);
    events += 1;
  }
  return { events };
}

async function* linesOfServer(client: Client, after?: string): AsyncGenerator<string> {
  const response = await client.send("GET", "/v1/changes", {
    query: { follow: false, after },
    headers: { accept: "application/x-ndjson" },
  });
  if (!response.ok) throw new Refusal(await problemOf(response));
  try {
    if (response.body !== null) yield* lines(response.body);
  } catch {
    throw new Failure(`${client.url} broke off in the middle; what was written so far is not all.`);
  }
}

async function* linesOfFolder(folder: string): AsyncGenerator<string> {
  for await (const event of eventsOfFolder(folder)) yield JSON.stringify(event);
}

async function* eventsOfFolder(folder: string): AsyncGenerator<RecordedCloudEvent> {
  const { openLog } = await import("../platform/runtime/index.ts");
  const { recordedChanges } = await import("../services/inventory/index.ts");
  const log = await openLog(folder);
  try {
    yield* recordedChanges(log);
  } finally {
    await log.close();
  }
}

const quantities = ["available", "onHand", "unavailable", "reserved", "committed", "safetyStock", "incoming"] as const;
type Row = {
  readonly sku: string;
  readonly location: string;
  readonly version: number;
  readonly updatedAt: string;
} & Readonly<Record<(typeof quantities)[number], number>>;

async function exportStock(flags: ExportFlags, target: Writable, io: Io): Promise<{ rows: number }> {
  if (flags.after !== undefined) throw wrongUse("--after goes with events, not with --format csv.");
  await write(target, `sku,location,${quantities.join(",")},version,updatedAt\n`);
  let rows = 0;
  for await (const row of flags.data === undefined ? rowsOfServer(clientOf(flags, io)) : rowsOfFolder(flags.data)) {
    const cells = [row.sku, row.location, ...quantities.map((name) => row[name]), row.version, row.updatedAt];
    await write(target, `${cells.map(csvCell).join(",")}\n`);
    rows += 1;
  }
  return { rows };
}

/** The skus are those that the feed names; what there is of them is asked for by the thousand. */
async function* rowsOfServer(client: Client): AsyncGenerator<Row> {
  const skus = new Set<string>();
  for await (const line of linesOfServer(client)) {
    const { sku, balance } = (JSON.parse(line) as RecordedCloudEvent).data as { sku?: string; balance?: object };
    if (sku !== undefined && balance !== undefined) skus.add(sku);
  }
  const sorted = [...skus].sort();
  for (let from = 0; from < sorted.length; from += limits.batchItemsMax) {
    const { items } = await client.availability(sorted.slice(from, from + limits.batchItemsMax));
    yield* items.filter((item): item is Row & Availability["items"][number] => "location" in item);
  }
}

/** The last balance that the log gives for each sku and location. */
async function* rowsOfFolder(folder: string): AsyncGenerator<Row> {
  const rows = new Map<string, Row>();
  for await (const { data } of eventsOfFolder(folder)) {
    const { sku, location, balance, version, recordedAt } = data as unknown as Omit<Row, "updatedAt"> & {
      balance?: Record<(typeof quantities)[number], number>;
      recordedAt: string;
    };
    if (balance === undefined) continue;
    rows.set(JSON.stringify([sku, location]), { sku, location, version, updatedAt: recordedAt, ...balance });
  }
  for (const key of [...rows.keys()].sort()) {
    const row = rows.get(key);
    if (row !== undefined) yield row;
  }
}

/** RFC 4180; a text that a spreadsheet would run as a formula is kept as it is, for this is data, not a sheet. */
function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function write(target: Writable, text: string): Promise<void> {
  if (target.errored !== null) throw target.errored;
  if (!target.write(text)) await once(target, "drain");
}
