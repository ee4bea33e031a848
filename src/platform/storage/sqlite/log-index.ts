import { invariant } from "../../../kernel/index.ts";
import type { ClaimRecord, RecordedUnit, Sequence } from "../port.ts";
import type { DerivedDatabase } from "./derived-database.ts";
import type { EntryShape } from "./entry-table.ts";
import { KeyIndex, type Settle } from "./key-index.ts";
import { RunStore } from "./key-run.ts";

/** A stream's hash (2 words), the unit's sequence (2), and the stream's version after the unit (1). */
const streamShape: EntryShape = { words: 5, keyWords: 2 };
/** A claim's key (4 words), its print (2), and the unit's sequence (2). */
const claimShape: EntryShape = { words: 8, keyWords: 4 };

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
 * Where in the log each stream's units are, and who took each claim. Derived from the log: what is in memory is lost
 * when the process ends, and is read again from the log, after `persisted`.
 *
 * Streams are found by a hash of their name, so a place may be another stream's: the caller compares names.
 */
export class LogIndex {
  readonly #database: DerivedDatabase;
  readonly #streams: KeyIndex;
  readonly #claims: KeyIndex;
  readonly #seed: readonly [number, number];
  #recorded: Sequence;
  /** The writing of the frozen tables that is under way, and the event up to which they hold all. */
  #persisting: Generator<void, Settle> | undefined;
  #frozenUpTo: Sequence = 0;
  #entriesSinceStep = 0;
  #streamsTidiedLast = false;
  readonly #streamKey = new Uint32Array(streamShape.keyWords);
  readonly #claimKey = new Uint32Array(claimShape.keyWords);
  readonly #streamEntry = new Uint32Array(streamShape.words);
  readonly #claimEntry = new Uint32Array(claimShape.words);

  constructor(database: DerivedDatabase, storeId: string) {
    this.#database = database;
    const runs = new RunStore(database.connection);
    this.#streams = database.reading(() => new KeyIndex("streams", streamShape, runs, database.connection));
    this.#claims = database.reading(() => new KeyIndex("claims", claimShape, runs, database.connection));
    // A seed of the store's own, so that nobody outside can choose names that share a hash.
    this.#seed = [Number.parseInt(storeId.slice(0, 8), 16) | 0, Number.parseInt(storeId.slice(-8), 16) | 0];
    this.#recorded = this.persisted;
  }

  /** All events up to here are on disk. */
  get persisted(): Sequence {
    return this.#database.checkpoint(consumer);
  }

  get isOverfull(): boolean {
    return this.#streams.pending + this.#claims.pending > pendingEntriesMax;
  }

  /** Takes in a unit, in the order of the log. */
  record(unit: RecordedUnit): void {
    const [first] = unit.events;
    if (first === undefined) return;
    const lastVersions = new Map<string, number>();
    for (const { stream, version } of unit.events) lastVersions.set(stream, version);
    for (const [stream, version] of lastVersions) {
      this.#hashStream(stream, this.#streamEntry);
      putSequence(this.#streamEntry, 2, first.seq);
      this.#streamEntry[4] = version;
      this.#streams.add(this.#streamEntry);
    }
    for (const { key, print } of unit.claims) {
      putHex(this.#claimEntry, 0, key);
      putHex(this.#claimEntry, 4, print);
      putSequence(this.#claimEntry, 6, first.seq);
      this.#claims.add(this.#claimEntry);
    }
    this.#recorded = first.seq + unit.events.length - 1;
    this.#entriesSinceStep += lastVersions.size + unit.claims.length;
  }

  /** Shows where a stream's units may be, newest first, until `visit` returns true. */
  findStream(stream: string, visit: (place: StreamPlace) => boolean): void {
    this.#hashStream(stream, this.#streamKey);
    this.#reading(() =>
      this.#streams.find(this.#streamKey, (source, at) =>
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

  /**
   * Does the work on disk that is due for the entries taken in, at most one step of a few milliseconds. Throws when the
   * disk refuses; nothing is lost by that, and the next call tries again.
   */
  work(): void {
    if (this.#streams.pending + this.#claims.pending >= freezeAfterEntries) this.#freeze();
    if (this.#entriesSinceStep < entriesPerStep) return;
    this.#entriesSinceStep -= entriesPerStep;
    this.#step();
  }

  /** Writes all that is in memory. */
  flush(): void {
    while (this.#persisting !== undefined) this.#persistStep(this.#persisting);
    if (this.#recorded === this.persisted) return;
    this.#freeze();
    while (this.#persisting !== undefined) this.#persistStep(this.#persisting);
  }

  #freeze(): void {
    if (this.#persisting !== undefined) return;
    this.#streams.freeze();
    this.#claims.freeze();
    this.#frozenUpTo = this.#recorded;
    this.#persisting = this.#persist(this.#frozenUpTo);
  }

  *#persist(upTo: Sequence): Generator<void, Settle> {
    const settleStreams = yield* this.#streams.persist();
    const settleClaims = yield* this.#claims.persist();
    const settleCheckpoint = this.#database.moveCheckpoint(consumer, upTo);
    return () => {
      settleStreams();
      settleClaims();
      settleCheckpoint();
    };
  }

  #step(): void {
    if (this.#persisting !== undefined) this.#persistStep(this.#persisting);
    else if (this.#streams.isUntidy || this.#claims.isUntidy) this.#tidyStep();
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

  #tidyStep(): void {
    this.#streamsTidiedLast = this.#streams.isUntidy && !(this.#streamsTidiedLast && this.#claims.isUntidy);
    const index = this.#streamsTidiedLast ? this.#streams : this.#claims;
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

  #hashStream(stream: string, out: Uint32Array): void {
    let [a, b] = this.#seed;
    for (let index = 0; index < stream.length; index += 1) {
      const unit = stream.charCodeAt(index);
      a = Math.imul(a ^ unit, 0x85ebca6b);
      a ^= a >>> 13;
      b = Math.imul(b ^ unit, 0xc2b2ae35);
      b ^= b >>> 16;
    }
    out[0] = Math.imul(a ^ (b >>> 7), 0x27d4eb2f);
    out[1] = Math.imul(b ^ (a >>> 11), 0x165667b1);
  }
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
    for (let place = from; place < from + 8; place += 1) {
      const code = digits.charCodeAt(place);
      word = (word << 4) | (code >= lowerA ? code - lowerA + 10 : code - zero);
    }
    out[at + from / 8] = word;
  }
}

const lowerA = 97;
const zero = 48;

function takeHex(source: Uint32Array, at: number, words: number): string {
  let digits = "";
  for (let word = 0; word < words; word += 1) digits += (source[at + word] ?? 0).toString(16).padStart(8, "0");
  return digits;
}
