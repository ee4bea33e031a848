import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  actionFor,
  basisOf,
  type FindingKind,
  type OurFigures,
  pairKey,
  type TheirRecord,
} from "../domain/reconciliation/index.ts";
import { type Comparison, compare, type OurStock, type Sides } from "./compare.ts";

/**
 * Two sides that go on changing while they are compared. Ours is told of movements, some late; theirs gets our figures by
 * pushes, and at `own` moves goods by itself and tells us. Everything under way at a look has arrived a settling later.
 */
class World {
  now = 1000;
  readonly ours = new Map<string, Entry[]>();
  readonly theirs = new Map<string, { onHand: number; version?: number }>();
  readonly pushes = new Set<string>();
  facts: { key: string; units: number; at: number }[] = [];
  readonly authority: "ours" | "theirs";
  readonly tells: "best" | "nothing";
  readonly random: () => number;
  /** Stocks that nothing happens to by itself. */
  readonly quiet = new Set<string>();
  covers: (sku: string) => boolean = () => true;

  constructor({ authority, tells, random }: Pick<World, "authority" | "tells" | "random">) {
    this.authority = authority;
    this.tells = tells;
    this.random = random;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }

  isTheirOwn(key: string): boolean {
    return this.authority === "theirs" && key.startsWith("own");
  }

  /** What is known here changes, and is to be sent. */
  record(key: string, entry: Entry): void {
    this.ours.set(key, [...(this.ours.get(key) ?? []), entry]);
    this.pushes.add(key);
  }

  onHand(key: string, { version = Number.POSITIVE_INFINITY, at = Number.POSITIVE_INFINITY } = {}): number {
    const entries = (this.ours.get(key) ?? []).slice(0, version).filter((entry) => entry.at <= at);
    const counts = entries.filter((entry) => entry.counted !== undefined);
    // Of counts of one time the later recorded holds.
    const count = counts.sort((a, b) => a.at - b.at)[counts.length - 1];
    const units = entries
      .filter((entry) => entry.at > (count?.at ?? -1))
      .reduce((sum, entry) => sum + (entry.units ?? 0), 0);
    return (count?.counted ?? 0) + units;
  }

  /** `lose`: it is acknowledged and not kept. */
  push(key: string, lose = false): void {
    this.pushes.delete(key);
    const entries = this.ours.get(key);
    if (entries === undefined || lose) return;
    const known = this.theirs.get(key);
    if (this.isTheirOwn(key) && known !== undefined) known.version = entries.length;
    else this.theirs.set(key, { onHand: this.onHand(key), version: entries.length });
  }

  /** Goods move at their own place; the fact is under way from then on. */
  moveThere(key: string, units: number, tell = true): void {
    const held = this.theirs.get(key) ?? { onHand: 0 };
    held.onHand += units;
    if (!this.isTheirOwn(key)) delete held.version;
    this.theirs.set(key, held);
    this.now += 1;
    if (tell) this.facts.push({ key, units, at: this.now });
    this.now += 1;
  }

  /** Things happen, as they do while someone waits for an answer. */
  live(): void {
    for (let steps = this.pick([0, 1, 1, 2, 5]); steps > 0; steps -= 1) this.step();
  }

  step(): void {
    this.now += this.pick([1, 1, 50]);
    const free = keys.filter((key) => !this.quiet.has(key));
    const key = this.pick(free);
    switch (this.pick(["sell", "sell", "late", "push", "push", "there", "arrive", "reserve"])) {
      case "sell":
        // Where their own counting wins, only they move goods.
        if (this.isTheirOwn(key)) return;
        this.record(key, { units: this.pick([-1, -2, 9]), at: this.now });
        return;
      case "late":
        if (this.isTheirOwn(key)) return;
        this.record(key, { units: -1, at: this.now - 20 });
        return;
      case "reserve":
        this.record(key, { at: this.now });
        return;
      case "push":
        this.push(key);
        return;
      case "there":
        if (!key.startsWith("own") || this.tells === "nothing") return;
        // Goods that the system there has lost sight of can't be booked.
        if (this.theirs.has(key)) this.moveThere(key, this.pick([-1, 3]));
        return;
      default: {
        const fact = this.facts.shift();
        if (fact !== undefined) this.record(fact.key, fact);
      }
    }
  }

