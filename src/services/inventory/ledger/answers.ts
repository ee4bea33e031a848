/** How those who have asked hear what their commands came to. */
import type { Sequence } from "../../../platform/storage/index.ts";

export interface Decided<T> {
  readonly value: T;
  /** Up to here the log holds all that the answer rests on. */
  readonly seq: Sequence;
}

/** Answers to commands that were asked together, each at its place. */
export interface AllDecided<T> {
  readonly values: readonly T[];
  /** As in `Decided`, for all of them. */
  readonly seq: Sequence;
}

/** Hears how commands that were asked together have ended, each by its place among them. */
export interface Answers {
  resolve(place: number, value: unknown, seq: Sequence): void;
  reject(place: number, error: unknown): void;
}

/** Answers the one who asked by `submit`. The queue forgets the type of the answer, which is what the command decides. */
export class OneAnswer<T> implements Answers {
  readonly #resolve: (decided: Decided<T>) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (decided: Decided<T>) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  resolve(_place: number, value: unknown, seq: Sequence): void {
    this.#resolve({ value: value as T, seq });
  }

  reject(_place: number, error: unknown): void {
    this.#reject(error);
  }
}

/** Answers the one who asked by `submitAll`, once everything is decided. */
export class AllAnswers<T> implements Answers {
  readonly #values: T[] = [];
  readonly #recover: (error: unknown) => T;
  readonly #resolve: (decided: AllDecided<T>) => void;
  readonly #reject: (error: unknown) => void;
  #open: number;
  #seq: Sequence = 0;

  constructor(
    count: number,
    recover: (error: unknown) => T,
    resolve: (decided: AllDecided<T>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#open = count;
    this.#recover = recover;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  resolve(place: number, value: unknown, seq: Sequence): void {
    this.#values[place] = value as T;
    if (seq > this.#seq) this.#seq = seq;
    this.#open -= 1;
    if (this.#open === 0) this.#resolve({ values: this.#values, seq: this.#seq });
  }

  reject(place: number, error: unknown): void {
    try {
      this.resolve(place, this.#recover(error), 0);
    } catch (cause) {
      this.#reject(cause);
    }
  }
}
