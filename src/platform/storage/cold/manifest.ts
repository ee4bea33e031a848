import { createHash } from "node:crypto";
import type { Sequence } from "../port.ts";

/**
 * What is known of one cold file: a JSON text beside it, and the same text in the log, where it stands for the units that
 * were moved. Each holds the hash of the one before it, so a file that was exchanged or left out shows.
 */
export interface ColdManifest {
  readonly format: 1;
  readonly store: string;
  /** The epoch that its units were recorded in; a file never holds two. */
  readonly epoch: number;
  /** The UTC day on which its units were recorded. A busy day may have several files. */
  readonly day: string;
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string;
  /** Where the file's own description begins, which goes up to its end, and the CRC-32 of that part. */
  readonly footer: { readonly start: number; readonly crc32: number };
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
  readonly units: number;
  readonly events: number;
  /** RFC 3339. */
  readonly firstRecordedAt: string;
  readonly lastRecordedAt: string;
  /** SHA-256 of the text of the manifest before it, hexadecimal; null for the first. */
  readonly previous: string | null;
}

export function manifestText(manifest: ColdManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** The hash by which the next manifest, and the log, name this one. */
export function hashOfManifest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The name of the manifest beside a file. */
export function manifestNameOf(file: string): string {
  return file.replace(/\.parquet$/, ".json");
}

/** Throws when the text is no manifest. */
export function parseManifest(text: string): ColdManifest {
  const manifest: Partial<ColdManifest> | null = JSON.parse(text);
  const { format, file, bytes, sha256, footer, firstSequence, lastSequence } = manifest ?? {};
  const isWhole =
    format === 1 &&
    typeof file === "string" &&
    typeof sha256 === "string" &&
    typeof footer === "object" &&
    [bytes, footer?.start, firstSequence, lastSequence].every((value) => Number.isSafeInteger(value));
  if (!isWhole) throw new Error("this is no manifest of a cold file that this version of Larder can read");
  return manifest as ColdManifest;
}

/** Reads a chain of manifests from the oldest on. Throws when one is not what was written, or one is missing. */
export function parseChain(texts: readonly string[], last: string): readonly ColdManifest[] {
  let previous: string | null = null;
  let next: Sequence = 1;
  const manifests = texts.map((text) => {
    const manifest = parseManifest(text);
    if (manifest.previous !== previous || manifest.firstSequence !== next)
      throw new Error(`the manifest of ${manifest.file} does not follow the one before it`);
    previous = hashOfManifest(text);
    next = manifest.lastSequence + 1;
    return manifest;
  });
  if ((previous ?? "") !== last) throw new Error("the last manifest is not the one that the log names");
  return manifests;
}
