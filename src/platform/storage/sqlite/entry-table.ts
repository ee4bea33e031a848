/**
 * What an entry of a key index looks like: `words` unsigned 32-bit words, of which the first `keyWords` are its key.
 * Several entries may have one key; the later added is the newer.
 */
export interface EntryShape {
  readonly words: number;
  readonly keyWords: number;
}

const firstCapacity = 1024;

/** The newest entries of a key index, in memory: an open-addressed table whose rows are chained by key. */
export class EntryTable {
  readonly shape: EntryShape;
  #rows: Uint32Array;
  /** For each row the one before it with the same key, or -1. */
  #before: Int32Array;
  /** For each slot the newest row of its key, or -1. */
  #slots: Int32Array;
  #count = 0;

  constructor(shape: EntryShape) {
    this.shape = shape;
    this.#rows = new Uint32Array(firstCapacity * shape.words);
    this.#before = new Int32Array(firstCapacity);
    this.#slots = new Int32Array(2 * firstCapacity).fill(-1);
  }

  get count(): number {
    return this.#count;
  }

  add(entry: Uint32Array): void {
    if (this.#count === this.#before.length) this.#grow();
    this.#rows.set(entry, this.#count * this.shape.words);
    this.#link(this.#count);
    this.#count += 1;
  }

  /** Shows the entries of a key, newest first, until `visit` returns true; returns whether it did. */
  find(key: Uint32Array, visit: EntryVisitor): boolean {
    let row = this.#slots[this.#slotOf(key, 0)] ?? -1;
    while (row >= 0) {
      if (visit(this.#rows, row * this.shape.words)) return true;
      row = this.#before[row] ?? -1;
    }
    return false;
  }

  /** All entries in the order of their keys, and for one key in the order in which they were added. */
  sorted(): Uint32Array {
    const { words } = this.shape;
    // The first word and the row number fit a double exactly, and a typed array sorts without calling back.
    const order = new Float64Array(this.#count);
    for (let row = 0; row < this.#count; row += 1) order[row] = (this.#rows[row * words] ?? 0) * rowsMax + row;
    order.sort();
    this.#settleTies(order);
    const sorted = new Uint32Array(this.#count * words);
    for (let index = 0; index < order.length; index += 1) {
      const from = ((order[index] ?? 0) % rowsMax) * words;
      for (let word = 0; word < words; word += 1) sorted[index * words + word] = this.#rows[from + word] ?? 0;
    }
    return sorted;
  }

  /** Orders what shares a first word by the rest of its key. */
  #settleTies(order: Float64Array): void {
    const { words, keyWords } = this.shape;
    const wordOf = (index: number) => Math.floor((order[index] ?? 0) / rowsMax);
    for (let start = 0; start < order.length; ) {
      let end = start + 1;
      let isOneKey = true;
      while (end < order.length && wordOf(end) === wordOf(start)) {
        const [a, b] = [order[end - 1] ?? 0, order[end] ?? 0];
        isOneKey &&= compareKeys(this.#rows, (a % rowsMax) * words, this.#rows, (b % rowsMax) * words, keyWords) === 0;
        end += 1;
      }
      if (!isOneKey) {
        order.subarray(start, end).sort((a, b) => {
          const [left, right] = [a % rowsMax, b % rowsMax];
          return compareKeys(this.#rows, left * words, this.#rows, right * words, keyWords) || left - right;
        });
      }
      start = end;
    }
  }

  #link(row: number): void {
    const slot = this.#slotOf(this.#rows, row * this.shape.words);
    this.#before[row] = this.#slots[slot] ?? -1;
    this.#slots[slot] = row;
  }

  /** The slot of a key: the one that holds it, or the free one where it would go. */
  #slotOf(source: Uint32Array, offset: number): number {
    const { words, keyWords } = this.shape;
    const mask = this.#slots.length - 1;
    let slot = keyHash(source, offset, keyWords) & mask;
    for (;;) {
      const row = this.#slots[slot] ?? -1;
      if (row < 0 || compareKeys(this.#rows, row * words, source, offset, keyWords) === 0) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const capacity = this.#before.length * 2;
    const [rows, before] = [this.#rows, this.#before];
    this.#rows = new Uint32Array(capacity * this.shape.words);
    this.#rows.set(rows);
    this.#before = new Int32Array(capacity);
    this.#before.set(before);
    this.#slots = new Int32Array(2 * capacity).fill(-1);
    for (let row = 0; row < this.#count; row += 1) this.#link(row);
  }
}

/** Sees one entry, at `offset` of `source`; true ends the search. The source is only good during the call. */
export type EntryVisitor = (source: Uint32Array, offset: number) => boolean;

/** Rows of one table stay below this, so that a word and a row number together are a whole number below 2^53. */
const rowsMax = 2 ** 21;

export function compareKeys(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number, keyWords: number): number {
  for (let word = 0; word < keyWords; word += 1) {
    const left = a[aAt + word] ?? 0;
    const right = b[bAt + word] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** 32 well-mixed bits of a key, whose own words may be anything. */
export function keyHash(source: Uint32Array, offset: number, keyWords: number): number {
  let hash = 0x9e3779b9;
  for (let word = 0; word < keyWords; word += 1) {
    hash = Math.imul(hash ^ (source[offset + word] ?? 0), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
