/** Seeded randomness: the same names give the same inputs on every machine. */
import { hash } from "node:crypto";

export class Random {
  readonly #words: Int32Array;

  /** A source of its own for whatever the names name: a seed, an area, a case. */
  constructor(...names: readonly (string | number)[]) {
    this.#words = new Int32Array(Uint8Array.from(hash("sha256", names.join("\u0000"), "buffer")).buffer, 0, 4);
  }

  /** From 0, below 1, in steps of 2^-32 (sfc32). */
  next(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#words;
    const sum = (a + b + d) | 0;
    this.#words.set([b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (d + 1) | 0]);
    return (sum >>> 0) / 2 ** 32;
  }

  /** A whole number from 0, below `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  between(least: number, greatest: number): number {
    return least + this.below(greatest - least + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  list<T>(least: number, greatest: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.between(least, greatest) }, (_, index) => make(index));
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}
