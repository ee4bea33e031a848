import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { compareKeys, type EntryShape, type EntryVisitor, keyHash } from "./entry-table.ts";

/**
 * A sorted, immutable run of a key index, kept in `derived.db`. It is cut into segments, the amount that is written in
 * one step; each has a Bloom filter and its pages' first keys in memory, and its pages on disk.
 */
export interface Run {
  readonly id: number;
  /** 0 for one frozen table; a merge of several runs of a level makes one of the next. */
  readonly level: number;
  readonly segments: readonly Segment[];
}

export interface Segment {
  readonly id: number;
  readonly entries: number;
  /** The first key of each page. */
  readonly fences: Uint32Array;
  readonly filter: Uint32Array;
}

/** Thrown when a part is not what was written; the index can be built again from the log. */
export class DamagedPageError extends Error {
  constructor(number: number, part: "page" | "segment" | "run" = "page") {
    super(`${part} ${number} of the key index is damaged`);
    this.name = "DamagedPageError";
  }
}

/** Words of a page that fit one leaf of a SQLite page of 4 KiB without overflow; the last is a checksum. */
const pageWords = 1000;
export const segmentPagesMax = 128;
/** Pages are numbered segment × 256 + place, so that one key finds them. */
const pageNumbersPerSegment = 256;
/** Bits for each key: 1 lookup in several hundred reads a page in vain. */
const filterBitsPerKey = 16;
const filterProbes = 6;
const filterBlockWords = 16;

/** Reads and writes the runs of all key indexes in one database. The caller provides the transactions. */
export class RunStore {
  readonly #insertPage: StatementSync;
  readonly #selectPage: StatementSync;
  readonly #deletePages: StatementSync;
  readonly #insertSegment: StatementSync;
  readonly #deleteSegment: StatementSync;
  readonly #setRun: StatementSync;
  readonly #deleteRun: StatementSync;
  #nextRun: number;
  #nextSegment: number;

  static readonly schema = `
    CREATE TABLE IF NOT EXISTS key_run (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, level INTEGER NOT NULL, live INTEGER NOT NULL, segments INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS key_segment (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, entries INTEGER NOT NULL, fences BLOB NOT NULL, filter BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS key_page (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;`;

  constructor(database: DatabaseSync) {
    this.#insertPage = database.prepare("INSERT INTO key_page (id, body) VALUES (?, ?)");
    this.#selectPage = database.prepare("SELECT body FROM key_page WHERE id = ?");
    this.#deletePages = database.prepare("DELETE FROM key_page WHERE id BETWEEN ? AND ?");
    this.#insertSegment = database.prepare(
      "INSERT INTO key_segment (id, run, entries, fences, filter, crc) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#deleteSegment = database.prepare("DELETE FROM key_segment WHERE id = ?");
    this.#setRun = database.prepare(
      "INSERT OR REPLACE INTO key_run (id, kind, level, live, segments) VALUES (?, ?, ?, ?, ?)",
    );
    this.#deleteRun = database.prepare("DELETE FROM key_run WHERE id = ?");
    this.#clearAway(database);
    const next = (table: string) =>
      1 + Number(database.prepare(`SELECT coalesce(max(id), 0) AS last FROM ${table}`).get()?.["last"]);
    this.#nextRun = next("key_run");
    this.#nextSegment = next("key_segment");
  }

  /** Removes what an earlier process had begun and not published, or merged and not yet removed. */
  #clearAway(database: DatabaseSync): void {
    database.exec("DELETE FROM key_run WHERE live = 0");
    const dead = database.prepare("SELECT id FROM key_segment WHERE run NOT IN (SELECT id FROM key_run)").all();
    for (const { id } of dead) this.deleteSegment({ id: Number(id) });
  }

  /** The live runs of a kind, oldest first. Throws `DamagedPageError`. */
  load(database: DatabaseSync, kind: string): Run[] {
    const segments = database.prepare("SELECT * FROM key_segment WHERE run = ? ORDER BY id");
    return database
      .prepare("SELECT id, level, segments FROM key_run WHERE kind = ? AND live = 1 ORDER BY level DESC, id")
      .all(kind)
      .map((row): Run => {
        const run: Run = {
          id: Number(row["id"]),
          level: Number(row["level"]),
          segments: segments.all(Number(row["id"])).map(segmentOf),
        };
        if (run.segments.length !== row["segments"]) throw new DamagedPageError(run.id, "run");
        return run;
      });
  }

  /** Begins a run, which no reader sees and which is cleared away at the next opening until it is published. */
  begin(kind: string, level: number): number {
    const id = this.#nextRun;
    this.#nextRun += 1;
    this.#setRun.run(id, kind, level, 0, 0);
    return id;
  }

  publish(kind: string, { id, level, segments }: Run): void {
    this.#setRun.run(id, kind, level, 1, segments.length);
  }

  forgetRun(id: number): void {
    this.#deleteRun.run(id);
  }

  deleteSegment({ id }: Pick<Segment, "id">): void {
    this.#deletePages.run(id * pageNumbersPerSegment, (id + 1) * pageNumbersPerSegment - 1);
    this.#deleteSegment.run(id);
  }

  /** Writes sorted entries, at most `segmentEntriesMax`, as the next segment of a run. */
  writeSegment(run: number, shape: EntryShape, sorted: Uint32Array): Segment {
    const { words, keyWords } = shape;
    const perPage = entriesPerPage(shape);
    const entries = sorted.length / words;
    const pages = Math.ceil(entries / perPage);
    const id = this.#nextSegment;
    this.#nextSegment += 1;
    const fences = new Uint32Array(pages * keyWords);
    for (let page = 0; page < pages; page += 1) {
      const content = sorted.subarray(page * perPage * words, (page + 1) * perPage * words);
      fences.set(content.subarray(0, keyWords), page * keyWords);
      const stored = new Uint32Array(content.length + 1);
      stored.set(content);
      stored[content.length] = checksum(content);
      this.#insertPage.run(id * pageNumbersPerSegment + page, bytesOf(stored));
    }
    const filter = buildFilter(shape, sorted);
    this.#insertSegment.run(id, run, entries, bytesOf(fences), bytesOf(filter), segmentCheck(run, fences, filter));
    return { id, entries, fences, filter };
  }

  /** The entries of a page. Throws `DamagedPageError`. */
  readPage(segment: Segment, page: number): Uint32Array {
    const number = segment.id * pageNumbersPerSegment + page;
    const body = this.#selectPage.get(number)?.["body"];
    if (!(body instanceof Uint8Array) || body.length % 4 !== 0 || body.length === 0) throw new DamagedPageError(number);
    const stored = wordsOf(body);
    const content = stored.subarray(0, -1);
    if (stored.at(-1) !== checksum(content)) throw new DamagedPageError(number);
    return content;
  }

  /** Shows the entries of a key in a run, newest first, until `visit` returns true; returns whether it did. */
  find(run: Run, shape: EntryShape, key: Uint32Array, visit: EntryVisitor): boolean {
    const { words, keyWords } = shape;
    let place = lastSegment(run.segments, key, keyWords);
    const newest = run.segments[place];
    if (newest === undefined || !mayHold(newest.filter, key, keyWords)) return false;
    let segment: Segment | undefined = newest;
    while (segment !== undefined) {
      let page = lastNotAbove(segment.fences, keyWords, key, keyWords);
      for (; page >= 0; page -= 1) {
        const content = this.readPage(segment, page);
        let entry = lastNotAbove(content, words, key, keyWords);
        for (; entry >= 0; entry -= 1) {
          if (compareKeys(content, entry * words, key, 0, keyWords) !== 0) return false;
          if (visit(content, entry * words)) return true;
        }
      }
      place -= 1;
      segment = run.segments[place];
    }
    return false;
  }
}

