/** A backlog against the plainest thing that could be right: a map of the newest versions on both sides. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Backlog, type Batch, type Item, type Sweep } from "./backlog.ts";

type Step =
  | { readonly kind: "change"; readonly stock: number }
  | { readonly kind: "again"; readonly stock: number }
  | { readonly kind: "take"; readonly max: number }
  | { readonly kind: "probe"; readonly max: number }
  | { readonly kind: "answer"; readonly which: number; readonly how: "taken" | "failed" | "given-up" }
  | { readonly kind: "down" | "back" | "sweep" | "resend" }
  | { readonly kind: "time"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("change" as const), stock: fc.nat(11) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("again" as const), stock: fc.nat(11) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("take" as const), max: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("probe" as const), max: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      which: fc.nat(5),
      how: fc.constantFrom("taken" as const, "taken" as const, "failed" as const, "given-up" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("down" as const, "back" as const, "resend" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("sweep" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.nat(3000) }) },
);

/** Both sides, and the backlog between. */
class Model {
  readonly backlog: Backlog;
  readonly ours = new Map<number, { version: number; changedAt: number }>();
  readonly theirs = new Map<number, number>();
  readonly given = new Set<number>();
  readonly underWay: Batch[] = [];
  now = 1000;
  readonly #read = new Map<Item, number>();

  constructor(capacity: number) {
    this.backlog = new Backlog(() => capacity);
  }

  run(one: Step): void {
    this.now += 1;
    switch (one.kind) {
      case "change": {
        const version = (this.ours.get(one.stock)?.version ?? 0) + 1;
        this.ours.set(one.stock, { version, changedAt: this.now });
        this.given.delete(one.stock);
        this.backlog.changed(stockOf(one.stock), version, this.now);
        return;
      }
      case "again":
        if (this.ours.has(one.stock)) this.backlog.again(stockOf(one.stock), this.now);
        return;
      case "take":
        this.#begin(this.backlog.take(one.max, this.now), one.max);
        return;
      case "probe":
        this.#begin(this.backlog.takeProbe(one.max), one.max);
        return;
      case "answer":
        this.#answer(one.which, one.how);
        return;
      case "down":
        this.backlog.park();
        return;
      case "back":
        this.backlog.unpark(this.now);
        return;
      case "resend":
        this.backlog.sweepSince(0);
        return;
      case "sweep":
        this.#sweep();
        return;
      case "time":
        this.now += one.ms;
    }
  }

  #begin(batch: Batch | undefined, max: number): void {
    if (batch === undefined) return;
    expect(batch.length).toBeGreaterThan(0);
    expect(batch.length).toBeLessThanOrEqual(max);
    this.underWay.push(batch);
    // The figures are read when it is sent.
    for (const item of batch) this.#read.set(item, this.ours.get(numberOf(item))?.version ?? 0);
    const keys = this.underWay.flatMap((items) => items.map(({ key }) => key));
    expect(new Set(keys).size, "no stock is in flight twice").toBe(keys.length);
  }

  #answer(which: number, how: "taken" | "failed" | "given-up"): void {
    const [batch] = this.underWay.splice(which % Math.max(1, this.underWay.length), 1);
    if (batch === undefined) return;
    if (how === "failed") {
      this.backlog.hold(batch, this.now + 500);
      return;
    }
    if (how === "given-up") {
      for (const item of batch) this.given.add(numberOf(item));
      this.backlog.drop(batch);
      return;
    }
    const sent = batch.map((item) => ({ item, version: this.#read.get(item) ?? 0 }));
    for (const { item, version } of sent) {
      const known = this.theirs.get(numberOf(item)) ?? 0;
      expect(version, "versions come in order").toBeGreaterThanOrEqual(known);
      this.theirs.set(numberOf(item), version);
    }
    this.backlog.acknowledged(sent, this.now + 250);
  }

  #sweep(): void {
    const next = this.backlog.nextSweepStep();
    if (next === undefined) return;
    const all = [...this.ours].map(([stock, { changedAt, version }]) => ({ ...stockOf(stock), changedAt, version }));
    const part = all.slice(next.lookedAt, next.lookedAt + 3);
    const end = next.lookedAt + part.length;
    const found = part.filter(({ changedAt }) => changedAt >= next.since);
    this.backlog.found(next, found, end < all.length ? end : undefined, all.length);
  }

  /** Stocks of which they do not have the newest, and that were not given up. */
  lacking(): number[] {
    const behind = [...this.ours].filter(([stock, { version }]) => this.theirs.get(stock) !== version);
    return behind.map(([stock]) => stock).filter((stock) => !this.given.has(stock));
  }

  /** What a new start would find: all that changed since what is kept. */
  foundAfterCrash(): Set<number> {
    const since = this.backlog.toldUntil(this.now);
    return new Set([...this.ours].filter(([, { changedAt }]) => changedAt >= since).map(([stock]) => stock));
  }

  /** Nothing goes wrong any more. */
  finish(): void {
    this.backlog.unpark(this.now);
    for (let turn = 0; turn < 200; turn += 1) {
      this.run({ kind: "time", ms: 1000 });
      while (this.underWay.length > 0) this.run({ kind: "answer", which: 0, how: "taken" });
      this.run({ kind: "sweep" });
      this.run({ kind: "take", max: 4 });
    }
  }
}

