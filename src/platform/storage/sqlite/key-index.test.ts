import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { transaction } from "../../sqlite/index.ts";
import { EntryTable } from "./entry-table.ts";
import { KeyIndex, type Settle } from "./key-index.ts";
import { DamagedPageError, entriesPerPage, RunStore } from "./key-run.ts";

/** A key of two words and a value of one. */
const shape = { words: 3, keyWords: 2 };
type Entry = readonly [number, number, number];

/** Few keys that share words, so that ties, chains and runs of one key over many pages come up. */
const entry: fc.Arbitrary<Entry> = fc.tuple(
  fc.constantFrom(0, 1, 7, 2 ** 31, 2 ** 32 - 1),
  fc.constantFrom(0, 1, 2 ** 32 - 1),
  fc.nat(),
);

const keyOf = ([first, second]: Entry) => Uint32Array.of(first, second);

function valuesOf(
  find: (key: Uint32Array, visit: (source: Uint32Array, at: number) => boolean) => boolean,
  key: Uint32Array,
) {
  const values: number[] = [];
  find(key, (source, at) => {
    expect([source[at], source[at + 1]]).toEqual([...key]);
    values.push(source[at + 2] ?? -1);
    return false;
  });
  return values;
}

describe("EntryTable", () => {
  it("finds what was added, newest first, and sorts it by key and age", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 3000 }), (entries) => {
        const table = new EntryTable(shape);
        for (const one of entries) table.add(Uint32Array.from(one));
        for (const one of entries.slice(0, 20)) {
          const expected = entries
            .filter((other) => other[0] === one[0] && other[1] === one[1])
            .map(([, , value]) => value);
          expect(valuesOf((key, visit) => table.find(key, visit), keyOf(one))).toEqual(expected.toReversed());
        }
        const inOrder = entries.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect([...table.sorted()]).toEqual(inOrder.flat());
      }),
      { numRuns: 60 },
    );
  });

  it("says nothing of keys that it does not have", () => {
    const table = new EntryTable(shape);
    table.add(Uint32Array.of(1, 2, 3));
    expect(valuesOf((key, visit) => table.find(key, visit), Uint32Array.of(2, 1))).toEqual([]);
  });
});

