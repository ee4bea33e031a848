/**
 * Writes cold files. A file counts as written when, read back from where it is kept, it holds every unit just as the log
 * does.
 */
import { createHash } from "node:crypto";
import { formatInstant, invariant, limits } from "../../../kernel/index.ts";
import type { Sequence } from "../port.ts";
import type { StoredUnit } from "../unit.ts";
import { type CheckOf, ColdLog } from "./cold-log.ts";
import type { ColdColumn } from "./columns.ts";
import { type ColdManifest, manifestNameOf, manifestText } from "./manifest.ts";
import type { ColdStore } from "./port.ts";
import type { HotLog } from "./whole-log.ts";

/** Whose units are written, and where to. */
export interface FileSource {
  readonly store: ColdStore;
  readonly storeId: string;
  readonly check: CheckOf;
  readonly columns: readonly ColdColumn[];
  readonly hot: Pick<HotLog, "read">;
}

/** Units of one day and one epoch, to be written to one file, or less of them when they are very many. */
export interface WriteRequest {
  readonly day: string;
  readonly epoch: number;
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
  /** The hash of the newest manifest. */
  readonly previous: string | null;
}

export interface WrittenFile {
  readonly manifest: ColdManifest;
  readonly text: string;
  /** The streams that have events in the file. */
  readonly streams: readonly string[];
}

/** Throws when the disk refuses, or gives back other bytes than it was given; the log is as it was before. */
export async function writeFile(
  { store, storeId, check, columns, hot }: FileSource,
  { day, epoch, firstSequence, lastSequence, previous }: WriteRequest,
): Promise<WrittenFile> {
  const content = createHash("sha256");
  const { ColdFileWriter } = await import("./cold-file.ts");
  const file = new ColdFileWriter(columns, { "larder.store": storeId, "larder.day": day });
  const streams = new Set<string>();
  let [first, last]: StoredUnit[] = [];
  let [units, events] = [0, 0];
  for (const group of groupsOf(hot, firstSequence, lastSequence)) {
    file.add(group.map((unit) => ({ unit, check: check(unit.seq, unit.body) })));
    for (const { seq, body, events: inUnit } of group) {
      content.update(lineOf(seq, body));
      for (const { stream } of inUnit) streams.add(stream);
    }
    first ??= group[0];
    last = group.at(-1);
    units += group.length;
    events += group.reduce((sum, unit) => sum + unit.events.length, 0);
    if (events >= limits.archiveFileEventsMax) break;
  }
  invariant(first !== undefined && last !== undefined, "a day that is moved has units");
  const { bytes, footer } = file.finish();
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const manifest: ColdManifest = {
    format: 1,
    store: storeId,
    epoch,
    day,
    // The hash lets a file never take the name of another one, as of a history that was left.
    file: `${day}-e${epoch}-${String(firstSequence).padStart(12, "0")}-${sha256.slice(0, 8)}.parquet`,
    bytes: bytes.length,
    sha256,
    footer,
    firstSequence,
    lastSequence: last.lastSeq,
    units,
    events,
    firstRecordedAt: formatInstant(first.meta.recordedAt),
    lastRecordedAt: formatInstant(last.meta.recordedAt),
    previous,
  };
  const text = manifestText(manifest);
  await store.put(manifest.file, bytes);
  await store.put(manifestNameOf(manifest.file), Buffer.from(text));
  await readBack(store, manifest, check, content.digest("hex"));
  return { manifest, text, streams: [...streams] };
}

/** Whole units, as many at a time as a row group should hold. */
function* groupsOf(hot: FileSource["hot"], from: Sequence, to: Sequence): Generator<readonly StoredUnit[]> {
  for (let at = from - 1; at < to; ) {
    const units = hot.read(at, limits.archiveGroupEventsMax, to);
    yield units;
    at = units.at(-1)?.lastSeq ?? to;
  }
}

/** Throws when what is kept is not, byte for byte, what was written, or does not give back the units of the log. */
async function readBack(store: ColdStore, manifest: ColdManifest, check: CheckOf, content: string): Promise<void> {
  const { file, bytes, sha256 } = manifest;
  const kept = await store.read(file, 0, bytes);
  const isSame = createHash("sha256").update(kept).digest("hex") === sha256 && (await store.size(file)) === bytes;
  if (!isSame) throw new Error(`the cold file ${file} is not what was written to it`);
  const hash = createHash("sha256");
  for await (const { seq, body } of new ColdLog(store, check, [manifest]).rows()) hash.update(lineOf(seq, body));
  if (hash.digest("hex") !== content) throw new Error(`the cold file ${file} does not hold what the log holds`);
}

/** What is compared of a unit. */
function lineOf(seq: Sequence, body: string): string {
  return `${seq} ${body}\n`;
}
