import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits, PlatformError } from "../../kernel/index.ts";
import type { AppendOutcome, AppendUnit, DerivedChanges, RecordedEvent, RecordedUnit, Storage } from "./port.ts";
import { claim, event, numbers, unitOf } from "./samples.ts";

/** An engine as the contract sees it. */
export interface StorageUnderTest {
  readonly storage: Storage;
  /** Closes it and opens what it kept. */
  reopen(): Promise<Storage>;
  /** Lets the next append fail so that nothing is appended. */
  failNextAppend(): void;
  /** Lets the next append be made and its answer be lost. */
  loseNextAnswer(): void;
  /** Closes it and removes what it kept. */
  remove(): Promise<void>;
}

/** What an engine may be excused from, each with the reason; its own tests say what happens instead. */
export interface StorageSkips {
  readonly reopen?: string;
  readonly failNextAppend?: string;
  readonly loseNextAnswer?: string;
  /** A stream of 150,000 units: a tenth of it is read instead. */
  readonly longStreams?: string;
}

/** What every engine promises (port.ts), as tests. `open` opens an empty store with `sampleTagging`. */
export function storageContract(name: string, open: () => Promise<StorageUnderTest>, skip: StorageSkips = {}): void {
  describe(`the storage contract: ${name}`, () => {
    let engine: StorageUnderTest;
    let storage: Storage;
    beforeEach(async () => {
      engine = await open();
      storage = engine.storage;
    });
    afterEach(() => engine.remove());

    const allUnits = () => storage.readLog(0, Number.MAX_SAFE_INTEGER);
    const allEvents = async () => (await allUnits()).flatMap((unit) => unit.events);
    const append1 = async (unit: AppendUnit) => (await storage.append([unit]))[0];

    describe("append", () => {
      it("starts empty", async () => {
        expect(storage.head()).toBe(0);
        expect(storage.lastRecordedAt()).toBe(0);
        expect(await storage.readLog(0, 10)).toEqual([]);
        expect(await storage.readStream("stock-a")).toEqual([]);
        expect(await storage.versions(["stock-a"])).toEqual([0]);
        expect(storage.epochs).toEqual([{ number: 1, id: expect.any(String), startsAfter: 0 }]);
        expect(storage.outgoingPaused).toBe(false);
      });

      it("gives back what was appended, whole", async () => {
        const unit = unitOf(
          "c1",
          { "stock-a": 0 },
          [event("stock-a", { quantity: 3, lines: [{ é: null }], on: true })],
          {
            recordedAt: 1_763_719_200_123,
            fact: { source: "till-4", id: "sale 17", type: "larder.stock.sold.v1", time: 1_763_719_199_000 },
            claims: [claim(1)],
          },
        );
        expect(await append1(unit)).toEqual({ ok: true, seq: 1 });
        const [recorded] = await allUnits();
        expect(recorded?.meta).toEqual(unit.meta);
        expect(recorded?.claims).toEqual(unit.claims);
        expect(recorded?.events).toEqual([
          {
            seq: 1,
            stream: "stock-a",
            version: 1,
            type: "StockSold",
            schema: 1,
            data: unit.events[0]?.data,
            unit: unit.meta,
          },
        ]);
        expect(recorded?.body).toContain("sale 17");
      });

      it("leaves out of the meta what was not said", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a")], { fact: { source: "s", id: "i", type: "t" } }));
        await append1(unitOf("c2", { a: 1 }, [event("a")]));
        const [first, second] = await allUnits();
        expect(Object.keys(first?.meta.fact ?? {})).not.toContain("time");
        expect(Object.keys(second?.meta ?? {})).not.toContain("fact");
        expect(second?.claims).toEqual([]);
      });

      it("numbers the events of a unit without gaps, over several streams", async () => {
        const unit = unitOf("c1", { a: 0, b: 0 }, [event("a"), event("b"), event("a"), event("b"), event("a")]);
        expect(await append1(unit)).toEqual({ ok: true, seq: 1 });
        expect(await append1(unitOf("c2", { a: 3 }, [event("a")]))).toEqual({ ok: true, seq: 6 });
        expect((await allEvents()).map(place)).toEqual(["1 a1", "2 b1", "3 a2", "4 b2", "5 a3", "6 a4"]);
        expect(storage.head()).toBe(6);
      });

      it("refuses a unit whose stream has another version, and names the stream", async () => {
        await append1(unitOf("c1", { a: 0, b: 0 }, [event("a"), event("b")]));
        expect(await append1(unitOf("c2", { a: 1, b: 0 }, [event("a"), event("b")]))).toEqual(conflictOn("b"));
        expect(await append1(unitOf("c3", { a: 2 }, [event("a")]))).toEqual(conflictOn("a"));
        expect(await append1(unitOf("c4", { c: 1 }, [event("c")]))).toEqual(conflictOn("c"));
        expect(storage.head()).toBe(2);
        expect(await storage.versions(["a", "b", "c"])).toEqual([1, 1, 0]);
      });

      it("guards streams that the unit does not append to", async () => {
        await append1(unitOf("c1", { policy: 0 }, [event("policy")]));
        expect(await append1(unitOf("c2", { a: 0, policy: 0 }, [event("a")]))).toEqual(conflictOn("policy"));
        expect(await append1(unitOf("c3", { a: 0, policy: 1 }, [event("a")]))).toEqual({ ok: true, seq: 2 });
        expect(await storage.versions(["policy"])).toEqual([1]);
      });

      it("refuses a unit that would be recorded too late", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a")], { recordedAt: 5000 }));
        const late = unitOf("c2", { b: 0 }, [event("b")], { recordedAt: 4000 });
        expect(await append1({ ...late, before: 5000 })).toEqual({ ok: false, conflict: { tooLate: true } });
        const outcomes = await storage.append([
          { ...late, before: 5001 },
          unitOf("c3", { c: 0 }, [event("c")], { recordedAt: 6000 }),
          { ...unitOf("c4", { d: 0 }, [event("d")], { recordedAt: 4000 }), before: 6000 },
          { ...unitOf("c5", { e: 0 }, [event("e")], { recordedAt: 4000 }), before: 6001 },
        ]);
        expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, false, true]);
      });

      it("lets a unit fail alone, and fails with it those that stand on it", async () => {
        const outcomes = await storage.append([
          unitOf("c1", { a: 0 }, [event("a")]),
          unitOf("c2", { b: 1 }, [event("b"), event("b")]),
          unitOf("c3", { a: 1 }, [event("a")]),
          unitOf("c4", { a: 2, b: 3 }, [event("a"), event("b")]),
          unitOf("c5", { c: 0 }, [event("c")]),
        ]);
        expect(outcomes).toEqual([
          { ok: true, seq: 1 },
          conflictOn("b"),
          { ok: true, seq: 2 },
          conflictOn("b"),
          { ok: true, seq: 3 },
        ]);
        expect((await allEvents()).map(place)).toEqual(["1 a1", "2 a2", "3 c1"]);
      });

      it("fails with a unit what would append to its streams, whatever version that expects", async () => {
        const outcomes = await storage.append([
          unitOf("c1", { a: 1, b: 0 }, [event("a"), event("b")]),
          unitOf("c2", { a: 0 }, [event("a")]),
          unitOf("c3", { c: 0, b: 0 }, [event("c")]),
          unitOf("c4", { c: 0 }, [event("c")]),
          unitOf("c5", { d: 0 }, [event("d")]),
        ]);
        expect(outcomes).toEqual([
          conflictOn("a"),
          conflictOn("a"),
          conflictOn("b"),
          conflictOn("c"),
          { ok: true, seq: 1 },
        ]);
      });

      it("lets exactly one of two racing appends win", async () => {
        const race = await Promise.all([1, 2].map((n) => append1(unitOf(`c${n}`, { a: 0 }, [event("a", { n })]))));
        expect(race.filter((outcome) => outcome?.ok)).toHaveLength(1);
        expect(race.find((outcome) => !outcome?.ok)).toEqual(conflictOn("a"));
        expect(await storage.readStream("a")).toHaveLength(1);
      });

      it("keeps every one of many appends that run at once", async () => {
        const outcomes = await Promise.all(
          numbers(200).map((n) => append1(unitOf(`c${n}`, { [`s${n}`]: 0 }, [event(`s${n}`)]))),
        );
        expect(outcomes.map((outcome) => outcome?.ok && outcome.seq).sort(ascending)).toEqual(numbers(200));
        expect((await allEvents()).map(({ seq }) => seq)).toEqual(numbers(200));
      });

      it("takes the largest unit, and one more", async () => {
        for (const pairs of [limits.reservationPairsMax, limits.reservationPairsMax + 1]) {
          const streams = [`reservation-${pairs}`, ...numbers(pairs).map((n) => `stock-store ${n}-${pairs}`)];
          const expected = Object.fromEntries(streams.map((stream) => [stream, 0]));
          const events = [...streams, ...streams].map((stream) =>
            event(stream, { quantity: 1e12, id: "x".repeat(256) }),
          );
          const head = storage.head();
          expect(await append1(unitOf(`c${pairs}`, expected, events))).toEqual({ ok: true, seq: head + 1 });
          expect(storage.head()).toBe(head + 2 * streams.length);
          expect(await storage.readStream(streams[pairs] ?? "")).toHaveLength(2);
        }
      });

      it("appends nothing for no units, nor for units that all fail", async () => {
        expect(await storage.append([])).toEqual([]);
        expect(await append1(unitOf("c1", { a: 7 }, [event("a")]))).toEqual(conflictOn("a"));
        expect(storage.head()).toBe(0);
      });

      it("never lets the recording time run backwards", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a")], { recordedAt: 5000 }));
        await append1(unitOf("c2", { a: 1 }, [event("a")], { recordedAt: 4000 }));
        expect(storage.lastRecordedAt()).toBe(5000);
        expect((await allUnits()).map((unit) => unit.meta.recordedAt)).toEqual([5000, 5000]);
      });

      it.each([
        ["unicode", "stock-Zürich 🏬-crème brûlée ½"],
        ["unicode out of the order of UTF-16", "\uffee 𝒳"],
        ["marks of SQL, JSON and shells", `stock-'";--{}\\%_*?$(x)`],
        ["the name of a member of every object", "__proto__"],
        ["256 characters of 4 bytes", "𝒳".repeat(256)],
      ])("takes streams of %s", async (_, stream) => {
        await append1(unitOf("c1", { ...numbered([stream, 0]), "stock-b": 0 }, [event(stream), event("stock-b")]));
        expect(await append1(unitOf("c2", numbered([stream, 1]), [event(stream, { text: stream })]))).toEqual({
          ok: true,
          seq: 3,
        });
        const events = await storage.readStream(stream);
        expect(events.map(({ seq, version }) => [seq, version])).toEqual([
          [1, 1],
          [3, 2],
        ]);
        expect(events[1]?.data).toEqual({ text: stream });
      });

      it("tells apart streams that differ in form only", async () => {
        for (const stream of ["é", "e\u0301", "E", "e", "e "]) {
          expect((await append1(unitOf(stream, { [stream]: 0 }, [event(stream)])))?.ok).toBe(true);
        }
      });
    });

    describe("claims", () => {
      it("are taken once", async () => {
        const taking = unitOf("c1", { a: 0 }, [event("a")], { claims: [claim(1), claim(2)] });
        await append1(taking);
        const again = unitOf("c2", { b: 0 }, [event("b")], { claims: [claim(3), claim(2, "f")] });
        expect(await append1(again)).toEqual({ ok: false, conflict: { claim: claim(2).key } });
        expect(await storage.findClaims([claim(2).key, claim(3).key, claim(1).key])).toEqual([
          { print: claim(2).print, seq: 1 },
          undefined,
          { print: claim(1).print, seq: 1 },
        ]);
        expect(storage.head()).toBe(1);
      });

      it("are taken once within one append too", async () => {
        const outcomes = await storage.append([
          unitOf("c1", { a: 0 }, [event("a"), event("a")], { claims: [claim(1)] }),
          unitOf("c2", { b: 0 }, [event("b")], { claims: [claim(1, "f")] }),
          unitOf("c3", { c: 0 }, [event("c")], { claims: [claim(2)] }),
        ]);
        expect(outcomes).toEqual([
          { ok: true, seq: 1 },
          { ok: false, conflict: { claim: claim(1).key } },
          { ok: true, seq: 3 },
        ]);
        expect(await storage.findClaims([claim(1).key])).toEqual([{ print: claim(1).print, seq: 1 }]);
      });

      it("may have to be free", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a")], { claims: [claim(1)] }));
        const free = [claim(2).key, claim(1).key];
        expect(await append1({ ...unitOf("c2", { b: 0 }, [event("b")]), free })).toEqual({
          ok: false,
          conflict: { claim: claim(1).key },
        });
        const outcomes = await storage.append([
          { ...unitOf("c3", { c: 0 }, [event("c")]), free: [claim(2).key] },
          unitOf("c4", { d: 0 }, [event("d")], { claims: [claim(2)] }),
          { ...unitOf("c5", { e: 0 }, [event("e")]), free: [claim(2).key] },
        ]);
        expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, false]);
      });

      it("are not taken by a unit that fails", async () => {
        await append1(unitOf("c1", { a: 1 }, [event("a")], { claims: [claim(1)] }));
        expect(await storage.findClaims([claim(1).key])).toEqual([undefined]);
        expect((await append1(unitOf("c2", { a: 0 }, [event("a")], { claims: [claim(1)] })))?.ok).toBe(true);
      });
    });

    describe("reading", () => {
      it("reads a stream from a version on", async () => {
        for (const n of numbers(5))
          await append1(unitOf(`c${n}`, { a: 2 * n - 2, b: n - 1 }, [event("a"), event("b"), event("a")]));
        expect((await storage.readStream("a")).map(({ version }) => version)).toEqual(numbers(10));
        expect((await storage.readStream("a", 7)).map(({ version }) => version)).toEqual([8, 9, 10]);
        expect((await storage.readStream("b", 4)).map(place)).toEqual(["14 b5"]);
        expect((await storage.readStream("a", 2, 5)).map(({ version }) => version)).toEqual([3, 4, 5]);
        for (const upTo of [1, 2, 3, 9]) expect((await storage.readStream("a", 0, upTo)).at(-1)?.version).toBe(upTo);
        expect(await storage.readStream("a", 10)).toEqual([]);
        expect(await storage.readStream("a", 99)).toEqual([]);
      });

      it("says the versions of many streams at once, in the order asked", async () => {
        await storage.append(
          numbers(50).map((n) =>
            unitOf(
              `c${n}`,
              { [`s${n}`]: 0 },
              numbers(n).map(() => event(`s${n}`)),
            ),
          ),
        );
        expect(await storage.versions(["s50", "none", "s1", "s50", "s7"])).toEqual([50, 0, 1, 50, 7]);
        expect(await storage.versions([])).toEqual([]);
      });

      it("reads the log by position, also from inside a unit", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a"), event("a"), event("a")]));
        await append1(unitOf("c2", { a: 3 }, [event("a")]));
        await append1(unitOf("c3", { a: 4, b: 0 }, [event("a"), event("b")], { claims: [claim(1)] }));
        const read = async (after: number, limit: number) =>
          (await storage.readLog(after, limit)).map((unit) => unit.events.map(({ seq }) => seq));
        expect(await read(0, 100)).toEqual([[1, 2, 3], [4], [5, 6]]);
        expect(await read(1, 100)).toEqual([[2, 3], [4], [5, 6]]);
        expect(await read(2, 100)).toEqual([[3], [4], [5, 6]]);
        expect(await read(3, 100)).toEqual([[4], [5, 6]]);
        expect(await read(5, 100)).toEqual([[6]]);
        expect(await read(6, 100)).toEqual([]);
        expect(await read(99, 100)).toEqual([]);
        const [whole] = await storage.readLog(4, 1);
        const [rest] = await storage.readLog(5, 1);
        expect(rest?.body).toBe(whole?.body);
        expect(rest?.claims).toEqual([claim(1)]);
      });

      it("gives the first unit whole and then no more events than the limit", async () => {
        await storage.append([
          unitOf(
            "c1",
            { a: 0 },
            numbers(5).map(() => event("a")),
          ),
          ...numbers(6).map((n) => unitOf(`c1${n}`, { [`b${n}`]: 0 }, [event(`b${n}`), event(`b${n}`)])),
        ]);
        const count = async (after: number, limit: number) =>
          (await storage.readLog(after, limit)).map((unit) => unit.events.length);
        expect(await count(0, 1)).toEqual([5]);
        expect(await count(0, 6)).toEqual([5]);
        expect(await count(0, 7)).toEqual([5, 2]);
        expect(await count(5, 5)).toEqual([2, 2]);
      });

      it("can be walked to its end whatever the limit", async () => {
        await storage.append(
          numbers(40).map((n) =>
            unitOf(
              `c${n}`,
              { [`s${n}`]: 0 },
              numbers(1 + (n % 4)).map(() => event(`s${n}`)),
            ),
          ),
        );
        for (const limit of [1, 2, 3, 7, 1000]) {
          const seen: number[] = [];
          for (;;) {
            const units = await storage.readLog(seen.length, limit);
            if (units.length === 0) break;
            seen.push(...units.flatMap((unit) => unit.events.map(({ seq }) => seq)));
          }
          expect(seen).toEqual(numbers(storage.head()));
        }
      });

      it("finds the last unit of an instant", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a"), event("a")], { recordedAt: 1000 }));
        await append1(unitOf("c2", { a: 2 }, [event("a")], { recordedAt: 1000 }));
        await append1(unitOf("c3", { a: 3 }, [event("a"), event("a")], { recordedAt: 2000 }));
        const found = await Promise.all([0, 999, 1000, 1999, 2000, 9999].map((instant) => storage.sequenceAt(instant)));
        expect(found).toEqual([0, 0, 3, 3, 5, 5]);
      });

      it("finds commands that were appended, after a position", async () => {
        for (const n of numbers(6)) await append1(unitOf(`c${n}`, { a: 2 * n - 2 }, [event("a"), event("a")]));
        expect(await storage.findCommands(["c5", "nobody's", "c2", "c6"], 0)).toEqual([9, undefined, 3, 11]);
        expect(await storage.findCommands(["c5", "c2"], 4)).toEqual([9, undefined]);
        expect(await storage.findCommands(["c6"], 12)).toEqual([undefined]);
        expect(await storage.findCommands([], 0)).toEqual([]);
      });

      it("gives a stream whole, however many units it lies in", async () => {
        const [each, appends] = [skip.longStreams === undefined ? 50_000 : 5000, 3];
        for (let after = 0; after < each * appends; after += each) {
          const versions = numbers(each).map((n) => after + n - 1);
          await storage.append(versions.map((version) => unitOf(`c${version}`, { a: version }, [event("a")])));
        }
        const events = await storage.readStream("a");
        expect(events.length).toBe(each * appends);
        expect(events.findIndex(({ version }, index) => version !== index + 1)).toBe(-1);
      });

      it("gives what was stored, whatever becomes of the objects it gave before", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a", { quantity: 1 })]));
        const [before] = await storage.readStream("a");
        Object.assign(before?.data ?? {}, { quantity: 99 });
        expect((await storage.readStream("a"))[0]?.data).toEqual({ quantity: 1 });
      });
    });

    describe("subscribe", () => {
      it("hands over each append's units in order, durable, before it is answered", async () => {
        const seen: RecordedUnit[] = [];
        const heads: number[] = [];
        let wasAnswered = false;
        storage.subscribe((units) => {
          expect(wasAnswered).toBe(false);
          seen.push(...units);
          heads.push(storage.head() - (units.at(-1)?.events.at(-1)?.seq ?? 0));
        });
        await storage.append([
          unitOf("c1", { a: 0 }, [event("a", { n: 1 }), event("a", { n: 2 })], { claims: [claim(1)] }),
          unitOf("c2", { a: 0 }, [event("a")]),
          unitOf("c3", { a: 2 }, [event("a", { n: 3 })]),
        ]);
        wasAnswered = true;
        const stored = await allUnits();
        expect(seen.map(plain)).toEqual(stored.map(plain));
        expect(heads).toEqual([0]);
      });

      it("lets a listener read all it is told of", async () => {
        const reads: Promise<readonly RecordedEvent[]>[] = [];
        storage.subscribe((units) => {
          for (const unit of units) reads.push(storage.readStream(unit.events[0]?.stream ?? ""));
        });
        await Promise.all(numbers(20).map((n) => append1(unitOf(`c${n}`, { [`s${n}`]: 0 }, [event(`s${n}`)]))));
        expect((await Promise.all(reads)).map((events) => events.length)).toEqual(numbers(20).map(() => 1));
      });

      it("never shows what the head does not cover, and shows all of it in order", async () => {
        const seen: number[] = [];
        storage.subscribe((units) => seen.push(...units.flatMap((unit) => unit.events.map(({ seq }) => seq))));
        let isDone = false;
        const watching = (async () => {
          while (!isDone) {
            const before = seen.at(-1) ?? 0;
            expect(storage.head()).toBe(before);
            const read = (await storage.readLog(before, 1000)).flatMap((unit) => unit.events);
            // Others may have appended what this process has not heard of yet.
            if (storage.shared === undefined) expect(read.at(-1)?.seq ?? 0).toBeLessThanOrEqual(storage.head());
            await new Promise((resolve) => setImmediate(resolve));
          }
        })();
        for (const round of numbers(10)) {
          await Promise.all(
            numbers(10).map((n) => append1(unitOf(`c${round}.${n}`, { [`s${n}`]: round - 1 }, [event(`s${n}`)]))),
          );
        }
        isDone = true;
        await watching;
        expect(seen).toEqual(numbers(100));
      });

      it("stops when told to, each subscription by itself", async () => {
        const seen: string[] = [];
        const listener = () => seen.push("both");
        const stop = storage.subscribe(listener);
        storage.subscribe(listener);
        await append1(unitOf("c1", { a: 0 }, [event("a")]));
        stop();
        stop();
        await append1(unitOf("c2", { a: 1 }, [event("a")]));
        expect(seen).toHaveLength(3);
      });

      it("is silent when nothing is appended", async () => {
        let calls = 0;
        storage.subscribe(() => {
          calls += 1;
        });
        await append1(unitOf("c1", { a: 9 }, [event("a")]));
        await storage.append([]);
        expect(calls).toBe(0);
      });
    });

    describe("faults", () => {
      const clean = skip.failNextAppend === undefined ? it : it.skip;
      clean("appends nothing when the disk refuses, and works again after", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a")]));
        let calls = 0;
        storage.subscribe(() => {
          calls += 1;
        });
        engine.failNextAppend();
        const failed = append1(unitOf("c2", { a: 1 }, [event("a")], { claims: [claim(1)] }));
        await expect(failed).rejects.toThrow(PlatformError);
        await expect(failed).rejects.toMatchObject({ code: "storage-unavailable" });
        expect(calls).toBe(0);
        expect(storage.head()).toBe(1);
        expect(await storage.versions(["a"])).toEqual([1]);
        expect(await storage.findClaims([claim(1).key])).toEqual([undefined]);
        expect(await storage.findCommands(["c2"], 0)).toEqual([undefined]);
        expect(await append1(unitOf("c2", { a: 1 }, [event("a")], { claims: [claim(1)] }))).toEqual({
          ok: true,
          seq: 2,
        });
        expect((await allEvents()).map(place)).toEqual(["1 a1", "2 a2"]);
      });

      const lost = skip.loseNextAnswer === undefined ? it : it.skip;
      lost("tells by the command whether an append with a lost answer was made", async () => {
        await append1(unitOf("c1", { a: 0 }, [event("a")]));
        const head = storage.head();
        engine.loseNextAnswer();
        const answer = storage.append([
          unitOf("c2", { a: 1 }, [event("a"), event("a")]),
          unitOf("c3", { a: 1 }, [event("a")]),
        ]);
        await expect(answer).rejects.not.toThrow(PlatformError);
        expect(await storage.findCommands(["c1", "c2", "c3"], head)).toEqual([undefined, 2, undefined]);
      });
    });

    describe("tags", () => {
      it("finds the units with a tag, newest first", async () => {
        const tagsOf = [["anna"], ["anna", "open"], ["bert"], [], ["anna"]];
        await storage.append(
          tagsOf.map((tags, n) => unitOf(`c${n}`, { s: 2 * n }, [event("s", { tags }), event("s", { tags })])),
        );
        expect(await storage.findTagged("anna", undefined, 10)).toEqual([9, 3, 1]);
        expect(await storage.findTagged("anna", undefined, 2)).toEqual([9, 3]);
        expect(await storage.findTagged("anna", 9, 10)).toEqual([3, 1]);
        expect(await storage.findTagged("anna", 3, 1)).toEqual([1]);
        expect(await storage.findTagged("anna", 1, 1)).toEqual([]);
        expect(await storage.findTagged("bert", undefined, 0)).toEqual([]);
        expect(await storage.findTagged("carl", undefined, 10)).toEqual([]);
      });

      it("tags nothing that was not appended", async () => {
        await storage.append([
          unitOf("c1", { s: 0 }, [event("s", { tags: ["a"] })]),
          unitOf("c2", { s: 0 }, [event("s", { tags: ["a"] })]),
        ]);
        expect(await storage.findTagged("a", undefined, 10)).toEqual([1]);
      });
    });

    describe("the derived store", () => {
      const put = (consumer: string, checkpoint: number, ...ids: string[]): DerivedChanges => ({
        consumer,
        checkpoint,
        put: ids.map((id) => ({ id, body: `body of ${id} at ${checkpoint}` })),
        remove: [],
      });
      const ids = (documents: readonly { readonly id: string }[]) => documents.map(({ id }) => id);

      it("keeps checkpoint and documents together, by consumer", async () => {
        const { derived } = storage;
        expect(derived.checkpoint("stock")).toBe(0);
        derived.commit([put("stock", 7, "a", "b"), put("lists", 5, "a")]);
        expect(derived.checkpoint("stock")).toBe(7);
        expect(derived.checkpoint("lists")).toBe(5);
        expect(derived.get("stock", "a")).toEqual({ id: "a", body: "body of a at 7" });
        expect(derived.get("lists", "a")).toEqual({ id: "a", body: "body of a at 5" });
        expect(derived.get("stock", "c")).toBeUndefined();
        derived.commit([
          { consumer: "stock", checkpoint: 9, put: [{ id: "b", body: "new" }], remove: ["a", "never there"] },
        ]);
        expect(derived.get("stock", "a")).toBeUndefined();
        expect(derived.get("stock", "b")).toEqual({ id: "b", body: "new" });
        expect(derived.checkpoint("stock")).toBe(9);
      });

      it("scans by id, page by page", async () => {
        const names = ["b", "a", "é", "\uffee", "𝒳", "Z", "aa"];
        storage.derived.commit([put("stock", 1, ...names), put("other", 1, "c")]);
        expect(ids(storage.derived.scan("stock", "", 100))).toEqual(["Z", "a", "aa", "b", "é", "\uffee", "𝒳"]);
        expect(ids(storage.derived.scan("stock", "", 2))).toEqual(["Z", "a"]);
        expect(ids(storage.derived.scan("stock", "a", 2))).toEqual(["aa", "b"]);
        expect(ids(storage.derived.scan("stock", "\uffee", 9))).toEqual(["𝒳"]);
        expect(ids(storage.derived.scan("nobody", "", 9))).toEqual([]);
      });

      it("forgets a consumer, and only that one", async () => {
        const { derived } = storage;
        derived.commit([put("stock", 7, "a"), put("lists", 5, "a")]);
        derived.reset("stock");
        expect(derived.checkpoint("stock")).toBe(0);
        expect(derived.scan("stock", "", 10)).toEqual([]);
        expect(ids(derived.scan("lists", "", 10))).toEqual(["a"]);
        expect(derived.checkpoint("lists")).toBe(5);
      });
    });

    describe("closing", () => {
      it("refuses appends once closed", async () => {
        await storage.close();
        await expect(append1(unitOf("c1", { a: 0 }, [event("a")]))).rejects.toMatchObject({
          code: "storage-unavailable",
        });
      });

      it("finishes what was asked before", async () => {
        const answer = append1(unitOf("c1", { a: 0 }, [event("a")]));
        await storage.close();
        expect(await answer).toEqual({ ok: true, seq: 1 });
      });

      const reopening = skip.reopen === undefined ? it : it.skip;
      reopening("keeps everything for the next time", async () => {
        await storage.append(
          numbers(300).map((n) =>
            unitOf(
              `c${n}`,
              { [`s${n % 7}`]: Math.floor((n - (n % 7 || 7)) / 7) },
              [event(`s${n % 7}`, { n, ...(n % 5 === 0 && { tags: ["five"] }) })],
              {
                recordedAt: 1000 + n,
                claims: [claim(n)],
              },
            ),
          ),
        );
        storage.derived.commit([{ consumer: "stock", checkpoint: 300, put: [{ id: "a", body: "kept" }], remove: [] }]);
        await storage.setOutgoingPaused(true);
        const before = { units: (await allUnits()).map(plain), epochs: storage.epochs, head: storage.head() };
        expect(before.head).toBe(300);
        storage = await engine.reopen();
        expect({ units: (await allUnits()).map(plain), epochs: storage.epochs, head: storage.head() }).toEqual(before);
        expect(storage.lastRecordedAt()).toBe(1300);
        expect(storage.outgoingPaused).toBe(true);
        expect(await storage.versions(["s1", "s0", "none"])).toEqual([43, 42, 0]);
        expect(await storage.readStream("s3", 40)).toHaveLength(3);
        expect(await storage.findClaims([claim(7).key, claim(301).key])).toEqual([
          { print: claim(7).print, seq: 7 },
          undefined,
        ]);
        expect(storage.derived.checkpoint("stock")).toBe(300);
        expect(storage.derived.get("stock", "a")).toEqual({ id: "a", body: "kept" });
        expect(await storage.findTagged("five", undefined, 3)).toEqual([300, 295, 290]);
        expect(await append1(unitOf("c301", { s1: 42 }, [event("s1")]))).toEqual(conflictOn("s1"));
        expect(await append1(unitOf("c302", { n: 0 }, [event("n")], { claims: [claim(9)] }))).toMatchObject({
          ok: false,
        });
        expect(await append1(unitOf("c303", { s1: 43 }, [event("s1")]))).toEqual({ ok: true, seq: 301 });
        await storage.setOutgoingPaused(false);
        storage = await engine.reopen();
        expect(storage.outgoingPaused).toBe(false);
        expect(storage.head()).toBe(301);
      });
    });

    it("agrees with a list of events, whatever is appended", async () => {
      const streams = ["a", "b", "c", "ä"];
      const unit = fc.record({
        streams: fc.array(fc.constantFrom(...streams), { minLength: 1, maxLength: 5 }),
        staleBy: fc.constantFrom(0, 0, 0, 0, 1, -1),
        claim: fc.option(fc.nat(15), { nil: undefined }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(unit, { maxLength: 6 }), { maxLength: 6 }), async (appends) => {
          const own = await open();
          try {
            await compareWithModel(own.storage, streams, appends);
          } finally {
            await own.remove();
          }
        }),
        { numRuns: 30 },
      );
    });
  });
}

