import { invariant } from "../../../kernel/index.ts";
import type { ClaimRecord, RecordedUnit, Sequence, Tagging } from "../port.ts";
import type { DerivedDatabase } from "./derived-database.ts";
import type { EntryShape } from "./entry-table.ts";
import { KeyIndex, type Settle } from "./key-index.ts";
import { RunStore } from "./key-run.ts";

/** A stream's hash (2 words), the unit's sequence (2), and the stream's version after the unit (1). */
const streamShape: EntryShape = { words: 5, keyWords: 2 };
/** A claim's key (4 words), its print (2), and the unit's sequence (2). */
const claimShape: EntryShape = { words: 8, keyWords: 4 };

/** A tag's hash (2 words) and the unit's sequence (2). */
const tagShape: EntryShape = { words: 4, keyWords: 2 };

/** Entries in memory before they are written as a run: what opening after a crash has to read again. */
const freezeAfterEntries = 65_536;
/** A step of work on disk, of some milliseconds, is done for every so many entries; fewer would keep up too. */
const entriesPerStep = 768;
/** Entries in memory beyond which the disk is taken to be unable to keep up. */
const pendingEntriesMax = 1_000_000;
/** The name under which the derived store remembers how far the index is written. */
const consumer = "larder.index";

/** A unit that has events of a stream, and the version of the last of them. */
export interface StreamPlace {
  readonly seq: Sequence;
  readonly version: number;
}

/**
 * Where in the log each stream's units are, who took each claim, and which units have a tag. Derived from the log: what is in memory is lost
 * when the process ends, and is read again from the log, after `persisted`.
 *
 * Streams and tags are found by a hash of their name, so a place may be another's: the caller compares names.
 */
export class LogIndex {
  readonly #database: DerivedDatabase;
  readonly #streams: KeyIndex;
  readonly #claims: KeyIndex;
  readonly #tags: KeyIndex;
  readonly #all: readonly KeyIndex[];
  readonly #tagging: Tagging;
  readonly #seed: readonly [number, number];
  #recorded: Sequence;
  /** The writing of the frozen tables that is under way, and the event up to which they hold all. */
  #persisting: Generator<void, Settle> | undefined;
  #frozenUpTo: Sequence = 0;
  #entriesSinceStep = 0;
  #tidiedLast = 0;
  readonly #nameKey = new Uint32Array(streamShape.keyWords);
  readonly #claimKey = new Uint32Array(claimShape.keyWords);
  readonly #streamEntry = new Uint32Array(streamShape.words);
  readonly #claimEntry = new Uint32Array(claimShape.words);
  readonly #tagEntry = new Uint32Array(tagShape.words);

  constructor(database: DerivedDatabase, storeId: string, tagging: Tagging) {
    this.#database = database;
    const runs = new RunStore(database.connection);
    this.#streams = new KeyIndex("streams", streamShape, runs, database.connection);
    this.#claims = new KeyIndex("claims", claimShape, runs, database.connection);
    this.#tags = new KeyIndex("tags", tagShape, runs, database.connection);
    this.#all = [this.#streams, this.#claims, this.#tags];
    this.#tagging = tagging;
    // A seed of the store's own, so that nobody outside can choose names that share a hash.
    this.#seed = [Number.parseInt(storeId.slice(0, 8), 16) | 0, Number.parseInt(storeId.slice(-8), 16) | 0];
    this.#recorded = this.persisted;
  }

  /** All events up to here are on disk. */
  get persisted(): Sequence {
    return this.#database.checkpoint(consumer);
  }

  get isOverfull(): boolean {
    return this.#pending > pendingEntriesMax;
  }

  get #pending(): number {
    let entries = 0;
    for (const index of this.#all) entries += index.pending;
    return entries;
  }

  /** Takes in a unit, in the order of the log. */
  record(unit: RecordedUnit): void {
    const [first] = unit.events;
    if (first === undefined) return;
    const { events } = unit;
    let place = 0;
    for (const { stream, version } of events) {
      place += 1;
      // Of several events of one stream the last one's version counts.
      if (isAmong(events, place, stream)) continue;
      this.#hashName(stream, this.#streamEntry);
      putSequence(this.#streamEntry, 2, first.seq);
      this.#streamEntry[4] = version;
      this.#add(this.#streams, this.#streamEntry);
    }
    for (const { key, print } of unit.claims) {
      putHex(this.#claimEntry, 0, key);
      putHex(this.#claimEntry, 4, print);
      putSequence(this.#claimEntry, 6, first.seq);
      this.#add(this.#claims, this.#claimEntry);
    }
    for (const tag of this.#tagging.of(unit)) {
      this.#hashName(tag, this.#tagEntry);
      putSequence(this.#tagEntry, 2, first.seq);
      this.#add(this.#tags, this.#tagEntry);
    }
    this.#recorded = first.seq + events.length - 1;
  }

  #add(index: KeyIndex, entry: Uint32Array): void {
    index.add(entry);
    this.#entriesSinceStep += 1;
  }

  /** Shows where a stream's units may be, newest first, until `visit` returns true. */
  findStream(stream: string, visit: (place: StreamPlace) => boolean): void {
    this.#hashName(stream, this.#nameKey);
    this.#reading(() =>
      this.#streams.find(this.#nameKey, (source, at) =>
        visit({ seq: takeSequence(source, at + 2), version: source[at + 4] ?? 0 }),
      ),
    );
  }

  findClaim(key: string): ClaimRecord | undefined {
    invariant(key.length === 8 * claimShape.keyWords, "a claim's key is 32 hexadecimal digits");
    putHex(this.#claimKey, 0, key);
    let found: ClaimRecord | undefined;
    this.#reading(() =>
      this.#claims.find(this.#claimKey, (source, at) => {
        found = { print: takeHex(source, at + 4, 2), seq: takeSequence(source, at + 6) };
        return true;
      }),
    );
    return found;
  }

