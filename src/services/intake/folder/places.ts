import { join } from "node:path";
import { makeFolder } from "../../../platform/sqlite/index.ts";
import { own } from "../domain/epcis/own.ts";

/** The parts of a watched folder. Files are dropped into the folder itself. */
export interface FolderPlaces {
  readonly root: string;
  /** Mappings, and the files that they look things up in. */
  readonly mappings: string;
  /** The file that is being imported. What lies there at a start was interrupted, and is imported again. */
  readonly working: string;
  readonly done: string;
  readonly failed: string;
}

/** Makes what is missing of a watched folder. */
export function openFolder(root: string): FolderPlaces {
  const places: FolderPlaces = {
    root,
    mappings: join(root, "mappings"),
    working: join(root, "working"),
    done: join(root, "done"),
    failed: join(root, "failed"),
  };
  for (const place of Object.values(places)) makeFolder(place);
  return places;
}

export type FileKind = "csv" | "ndjson" | "epcis";

const kinds: Readonly<Record<string, FileKind>> = {
  csv: "csv",
  ndjson: "ndjson",
  jsonl: "ndjson",
  json: "epcis",
  jsonld: "epcis",
  xml: "epcis",
};

/**
 * What a file is by its name, as `sales.csv.gz`; undefined for a name that says nothing. Rejects are what the file was that
 * they are from: those of EPCIS are written as NDJSON too.
 */
export function kindOf(name: string): FileKind | undefined {
  const named = own(kinds, /\.([a-z]+)(?:\.gz)?$/i.exec(name)?.[1]?.toLowerCase());
  if (named !== "ndjson") return named;
  return namesBefore(name).some((before) => before !== name && kindOf(before) === "epcis") ? "epcis" : named;
}

/**
 * The names that a file may have had: of rejects that are dropped in again, as `20261121T093000Z-2-sales.csv.rejects.csv`,
 * that of the file that they are from, with and without the number, which may be part of it; of any other its own.
 */
export function namesBefore(name: string): readonly string[] {
  const kept = /^\d{8}T\d{6}Z-(.+)\.rejects\.(?:csv|ndjson)(?:\.gz)?$/i.exec(name)?.[1];
  if (kept === undefined) return [name];
  const unnumbered = kept.replace(/^\d+-/, "");
  return unnumbered === kept ? namesBefore(kept) : [...namesBefore(kept), ...namesBefore(unnumbered)];
}

/** Files that are not for importing: hidden, still being copied, or mappings. */
export function isPassedOver(name: string): boolean {
  return /^\.|\.(?:part|partial|filepart|tmp|crdownload)$|~$|\.(?:mapping|epcis)\.json$/i.test(name);
}

/** The name of a file less what says how it is written: `sales` of `sales.csv.gz`. */
export function stemOf(name: string): string {
  return name.replace(/\.gz$/i, "").replace(/\.[^.]+$/, "");
}
