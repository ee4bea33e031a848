/** A map without the limit of one: V8's hold 16.7 million entries, and a log may have more names than that. */
export class LargeMap<V> {
  readonly #shards: readonly Map<string, V>[];

  /** `shards` times as many entries as one map holds. */
  constructor(shards = 256) {
    this.#shards = Array.from({ length: shards }, () => new Map<string, V>());
  }

  get(key: string): V | undefined {
    return this.#shardOf(key).get(key);
  }

  has(key: string): boolean {
    return this.#shardOf(key).has(key);
  }

  set(key: string, value: V): void {
    this.#shardOf(key).set(key, value);
  }

  get size(): number {
    return this.#shards.reduce((sum, { size }) => sum + size, 0);
  }

  *keys(): IterableIterator<string> {
    for (const shard of this.#shards) yield* shard.keys();
  }

  #shardOf(key: string): Map<string, V> {
    let sum = key.length;
    for (let index = 0; index < key.length; index += 1) sum = (Math.imul(sum, 31) + key.charCodeAt(index)) | 0;
    return this.#shards[(sum >>> 0) % this.#shards.length] as Map<string, V>;
  }
}
