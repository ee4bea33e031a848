import { limits } from "../../../kernel/index.ts";
import { MappingError } from "./mapping-error.ts";

/** Which row of an id one is: the number, from 1, and a digest of the id. */
export interface Occurrence {
  readonly number: number;
  /** Absent where a rejects file of an earlier version says only the number: the id is taken to be the same. */
  readonly of?: string;
}

/** As a rejects file says it: `2 of mJ7qzG0aXw`, which no spreadsheet takes for a number or a date. */
export function occurrenceText({ number, of }: Required<Occurrence>): string {
  return `${number} of ${of}`;
}

/** Characters of the digest, six bits each: two ids of one file that share it are put right to one id hardly ever. */
export const occurrenceDigestLength = 10;

export function parseOccurrence(text: string): Occurrence | undefined {
  const [, number, of] = /^([1-9]\d{0,8})(?: of ([\w-]{10}))?$/.exec(text.trim()) ?? [];
  return number === undefined ? undefined : { number: Number(number), ...(of !== undefined && { of }) };
}

/**
 * Counts how often each text was seen, in 12 bytes a text: by a 64-bit hash, not the text itself. Among ten million
 * different texts the chance that any two are taken for one is about 3 in a million. Throws `MappingError` beyond
 * `limits.importIdsRememberedMax`.
 */
export class Occurrences {
  /** Two words of hash and a count for each slot; a count of 0 is a free slot. */
  #slots = new Uint32Array(3 * 1024);
  #used = 0;

  /** Notes a text and says how often it has now been seen. */
  note(text: string): number {
    if (this.#used * 4 >= (this.#slots.length / 3) * 3) this.#grow();
    const [high, low] = hash64(text);
    const slot = find(this.#slots, high, low);
    const count = (this.#slots[slot + 2] ?? 0) + 1;
    if (count === 1) {
      this.#used += 1;
      if (this.#used > limits.importIdsRememberedMax) {
        throw new MappingError("duplicates", `the file has over ${limits.importIdsRememberedMax} ids; split it`);
      }
    }
    this.#slots.set([high, low, count], slot);
    return count;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 3) {
      const [high = 0, low = 0, count = 0] = old.subarray(at, at + 3);
      if (count > 0) this.#slots.set([high, low, count], find(this.#slots, high, low));
    }
  }
}

/** The slot that holds the hash, or the free one where it belongs. */
function find(slots: Uint32Array, high: number, low: number): number {
  const mask = slots.length / 3 - 1;
  for (let index = low & mask; ; index = (index + 1) & mask) {
    const at = index * 3;
    if (slots[at + 2] === 0 || (slots[at] === high && slots[at + 1] === low)) return at;
  }
}

/** Two 32-bit multiplicative hashes over the UTF-16 code units, each finished as MurmurHash3 does. */
function hash64(text: string): readonly [number, number] {
  let high = 0x9e3779b9;
  let low = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x85ebca6b);
    high ^= high >>> 15;
    low = Math.imul(low ^ unit, 0x01000193);
    low ^= low >>> 17;
  }
  return [mix(high ^ text.length), mix(low)];
}

function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