describe("KeyIndex", () => {
  let folder: string;
  let database: DatabaseSync;
  let index: KeyIndex;
  const open = () => {
    database = new DatabaseSync(join(folder, "index.db"));
    database.exec(RunStore.schema);
    index = new KeyIndex("test", shape, new RunStore(database), database);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "larder-index-"));
    open();
  });
  afterEach(() => {
    database.close();
    rmSync(folder, { recursive: true });
  });

  function persist(): void {
    index.freeze();
    const steps = index.persist();
    for (;;) {
      const { done, value } = transaction(database, () => steps.next());
      if (done !== true) continue;
      (value as Settle)();
      return;
    }
  }
  const tidyOnce = () => transaction(database, () => index.tidy())();
  const tidyAll = () => {
    while (index.isUntidy) tidyOnce();
  };
  const find = (key: Uint32Array) => valuesOf((wanted, visit) => index.find(wanted, visit), key);

  it("agrees with a list, however often it is written, merged and opened again", () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.array(entry, { minLength: 1, maxLength: 1500 }) },
      { weight: 5, arbitrary: fc.constantFrom("persist", "tidy", "tidy all", "open") },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
        database.exec("DELETE FROM key_run; DELETE FROM key_segment; DELETE FROM key_page");
        database.close();
        open();
        let kept: Entry[] = [];
        let all: Entry[] = [];
        for (const one of steps) {
          if (one === "persist") {
            persist();
            kept = all;
          } else if (one === "tidy") {
            if (index.isUntidy) tidyOnce();
          } else if (one === "tidy all") tidyAll();
          else if (one === "open") {
            database.close();
            open();
            all = kept;
          } else if (typeof one !== "string") {
            for (const added of one) index.add(Uint32Array.from(added));
            all = [...all, ...one];
          }
        }
        for (const first of [0, 1, 7, 2 ** 31, 2 ** 32 - 1]) {
          for (const second of [0, 1, 5, 2 ** 32 - 1]) {
            const expected = all.filter(([a, b]) => a === first && b === second).map(([, , value]) => value);
            expect(find(Uint32Array.of(first, second))).toEqual(expected.toReversed());
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it("keeps few runs, and clears away what was merged", () => {
    for (let round = 0; round < 22; round += 1) {
      for (let n = 0; n < 2000; n += 1) index.add(Uint32Array.of(n, round, n));
      persist();
      tidyAll();
    }
    // 22 = 1 × 16 + 1 × 4 + 2
    expect(index.runs.map(({ level }) => level)).toEqual([2, 1, 0, 0]);
    const count = (table: string) => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
    expect(count("key_run")).toBe(4);
    expect(count("key_segment")).toBe(index.runs.reduce((sum, run) => sum + run.segments.length, 0));
    expect(count("key_page")).toBe(
      index.runs
        .flatMap((run) => run.segments)
        .reduce((sum, { entries }) => sum + Math.ceil(entries / entriesPerPage(shape)), 0),
    );
    for (const round of [0, 9, 21]) expect(find(Uint32Array.of(1234, round))).toEqual([1234]);
  });

  it("finds one key that fills many segments, and stops when told to", () => {
    for (let round = 0; round < 5; round += 1) {
      for (let n = 0; n < 20_000; n += 1) index.add(Uint32Array.of(5, 5, round * 20_000 + n));
      index.add(Uint32Array.of(4, 9, round));
      index.add(Uint32Array.of(6, 0, round));
      persist();
    }
    tidyAll();
    const values = find(Uint32Array.of(5, 5));
    expect(values.length).toBe(100_000);
    expect(values.every((value, place) => value === 99_999 - place)).toBe(true);
    let seen = 0;
    const stopped = index.find(Uint32Array.of(5, 5), () => {
      seen += 1;
      return seen === 3;
    });
    expect([stopped, seen]).toEqual([true, 3]);
    expect(find(Uint32Array.of(4, 9))).toEqual([4, 3, 2, 1, 0]);
  });

  it("begins a write or a merge again after the disk refused a step of it", () => {
    for (let round = 0; round < 4; round += 1) {
      for (let n = 0; n < 1000; n += 1) index.add(Uint32Array.of(n, 0, round));
      persist();
    }
    database.exec("PRAGMA query_only = 1");
    expect(() => tidyOnce()).toThrow();
    index.abandonMerges();
    expect(find(Uint32Array.of(500, 0))).toEqual([3, 2, 1, 0]);
    database.exec("PRAGMA query_only = 0");
    tidyAll();
    expect(index.runs.map(({ level }) => level)).toEqual([1]);
    expect(find(Uint32Array.of(500, 0))).toEqual([3, 2, 1, 0]);
  });

  it("never believes a page that is not what it wrote", () => {
    for (let n = 0; n < 1000; n += 1) index.add(Uint32Array.of(n, 0, n));
    persist();
    database.exec(
      "UPDATE key_page SET body = CAST(substr(body, 1, 8) || x'ff' || substr(body, 10) AS BLOB) WHERE id = (SELECT min(id) FROM key_page)",
    );
    expect(() => find(Uint32Array.of(1, 0))).toThrow(DamagedPageError);
    database.exec("DELETE FROM key_page");
    expect(() => find(Uint32Array.of(900, 0))).toThrow(DamagedPageError);
  });

  it.each(["fences", "filter"])("never believes %s that are not what it wrote", (column) => {
    for (let n = 0; n < 1000; n += 1) index.add(Uint32Array.of(n, 0, n));
    persist();
    const reload = () => new RunStore(database).load(database, index.kind);
    expect(reload()[0]?.segments[0]?.entries).toBe(1000);
    const damages = [
      `CAST(substr(${column}, 1, 8) || x'ff' || substr(${column}, 10) AS BLOB)`,
      `substr(${column}, 1, 20)`,
      "x''",
      "x'00000000'",
    ];
    for (const damage of damages) {
      database.exec(`SAVEPOINT damaged; UPDATE key_segment SET ${column} = ${damage}`);
      expect(reload).toThrow(DamagedPageError);
      database.exec("ROLLBACK TO damaged; RELEASE damaged");
    }
  });

  it("seldom reads a page for a key that it does not have", () => {
    for (let n = 0; n < 50_000; n += 1) index.add(Uint32Array.of(Math.imul(n, 0x9e3779b1) >>> 0, n, n));
    persist();
    database.exec("DELETE FROM key_page");
    let pagesRead = 0;
    for (let n = 0; n < 20_000; n += 1) {
      try {
        index.find(Uint32Array.of(Math.imul(n, 0x85ebca6b) >>> 0, n + 1_000_000), () => true);
      } catch {
        pagesRead += 1;
      }
    }
    expect(pagesRead).toBeLessThan(20_000 * 0.01);
  });
});
