import { describe, expect, it } from "vitest";
import { type DerivedDocument, familyTag, type RecordedUnit, type Sequence, type Tagging } from "../storage/index.ts";
import { MemoryStorage } from "../storage/memory/index.ts";
import type { Timers } from "../timers/index.ts";
import { type Consumer, ConsumerHost } from "./index.ts";

/** Remembers the sequences it has seen, and keeps their number as its one document. */
class Counter implements Consumer {
  readonly name: string;
  readonly seen: Sequence[] = [];
  loaded = 0;
  failsAt: Sequence | undefined;

  constructor(name: string) {
    this.name = name;
  }

  load(documents: Iterable<DerivedDocument>): void {
    for (const { body } of documents) this.loaded = Number(body);
  }

  apply({ events }: RecordedUnit): void {
    for (const { seq } of events) {
      if (seq === this.failsAt) throw new Error("a defect");
      this.seen.push(seq);
    }
  }

  changes() {
    return { put: [{ id: "count", body: String(this.loaded + this.seen.length) }], remove: [] };
  }
}

const versions = new WeakMap<MemoryStorage, Map<string, number>>();

async function append(storage: MemoryStorage, units: number, stream = "a"): Promise<void> {
  const known = versions.get(storage) ?? new Map<string, number>();
  const from = known.get(stream) ?? 0;
  versions.set(storage, known.set(stream, from + units));
  await storage.append(
    Array.from({ length: units }, (_, index) => ({
      meta: { command: `${stream}${from + index}`, recordedAt: 1000, actor: "test" },
      expected: [{ stream, version: from + index }],
      events: [{ stream, type: "Something", schema: 1, data: {} }],
    })),
  );
}

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0);
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe("consumers", () => {
  it("catch up with the log, then are fed before the append is answered, each event once and in order", async () => {
    const storage = new MemoryStorage();
    await append(storage, 5000);
    const counter = new Counter("counter");
    const host = new ConsumerHost(storage);
    const starting = host.start([counter]);
    await append(storage, 10); // while it catches up
    await starting;
    await append(storage, 3);
    expect(counter.seen).toEqual(upTo(5013));
    expect(host.position()).toBe(5013);
    host.stop();
  });

  describe("of one family of streams", () => {
    const family = "rare";
    const families: Tagging = {
      version: 1,
      families: new Set([family]),
      of: ({ events }) => (events[0]?.stream.startsWith(`${family}-`) ? [familyTag(family)] : []),
    };
    class Rare extends Counter {
      readonly family = family;
      override apply(unit: RecordedUnit): void {
        if (unit.events[0]?.stream.startsWith(`${family}-`)) super.apply(unit);
      }
    }
    /** Counts the events that are read from the log. */
    class ReadStorage extends MemoryStorage {
      read = 0;
      override async readLog(after: Sequence, limit: number) {
        const units = await super.readLog(after, limit);
        this.read += units.reduce((sum, { events }) => sum + events.length, 0);
        return units;
      }
    }
    const fill = async (storage: MemoryStorage) => {
      for (let round = 0; round < 3; round += 1) {
        await append(storage, 1000);
        await append(storage, 2, `${family}-${round}`);
      }
    };
    const rareOnes = [1001, 1002, 2003, 2004, 3005, 3006];

    it("read nothing else to catch up, and miss nothing that comes meanwhile or later", async () => {
      const storage = new ReadStorage({ tagging: families });
      await fill(storage);
      const rare = new Rare("rare");
      const host = new ConsumerHost(storage);
      const starting = host.start([rare]);
      await append(storage, 5);
      await append(storage, 1, `${family}-late`);
      await starting;
      await append(storage, 1, `${family}-later`);
      expect(rare.seen).toEqual([...rareOnes, 3012, 3013]);
      expect(host.position()).toBe(3013);
      expect(storage.read).toBeLessThanOrEqual(rareOnes.length + 6);
      host.stop();
    });

    it("go on from their checkpoint", async () => {
      const storage = new ReadStorage({ tagging: families });
      await fill(storage);
      const first = new ConsumerHost(storage);
      await first.start([new Rare("rare")]);
      first.stop();
      await append(storage, 500);
      await append(storage, 1, `${family}-new`);
      const rare = new Rare("rare");
      const second = new ConsumerHost(storage);
      await second.start([rare, new Counter("another")]);
      expect([rare.loaded, rare.seen]).toEqual([rareOnes.length, [3507]]);
      second.stop();
    });

    it("stop at one that they can't take, and are told of as failed", async () => {
      const storage = new ReadStorage({ tagging: families });
      await fill(storage);
      const rare = new Rare("rare");
      rare.failsAt = 2003;
      const host = new ConsumerHost(storage);
      await host.start([rare]);
      expect([rare.seen, host.failures()]).toEqual([[1001, 1002], ["rare"]]);
      host.stop();
    });

    it("read the whole log where the store does not know their family", async () => {
      const storage = new ReadStorage();
      await fill(storage);
      const rare = new Rare("rare");
      const host = new ConsumerHost(storage);
      await host.start([rare]);
      expect([rare.seen, storage.read]).toEqual([rareOnes, 3006]);
      host.stop();
    });
  });

  it("go on from their checkpoint, on top of what was kept with it", async () => {
    const storage = new MemoryStorage();
    const first = new ConsumerHost(storage);
    await first.start([new Counter("counter")]);
    await append(storage, 7);
    first.stop();
    await append(storage, 2);
    const late = new Counter("counter");
    const fresh = new Counter("another");
    const second = new ConsumerHost(storage);
    await second.start([late, fresh]);
    expect([late.loaded, late.seen]).toEqual([7, [8, 9]]);
    expect(fresh.seen).toEqual(upTo(9));
    second.stop();
    expect(storage.derived.get("counter", "count")?.body).toBe("9");
    expect(storage.derived.checkpoint("counter")).toBe(9);
  });

  it("don't suffer from one that fails, whose checkpoint stays where it was", async () => {
    const storage = new MemoryStorage();
    const bad = new Counter("bad");
    const good = new Counter("good");
    bad.failsAt = 2;
    const failures: string[] = [];
    const host = new ConsumerHost(storage, { onFailure: (name) => failures.push(name) });
    await host.start([bad, good]);
    await append(storage, 1);
    host.commit();
    await append(storage, 4);
    host.stop();
    expect(failures).toEqual(["bad"]);
    expect(host.failures()).toEqual(["bad"]);
    expect(good.seen).toEqual(upTo(5));
    expect([storage.derived.checkpoint("bad"), storage.derived.checkpoint("good")]).toEqual([1, 5]);
  });

  it("lose nothing that they handed over when one after them can't hand over its own", async () => {
    const storage = new MemoryStorage();
    const good = new Counter("good");
    const bad = new Counter("bad");
    bad.changes = () => {
      throw new Error("too long for a text");
    };
    const failures: string[] = [];
    const host = new ConsumerHost(storage, { onFailure: (name) => failures.push(name) });
    await host.start([good, bad]);
    await append(storage, 3);
    host.stop();
    expect(failures).toEqual(["bad"]);
    expect([storage.derived.checkpoint("good"), storage.derived.checkpoint("bad")]).toEqual([3, 0]);
    expect(storage.derived.get("good", "count")?.body).toBe("3");
  });

  it("tell when they have come to a position, or that they have not in time", async () => {
    const storage = new MemoryStorage();
    const host = new ConsumerHost(storage);
    await host.start([new Counter("counter")]);
    const reached = host.reached(2, 5000);
    await append(storage, 2);
    expect(await reached).toBe(true);
    expect(await host.reached(1, 1)).toBe(true);
    expect(await host.reached(3, 10)).toBe(false);
    host.stop();
  });

  it("keep in memory what the store does not take, lose none of it, and go on", async () => {
    const storage = new MemoryStorage();
    const faults: unknown[] = [];
    const counter = new Counter("counter");
    const host = new ConsumerHost(storage, { commitEveryMs: 5, onCommitFailure: (error) => faults.push(error) });
    await host.start([counter]);
    const commit = storage.derived.commit.bind(storage.derived);
    storage.derived.commit = () => {
      throw new Error("the disk is full");
    };
    await append(storage, 3);
    await expect.poll(() => host.commitFault()).toEqual(new Error("the disk is full"));
    expect(() => host.commit()).toThrow("full");
    await append(storage, 4);
    expect(counter.seen).toEqual(upTo(7));
    expect(storage.derived.checkpoint("counter")).toBe(0);
    expect(faults.length).toBeGreaterThan(0);
    storage.derived.commit = commit;
    host.commit();
    // What was taken from the consumer before the disk was full goes first, with its own checkpoint.
    expect([storage.derived.checkpoint("counter"), storage.derived.get("counter", "count")?.body]).toEqual([3, "3"]);
    host.stop();
    expect([storage.derived.checkpoint("counter"), storage.derived.get("counter", "count")?.body]).toEqual([7, "7"]);
  });

  it("commit more often under load, so that no commit stands still for long, and seldom when there is little", async () => {
    const storage = new MemoryStorage();
    let [now, due, run] = [0, Number.POSITIVE_INFINITY, () => {}];
    const timers: Timers = {
      after: (ms, then) => {
        [due, run] = [now + ms, then];
        return () => undefined;
      },
      every: () => () => undefined,
      soon: setImmediate,
      elapsedMs: () => now,
    };
    // A document takes 40 µs, as the smallest do on SQLite.
    const took: number[] = [];
    const commit = storage.derived.commit.bind(storage.derived);
    storage.derived.commit = (changes) => {
      took.push(pending * 0.04);
      now += pending * 0.04;
      pending = 0;
      commit(changes);
    };
    let pending = 0;
    const host = new ConsumerHost(storage, { timers });
    await host.start([new Counter("counter")]);
    const pass = async (seconds: number, documentsPerSecond: number) => {
      took.length = 0;
      for (const end = now + seconds * 1000; now < end; ) {
        const wait = Math.max(0, due - now);
        pending += (wait * documentsPerSecond) / 1000;
        now = due;
        await append(storage, 1);
        run();
      }
      return { longest: Math.max(...took), commits: took.length, share: sumOf(took) / (seconds * 1000) };
    };
    const busy = await pass(120, 10_000);
    expect(busy.longest).toBeLessThan(60);
    const usual = await pass(120, 1000);
    expect(usual.longest).toBeLessThan(60);
    const quiet = await pass(120, 20);
    expect([quiet.longest < 1, quiet.commits <= 1200, quiet.share < 0.021]).toEqual([true, true, true]);
    host.stop();
  });

  it("stop without a throw when the store takes nothing", async () => {
    const storage = new MemoryStorage();
    const host = new ConsumerHost(storage);
    await host.start([new Counter("counter")]);
    await append(storage, 1);
    storage.derived.commit = () => {
      throw new Error("the disk is full");
    };
    host.stop();
    expect(host.commitFault()).toEqual(new Error("the disk is full"));
  });
});
