import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AppendOutcome, AppendUnit, RecordedUnit, Sequence, Storage } from "./port.ts";
import { claim, event, numbers, unitOf } from "./samples.ts";

/** A store that several processes share, as the contract sees it. */
export interface SharedStoreUnderTest {
  /** Opens the same store once more, as another process would. */
  open(): Promise<Storage>;
  /** Closes all that was opened and removes what it kept. */
  remove(): Promise<void>;
}

/** What every engine promises that several processes append to (`SharedLog` in port.ts), as tests. */
export function sharedStorageContract(name: string, make: () => Promise<SharedStoreUnderTest>): void {
  describe(`the contract of a shared log: ${name}`, () => {
    let store: SharedStoreUnderTest;
    let one: Process;
    let two: Process;
    beforeEach(async () => {
      store = await make();
      one = await Process.start(store);
      two = await Process.start(store);
    });
    afterEach(() => store.remove());

    describe("what others append", () => {
      it("is heard after catching up, whole and in order", async () => {
        await one.append(unitOf("c1", { a: 0 }, [event("a"), event("a")]));
        await one.append(unitOf("c2", { b: 0 }, [event("b")]));
        await two.shared.catchUp();
        expect(two.heard).toEqual(["c1 1", "c2 3"]);
        expect(two.storage.head()).toBe(3);
        expect(two.storage.lastRecordedAt()).toBe(one.storage.lastRecordedAt());
      });

      it("is heard before one's own append resolves, and before one's own units", async () => {
        await one.append(unitOf("c1", { a: 0 }, [event("a")]));
        expect(await two.append(unitOf("c2", { b: 0 }, [event("b")]))).toEqual({ ok: true, seq: 2 });
        expect(two.heard).toEqual(["c1 1", "c2 2"]);
      });

      it("is heard before an append resolves that appended nothing", async () => {
        await one.append(unitOf("c1", { a: 0 }, [event("a")]));
        expect(await two.append(unitOf("c2", { a: 0 }, [event("a")]))).toEqual({
          ok: false,
          conflict: { stream: "a" },
        });
        expect(two.heard).toEqual(["c1 1"]);
      });

      it("is heard by itself soon, without asking", async () => {
        await one.append(unitOf("c1", { a: 0 }, [event("a")]));
        await until(() => two.heard.length === 1);
        expect(two.heard).toEqual(["c1 1"]);
      });

      it("is read by those who have not heard of it", async () => {
        await one.append(unitOf("c1", { a: 0 }, [event("a")], { claims: [claim(1)] }));
        expect(await two.storage.versions(["a"])).toEqual([1]);
        expect(await two.storage.readStream("a")).toHaveLength(1);
        expect(await two.storage.findClaims([claim(1).key])).toEqual([{ print: claim(1).print, seq: 1 }]);
        expect(await two.storage.findCommands(["c1", "c2"], 0)).toEqual([1, undefined]);
      });
    });

    it("has one order, which all processes hear alike", async () => {
      const three = await Process.start(store);
      const processes = [one, two, three];
      const appends = numbers(60).map((n) => {
        const process = processes[n % 3] as Process;
        const stream = `s${n % 20}-${n}`;
        return process.append(unitOf(`c${n}`, { [stream]: 0 }, [event(stream), event(stream)]));
      });
      const outcomes = await Promise.all(appends);
      for (const process of processes) await process.shared.catchUp();
      const seqs = outcomes.map((outcome) => (outcome.ok ? outcome.seq : 0)).sort((a, b) => a - b);
      expect(seqs).toEqual(numbers(60).map((n) => 2 * n - 1));
      expect(one.heard).toHaveLength(60);
      expect(two.heard).toEqual(one.heard);
      expect(three.heard).toEqual(one.heard);
      expect((await three.storage.readLog(0, 1000)).map(placeOf)).toEqual(one.heard);
    });

    it("lets one of two processes win a stream, and one a claim", async () => {
      const race = [one, two].map((process, n) => process.append(unitOf(`c${n}`, { a: 0 }, [event("a")])));
      expect((await Promise.all(race)).filter(({ ok }) => ok)).toHaveLength(1);
      const claiming = [one, two].map((process, n) =>
        process.append(unitOf(`d${n}`, { [`b${n}`]: 0 }, [event(`b${n}`)], { claims: [claim(1)] })),
      );
      expect((await Promise.all(claiming)).filter(({ ok }) => ok)).toHaveLength(1);
    });

    it("guards what was only looked at", async () => {
      await one.append(unitOf("c1", { policy: 0 }, [event("policy")], { claims: [claim(1)] }));
      expect(await two.append(unitOf("c2", { a: 0, policy: 0 }, [event("a")]))).toEqual({
        ok: false,
        conflict: { stream: "policy" },
      });
      const free = { ...unitOf("c3", { a: 0 }, [event("a")]), free: [claim(2).key, claim(1).key] };
      expect(await two.append(free)).toEqual({ ok: false, conflict: { claim: claim(1).key } });
      expect(await two.append({ ...free, free: [claim(2).key] })).toEqual({ ok: true, seq: 2 });
    });

    it("fails with a unit what stands on it, also where another process has made its version true again", async () => {
      await one.append(unitOf("c1", { a: 0 }, [event("a")]));
      // Decided without knowing c1: the second on top of the first, which fails.
      const outcomes = await two.storage.append([
        unitOf("c2", { a: 0 }, [event("a")]),
        unitOf("c3", { a: 1 }, [event("a")]),
        unitOf("c4", { b: 0 }, [event("b")]),
      ]);
      expect(outcomes).toEqual([
        { ok: false, conflict: { stream: "a" } },
        { ok: false, conflict: { stream: "a" } },
        { ok: true, seq: 2 },
      ]);
    });

    it("lets time never run backwards, whoever appends", async () => {
      await one.append(unitOf("c1", { a: 0 }, [event("a")], { recordedAt: 1_700_000_000_000 }));
      await two.append(unitOf("c2", { b: 0 }, [event("b")], { recordedAt: 1_600_000_000_000 }));
      const [first, second] = await two.storage.readLog(0, 10);
      expect(second?.meta.recordedAt).toBeGreaterThanOrEqual(first?.meta.recordedAt ?? Number.NaN);
      expect(two.storage.lastRecordedAt()).toBe(second?.meta.recordedAt);
    });

    it("appends nothing that would be recorded later than it may be, also where others have done that unheard", async () => {
      const recordedAt = 1_700_000_000_000;
      await one.append(unitOf("c1", { a: 0 }, [event("a")], { recordedAt: recordedAt + 10 }));
      const outcomes = await two.storage.append([
        { ...unitOf("c2", { b: 0 }, [event("b")], { recordedAt }), before: recordedAt + 10 },
        { ...unitOf("c3", { c: 0 }, [event("c")], { recordedAt }), before: recordedAt + 11 },
        unitOf("c4", { d: 0 }, [event("d")], { recordedAt }),
      ]);
      expect(outcomes).toEqual([
        { ok: false, conflict: { tooLate: true } },
        { ok: true, seq: 2 },
        { ok: true, seq: 3 },
      ]);
    });

    describe("a deadline", () => {
      it("passes by the store's clock, however long a unit was under way", async () => {
        const turn = await two.shared.takeTurn();
        const { at } = turn;
        const appending = one.storage.append([
          { ...unitOf("c1", { a: 0 }, [event("a")]), deadline: at + 100 },
          { ...unitOf("c2", { b: 0 }, [event("b")]), deadline: at + 60_000 },
          unitOf("c3", { a: 0 }, [event("a")]),
          unitOf("c4", { c: 0 }, [event("c")]),
        ]);
        await pause(200);
        await turn.end();
        expect(await appending).toEqual([
          { ok: false, conflict: { tooLate: true } },
          { ok: true, seq: 1 },
          { ok: false, conflict: { stream: "a" } },
          { ok: true, seq: 2 },
        ]);
        expect(one.heard).toEqual(["c2 1", "c4 2"]);
      });

      it("is kept by a unit that is in time, and by one that is alone and late", async () => {
        const turn = await two.shared.takeTurn();
        await turn.end();
        const { at } = turn;
        expect(await one.append({ ...unitOf("c1", { a: 0 }, [event("a")]), deadline: at + 60_000 })).toMatchObject({
          ok: true,
        });
        const late = { ...unitOf("c2", { a: 1 }, [event("a")]), deadline: at };
        expect(await one.append(late)).toEqual({ ok: false, conflict: { tooLate: true } });
        expect(await one.storage.versions(["a"])).toEqual([1]);
      });

      it("is kept in a turn of one's own", async () => {
        const { at } = await one.shared.takeTurn();
        await pause(30);
        const late = { ...unitOf("c1", { a: 0 }, [event("a")]), deadline: at + 20 };
        expect(await one.append(late)).toEqual({ ok: false, conflict: { tooLate: true } });
        expect(await two.append(unitOf("c2", { a: 0 }, [event("a")]))).toEqual({ ok: true, seq: 1 });
      });
    });

    describe("a turn", () => {
      it("says what the store's clock was when nobody else could append any more", async () => {
        const first = await two.shared.takeTurn();
        const next = one.shared.takeTurn();
        await pause(60);
        await first.end();
        const second = await next;
        await second.end();
        expect(second.at - first.at).toBeGreaterThanOrEqual(50);
      });

      it("keeps others from appending until its append has ended", async () => {
        await one.append(unitOf("c1", { a: 0 }, [event("a")]));
        await two.shared.takeTurn();
        expect(two.heard).toEqual(["c1 1"]);
        const other = one.append(unitOf("c2", { a: 1 }, [event("a")]));
        await pause(50);
        expect(await two.append(unitOf("c3", { a: 1 }, [event("a")]))).toEqual({ ok: true, seq: 2 });
        expect(await other).toEqual({ ok: false, conflict: { stream: "a" } });
      });

      it("is over when it is ended, and when nothing was appended", async () => {
        const turn = await two.shared.takeTurn();
        const other = one.append(unitOf("c1", { a: 0 }, [event("a")]));
        await turn.end();
        await turn.end();
        expect(await other).toEqual({ ok: true, seq: 1 });
        await two.shared.takeTurn();
        expect((await two.append(unitOf("c2", { a: 0 }, [event("a")]))).ok).toBe(false);
        expect(await one.append(unitOf("c3", { a: 1 }, [event("a")]))).toEqual({ ok: true, seq: 2 });
      });

      it("is taken by one after another", async () => {
        const order: string[] = [];
        await Promise.all(
          [one, two, one, two].map(async (process, n) => {
            const turn = await process.shared.takeTurn();
            order.push(`begin ${n}`);
            await pause(5);
            order.push(`end ${n}`);
            await turn.end();
          }),
        );
        expect(order).toHaveLength(8);
        for (let index = 0; index < 8; index += 2) expect(order[index]?.slice(6)).toBe(order[index + 1]?.slice(4));
      });

      it("does not outlive its process", async () => {
        await two.shared.takeTurn();
        const other = one.append(unitOf("c1", { a: 0 }, [event("a")]));
        await two.storage.close();
        expect(await other).toEqual({ ok: true, seq: 1 });
      });
    });

    describe("a lease", () => {
      it("has one holder at a time, and is handed on with a greater token", async () => {
        const [first, second] = [new Holder(), new Holder()];
        const giveUp = one.shared.lease("relay", first);
        await until(() => first.token > 0);
        const giveUpSecond = two.shared.lease("relay", second);
        await pause(100);
        expect(second.history).toEqual([]);
        await giveUp();
        expect(first.history).toEqual(["acquired", "lost"]);
        await until(() => second.token > 0);
        expect(second.token).toBeGreaterThan(first.lastToken);
        await giveUpSecond();
      });

      it("is another one for another name", async () => {
        const [first, second] = [new Holder(), new Holder()];
        one.shared.lease("relay", first);
        two.shared.lease("sync", second);
        await until(() => first.token > 0 && second.token > 0);
      });

      it("comes with what its last holder has left, who can leave nothing more once it has changed hands", async () => {
        const [first, second] = [new Holder(), new Holder()];
        const giveUp = one.shared.lease("relay", first);
        await until(() => first.token > 0);
        expect(first.word).toBeUndefined();
        const { token } = first;
        expect(await one.shared.leaveWord("relay", token, "half 🥛")).toBe(true);
        expect(await one.shared.leaveWord("relay", token, '{"done": "all 🥛"}')).toBe(true);
        expect(await one.shared.leaveWord("sync", token, "of another")).toBe(false);
        await giveUp();
        two.shared.lease("relay", second);
        await until(() => second.token > 0);
        expect(second.word).toBe('{"done": "all 🥛"}');
        expect(await one.shared.leaveWord("relay", token, "late")).toBe(false);
        const third = new Holder();
        one.shared.lease("relay", third);
        await two.storage.close();
        await until(() => third.token > 0);
        expect(third.word).toBe('{"done": "all 🥛"}');
      });

      it("does not outlive its process", async () => {
        const [first, second] = [new Holder(), new Holder()];
        one.shared.lease("relay", first);
        await until(() => first.token > 0);
        two.shared.lease("relay", second);
        await one.storage.close();
        await until(() => second.token > first.lastToken);
      });
    });
  });
}