function segmentOf(row: Record<string, unknown>): Segment {
  const [id, run, entries] = [Number(row["id"]), Number(row["run"]), Number(row["entries"])];
  const [fences, filter] = [wordsOf(row["fences"]), wordsOf(row["filter"])];
  if (row["crc"] !== segmentCheck(run, fences, filter)) throw new DamagedPageError(id, "segment");
  return { id, entries, fences, filter };
}

/** A bit less in a filter, and a name that was taken would be free again. */
function segmentCheck(run: number, fences: Uint32Array, filter: Uint32Array): number {
  return crc32(bytesOf(filter), crc32(bytesOf(fences), run));
}

export function entriesPerPage({ words }: EntryShape): number {
  return Math.floor((pageWords - 1) / words);
}

export function segmentEntriesMax(shape: EntryShape): number {
  return segmentPagesMax * entriesPerPage(shape);
}

/** The last segment whose first key is not above a key; -1 when all are. */
function lastSegment(segments: readonly Segment[], key: Uint32Array, keyWords: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const fences = segments[middle]?.fences;
    if (fences === undefined || compareKeys(fences, 0, key, 0, keyWords) > 0) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

/** The last of sorted entries of `words` each whose key is not above a key; -1 when all are. */
function lastNotAbove(sorted: Uint32Array, words: number, key: Uint32Array, keyWords: number): number {
  let low = 0;
  let high = sorted.length / words;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(sorted, middle * words, key, 0, keyWords) > 0) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

/** A blocked Bloom filter: all bits of a key lie in one block of 64 bytes, one line of the processor's cache. */
function buildFilter({ words, keyWords }: EntryShape, sorted: Uint32Array): Uint32Array {
  const blocks = Math.max(1, Math.ceil(((sorted.length / words) * filterBitsPerKey) / (filterBlockWords * 32)));
  const filter = new Uint32Array(blocks * filterBlockWords);
  for (let offset = 0; offset < sorted.length; offset += words) {
    const hash = keyHash(sorted, offset, keyWords);
    const block = (hash % blocks) * filterBlockWords;
    let bits = Math.imul(hash, 0x9e3779b1) >>> 0;
    for (let probe = 0; probe < filterProbes; probe += 1) {
      filter[block + (bits & 15)] = (filter[block + (bits & 15)] ?? 0) | (1 << ((bits >>> 4) & 31));
      bits = nextBits(bits);
    }
  }
  return filter;
}

function mayHold(filter: Uint32Array, key: Uint32Array, keyWords: number): boolean {
  const hash = keyHash(key, 0, keyWords);
  const block = (hash % (filter.length / filterBlockWords)) * filterBlockWords;
  let bits = Math.imul(hash, 0x9e3779b1) >>> 0;
  for (let probe = 0; probe < filterProbes; probe += 1) {
    if (((filter[block + (bits & 15)] ?? 0) & (1 << ((bits >>> 4) & 31))) === 0) return false;
    bits = nextBits(bits);
  }
  return true;
}

function nextBits(bits: number): number {
  return (Math.imul(bits ^ (bits >>> 11), 0x2c1b3c6d) ^ (bits >>> 7)) >>> 0;
}

function checksum(words: Uint32Array): number {
  let hash = words.length;
  for (let index = 0; index < words.length; index += 1) {
    hash = Math.imul(hash ^ (words[index] ?? 0), 0x01000193);
    hash ^= hash >>> 17;
  }
  return hash >>> 0;
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** The words of a blob, in this machine's byte order: what is derived never leaves the machine. */
function wordsOf(blob: unknown): Uint32Array {
  if (!(blob instanceof Uint8Array)) return new Uint32Array();
  const aligned = blob.byteOffset % 4 === 0 ? blob : blob.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2);
}
