import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ImportError } from "../failure.ts";
import { type FileKind, type FolderPlaces, namesBefore, stemOf } from "./places.ts";

export interface FoundMapping {
  readonly path: string;
  /** Where the files are found that it looks things up in. */
  readonly folder: string;
}

/**
 * The mapping of a file: `sales.mapping.json` is for every table whose name begins with `sales`, the longest such name
 * wins, and `default.mapping.json` is for the rest; of EPCIS documents in the same way `….epcis.json`. One beside the file
 * goes before one in `mappings`. Rejects have the mapping of the file that they are from. Throws `ImportError` when there is
 * none.
 */
export function findMapping(name: string, kind: FileKind, { root, mappings }: FolderPlaces): FoundMapping {
  const ending = kind === "epcis" ? ".epcis.json" : ".mapping.json";
  const stems = namesBefore(name).map(stemOf);
  const found = [root, mappings].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith(ending))
      .map((file) => ({ folder, path: join(folder, file), begins: file.slice(0, -ending.length) })),
  );
  const ownOf = (stem: string) =>
    found
      .filter(({ begins }) => begins !== "default" && stem.startsWith(begins))
      .toSorted((a, b) => b.begins.length - a.begins.length)[0];
  const own = stems.map(ownOf).find((mapping) => mapping !== undefined);
  const chosen = own ?? found.find(({ begins }) => begins === "default");
  if (chosen !== undefined) return { path: chosen.path, folder: chosen.folder };
  throw new ImportError(
    "no-such-file",
    `There is no mapping for ${name}: put ${stems[0]}${ending}, or default${ending}, into the folder mappings.`,
  );
}
