import type { DatabaseSync } from "node:sqlite";
import { compareKeys, type EntryShape, EntryTable, type EntryVisitor } from "./entry-table.ts";
import { type Run, type RunStore, type Segment, segmentEntriesMax } from "./key-run.ts";

/** So many runs of one level are merged into one of the next. */
const runsPerLevel = 4;

/** What is left to do in memory once the transaction of a step has been written. */
export type Settle = () => void;

/**
 * A multimap from keys to entries that is only ever added to, for tens of millions of them: a log-structured merge
 * tree. New entries go to a table in memory; a full table is frozen, written as a sorted run, and runs are merged in
 * the background. So nothing is ever written to a random place, and a key that was never seen costs a few looks at
 * Bloom filters.
 *
 * Work on disk is cut into steps by generators: each step is one transaction of the caller and takes milliseconds. What
 * a generator returns is to be called after the transaction of its last step.
 */
export class KeyIndex {
  readonly kind: string;
  readonly shape: EntryShape;
  readonly #store: RunStore;
  #active: EntryTable;
  #frozen: EntryTable | undefined;
  /** Oldest first; a higher level is older. */
  #runs: readonly Run[];
  /** Segments of runs that were merged away. */
  #dead: readonly Segment[] = [];
  /** The merge that is under way on each level. */
  readonly #merges = new Map<number, Generator<void, Settle>>();

  constructor(kind: string, shape: EntryShape, store: RunStore, database: DatabaseSync) {
    this.kind = kind;
    this.shape = shape;
    this.#store = store;
    this.#active = new EntryTable(shape);
    this.#runs = store.load(database, kind);
  }

