import type { DatabaseSync, StatementSync } from "node:sqlite";
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

/** Thrown when a part of a run is not what was written; the index can be built again from the log. */
export class DamagedPageError extends Error {
  constructor(part: string) {
    super(`${part} of the key index is damaged`);
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
    CREATE TABLE IF NOT EXISTS key_run (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, level INTEGER NOT NULL, live INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS key_segment (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, entries INTEGER NOT NULL, fences BLOB NOT NULL, filter BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS key_page (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;`;

  constructor(database: DatabaseSync) {
    this.#insertPage = database.prepare("INSERT INTO key_page (id, body) VALUES (?, ?)");
    this.#selectPage = database.prepare("SELECT body FROM key_page WHERE id = ?");
    this.#deletePages = database.prepare("DELETE FROM key_page WHERE id BETWEEN ? AND ?");
    this.#insertSegment = database.prepare(
      "INSERT INTO key_segment (id, run, entries, fences, filter) VALUES (?, ?, ?, ?, ?)",
    );
    this.#deleteSegment = database.prepare("DELETE FROM key_segment WHERE id = ?");
    this.#setRun = database.prepare("INSERT OR REPLACE INTO key_run (id, kind, level, live) VALUES (?, ?, ?, ?)");
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
    const segments = database.prepare("SELECT id, entries, fences, filter FROM key_segment WHERE run = ? ORDER BY id");
    return database
      .prepare("SELECT id, level FROM key_run WHERE kind = ? AND live = 1 ORDER BY level DESC, id")
      .all(kind)
      .map(({ id, level }) => ({
        id: Number(id),
        level: Number(level),
        segments: segments.all(Number(id)).map(
          (row): Segment => ({
            id: Number(row["id"]),
            entries: Number(row["entries"]),
            fences: opened(row["fences"], `segment ${row["id"]}`),
            filter: opened(row["filter"], `segment ${row["id"]}`),
          }),
        ),
      }));
  }

  /** Begins a run, which no reader sees and which is cleared away at the next opening until it is published. */
  begin(kind: string, level: number): number {
    const id = this.#nextRun;
    this.#nextRun += 1;
    this.#setRun.run(id, kind, level, 0);
    return id;
  }

  publish(kind: string, { id, level }: Run): void {
    this.#setRun.run(id, kind, level, 1);
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
      this.#insertPage.run(id * pageNumbersPerSegment + page, sealed(content));
    }
    const filter = buildFilter(shape, sorted);
    this.#insertSegment.run(id, run, entries, sealed(fences), sealed(filter));
    return { id, entries, fences, filter };
  }

  /** The entries of a page. Throws `DamagedPageError`. */
  readPage(segment: Segment, page: number): Uint32Array {
    const number = segment.id * pageNumbersPerSegment + page;
    return opened(this.#selectPage.get(number)?.["body"], `page ${number}`);
  }

  /** Shows the entries of a key in a run, newest first, until `visit` returns true; returns whether it did. */
  find(run: Run, shape: EntryShape, key: Uint32Array, visit: EntryVisitor): boolean {
    const { words, keyWords } = shape;
    let place = lastNotAbove(run.segments.length, (index) => compareFence(run.segments[index], 0, key, keyWords));
    const newest = run.segments[place];
    if (newest === undefined || !mayHold(newest.filter, key, keyWords)) return false;
    let segment: Segment | undefined = newest;
    while (segment !== undefined) {
      const current = segment;
      let page = lastNotAbove(current.fences.length / keyWords, (index) => compareFence(current, index, key, keyWords));
      for (; page >= 0; page -= 1) {
        const content = this.readPage(current, page);
        let entry = lastNotAbove(content.length / words, (index) =>
          compareKeys(content, index * words, key, 0, keyWords),
        );
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

export function entriesPerPage({ words }: EntryShape): number {
  return Math.floor((pageWords - 1) / words);
}

export function segmentEntriesMax(shape: EntryShape): number {
  return segmentPagesMax * entriesPerPage(shape);
}

function compareFence(segment: Segment | undefined, page: number, key: Uint32Array, keyWords: number): number {
  return segment === undefined ? 1 : compareKeys(segment.fences, page * keyWords, key, 0, keyWords);
}

/** The last index of a sorted list whose comparison with what is sought is not above 0; -1 when all are. */
function lastNotAbove(length: number, compare: (index: number) => number): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(middle) > 0) high = middle;
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

/** Words as they are stored, with their checksum at the end. */
function sealed(words: Uint32Array): Uint8Array {
  const stored = new Uint32Array(words.length + 1);
  stored.set(words);
  stored[words.length] = checksum(words);
  return new Uint8Array(stored.buffer);
}

/** The words of what was sealed. Throws `DamagedPageError`. */
function opened(blob: unknown, part: string): Uint32Array {
  const stored = blob instanceof Uint8Array && blob.length % 4 === 0 ? wordsOf(blob) : new Uint32Array();
  const content = stored.subarray(0, -1);
  // Nothing of a run is empty.
  if (content.length === 0 || stored[content.length] !== checksum(content)) throw new DamagedPageError(part);
  return content;
}

/** The words of a blob, in this machine's byte order: what is derived never leaves the machine. */
function wordsOf(blob: Uint8Array): Uint32Array {
  const aligned = blob.byteOffset % 4 === 0 ? blob : blob.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2);
}
