/** Pages of the key index in `derived.db`, spoilt one at a time: a key is found with all its entries, or the damage is. */
import { DatabaseSync } from "node:sqlite";
import { PlatformError } from "../../src/kernel/index.ts";
import { DamagedPageError, type Run, RunStore } from "../../src/platform/storage/sqlite/key-run.ts";
import { insist } from "./check.ts";
import { mutateBytes } from "./odd.ts";
import type { Random } from "./random.ts";

const shape = { words: 5, keyWords: 2 };
const keys = 400;
/** Every key has two entries. */
const entries = 2 * keys;

export interface Change {
  readonly shown: string;
  readonly allowed: readonly (new (...args: never[]) => Error)[];
  check(): void;
}

export class KeyPages {
  readonly #database = new DatabaseSync(":memory:");

  constructor() {
    this.#database.exec(RunStore.schema);
    const store = new RunStore(this.#database);
    const id = store.begin("test", 0);
    const sorted = new Uint32Array(entries * shape.words);
    for (let index = 0; index < entries; index += 1) {
      const key = Math.floor(index / 2);
      sorted.set([key * 7, key, index, 0, 1], index * shape.words);
    }
    store.publish("test", { id, level: 0, segments: [store.writeSegment(id, shape, sorted)] });
  }

  spoil(random: Random): Change {
    const [table, column] = random.pick([
      ["key_page", "body"],
      ["key_page", "body"],
      ["key_segment", "fences"],
      ["key_segment", "filter"],
    ] as const);
    const rows = this.#database.prepare(`SELECT id, ${column} AS bytes FROM ${table}`).all();
    const row = random.pick(rows);
    const [id, bytes] = [Number(row["id"]), Buffer.from(row["bytes"] as Uint8Array)];
    const spoilt = random.chance(0.1) ? bytes : mutateBytes(bytes, random, 1);
    const put = this.#database.prepare(`UPDATE ${table} SET ${column} = ? WHERE id = ?`);
    return {
      shown: `${table} ${id}: ${column} of ${bytes.length} bytes, now ${spoilt.length}: ${spoilt.toString("base64").slice(0, 6000)}`,
      allowed: [DamagedPageError, PlatformError],
      check: () => {
        put.run(spoilt, id);
        try {
          this.#findAll();
        } finally {
          put.run(bytes, id);
        }
      },
    };
  }

  #findAll(): void {
    const store = new RunStore(this.#database);
    const [run] = store.load(this.#database, "test") as [Run];
    for (let key = 0; key < keys; key += 1) {
      const found: number[] = [];
      store.find(run, shape, Uint32Array.from([key * 7, key]), (source, offset) => {
        found.push(source[offset + 2]!);
        return false;
      });
      insist(found.join() === `${2 * key + 1},${2 * key}`, `key ${key} has the entries ${found.join()}`);
    }
  }

  close(): void {
    this.#database.close();
  }
}