  /** Entries in memory that no run holds. */
  get pending(): number {
    return this.#active.count + (this.#frozen?.count ?? 0);
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  add(entry: Uint32Array): void {
    this.#active.add(entry);
  }

  /** Shows the entries of a key, newest first, until `visit` returns true; returns whether it did. */
  find(key: Uint32Array, visit: EntryVisitor): boolean {
    if (this.#active.find(key, visit) || this.#frozen?.find(key, visit)) return true;
    for (let index = this.#runs.length - 1; index >= 0; index -= 1) {
      const run = this.#runs[index];
      if (run !== undefined && this.#store.find(run, this.shape, key, visit)) return true;
    }
    return false;
  }

  /** Sets the table in memory aside to be written; one at a time. */
  freeze(): void {
    if (this.#frozen !== undefined) return;
    this.#frozen = this.#active;
    this.#active = new EntryTable(this.shape);
  }

  /** Writes the frozen table as a run. */
  *persist(): Generator<void, Settle> {
    const sorted = this.#frozen?.sorted() ?? new Uint32Array();
    yield;
    if (sorted.length === 0) return () => this.#settleFrozen();
    const id = this.#store.begin(this.kind, 0);
    const segments: Segment[] = [];
    const step = segmentEntriesMax(this.shape) * this.shape.words;
    for (let from = 0; from < sorted.length; from += step) {
      segments.push(this.#store.writeSegment(id, this.shape, sorted.subarray(from, from + step)));
      yield;
    }
    const run: Run = { id, level: 0, segments };
    this.#store.publish(this.kind, run);
    return () => {
      this.#runs = [...this.#runs, run];
      this.#settleFrozen();
    };
  }

  #settleFrozen(): void {
    this.#frozen = undefined;
  }

  /** Whether `tidy` has anything to do. */
  get isUntidy(): boolean {
    return this.#dead.length > 0 || this.#fullLevel() !== undefined;
  }

  /** One step of merging, on the lowest level that is full, or of clearing away what was merged. */
  tidy(): Settle {
    const level = this.#fullLevel();
    if (level === undefined) return this.#sweep();
    const merge = this.#merges.get(level) ?? this.#merge(level);
    this.#merges.set(level, merge);
    try {
      const { done, value } = merge.next();
      if (done !== true) return () => undefined;
      return () => {
        this.#merges.delete(level);
        value();
      };
    } catch (error) {
      // A generator that threw is over: the next step begins the merge again.
      this.#merges.delete(level);
      throw error;
    }
  }

  /** Forgets the steps under way, after a transaction of one of them failed. */
  abandonMerges(): void {
    this.#merges.clear();
  }

  #fullLevel(): number | undefined {
    const counts = new Map<number, number>();
    for (const { level } of this.#runs) counts.set(level, (counts.get(level) ?? 0) + 1);
    const full = [...counts].filter(([, count]) => count >= runsPerLevel).map(([level]) => level);
    return full.length === 0 ? undefined : Math.min(...full);
  }

  *#merge(level: number): Generator<void, Settle> {
    const inputs = this.#runs.filter((run) => run.level === level).slice(0, runsPerLevel);
    const id = this.#store.begin(this.kind, level + 1);
    const segments: Segment[] = [];
    const merged = new MergedEntries(inputs, this.shape, this.#store);
    for (;;) {
      const sorted = merged.next(segmentEntriesMax(this.shape));
      if (sorted.length === 0) break;
      segments.push(this.#store.writeSegment(id, this.shape, sorted));
      yield;
    }
    const run: Run = { id, level: level + 1, segments };
    this.#store.publish(this.kind, run);
    for (const input of inputs) this.#store.forgetRun(input.id);
    return () => {
      const place = this.#runs.indexOf(inputs[0] as Run);
      this.#runs = this.#runs.toSpliced(place, inputs.length, run);
      this.#dead = [...this.#dead, ...inputs.flatMap((input) => input.segments)];
    };
  }

  #sweep(): Settle {
    const [segment, ...rest] = this.#dead;
    if (segment !== undefined) this.#store.deleteSegment(segment);
    return () => {
      this.#dead = rest;
    };
  }
}

/** The entries of several runs, oldest run first, in the order of their keys; for one key the older first. */
class MergedEntries {
  readonly #shape: EntryShape;
  readonly #cursors: readonly RunCursor[];

  constructor(runs: readonly Run[], shape: EntryShape, store: RunStore) {
    this.#shape = shape;
    this.#cursors = runs.map((run) => new RunCursor(run, shape, store));
  }

  next(entriesMax: number): Uint32Array {
    const { words, keyWords } = this.#shape;
    const out = new Uint32Array(entriesMax * words);
    let length = 0;
    while (length < out.length) {
      let least: RunCursor | undefined;
      for (const cursor of this.#cursors) {
        if (cursor.isAtEnd) continue;
        const isLess =
          least === undefined || compareKeys(cursor.content, cursor.offset, least.content, least.offset, keyWords) < 0;
        if (isLess) least = cursor;
      }
      if (least === undefined) break;
      for (let word = 0; word < words; word += 1) out[length + word] = least.content[least.offset + word] ?? 0;
      length += words;
      least.advance();
    }
    return out.subarray(0, length);
  }
}

class RunCursor {
  content: Uint32Array = new Uint32Array();
  offset = 0;
  isAtEnd = false;
  readonly #run: Run;
  readonly #shape: EntryShape;
  readonly #store: RunStore;
  #segment = 0;
  #page = 0;

  constructor(run: Run, shape: EntryShape, store: RunStore) {
    this.#run = run;
    this.#shape = shape;
    this.#store = store;
    this.#load();
  }

  advance(): void {
    this.offset += this.#shape.words;
    if (this.offset < this.content.length) return;
    this.#page += 1;
    this.#load();
  }

  #load(): void {
    let segment = this.#run.segments[this.#segment];
    if (segment !== undefined && this.#page >= segment.fences.length / this.#shape.keyWords) {
      this.#segment += 1;
      this.#page = 0;
      segment = this.#run.segments[this.#segment];
    }
    this.isAtEnd = segment === undefined;
    if (segment === undefined) return;
    this.content = this.#store.readPage(segment, this.#page);
    this.offset = 0;
  }
}
