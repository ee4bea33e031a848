/**
 * Whether everything that was ever durable is still there: each unit is in the log, or in a cold file that the log names,
 * word for word. Reads the files with nothing of the product.
 */
import { zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { must } from "./shapes.ts";

/** What the oracle looks at of a disk. */
export interface WatchedDisk {
  readonly durable: readonly string[];
  readonly cold: {
    readonly files: ReadonlyMap<string, Uint8Array>;
    readonly manifests: readonly string[];
    readonly changes: number;
  };
}

interface Manifest {
  readonly file: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly events: number;
}

export class ColdOracle {
  /** Each unit as it became durable, and the places of its events. */
  readonly #units: { readonly seq: number; readonly last: number; readonly at: number; readonly body: string }[] = [];
  #events = 0;
  /** The bytes of the files that were found right. */
  readonly #right = new Map<string, Uint8Array>();
  #looked = 0;

  /** A unit has become durable. */
  add(body: string, at: number, events: number): void {
    const seq = this.#events + 1;
    this.#events += events;
    this.#units.push({ seq, last: this.#events, at, body });
  }

  /** The first event that the log itself still has. */
  firstKept({ durable }: WatchedDisk): number | undefined {
    return this.#units[durable.findIndex((line) => line !== "")]?.seq;
  }

  /** Where the seam is once all days are moved that may be: sealed ones, but for that of the newest unit. */
  movable(sealedTo: number): number {
    const newest = dayOf(this.#units.at(-1)?.at ?? 0);
    let seam = 0;
    for (const [index, { last, at }] of this.#units.entries()) {
      const next = this.#units[index + 1];
      const isEndOfDay = next !== undefined && dayOf(next.at) !== dayOf(at);
      if (isEndOfDay && dayOf(at) < newest && last <= sealedTo) seam = last;
    }
    return seam;
  }

  /** Throws when something is in neither place, or in a cold file before it was sealed. */
  async mustHoldAll({ durable, cold }: WatchedDisk, sealedTo: number): Promise<void> {
    if (cold.changes === this.#looked) return;
    this.#looked = cold.changes;
    let seam = 0;
    for (const text of cold.manifests) {
      const manifest = JSON.parse(text) as Manifest;
      must(
        manifest.firstSequence === seam + 1,
        () => `${manifest.file} begins at ${manifest.firstSequence}, after one that ends at ${seam}`,
      );
      await this.#mustBeRight(manifest, cold.files.get(manifest.file));
      seam = manifest.lastSequence;
    }
    must(seam <= sealedTo, () => `events up to ${seam} are in cold files; only those up to ${sealedTo} are sealed`);
    for (const [index, { seq, body }] of this.#units.entries()) {
      if (seq <= seam) continue;
      must(durable[index]?.endsWith(body) ?? false, () => `event ${seq} is neither in the log nor in a cold file`);
    }
  }

  async #mustBeRight({ file, firstSequence, lastSequence }: Manifest, bytes: Uint8Array | undefined): Promise<void> {
    must(bytes !== undefined, () => `the log names the cold file ${file}, which is not there`);
    if (this.#right.get(file) === bytes) return;
    const rows = await this.#read(file, bytes);
    const units = this.#units.filter(({ seq }) => seq >= firstSequence && seq <= lastSequence);
    const kept = rows.filter(({ body }) => body !== undefined && body !== null);
    must(rows.length === lastSequence - firstSequence + 1, () => `${file} has ${rows.length} events`);
    must(kept.length === units.length, () => `${file} has ${kept.length} of ${units.length} units`);
    for (const [index, { seq, body }] of units.entries())
      must(
        Number(kept[index]?.seq) === seq && kept[index]?.body === body,
        () => `the cold file ${file} does not have event ${seq} as it was recorded`,
      );
    this.#right.set(file, bytes);
  }

  async #read(
    file: string,
    bytes: Uint8Array,
  ): Promise<readonly { readonly seq: bigint; readonly body?: string | null }[]> {
    try {
      const rows = await parquetReadObjects({
        file: new Uint8Array(bytes).buffer,
        columns: ["seq", "body"],
        compressors: { ZSTD: (packed) => zstdDecompressSync(packed) },
      });
      return rows as { seq: bigint; body?: string | null }[];
    } catch (error) {
      must(false, () => `the cold file ${file}, which the log names, can't be read: ${String(error)}`);
    }
  }
}

function dayOf(time: number): number {
  return Math.floor(time / 86_400_000);
}
