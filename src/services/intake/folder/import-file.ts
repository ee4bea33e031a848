import { hash } from "node:crypto";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatInstant, type Instant, shortened } from "../../../kernel/index.ts";
import type { Inventory } from "../../inventory/index.ts";
import type { FileFormat } from "../domain/mapping.ts";
import { MappingError } from "../domain/mapping-error.ts";
import { importEpcis } from "../epcis/import.ts";
import { ImportError } from "../failure.ts";
import type { HoldOptions } from "../hold.ts";
import { importFacts } from "../import.ts";
import { type ImportInput, openInput } from "../input.ts";
import { readEpcisMapping, readMapping } from "../mapping.ts";
import { RejectsFile } from "../rejects.ts";
import type { FactSink } from "../sinks.ts";
import type { ImportSummary, Tally } from "../summary.ts";
import { findMapping } from "./find-mapping.ts";
import { inventoryItemUnits } from "./inventory-sink.ts";
import { type FolderPlaces, kindOf } from "./places.ts";

/** How the import of one file went, as it stands in the report beside it. */
export interface FileReport {
  /** Of this import of the file: taken up after an interruption it is the same, dropped again another. */
  readonly id: string;
  readonly file: string;
  /** Whether it was read to its end. */
  readonly outcome: "done" | "failed";
  /** Why it was not. */
  readonly problem?: string;
  readonly importedAt: string;
  /** Where the file, its rejects and this report are, from the watched folder. */
  readonly kept: string;
  readonly rejects?: string;
  readonly report: string;
  /** What its import came to; absent when it had not begun. */
  readonly summary?: ImportSummary;
}

export interface FileImportOptions {
  readonly places: FolderPlaces;
  readonly sink: FactSink;
  readonly inventory: Pick<Inventory, "itemsByGtin">;
  readonly clock: () => Instant;
  readonly signal: HoldOptions["signal"];
}

/**
 * Imports a file that lies in `working`, then moves it to `done` or `failed` with its rejects and a report, the file
 * itself last: interrupted anywhere, it is imported again, which changes nothing. Throws when it was stopped, or when the
 * folder can't be written.
 */
export async function importFile(name: string, options: FileImportOptions): Promise<FileReport> {
  const { places, signal, clock } = options;
  const path = join(places.working, name);
  const { summary, problem, rejects } = await carryOut(path, name, options);
  if (problem === undefined && summary?.isComplete !== true) {
    signal.throwIfAborted();
    throw new Error(`the import of ${name} ended early`);
  }
  const outcome = problem === undefined ? "done" : "failed";
  const kept = freeName(path, name, outcome, places);
  const report: FileReport = {
    id: hash("sha256", `${kept} ${statSync(path).ctimeMs}`, "base64url"),
    file: name,
    outcome,
    ...(problem !== undefined && { problem }),
    importedAt: formatInstant(clock()),
    kept,
    ...(rejects !== undefined && { rejects: `${kept}.rejects.${rejects}` }),
    report: `${kept}.report.json`,
    ...(summary && { summary }),
  };
  writeFileSync(join(places.root, report.report), `${JSON.stringify(report, null, 2)}\n`);
  if (report.rejects !== undefined) renameSync(rejectsOf(path), join(places.root, report.rejects));
  return report;
}

/** Moves the file to its place: after this it is not imported again. */
export function settleFile({ file, kept }: FileReport, { root, working }: FolderPlaces): void {
  renameSync(join(working, file), join(root, kept));
}

interface CarriedOut {
  readonly summary?: ImportSummary;
  readonly problem?: string;
  /** How the rejects are written, when there are any. */
  readonly rejects?: FileFormat["type"];
}

async function carryOut(path: string, name: string, options: FileImportOptions): Promise<CarriedOut> {
  const { places, sink, inventory, signal } = options;
  let rejects: { readonly file: RejectsFile; readonly type: FileFormat["type"] } | undefined;
  const rejectsFor = (format: FileFormat) => {
    rejects = { file: new RejectsFile(rejectsOf(path), format), type: format.type };
    return rejects.file;
  };
  const importIt = async (): Promise<ImportSummary> => {
    const kind = kindOf(name);
    if (kind === undefined) throw new ImportError("no-such-file", unknownKind);
    const found = findMapping(name, kind, places);
    const input: ImportInput = { ...(await openInput(path)), folder: found.folder };
    if (kind === "epcis") {
      const mapping = await readEpcisMapping(found.path);
      const units = inventoryItemUnits(inventory);
      return await importEpcis({ input, mapping, sink, units, rejects: rejectsFor({ type: "ndjson" }), signal });
    }
    const mapping = await readMapping(found.path);
    return await importFacts({ input, mapping, sink, rejects: rejectsFor(mapping.format), signal });
  };
  const settled = await importIt().then(
    (summary) => ({ summary }),
    (error: unknown) => ({
      problem: problemOf(error),
      ...(error instanceof ImportError && error.summary && { summary: error.summary }),
    }),
  );
  const hasRejects = (await rejects?.file.close()) ?? false;
  return { ...settled, ...(hasRejects && rejects && { rejects: rejects.type }) };
}

const unknownKind =
  "The name does not say what it is: .csv, .ndjson, or for EPCIS .json, .jsonld or .xml, each also with .gz.";

/** Why a file can't be imported; throws again what is the disk's fault and may go by itself. */
function problemOf(error: unknown): string {
  if (error instanceof MappingError) return shortened(`The mapping can't be used: ${error.message}.`, problemCharsMax);
  if (error instanceof ImportError) return shortened(error.message, problemCharsMax);
  if (!(error instanceof Error) || "syscall" in error || error.name === "AbortError") throw error;
  return shortened(`Larder is broken here: ${error.message}`, problemCharsMax);
}

/** It becomes part of a message, which takes only so much: a file that could not be told of would be tried for ever. */
const problemCharsMax = 4000;

function rejectsOf(path: string): string {
  return `${path}.rejects`;
}

/** A name in `done` or `failed` that says when the file was written, from the watched folder; each is given once. */
function freeName(path: string, name: string, place: "done" | "failed", { root }: FolderPlaces): string {
  const written = formatInstant(Math.round(statSync(path).mtimeMs)).replace(/[-:]|\.\d+/g, "");
  for (let number = 1; ; number += 1) {
    const kept = `${place}/${written}${number === 1 ? "" : `-${number}`}-${name}`;
    if (statSync(join(root, kept), { throwIfNoEntry: false }) === undefined) return kept;
  }
}

/** Takes away what an interrupted import left beside its file. */
export function removeLeftovers(name: string, { working }: FolderPlaces): void {
  rmSync(rejectsOf(join(working, name)), { force: true });
}

/** Rows turned down other than by a rule of the mapping. */
export function unforeseen({ rejected }: ImportSummary): readonly Tally[] {
  return rejected.filter(({ by }) => by !== "rule");
}