/** A process that uses the store, and what its listener has heard. */
class Process {
  readonly heard: string[] = [];
  readonly storage: Storage;

  private constructor(storage: Storage) {
    this.storage = storage;
    storage.subscribe((units) => this.heard.push(...units.map(placeOf)));
  }

  static async start(store: SharedStoreUnderTest): Promise<Process> {
    return new Process(await store.open());
  }

  get shared() {
    const { shared } = this.storage;
    if (shared === undefined) throw new Error("the engine says that nobody else appends to it");
    return shared;
  }

  async append(unit: AppendUnit): Promise<AppendOutcome> {
    const [outcome] = await this.storage.append([unit]);
    if (outcome === undefined) throw new Error("an append has an outcome for each unit");
    return outcome;
  }
}

class Holder {
  readonly history: string[] = [];
  /** 0 while it is not held. */
  token = 0;
  lastToken = 0;
  word: string | undefined;

  acquired(token: number, word: string | undefined): void {
    this.history.push("acquired");
    this.word = word;
    this.token = token;
    this.lastToken = token;
  }

  lost(): void {
    this.history.push("lost");
    this.token = 0;
  }
}

function placeOf({ meta, events }: RecordedUnit): string {
  return `${meta.command} ${events[0]?.seq satisfies Sequence | undefined}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits up to 10 s. */
async function until(holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    if (waited > 10_000) throw new Error("what was waited for has not come");
    await pause(20);
  }
}
