import { crc32 } from "node:zlib";
import { type Instant, limits, PlatformError, parseInstant } from "../../../kernel/index.ts";
import type { Sequence } from "../port.ts";
import { readUnit, type StoredUnit } from "../unit.ts";
import type { ColdFooter, ColdRow } from "./cold-file.ts";
import type { ColdManifest } from "./manifest.ts";
import type { ColdStore } from "./port.ts";
import { RecentBytes } from "./recent-bytes.ts";

/** Most servers have no cold file, and do without the code that reads them. */
const coldFile = () => import("./cold-file.ts");

/** The checksum of a stored unit at its place. */
export type CheckOf = (seq: Sequence, body: string) => number;

interface Group {
  readonly rows: readonly ColdRow[];
}

/**
 * The part of the log that has been moved into cold files: all units up to `seam`. A read decodes the row group that it
 * needs, a few milliseconds each; the last used ones are kept.
 *
 * Every read throws `PlatformError("archive-unavailable")` when a file that it needs is not there or not what was
 * written. Nothing is looked at before it is needed, so what needs no cold file works without them.
 */
export class ColdLog {
  readonly #store: ColdStore;
  readonly #check: CheckOf;
  readonly #manifests: ColdManifest[];
  readonly #footers = new RecentBytes<Promise<ColdFooter>>(limits.archiveFootersBytesMax);
  readonly #groups = new RecentBytes<Promise<Group>>(limits.archiveGroupsBytesMax);

  constructor(store: ColdStore, check: CheckOf, manifests: readonly ColdManifest[] = []) {
    this.#store = store;
    this.#check = check;
    this.#manifests = [...manifests];
  }

  get manifests(): readonly ColdManifest[] {
    return this.#manifests;
  }

  /** The last event that is here; 0 when there is none. */
  get seam(): Sequence {
    return this.#manifests.at(-1)?.lastSequence ?? 0;
  }

  add(manifest: ColdManifest): void {
    this.#manifests.push(manifest);
  }

  /** The unit whose first event is `seq`, or undefined. */
  async unit(seq: Sequence): Promise<StoredUnit | undefined> {
    for await (const { manifest, rows } of this.#groupsFrom(seq)) {
      const row = rows[lastAtOrBefore(rows, seq, (row) => row.seq)];
      return row?.seq === seq ? this.#unitOf(manifest, row) : undefined;
    }
    return undefined;
  }