  /** The units with a tag that begin before `before`, newest first. */
  findTagged(tag: string, before: Sequence, limit: number): Sequence[] {
    const found: Sequence[] = [];
    if (limit < 1) return found;
    this.#hashName(tag, this.#nameKey);
    this.#reading(() =>
      this.#tags.find(this.#nameKey, (source, at) => {
        const seq = takeSequence(source, at + 2);
        if (seq < before) found.push(seq);
        return found.length === limit;
      }),
    );
    return found;
  }

  /**
   * Does the work on disk that is due for the entries taken in, at most one step of a few milliseconds. Throws when the
   * disk refuses; nothing is lost by that, and the next call tries again.
   */
  work(): void {
    if (this.#pending >= freezeAfterEntries) this.#freeze();
    if (this.#entriesSinceStep < entriesPerStep) return;
    this.#entriesSinceStep -= entriesPerStep;
    this.#step();
  }

  /** Writes all that is in memory. */
  flush(): void {
    for (const _step of this.flushing());
  }

  /** Writes all that is in memory now, a step of a few milliseconds at a time. */
  *flushing(): Generator<void> {
    const upTo = this.#recorded;
    while (this.persisted < upTo) {
      this.#freeze();
      if (this.#persisting !== undefined) this.#persistStep(this.#persisting);
      yield;
    }
  }

  #freeze(): void {
    if (this.#persisting !== undefined) return;
    for (const index of this.#all) index.freeze();
    this.#frozenUpTo = this.#recorded;
    this.#persisting = this.#persist(this.#frozenUpTo);
  }

  *#persist(upTo: Sequence): Generator<void, Settle> {
    const settles: Settle[] = [];
    for (const index of this.#all) settles.push(yield* index.persist());
    settles.push(this.#database.moveCheckpoint(consumer, upTo));
    return () => {
      for (const settle of settles) settle();
    };
  }

  #step(): void {
    if (this.#persisting !== undefined) this.#persistStep(this.#persisting);
    else this.#tidyStep();
  }

  #persistStep(persisting: Generator<void, Settle>): void {
    try {
      const { done, value } = this.#database.transaction(() => persisting.next());
      if (done !== true) return;
      this.#persisting = undefined;
      value();
    } catch (error) {
      // What the steps before had written is no run yet, and is cleared away at the next opening.
      this.#persisting = this.#persist(this.#frozenUpTo);
      throw error;
    }
  }

  /** The next index in turn that has something to tidy does one step. */
  #tidyStep(): void {
    const { length } = this.#all;
    for (let turn = 1; turn <= length; turn += 1) {
      const place = (this.#tidiedLast + turn) % length;
      const index = this.#all[place];
      if (!index?.isUntidy) continue;
      this.#tidiedLast = place;
      this.#tidy(index);
      return;
    }
  }

  #tidy(index: KeyIndex): void {
    try {
      this.#database.transaction(() => index.tidy())();
    } catch (error) {
      index.abandonMerges();
      throw error;
    }
  }

  #reading(read: () => boolean): void {
    this.#database.reading(read);
  }

  #hashName(name: string, out: Uint32Array): void {
    let a = this.#seed[0];
    let b = this.#seed[1];
    for (let index = 0; index < name.length; index += 1) {
      const unit = name.charCodeAt(index);
      a = Math.imul(a ^ unit, 0x85ebca6b);
      a ^= a >>> 13;
      b = Math.imul(b ^ unit, 0xc2b2ae35);
      b ^= b >>> 16;
    }
    out[0] = Math.imul(a ^ (b >>> 7), 0x27d4eb2f);
    out[1] = Math.imul(b ^ (a >>> 11), 0x165667b1);
  }
}

/** Whether one of the events from a place on is of a stream. */
function isAmong(events: RecordedUnit["events"], from: number, stream: string): boolean {
  for (let place = from; place < events.length; place += 1) if (events[place]?.stream === stream) return true;
  return false;
}

function putSequence(out: Uint32Array, at: number, seq: Sequence): void {
  out[at] = Math.floor(seq / 2 ** 32);
  out[at + 1] = seq % 2 ** 32;
}

function takeSequence(source: Uint32Array, at: number): Sequence {
  return (source[at] ?? 0) * 2 ** 32 + (source[at + 1] ?? 0);
}

/** The words of lower-case hexadecimal digits, eight to a word. */
function putHex(out: Uint32Array, at: number, digits: string): void {
  for (let from = 0; from < digits.length; from += 8) {
    let word = 0;
    for (let place = from; place < from + 8; place += 1) word = (word << 4) | (nibbles[digits.charCodeAt(place)] ?? 0);
    out[at + from / 8] = word;
  }
}

/** The value of each hexadecimal digit, by its character code. */
const nibbles = new Uint8Array(128);
for (let value = 0; value < 16; value += 1) nibbles[value.toString(16).charCodeAt(0)] = value;

function takeHex(source: Uint32Array, at: number, words: number): string {
  let digits = "";
  for (let word = 0; word < words; word += 1) digits += (source[at + word] ?? 0).toString(16).padStart(8, "0");
  return digits;
}