interface Asked {
  readonly streams: readonly string[];
  readonly staleBy: number;
  readonly claim: number | undefined;
}

/** The port said once more, as simply as can be: a list of names, and versions counted from it. */
async function compareWithModel(storage: Storage, streams: readonly string[], appends: readonly (readonly Asked[])[]) {
  const log: string[] = [];
  const taken = new Set<number>();
  const version = (stream: string) => log.filter((name) => name === stream).length;
  let command = 0;
  for (const asked of appends) {
    const units: AppendUnit[] = [];
    const expected: AppendOutcome["ok"][] = [];
    const failed: string[] = [];
    for (const one of asked) {
      const guards = Object.fromEntries(one.streams.map((stream) => [stream, version(stream) + one.staleBy]));
      command += 1;
      units.push(
        unitOf(
          `c${command}`,
          guards,
          one.streams.map((stream) => event(stream)),
          {
            claims: one.claim === undefined ? [] : [claim(one.claim)],
          },
        ),
      );
      const standsOnFailed = one.streams.some((stream) => failed.includes(stream));
      const isGood = one.staleBy === 0 && !(one.claim !== undefined && taken.has(one.claim)) && !standsOnFailed;
      expected.push(isGood);
      if (!isGood) {
        failed.push(...one.streams);
        continue;
      }
      log.push(...one.streams);
      if (one.claim !== undefined) taken.add(one.claim);
    }
    expect((await storage.append(units)).map(({ ok }) => ok)).toEqual(expected);
  }
  const events = (await storage.readLog(0, 1_000_000)).flatMap((unit) => unit.events);
  expect(events.map(({ stream }) => stream)).toEqual(log);
  expect(events.map(({ seq }) => seq)).toEqual(numbers(log.length));
  expect(await storage.versions(streams)).toEqual(streams.map(version));
  for (const stream of streams) {
    const own = events.filter((one) => one.stream === stream);
    expect(own.map((one) => one.version)).toEqual(numbers(own.length));
    expect(await storage.readStream(stream)).toEqual(own);
  }
  const claims = await storage.findClaims(numbers(15).map((n) => claim(n).key));
  expect(claims.map((found) => found !== undefined)).toEqual(numbers(15).map((n) => taken.has(n)));
}

function conflictOn(stream: string): AppendOutcome {
  return { ok: false, conflict: { stream } };
}

function numbered(...entries: [string, number][]): Record<string, number> {
  return Object.fromEntries(entries);
}

function place({ seq, stream, version }: RecordedEvent): string {
  return `${seq} ${stream}${version}`;
}

function plain({ meta, events, claims, body }: RecordedUnit): object {
  return { meta, events, claims, body };
}

function ascending(a: number | false | undefined, b: number | false | undefined): number {
  return Number(a) - Number(b);
}