  arrive(): void {
    for (const fact of this.facts.splice(0)) this.record(fact.key, fact);
  }

  /** Nothing is under way any more. */
  converge(): void {
    this.arrive();
    for (const key of [...this.pushes]) this.push(key);
  }

  sides(): Sides {
    const figuresOf = (theirs: TheirRecord): OurFigures | undefined => {
      const key = keyOf(theirs);
      const entries = this.ours.get(key);
      if (entries === undefined) return undefined;
      const basis = basisOf(theirs, entries.length);
      const past = basis.by === "now" ? undefined : this.onHand(key, basis.by === "time" ? { at: basis.at } : basis);
      return { onHand: this.onHand(key), version: entries.length, ...(past !== undefined && { past }) };
    };
    const answer = async <T>(give: () => T): Promise<T> => {
      this.live();
      const given = give();
      this.live();
      return given;
    };
    return {
      readTheirs: (cursor = "") =>
        answer(() => {
          const all = [...this.theirs.keys()].sort().filter((key) => key > cursor);
          const page = all.slice(0, 2);
          const last = page[page.length - 1];
          return {
            records: page.map((key) => this.told(key)),
            impossible: [],
            ...(all.length > 2 && last && { next: last }),
          };
        }),
      readOurs: (records) => answer(() => records.map(figuresOf)),
      listOurs: async function* (this: World): AsyncGenerator<OurStock[]> {
        for (const key of [...this.ours.keys()].filter((one) => this.covers(pairOf(one).sku)))
          yield await answer(() => [
            { ...pairOf(key), onHand: this.onHand(key), version: this.ours.get(key)?.length ?? 0 },
          ]);
      }.bind(this),
      isPending: (pair) => this.pushes.has(keyOf(pair)),
      covers: ({ sku }) => this.covers(sku),
      isTheirOwn: (location) => this.authority === "theirs" && location === "own",
      pause: () => answer(() => undefined),
      settle: () =>
        answer(() => {
          this.now += 100;
          this.arrive();
        }),
      now: () => this.now,
    };
  }

  told(key: string): TheirRecord {
    const { onHand, version } = this.theirs.get(key)!;
    const record = { ...pairOf(key), onHand };
    if (this.tells === "nothing") return record;
    return this.isTheirOwn(key) || version === undefined ? { ...record, asOf: this.now } : { ...record, version };
  }

  /** Does what a correction does. */
  correct({ found }: Comparison): void {
    for (const { finding, countableAt } of found) {
      const key = keyOf(finding);
      switch (actionFor(finding, "correct", this.isTheirOwn(key), countableAt)) {
        case "sent-again":
          this.pushes.add(key);
          break;
        case "counted":
          this.record(key, { counted: finding.theirs ?? 0, at: countableAt ?? 0 });
          break;
        default:
      }
    }
  }
}

interface Entry {
  readonly at: number;
  readonly units?: number;
  readonly counted?: number;
}

/** Of the first one nothing goes wrong: the world lives on there. */
const keys = ["york/tea", "york/milk", "york/bread", "own/milk", "own/bread"];
const pairOf = (key: string) => ({ location: key.split("/")[0]!, sku: key.split("/")[1]! });
const keyOf = ({ location, sku }: { location: string; sku: string }) => `${location}/${sku}`;

const faults = {
  lost: (world: World, key: string): FindingKind => {
    world.record(key, { units: 4, at: world.now });
    world.push(key, true);
    return world.tells === "nothing" ? "drift" : "late";
  },
  drift: (world: World, key: string): FindingKind => {
    world.theirs.get(key)!.onHand += 3;
    return "drift";
  },
  gone: (world: World, key: string): FindingKind => {
    world.record(key, { units: 100, at: world.now });
    world.converge();
    world.theirs.delete(key);
    return "missing-there";
  },
  unheard: (world: World, key: string): FindingKind => {
    world.ours.delete(key);
    world.pushes.delete(key);
    world.theirs.set(key, { onHand: 7, ...(world.theirs.get(key)?.version && { version: 1 }) });
    return "missing-here";
  },
  untold: (world: World, key: string): FindingKind => {
    world.moveThere(key, 2, false);
    return "drift";
  },
};

