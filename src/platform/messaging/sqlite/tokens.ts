import type { DatabaseSync } from "node:sqlite";
import { putMeta, readMeta } from "./queues-database.ts";

const block = 2 ** 20;

/**
 * Numbers of leases, growing for ever. They are reserved in blocks, half a block ahead, so that one that was given out
 * is never given out again even when the power goes before its lease is on disk: the transaction that reserves is
 * synced long before the numbers that it reserved are used.
 */
export class Tokens {
  readonly #database: DatabaseSync;
  #next: number;
  #reserved: number;

  /** The reservation is to be synced before any is used. */
  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#next = Number(readMeta(database, "tokens")) + 1;
    this.#reserved = this.#next + block;
    putMeta(database, "tokens", String(this.#reserved));
  }

  /** To be called after a transaction that came to nothing: what it reserved is not. */
  reload(): void {
    this.#reserved = Number(readMeta(this.#database, "tokens"));
  }

  /** Within the caller's transaction. */
  take(): number {
    if (this.#next + block / 2 > this.#reserved) {
      this.#reserved += block;
      putMeta(this.#database, "tokens", String(this.#reserved));
    }
    this.#next += 1;
    return this.#next - 1;
  }
}
