/**
 * Values that were made lately, as long as they take no more than so many bytes together; the one that was used longest
 * ago goes first. A value that could not be made is not kept.
 */
export class RecentBytes<Value extends Promise<unknown>> {
  readonly #bytesMax: number;
  /** In the order of their last use. */
  readonly #kept = new Map<string, { readonly value: Value; readonly bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string, bytes: number, make: () => Value): Value {
    const kept = this.#kept.get(key) ?? this.#make(key, bytes, make);
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }

  #make(key: string, bytes: number, make: () => Value): { readonly value: Value; readonly bytes: number } {
    const kept = { value: make(), bytes };
    this.#bytes += bytes;
    for (const [oldest, { bytes: freed }] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#kept.delete(oldest);
      this.#bytes -= freed;
    }
    kept.value.catch(() => {
      if (this.#kept.get(key) !== kept) return;
      this.#kept.delete(key);
      this.#bytes -= bytes;
    });
    return kept;
  }
}