const setup = fc.record({
  authority: fc.constantFrom("ours" as const, "theirs" as const),
  tells: fc.constantFrom("best" as const, "nothing" as const),
  random: fc.noShrink(fc.integer()).map((seed) => numbers(seed)),
});

/** Numbers from 0 to below 1. */
function numbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return ((state >>> 8) & 0xff_ffff) / 0x100_0000;
  };
}

function worldOf(options: Pick<World, "authority" | "tells" | "random">): World {
  const world = new World(options);
  for (const key of keys) world.record(key, { units: 500, at: world.now });
  world.converge();
  for (let steps = 0; steps < 30; steps += 1) world.step();
  return world;
}

describe("two sides that go on changing", () => {
  it("differ in nothing but what is under way, which is no finding", async () => {
    await fc.assert(
      fc.asyncProperty(setup, async (options) => {
        const world = worldOf(options);
        expect((await compare(world.sides())).found).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  });

  it("are found to differ wherever something went wrong, of its kind; once corrected, nowhere", async () => {
    const kinds = fc.constantFrom(...(Object.keys(faults) as (keyof typeof faults)[]));
    await fc.assert(
      fc.asyncProperty(
        setup,
        fc.uniqueArray(fc.tuple(fc.constantFrom(...keys.slice(1)), kinds), { minLength: 1, selector: ([key]) => key }),
        async (options, wrong) => {
          const world = worldOf(options);
          const expected = new Map<string, FindingKind>();
          for (const [key] of wrong) world.quiet.add(key);
          world.converge();
          for (const [key, fault] of wrong) {
            // Only at their own place goods move by themselves; and what is sent there changes no figure that is their own.
            if (fault === "untold" && !key.startsWith("own")) continue;
            if (fault === "lost" && world.isTheirOwn(key)) continue;
            expected.set(key, faults[fault](world, key));
          }
          const comparison = await compare(world.sides());
          const found = new Map(comparison.found.map(({ finding }) => [keyOf(finding), finding.kind]));
          expect(found).toEqual(expected);

          world.correct(comparison);
          // Life goes on at the corrected stocks, before what was corrected has arrived.
          for (const [key, kind] of expected)
            if (kind !== "missing-here" || world.isTheirOwn(key)) world.quiet.delete(key);
          for (let steps = 0; steps < 10; steps += 1) world.step();
          world.converge();
          const again = await compare(world.sides());
          // What we have never had can't be sent: only a person can tell what it is.
          const left = again.found.filter(
            ({ finding }) => finding.kind !== "missing-here" || world.isTheirOwn(keyOf(finding)),
          );
          expect(left).toEqual([]);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

it("counts what it compared, and apart what was under way", async () => {
  const world = new World({ authority: "ours", tells: "best", random: () => 0 });
  for (const key of keys) world.record(key, { units: 5, at: 1 });
  world.converge();
  world.covers = (sku) => sku !== "bread";
  world.record("york/milk", { units: 1, at: 2 });
  world.theirs.get("york/tea")!.onHand = 1;
  const { compared, inFlight, found } = await compare(world.sides());
  expect({ compared, inFlight, found: found.map(({ finding }) => pairKey(finding)) }).toEqual({
    compared: 2,
    inFlight: 1,
    found: ["york\u0000tea"],
  });
});

it("finds nothing wrong with a stock that they have ceased to ask for meanwhile", async () => {
  const world = new World({ authority: "ours", tells: "best", random: () => 0 });
  for (const key of keys) world.record(key, { units: 5, at: 1 });
  world.converge();
  for (const key of ["york/milk", "york/tea"]) world.theirs.delete(key);
  const sides = world.sides();
  const settle = async () => {
    world.covers = (sku) => sku !== "milk";
    await sides.settle();
  };
  const { found, inFlight } = await compare({ ...sides, settle });
  expect(found.map(({ finding }) => pairKey(finding))).toEqual(["york\u0000tea"]);
  expect(inFlight).toBe(1);
});