function stockOf(stock: number) {
  return { key: `stock-leeds/${stock}`, location: "leeds", sku: String(stock) };
}

function numberOf({ sku }: Item): number {
  return Number(sku);
}

it("tells a receiver the newest of everything in the end, whatever happens between, with little memory", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 120, size: "max" }), (capacity, steps) => {
      const model = new Model(capacity);
      for (const one of steps) {
        model.run(one);
        // Nothing that they lack is out of sight of a sweep from what is kept.
        const found = model.foundAfterCrash();
        for (const stock of model.lacking()) expect(found).toContain(stock);
        for (const stock of model.lacking())
          if (!model.backlog.has(stockOf(stock).key))
            expect(model.backlog.sweep !== undefined || model.backlog.oldestChange() !== undefined).toBe(true);
      }
      model.finish();
      expect(model.lacking()).toEqual([]);
      expect(model.backlog.size).toBe(0);
      expect(model.backlog.sweep).toBeUndefined();
      expect(model.backlog.toldUntil(model.now)).toBe(model.now);
    }),
    { numRuns: 300 },
  );
});

it("finds what changed while it was in flight and did not fit", () => {
  const model = new Model(1);
  for (const one of [
    { kind: "change", stock: 1 },
    { kind: "take", max: 1 },
    { kind: "change", stock: 0 },
    { kind: "change", stock: 1 },
    { kind: "take", max: 1 },
    { kind: "sweep" },
  ] as const)
    model.run(one);
  model.finish();
  expect(model.lacking()).toEqual([]);
});

it("sends again what was read from a read side that did not know the newest change yet", () => {
  const backlog = new Backlog(() => 10);
  backlog.changed(stockOf(1), 7, 100);
  const [item] = backlog.take(10, 0) ?? [];
  expect(backlog.acknowledged([{ item: item!, version: 6 }], 250)).toEqual([]);
  expect([backlog.size, backlog.dueAt(0), backlog.toldUntil(900)]).toEqual([1, 250, 100]);
  const [again] = backlog.take(10, 250) ?? [];
  expect(backlog.acknowledged([{ item: again!, version: 7 }], 500)).toEqual([again]);
  expect([backlog.size, backlog.toldUntil(900)]).toEqual([0, 900]);
});

it("sends again what a sweep has found when its figures were older than that", () => {
  const backlog = new Backlog(() => 10);
  backlog.sweepSince(0);
  const found = { key: "a", location: "x", sku: "a", changedAt: 5, version: 3 };
  backlog.found(backlog.nextSweepStep() as Sweep, [found], undefined, 1);
  const [item] = backlog.take(10, 0) as [Item];
  backlog.acknowledged([{ item, version: 2 }], 250);
  expect(backlog.take(10, 249)).toBeUndefined();
  expect(backlog.take(10, 250)).toEqual([item]);
  backlog.acknowledged([{ item, version: 3 }], 500);
  expect(backlog.size).toBe(0);
});
