import { mkdirSync } from "node:fs";
import { join } from "node:path";

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
  for (const place of Object.values(places)) mkdirSync(place, { recursive: true });
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

/** What a file is by its name, as `sales.csv.gz`; undefined for a name that says nothing. */
export function kindOf(name: string): FileKind | undefined {
  const extension = /\.([a-z]+)(?:\.gz)?$/i.exec(name)?.[1]?.toLowerCase();
  return extension === undefined ? undefined : kinds[extension];
}

/** Files that are not for importing: hidden, still being copied, or mappings. */
export function isPassedOver(name: string): boolean {
  return /^\.|\.(?:part|partial|filepart|tmp|crdownload)$|~$|\.(?:mapping|epcis)\.json$/i.test(name);
}

/** The name of a file less what says how it is written: `sales` of `sales.csv.gz`. */
export function stemOf(name: string): string {
  return name.replace(/\.gz$/i, "").replace(/\.[^.]+$/, "");
}