  /** As `Storage.readLog`, up to the seam. */
  async read(after: Sequence, limit: number): Promise<StoredUnit[]> {
    const found: StoredUnit[] = [];
    const { seam } = this;
    let events = 0;
    let next = after + 1;
    for await (const { manifest, rows } of this.#groupsFrom(next)) {
      for (const row of rows.slice(
        Math.max(
          0,
          lastAtOrBefore(rows, next, (row) => row.seq),
        ),
      )) {
        const unit = this.#unitOf(manifest, row).after(after);
        if (unit.seq !== next) throw unavailable(manifest, `has no event ${next}`);
        next = unit.lastSeq + 1;
        events += unit.events.length;
        if (found.length > 0 && events > limit) return found;
        found.push(unit);
        if (events >= limit) return found;
      }
    }
    // A file that was moved here meanwhile may have been passed over.
    if (next <= seam) throw unavailable(this.#manifests.at(-1), `has no event ${next}`);
    return found;
  }

  /** All units as they are stored, each compared with its checksum. */
  async *rows(): AsyncGenerator<ColdRow> {
    for await (const { manifest, rows } of this.#groupsFrom(0)) {
      for (const row of rows) {
        this.#refuseDamage(manifest, row);
        yield row;
      }
    }
  }

  /** As `Storage.sequenceAt`, up to the seam. */
  async sequenceAt(instant: Instant): Promise<Sequence> {
    const index = lastAtOrBefore(this.#manifests, instant, ({ firstRecordedAt }) => instantOf(firstRecordedAt));
    const manifest = this.#manifests[index];
    if (manifest === undefined) return 0;
    if (instantOf(manifest.lastRecordedAt) <= instant) return manifest.lastSequence;
    const { groups } = await this.#footer(manifest);
    const place = lastAtOrBefore(groups, instant, ({ at }) => at);
    const { rows } = await this.#group(manifest, place);
    let found = 0;
    for (const row of rows) {
      const unit = this.#unitOf(manifest, row);
      if (unit.meta.recordedAt > instant) break;
      found = unit.lastSeq;
    }
    return found;
  }

  /** The row groups from the one on that holds an event. */
  async *#groupsFrom(seq: Sequence): AsyncGenerator<Group & { readonly manifest: ColdManifest }> {
    const first = lastAtOrBefore(this.#manifests, seq, ({ firstSequence }) => firstSequence);
    for (let file = Math.max(0, first); file < this.#manifests.length; file += 1) {
      const manifest = this.#manifests[file];
      if (manifest === undefined || manifest.lastSequence < seq) continue;
      const { groups } = await this.#footer(manifest);
      const start = Math.max(
        0,
        lastAtOrBefore(groups, seq, ({ sequence }) => sequence),
      );
      for (let index = start; index < groups.length; index += 1) {
        yield { manifest, ...(await this.#group(manifest, index)) };
      }
    }
  }

  #footer(manifest: ColdManifest): Promise<ColdFooter> {
    const { file, bytes, footer } = manifest;
    return this.#footers.get(file, bytes - footer.start, () =>
      reading(manifest, async () => {
        const text = await this.#store.read(file, footer.start, bytes);
        if (crc32(text) !== footer.crc32) throw new Error("its footer is not what was written");
        return (await coldFile()).readFooter(text);
      }),
    );
  }

  async #group(manifest: ColdManifest, index: number): Promise<Group> {
    const footer = await this.#footer(manifest);
    const place = footer.groups[index];
    if (place === undefined) throw unavailable(manifest, `has no row group ${index}`);
    // What a group takes in memory is known only once it is decoded; text like ours is about ten times its packed bytes.
    const size = 10 * (place.end - place.start);
    return await this.#groups.get(`${manifest.file} ${index}`, size, () =>
      reading(manifest, async () => {
        const bytes = await this.#store.read(manifest.file, place.start, place.end);
        if (crc32(bytes) !== place.crc32) throw new Error(`byte ${place.start} and on are not what was written`);
        return { rows: await (await coldFile()).readGroup(footer, index, bytes) };
      }),
    );
  }

  #unitOf(manifest: ColdManifest, row: ColdRow): StoredUnit {
    this.#refuseDamage(manifest, row);
    return readUnit(row.seq, row.body);
  }

  #refuseDamage(manifest: ColdManifest, { seq, check, body }: ColdRow): void {
    if (check !== this.#check(seq, body))
      throw unavailable(manifest, `is damaged: event ${seq} is not what was written`);
  }
}

function instantOf(text: string): Instant {
  return parseInstant(text) ?? Number.NaN;
}

async function reading<T>(manifest: ColdManifest, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw unavailable(manifest, "can't be read", error);
  }
}

function unavailable(manifest: ColdManifest | undefined, problem: string, cause?: unknown): PlatformError {
  const file = manifest?.file ?? "the archive";
  return new PlatformError(
    "archive-unavailable",
    `the cold file ${file} ${problem}; put it back from a backup, and look with larder doctor`,
    { cause },
  );
}

/** The place of the last of some sorted items whose value is at most `wanted`, -1 when there is none. */
function lastAtOrBefore<T>(items: readonly T[], wanted: number, of: (item: T) => number): number {
  let [known, beyond] = [-1, items.length];
  while (known + 1 < beyond) {
    const middle = (known + beyond) >> 1;
    const item = items[middle];
    if (item !== undefined && of(item) <= wanted) known = middle;
    else beyond = middle;
  }
  return known;
}
